// The checkpoint of thousands of partitions is made in slices while they change: whenever the power fails, and whichever segment is
// then the first to be read, the table is what the calls led to.

import assert from "node:assert/strict";
import { test } from "node:test";
import { LaneLog as Log } from "#src/log/lane-log.js";
import { resolveOptions } from "#src/log/options.js";
import { SimMachine } from "#src/storage/sim/machine.js";
import { Random } from "#src/storage/sim/random.js";
import { SimStorage } from "#src/storage/sim/sim-storage.js";
import { cut, Ends, losePower, type Fate } from "./crash-points.js";

const partitions = 5000;
const segments = 3;
const options = { ...resolveOptions({ bufferBytes: 64 * 1024 }), segmentBytes: 4 * 1024 * 1024 };

function nameOf(index: number): string {
  return `a name that makes entries of some length ${String(index)}`;
}

interface Kept {
  readonly first: number;
  readonly last: number;
}

/** What the table is before the call under way, and behind it. */
class Ledger {
  readonly kept = new Map<string, Kept>();
  #underWay: { readonly name: string; readonly after: Kept | null } | null = null;

  async call(name: string, after: Kept | null, call: Promise<unknown>): Promise<void> {
    this.#underWay = { name, after };
    await call;
    this.#underWay = null;
    if (after === null) this.kept.delete(name);
    else this.kept.set(name, after);
  }

  demand(log: Log, when: string): void {
    const found = new Map(log.partitions().map(({ name, firstSeq, lastSeq }) => [name, told({ first: firstSeq, last: lastSeq })]));
    const open = this.#underWay;
    for (const name of new Set([...found.keys(), ...this.kept.keys()])) {
      const allowed = [told(this.kept.get(name))];
      if (open?.name === name) allowed.push(told(open.after ?? undefined));
      const holds = found.get(name) ?? told(undefined);
      assert.ok(allowed.includes(holds), `${when}: ${name} holds ${holds}, not ${allowed.join(" or ")}`);
    }
  }
}

function told(kept: Kept | undefined): string {
  return kept === undefined ? "none" : `${String(kept.first)} to ${String(kept.last)}`;
}

interface Run {
  readonly machine: SimMachine;
  readonly ledger: Ledger;
  /** Events at which the lane went over to its segments. */
  readonly rotations: number[];
}

/** One call after the other, of every kind, until the segments are full. */
async function live(storage: SimStorage, { machine, ledger, rotations }: Run): Promise<void> {
  const random = new Random(1);
  const log = await Log.openOn({ storage, reason: "test" }, "/log", options);
  for (let index = 0; index < partitions; index++) {
    if (log.needDrain) await log.drain();
    log.partition(nameOf(index)).enqueue("first");
  }
  await log.sync();
  for (let index = 0; index < partitions; index++) ledger.kept.set(nameOf(index), { first: 1, last: 1 });
  let count = partitions;
  let begun = log.stats()[0]?.segments ?? 0;
  const end = begun + segments;
  while (begun < end) {
    const name = nameOf(random.below(count));
    const partition = log.partition(name);
    const { first, last } = ledger.kept.get(name) ?? { first: 1, last: 0 };
    const kind = random.below(20);
    if (kind === 0 && last > 0) await ledger.call(name, null, partition.drop());
    else if (kind === 1) await ledger.call(nameOf(count), { first: 1, last: 1 }, log.partition(nameOf(count++)).append("new"));
    else if (kind === 2 && last >= first) await ledger.call(name, { first: last + 1, last }, partition.trim(last + 1));
    else if (kind === 3 && last >= first) await ledger.call(name, { first, last: last - 1 }, partition.truncate(last - 1));
    else await ledger.call(name, { first, last: last + 1 }, partition.append("x".repeat(12_000)));
    const now = log.stats()[0]?.segments ?? 0;
    if (now > begun) rotations.push(machine.loop.count);
    begun = now;
  }
}

/** The life, cut off after so many events; 0: it ends by itself. */
async function runUntil(events: number, fate: Fate): Promise<Run> {
  const ends = new Ends();
  const machine = new SimMachine({ seed: 1, faults: {}, onError: ends.fail });
  const storage = new SimStorage(machine);
  const run: Run = { machine, ledger: new Ledger(), rotations: [] };
  await cut(machine, events === 0 ? Number.POSITIVE_INFINITY : events, ends, () => live(storage, run));
  losePower(machine, [storage], fate);
  return run;
}

test("power cuts around the checkpoints of thousands of partitions that are appended to, trimmed, truncated, dropped and created meanwhile", async () => {
  const { rotations } = await runUntil(0, "everything");
  assert.equal(rotations.length, segments);
  for (const [index, rotation] of rotations.entries()) {
    for (const distance of [-150, -20, -3, -1, 0, 1, 4]) {
      const fate: Fate = (index + distance) % 2 === 0 ? "everything" : "nothing that was not flushed";
      const { machine, ledger } = await runUntil(rotation + distance, fate);
      const when = `segment ${String(index + 2)}, ${String(distance)} events, of what was on its way survives ${fate}`;
      const log = await Log.openOn({ storage: new SimStorage(machine), reason: "test" }, "/log", options);
      ledger.demand(log, when);
      await log.partition(nameOf(0)).append("afterwards");
      await log.close();
    }
  }
});
