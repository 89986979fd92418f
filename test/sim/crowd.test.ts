// Readers in other processes that are held up at random, around a writer that trims, truncates, rotates, moves records on, is killed
// and comes back, on a simulated machine: whatever they miss, no record is called lost that is not, none has bytes that nobody wrote, and
// what a consumer has in the end is what the log has: it was told of each truncation that took something from it.

import assert from "node:assert/strict";
import { setMaxListeners } from "node:events";
import { test } from "node:test";
import { RingwallError } from "#src/base/errors.js";
import { LaneLog as Log } from "#src/log/lane-log.js";
import { resolveOptions } from "#src/log/options.js";
import type { Partition } from "#src/log/partition.js";
import { SimMachine } from "#src/storage/sim/machine.js";
import { Random } from "#src/storage/sim/random.js";
import { SimStorage } from "#src/storage/sim/sim-storage.js";

const names = ["busy", "cut", "old"] as const;
const seeds = 16;
const steps = 200;

/** A process of which one operation on a file in so many takes its time; now and then as long as the writer needs to free all that the process knows. */
class SlowStorage extends SimStorage {
  isSlow = true;

  constructor(machine: SimMachine, random: Random, rate: number) {
    super(machine);
    const { files } = this;
    const [open, list] = [files.open.bind(files), files.list.bind(files)];
    const stall = async (): Promise<void> => {
      if (this.isSlow && random.chance(rate)) await machine.loop.sleep(this.owner, random.chance(0.1) ? random.between(1000, random.chance(0.03) ? 5_000_000 : 300_000) : random.between(10, 8000));
    };
    files.list = async (path) => {
      const found = await list(path);
      await stall();
      return found;
    };
    files.open = async (path, mode) => {
      const file = await open(path, mode);
      await stall();
      return {
        path: file.path, size: () => file.size(), writeAt: (...all) => file.writeAt(...all), sync: () => file.sync(), close: () => file.close(),
        readAt: async (into, position) => {
          await stall();
          const count = await file.readAt(into, position);
          await stall();
          return count;
        },
      };
    };
  }
}

/** What a consumer has: of each sequence what it was given last. */
interface View {
  readonly name: string;
  readonly process: SlowStorage;
  readonly records: Map<number, string>;
}

class Crowd {
  records = 0;
  /** Tails that were told of a truncation. */
  told = 0;
  readonly #views: View[] = [];
  readonly #machine: SimMachine;
  readonly #random: Random;
  readonly #stop = new AbortController();
  /** What was ever given to a partition under a sequence. */
  readonly #given = new Map<string, Set<string>>();
  #serial = 0;
  #wrong: Error | null = null;
  #writer: SlowStorage;

