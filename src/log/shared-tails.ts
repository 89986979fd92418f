// Tails that follow one partition: what one of them has read and verified is there for the others.
//
// Owns the latest batches of partitions with two tails or more, until each of them has had them, bounded by the memory that their
// records keep; the arrays are handed on as they are, frozen. And who reads on: of the tails that stand at one place one waits for
// records and reads them, the others wait for that one. A tail that is further behind reads the files for itself, so a slow
// one keeps nothing here but what it has not had of the latest, and holds nobody up. What is handed on is checked
// against trim, truncation and the end of what is durable by the walk that takes it, at the moment it takes it.

import type { PartitionState } from "../core/partition-table.js";
import type { LogRecord } from "./block-cursor.js";
import type { ReadSource } from "./read-source.js";
import type { ReadWalk, SharedBatch } from "./read-walk.js";

/** Of a lane. */
const sharedBytesMax = 8 * 1024 * 1024;

interface Entry extends SharedBatch {
  readonly bytes: number;
  readonly tail: SharedTail;
  /** Tails that have not had it. */
  left: number;
}

/** Waits until who reads on at its place has done so, or given up. */
export interface WaitingTail {
  handleRelease(): void;
}

/** Of the one tail that reads on. */
export interface Claim {
  readonly tail: SharedTail;
  readonly from: number;
  readonly waiting: WaitingTail[];
}

export class SharedTails {
  readonly #bytesMax: number;
  readonly #tails = new Map<PartitionState, SharedTail>();
  /** Oldest first. */
  readonly #entries: Entry[] = [];
  #bytes = 0;

  constructor(bytesMax = sharedBytesMax) {
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** For one more tail of the partition; it gives it back with `leave`. */
  join(state: PartitionState): SharedTail {
    let tail = this.#tails.get(state);
    if (tail === undefined) {
      tail = new SharedTail(state, this);
      this.#tails.set(state, tail);
    }
    tail.followers++;
    return tail;
  }

  leave(tail: SharedTail): void {
    tail.followers--;
    if (tail.followers === 0) this.#tails.delete(tail.state);
    if (tail.followers > 1) return;
    const kept = this.#entries.splice(0).filter((entry) => entry.tail !== tail);
    this.#entries.push(...kept);
    this.#bytes = kept.reduce((sum, { bytes }) => sum + bytes, 0);
    tail.latest.length = 0;
  }

  add(tail: SharedTail, batch: SharedBatch): void {
    const entry = { ...batch, bytes: memoryOf(batch.records), tail, left: tail.followers - 1 };
    tail.latest.push(entry);
    this.#entries.push(entry);
    this.#bytes += entry.bytes;
    while (this.#bytes > this.#bytesMax) this.remove(this.#entries[0] as Entry);
  }

  remove(entry: Entry): void {
    const { latest } = entry.tail;
    latest.splice(latest.indexOf(entry), 1);
    this.#entries.splice(this.#entries.indexOf(entry), 1);
    this.#bytes -= entry.bytes;
  }
}

export class SharedTail {
  readonly state: PartitionState;
  followers = 0;
  /** In the order in which they were read. */
  readonly latest: Entry[] = [];
  readonly #all: SharedTails;
  #claim: Claim | null = null;
  /** Of the newest batch that was added. */
  #newest: Pick<SharedBatch, "truncations"> & { readonly last: number } | null = null;

  constructor(state: PartitionState, all: SharedTails) {
    this.state = state;
    this.#all = all;
  }

  /** Who reads on, and from where. */
  get claim(): Claim | null {
    return this.#claim;
  }

  /** Nobody else does: whoever calls reads on from there, and releases the claim when it has done so, failed, or ended. */
  claimFrom(from: number): Claim {
    this.#claim = { tail: this, from, waiting: [] };
    return this.#claim;
  }

  /**
   * Those who wait go on, but first who held the claim: it keeps its place in the file, and so it should read on. Call it before
   * the continuation of its `next` runs.
   */
  release({ waiting }: Claim): void {
    this.#claim = null;
    if (waiting.length > 0) queueMicrotask(() => { for (const tail of waiting) tail.handleRelease(); });
  }

  /** As `walk.next`, by what another tail has read where that is there. */
  async next(walk: ReadWalk): Promise<readonly LogRecord[]> {
    const known = this.take(walk);
    if (known !== null) return known;
    const records = await walk.next();
    if (this.followers > 1 && this.#isNews(records, walk)) {
      const { truncations } = walk;
      this.#newest = { truncations, last: (records[records.length - 1] as LogRecord).seq };
      this.#all.add(this, { records: Object.freeze(records), truncations });
    }
    return records;
  }

  /** The next records of the walk, if another tail has read them. Throws as `walk.next` rejects. Hot: once per batch and tail. */
  take(walk: ReadWalk): readonly LogRecord[] | null {
    const { latest } = this;
    if (latest.length === 0) return null;
    const { expected } = walk;
    for (let at = latest.length - 1; at >= 0; at--) {
      const entry = latest[at] as Entry;
      const first = (entry.records[0] as LogRecord).seq;
      if (expected < first || expected >= first + entry.records.length) continue;
      const taken = walk.take(entry, expected - first);
      // It may have had a part of it from elsewhere; then it is counted all the same. Too early gone, it is read again.
      if (taken !== null && --entry.left === 0) this.#all.remove(entry);
      return taken;
    }
    return null;
  }

  /** What a tail has read far behind the others is of no use to them. */
  #isNews(records: readonly LogRecord[], { truncations }: ReadWalk): boolean {
    const newest = this.#newest;
    if (records.length === 0 || newest === null) return records.length > 0;
    return newest.truncations !== truncations || (records[0] as LogRecord).seq > newest.last;
  }
}

/** Records of one read lie in few pieces of memory, one behind the other. */
function memoryOf(records: readonly LogRecord[]): number {
  let bytes = 0;
  let last: ArrayBufferLike | null = null;
  for (const { data } of records) {
    if (data.buffer !== last) bytes += data.buffer.byteLength;
    last = data.buffer;
  }
  return bytes + records.length * 128;
}

const shared = new WeakMap<ReadSource, SharedTails>();

export function sharedTailsOf(source: ReadSource): SharedTails {
  let tails = shared.get(source);
  if (tails === undefined) {
    tails = new SharedTails();
    shared.set(source, tails);
  }
  return tails;
}
