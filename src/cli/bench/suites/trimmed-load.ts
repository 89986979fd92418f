// Partitions that are appended to and trimmed so that about as many records stay alive: in patterns that leave old segments partly alive.

import type { Log } from "../../../log/log.js";
import type { Partition } from "../../../log/partition.js";
import { Random } from "../../../storage/sim/random.js";

export interface TrimPattern {
  readonly name: string;
  readonly partitions: number;
  /** The share of all live records that partition `at` begins with. */
  readonly share: (at: number) => number;
  /** Whether callers append to it. */
  readonly isFresh: (at: number) => boolean;
  /** How a partition is chosen when too much is alive; "window": each keeps its share. */
  readonly trims: "window" | "at random" | "in turn";
}

const few = 16;
const many = 1024;

export const trimPatterns: readonly TrimPattern[] = [
  { name: "oldest-kept", partitions: few, share: (at) => (at === 0 ? 1 / 2 : 1 / 2 / (few - 1)), isFresh: (at) => at > 0, trims: "window" },
  { name: "one-trimmed", partitions: few, share: () => 1 / few, isFresh: (at) => at === 0, trims: "window" },
  { name: "at-random", partitions: few, share: () => 1 / few, isFresh: () => true, trims: "at random" },
  { name: "in-turn", partitions: few, share: () => 1 / few, isFresh: () => true, trims: "in turn" },
  // Every segment holds a few live records of hundreds of partitions: every second one lives fifteen times as long.
  { name: "lifetimes", partitions: many, share: (at) => (at % 2 === 0 ? 15 : 1) / (8 * many), isFresh: () => true, trims: "window" },
];

/** A partition is trimmed when it is so much above its share: a control record a record would be another benchmark. */
const slack = 1.25;
const fillStride = 2000;
/** In one look; a look comes every 20 ms. */
const trimsMax = 64;

export class TrimmedLoad {
  readonly fresh: readonly Partition[];
  readonly #log: Log;
  readonly #pattern: TrimPattern;
  readonly #records: number;
  readonly #payload: Uint8Array;
  readonly #partitions: readonly Partition[];
  readonly #random = new Random(1);
  #next = 0;
  #trimming = new Set<Promise<void>>();
  #failure: unknown = null;

  constructor(log: Log, pattern: TrimPattern, { bytes, records }: { readonly bytes: number; readonly records: number }) {
    this.#log = log;
    this.#pattern = pattern;
    this.#records = records;
    this.#payload = new Uint8Array(bytes).fill(0x72);
    this.#partitions = Array.from({ length: pattern.partitions }, (_, at) => log.partition(`bench-${String(at)}`, { lane: 0 }));
    this.fresh = this.#partitions.filter((_, at) => pattern.isFresh(at));
  }

  liveRecords(): number {
    return this.#partitions.reduce((sum, partition) => sum + liveOf(partition), 0);
  }

  /** Until each partition has its share, in turns, so that every segment has some of each. */
  async fill(): Promise<void> {
    for (let filled = false; !filled; ) {
      filled = true;
      for (let count = 0; count < fillStride; ) {
        const lacking = this.#partitions.filter((partition, at) => liveOf(partition) < this.#shareOf(at));
        if (lacking.length === 0) break;
        filled = false;
        for (const partition of lacking) {
          if (this.#log.needDrain) await this.#log.drain();
          partition.enqueue(this.#payload);
          count++;
        }
      }
      await this.#log.sync();
    }
  }

  /** Begins the trims that are due. Throws what an earlier one failed with. */
  trim(): void {
    if (this.#failure !== null) throw this.#failure as Error;
    if (this.#trimming.size > 0) return;
    if (this.#pattern.trims === "window") return this.#trimToShares();
    for (let count = 0, surplus = this.liveRecords() - this.#records; count < trimsMax && surplus > 0; count++) {
      const inTurn = this.#pattern.trims === "in turn";
      const partition = this.#partitions[inTurn ? this.#next++ % this.#partitions.length : this.#random.below(this.#partitions.length)] as Partition;
      const records = inTurn ? liveOf(partition) : this.#random.below(liveOf(partition) + 1);
      surplus -= records;
      this.#begin(partition, records);
    }
  }

  #trimToShares(): void {
    for (let looked = 0, count = 0; looked < this.#partitions.length && count < trimsMax; looked++) {
      const at = this.#next++ % this.#partitions.length;
      const surplus = liveOf(this.#partitions[at] as Partition) - this.#shareOf(at);
      if (surplus <= (slack - 1) * this.#shareOf(at)) continue;
      this.#begin(this.#partitions[at] as Partition, surplus);
      count++;
    }
  }

  async trimAll(): Promise<void> {
    for (const partition of this.#partitions) this.#begin(partition, liveOf(partition));
    await this.settled();
  }

  async settled(): Promise<void> {
    await Promise.all(this.#trimming);
    if (this.#failure !== null) throw this.#failure as Error;
  }

  #begin(partition: Partition, records: number): void {
    const trimming = partition.trim(partition.firstSeq + records)
      .catch((error: unknown) => { this.#failure = error; })
      .finally(() => { this.#trimming.delete(trimming); });
    this.#trimming.add(trimming);
  }

  #shareOf(at: number): number {
    return Math.ceil(this.#pattern.share(at) * this.#records);
  }
}

function liveOf({ firstSeq, lastSeq }: Partition): number {
  return lastSeq - firstSeq + 1;
}
