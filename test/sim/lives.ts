// A log's lives on a simulated machine: power cuts, kills, full disks and failing writes end each, and a world demands what it was told.

import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { RingwallError } from "#src/index.js";
import { LaneLog as Log } from "#src/log/lane-log.js";
import { resolveOptions } from "#src/log/options.js";
import { SimMachine } from "#src/storage/sim/machine.js";
import { Random } from "#src/storage/sim/random.js";
import { SimStorage } from "#src/storage/sim/sim-storage.js";

/** What goes on in a log over several lives. */
export interface World {
  /** How often what is tested came about; each must. */
  readonly counts: Readonly<Record<string, number>>;
  /** Demands that all that was told is so; then never ends, but by a failure of the log. `pause` lets some of the machine's time pass. */
  live(log: Log, pause: () => Promise<void>): Promise<void>;
}

interface Lives {
  readonly seed: number;
  readonly world: World;
  readonly lives: number;
  /** Of the machine, in one life, at most. */
  readonly eventsMax: number;
}

export function isRefusal(error: unknown, ...codes: string[]): boolean {
  return error instanceof RingwallError && codes.includes(error.code);
}

/** One machine with its lives; whatever ends a life, the next opens what it left. */
async function runLives({ seed, world, lives, eventsMax }: Lives): Promise<void> {
  const random = new Random(seed);
  const machine = new SimMachine({
    seed, faults: { slow: 0.02, short: 0.05, ...(seed % 3 === 0 ? { writeError: 0.001, syncError: 0.001 } : {}) }, ...(seed % 4 === 0 ? { diskBytes: 700_000 } : {}),
  });
  const options = { ...resolveOptions({ bufferBytes: 16 * 1024 }), segmentBytes: 128 * 1024 };
  for (let life = 0; life < lives; life++) {
    const storage = new SimStorage(machine);
    const crash = machine.crashAfter(random.between(50, eventsMax), ...(random.between(0, 1) === 0 ? [storage.owner] : []));
    let isOpen = false;
    const lived = (async () => {
      const log = await Log.openOn({ storage, reason: "test" }, "/log", options);
      isOpen = true;
      await world.live(log, () => machine.loop.sleep(storage.owner, 1000));
    })().catch((error: unknown) => {
      // An opening meets the failing writes itself: there is no lane yet that could be poisoned.
      if (!isRefusal(error, "RINGWALL_POISONED", "RINGWALL_DISK_FULL") && (isOpen || !isRefusal(error, "RINGWALL_IO"))) throw error;
      machine.kill(storage.owner);
    });
    await Promise.race([crash, lived]);
  }
}

/** A world for each of 24 seeds, from `SEED` on. */
export async function runSeeds(t: TestContext, worldOf: (seed: number) => World, { lives, eventsMax }: Pick<Lives, "lives" | "eventsMax">): Promise<void> {
  const counts: Record<string, number> = {};
  const first = Number(process.env["SEED"] ?? 1);
  for (let seed = first; seed < first + 24; seed++) {
    const world = worldOf(seed);
    await runLives({ seed, world, lives, eventsMax }).catch((error: unknown) => { throw new Error(`SEED=${String(seed)}: ${String(error)}`, { cause: error }); });
    for (const [name, count] of Object.entries(world.counts)) counts[name] = (counts[name] ?? 0) + count;
  }
  t.diagnostic(JSON.stringify(counts));
  for (const [name, count] of Object.entries(counts)) assert.ok(count > 0, name);
}
