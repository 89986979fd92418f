// What one run, or many, did and met.

import { recoveryTable } from "#src/core/recovery-table.js";
import type { RecoveryReport } from "#src/recovery/recovered-lane.js";
import type { SimMachine } from "#src/storage/sim/machine.js";

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

  /** Which row of the recovery table decided. */
  noteVerdict(report: RecoveryReport, wasClosed: boolean): void {
    const label = labelOf(report, wasClosed);
    this.rows[label] = (this.rows[label] ?? 0) + 1;
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
  }

  /** Rows of the recovery table that no run reached. */
  get unreached(): string[] {
    return recoveryTable.map(({ label }) => label).filter((label) => (this.rows[label] ?? 0) === 0);
  }
}

function labelOf(report: RecoveryReport, wasClosed: boolean): string {
  if (report.verdict === "torn tail") return "torn";
  if (report.verdict === "clean") return wasClosed ? "closed" : "stopped";
  const row = recoveryTable.find(({ label }) => report.notes.some((note) => note.startsWith(`${label}: `)));
  return row?.label ?? "damaged";
}