  constructor(seed: number) {
    this.#machine = new SimMachine({ seed, faults: { slow: 0.02 } });
    this.#random = new Random(seed, 7);
    this.#writer = new SlowStorage(this.#machine, this.#random, 0.1);
    setMaxListeners(0, this.#stop.signal);
  }

  async run(): Promise<void> {
    const random = this.#random;
    const reclaim = random.chance(0.5);
    const options = { ...resolveOptions({ bufferBytes: 16 * 1024, bufferCount: 4, ...(reclaim ? {} : { reclaim: false }) }), segmentBytes: 64 * 1024 };
    const open = (storage: SlowStorage, readOnly: boolean): Promise<Log> => Log.openOn({ storage, reason: "test" }, "/log", { ...options, readOnly });
    let log = await open(this.#writer, false);
    for (const name of names) await log.partition(name).append(this.#payload(name, 1));
    for (let reader = 0; reader < 2; reader++) {
      const storage = new SlowStorage(this.#machine, random, 0.15);
      this.#followAll(await open(storage, true), storage);
    }
    this.#followAll(log, this.#writer);
    for (let step = 0; step < steps && this.#wrong === null; step++) {
      const written = this.#write(log);
      if (random.chance(0.01)) {
        await this.#pass(random.between(1, 3000));
        this.#machine.kill(this.#writer.owner);
        await this.#pass(random.between(1, 1_000_000));
        this.#writer = new SlowStorage(this.#machine, random, 0.1);
        log = await open(this.#writer, false);
        this.#followAll(log, this.#writer);
      } else await written;
    }
    for (const { process } of this.#views) process.isSlow = false;
    // Behind a look that was held up a reader rests for eight times as long.
    for (let second = 0; second < 100 && this.#wrong === null && !(await this.#isCaughtUp(log)); second++) await this.#pass(1_000_000);
    if (this.#wrong === null) await this.#compare(log);
    this.#stop.abort();
    await this.#pass(1_000_000);
    if (this.#wrong !== null) throw this.#wrong;
  }

  /** A slow consumer may still have what was truncated, its tail not having come to the telling: that it has the last sequence says nothing. */
  async #isCaughtUp(log: Log): Promise<boolean> {
    for (const name of names) {
      const { firstSeq, lastSeq } = log.partition(name);
      const last = lastSeq < firstSeq ? undefined : await log.partition(name).get(lastSeq);
      const text = last === undefined ? undefined : Buffer.from(last.data).toString();
      const isThere = ({ records }: View): boolean => records.get(lastSeq) === text && [...records.keys()].every((seq) => seq <= lastSeq);
      if (!this.#living.every((view) => view.name !== name || lastSeq < firstSeq || isThere(view))) return false;
    }
    return true;
  }

  get #living(): readonly View[] {
    return this.#views.filter(({ process }) => process.owner.alive);
  }

  async #compare(log: Log): Promise<void> {
    assert.ok(await this.#isCaughtUp(log), "every tail goes up to the end");
    for (const name of names) {
      const due = new Map<number, string>();
      for await (const { seq, data } of log.partition(name).read()) due.set(seq, Buffer.from(data).toString());
      const { firstSeq, lastSeq } = log.partition(name);
      for (const view of this.#living) {
        if (view.name !== name) continue;
        for (const [seq, text] of view.records) if (seq >= firstSeq) assert.equal(text, due.get(seq), `${name}, which goes from ${String(firstSeq)} to ${String(lastSeq)}: another record ${String(seq)}`);
      }
    }
  }

  /** Whoever lives. */
  #pass(micros: number): Promise<void> {
    return this.#machine.loop.sleep(this.#machine.boot(), micros);
  }

  #payload(name: string, seq: number): string {
    const text = `${name} ${String(seq)} ${String(++this.#serial)} `.padEnd(this.#random.between(40, 1500), "-");
    const key = `${name} ${String(seq)}`;
    this.#given.set(key, (this.#given.get(key) ?? new Set<string>()).add(text));
    return text;
  }

  async #write(log: Log): Promise<void> {
    const random = this.#random;
    const partition = log.partition(random.chance(0.08) ? "old" : random.chance(0.5) ? "busy" : "cut");
    const first = partition.lastSeq + 1;
    await Promise.all(Array.from({ length: random.between(1, 30) }, (_, at) => partition.append(this.#payload(partition.name, first + at))));
    const [trimmed, truncated] = [log.partition(random.chance(0.1) ? "old" : random.chance(0.5) ? "busy" : "cut"), log.partition(random.chance(0.8) ? "cut" : "old")];
    const before = trimmed.lastSeq - random.between(5, 150);
    if (random.chance(0.15) && before > trimmed.firstSeq) await trimmed.trim(before);
    if (random.chance(0.15)) await truncated.truncate(Math.max(truncated.firstSeq, truncated.lastSeq - random.between(1, 25)));
    if (random.chance(0.05)) log.rotate();
    if (random.chance(0.2)) await this.#machine.loop.sleep(this.#writer.owner, random.between(1, 40_000));
  }

  #followAll(log: Log, storage: SlowStorage): void {
    for (const name of names) for (const isSlow of [false, true]) void this.#follow(log.partition(name), storage, isSlow);
  }

  async #follow(partition: Partition, process: SlowStorage, isSlow: boolean): Promise<void> {
    const { signal } = this.#stop;
    const { owner } = process;
    const view: View = { name: partition.name, process, records: new Map() };
    this.#views.push(view);
    for (let due = partition.firstSeq; !signal.aborted; ) {
      try {
        for await (const { seq, data } of partition.tail({ from: due, signal })) {
          assert.equal(seq, due++, partition.name);
          assert.ok(this.#given.get(`${partition.name} ${String(seq)}`)?.has(Buffer.from(data).toString()), `${partition.name} ${String(seq)}: nobody wrote that`);
          view.records.set(seq, Buffer.from(data).toString());
          this.records++;
          if (isSlow && this.#random.chance(0.05)) await this.#machine.loop.sleep(owner, this.#random.between(10, 50_000));
        }
      } catch (error) {
        const { code, details } = error instanceof RingwallError ? error : { code: null, details: null };
        if (code === "RINGWALL_ABORTED" || code === "RINGWALL_CLOSED" || !owner.alive) return;
        if (code === "RINGWALL_TRIMMED") due = Math.max(due, partition.firstSeq);
        else if (code === "RINGWALL_NOT_FOUND") {
          this.told++;
          due = (details as { truncatedAfter: number }).truncatedAfter + 1;
          for (const seq of view.records.keys()) if (seq >= due) view.records.delete(seq);
        } else this.#wrong ??= error as Error;
        if (this.#wrong !== null) return;
      }
    }
  }
}

test(`${String(seeds)} simulated crowds: readers that are held up call nothing lost, and hear of every truncation`, async (t) => {
  const first = Number(process.env["SEED"] ?? 1);
  let records = 0;
  let told = 0;
  for (let seed = first; seed < first + seeds; seed++) {
    const crowd = new Crowd(seed);
    await crowd.run().catch((error: unknown) => { throw new Error(`SEED=${String(seed)}: ${String(error)}`, { cause: error }); });
    records += crowd.records;
    told += crowd.told;
  }
  t.diagnostic(`${String(records)} records were seen, ${String(told)} times a tail was told of a truncation`);
  assert.ok(records > seeds * steps && told > seeds, "the crowds read");
});
