// Tails that follow one partition: what one of them has read and verified is there for the others.
//
// Owns the latest batches of partitions with two tails or more, bounded by the memory that their records keep; the arrays
// are handed on as they are, frozen. A tail
// that is further behind reads the files for itself, so a slow one keeps nothing here. What is handed on is checked
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
    const entry = { ...batch, bytes: memoryOf(batch.records), tail };
    tail.latest.push(entry);
    this.#entries.push(entry);
    this.#bytes += entry.bytes;
    while (this.#bytes > this.#bytesMax) {
      const oldest = this.#entries.shift() as Entry;
      oldest.tail.latest.shift();
      this.#bytes -= oldest.bytes;
    }
  }
}

export class SharedTail {
  readonly state: PartitionState;
  followers = 0;
  /** In the order in which they were read. */
  readonly latest: SharedBatch[] = [];
  readonly #all: SharedTails;
  /** A batch on its way, from that sequence on. Never rejects. */
  #loading: { readonly from: number; readonly done: Promise<unknown> } | null = null;

  constructor(state: PartitionState, all: SharedTails) {
    this.state = state;
    this.#all = all;
  }

  /** As `walk.next`, by what another tail has read where that is there. */
  next(walk: ReadWalk): Promise<readonly LogRecord[]> {
    if (this.followers < 2) return walk.next();
    const known = this.#take(walk);
    if (known !== null) return Promise.resolve(known);
    return this.#loading?.from === walk.expected ? this.#takeLoaded(this.#loading.done, walk) : this.#load(walk);
  }

  async #takeLoaded(done: Promise<unknown>, walk: ReadWalk): Promise<readonly LogRecord[]> {
    await done;
    return this.#take(walk) ?? this.#load(walk);
  }

  #take(walk: ReadWalk): readonly LogRecord[] | null {
    const { expected } = walk;
    for (let at = this.latest.length - 1; at >= 0; at--) {
      const batch = this.latest[at] as SharedBatch;
      const first = (batch.records[0] as LogRecord).seq;
      if (expected >= first && expected < first + batch.records.length) return walk.take(batch, expected - first);
    }
    return null;
  }

  async #load(walk: ReadWalk): Promise<readonly LogRecord[]> {
    const from = walk.expected;
    const reading = walk.next();
    const loading = { from, done: reading.catch(() => undefined) };
    this.#loading ??= loading;
    try {
      const records = await reading;
      if (this.followers > 1 && this.#isNews(records, walk)) this.#all.add(this, { records: Object.freeze(records), truncations: walk.truncations });
      return records;
    } finally {
      if (this.#loading === loading) this.#loading = null;
    }
  }

  /** What a tail has read far behind the others is of no use to them. */
  #isNews(records: readonly LogRecord[], { truncations }: ReadWalk): boolean {
    const newest = this.latest[this.latest.length - 1];
    if (records.length === 0 || newest === undefined) return records.length > 0;
    return newest.truncations !== truncations || (records[0] as LogRecord).seq > (newest.records[newest.records.length - 1] as LogRecord).seq;
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
