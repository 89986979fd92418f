// What one run, or many, did and met.

import { recoveryTable } from "#src/core/recovery-table.js";
import type { RecoveryReport } from "#src/recovery/recovered-lane.js";
import type { SimMachine } from "#src/storage/sim/machine.js";

/**
 * Rows that are not demanded. "contradiction" takes blocks whose every checksum is right and whose contents no writer wrote:
 * test/recovery/hostile-lane.test.ts forges them. "missing file": nothing here removes a file, and a lie of the disk seldom
 * does; test/recovery has it.
 */
const byHandOnly = new Set(["contradiction", "missing file"]);

export class RunNumbers {
  runs = 0;
  opens = 0;
  calls = 0;
  events = 0;
  recordsCompared = 0;
  damageReported = 0;
  /** Acknowledged records that damage took without a trace: their block was the last, covered by nothing. */
  undetectable = 0;
  readonly crashes = { power: 0, kill: 0 };
  readonly faults: Record<string, number> = {};
  readonly rows: Record<string, number> = {};
  /** What happens seldom, and must happen now and then. */
  readonly rare: Record<string, number> = {};

  /** Which row of the recovery table decided. */
  noteVerdict(report: RecoveryReport): void {
    this.rows[report.row] = (this.rows[report.row] ?? 0) + 1;
    for (const [what, isMet] of rareVerdicts) if (isMet(report)) this.met(what);
  }

  met(what: string): void {
    this.rare[what] = (this.rare[what] ?? 0) + 1;
  }

  end(machine: SimMachine): void {
    this.runs++;
    this.events += machine.loop.count;
    for (const [kind, count] of Object.entries(machine.counts.byKind)) this.faults[kind] = (this.faults[kind] ?? 0) + count;
  }

  add(other: RunNumbers): void {
    for (const key of ["runs", "opens", "calls", "events", "recordsCompared", "damageReported", "undetectable"] as const) this[key] += other[key];
    this.crashes.power += other.crashes.power;
    this.crashes.kill += other.crashes.kill;
    for (const [kind, count] of Object.entries(other.faults)) this.faults[kind] = (this.faults[kind] ?? 0) + count;
    for (const [row, count] of Object.entries(other.rows)) this.rows[row] = (this.rows[row] ?? 0) + count;
    for (const [what, count] of Object.entries(other.rare)) this.rare[what] = (this.rare[what] ?? 0) + count;
  }

  /** Rows of the recovery table that no run reached, of those that faults of the simulator can lead to. */
  get unreached(): string[] {
    return recoveryTable.map(({ label }) => label).filter((label) => !byHandOnly.has(label)).filter((label) => (this.rows[label] ?? 0) === 0);
  }
}

const rareVerdicts: readonly (readonly [string, (report: RecoveryReport) => boolean])[] = [
  ["blocks in flight dropped", ({ discardedBlocks }) => discardedBlocks.length > 0],
  ["open group dropped", ({ discardedFrames }) => discardedFrames > 0],
  ["index rebuilt", ({ notes }) => notes.some((note) => note.includes("was rebuilt"))],
  ["segment header damaged", ({ notes }) => notes.some((note) => note.includes("its header page is damaged"))],
  ["sectors unreadable", ({ notes }) => notes.some((note) => note.includes("can't be read"))],
  ["losses named", ({ lost }) => lost.length > 0],
  ["losses not exact", ({ lostExact }) => !lostExact],
];
