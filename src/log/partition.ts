// A partition as users see it: a sequence of records in a log, numbered 1, 2, 3, …

import { RingwallError } from "../base/errors.js";
import { checkpointEntryBytesMax, partitionNameBytesMax, truncationBytes } from "../format/checkpoint.js";
import { PartitionState, type PartitionTable } from "../core/partition-table.js";
import type { Lane } from "./lane.js";
import { hasTableRoom, partitionTruncationsMax } from "./lane-limits.js";
import type { ReadSource } from "./read-source.js";
import { get, read, readBatches, tail, tailBatches, type LogRecord, type ReadOptions, type TailOptions } from "./reader.js";
import { checkData } from "./record-data.js";

/** What a partition needs of its log; a lane that writes, or only a source to read from. */
export interface PartitionHome {
  readonly source: ReadSource;
  /** Null when the log is open read-only. */
  readonly writer: Lane | null;
  readonly recordBytesMax: number;
  readonly table: PartitionTable;
}

export class Partition {
  readonly name: string;
  readonly #home: PartitionHome;
  #state: PartitionState | null;

  /** Use `log.partition(name)`. */
  constructor(name: string, home: PartitionHome) {
    this.name = name;
    this.#home = home;
    this.#state = home.table.byName(name) ?? null;
  }

  /** The lane that the partition lives on, for ever. */
  get lane(): number {
    return this.#home.source.lane;
  }

  /** First sequence that is kept; 1 for a new partition. */
  get firstSeq(): number {
    return this.#found()?.firstSequence ?? 1;
  }

  /** Last sequence given out, durable or on its way; 0 when there never was a record. */
  get lastSeq(): number {
    return this.#found()?.lastSequence ?? 0;
  }

  /** Last sequence that is durable. */
  get durableSeq(): number {
    return this.#found()?.durableSequence ?? 0;
  }

  /**
   * Appends one record; resolves to its sequence once it is durable as the log's `durability` says. Appends are acknowledged
   * in the order in which they were called. The bytes are copied before this returns or when they stop waiting for space: the caller may reuse them at once.
   *
   * Rejects with RINGWALL_CLOSED, RINGWALL_READ_ONLY, RINGWALL_RECORD_TOO_LARGE, RINGWALL_INVALID_ARGUMENT and RINGWALL_DISK_FULL
   * when the record was not accepted, and with RINGWALL_POISONED when a write failed: then it is unknown whether the record is durable.
   */
  append(data: Uint8Array | string): Promise<number> {
    try {
      checkData(data, this.#home.recordBytesMax, this.name);
      return this.#writer().append(this.#stateToWrite(), data);
    } catch (error) {
      return Promise.reject(error as Error);
    }
  }

  /** Appends records that become durable together or not at all. Resolves to their first and last sequence. Rejects as `append`. */
  async appendBatch(batch: readonly (Uint8Array | string)[]): Promise<{ readonly first: number; readonly last: number }> {
    if (!Array.isArray(batch) || batch.length === 0) throw new RingwallError("RINGWALL_INVALID_ARGUMENT", "a batch must be an array of one record at least");
    for (const data of batch as readonly (Uint8Array | string)[]) checkData(data, this.#home.recordBytesMax, this.name);
    const lane = this.#writer();
    const state = this.#stateToWrite();
    const sequences = await lane.appendAtomic((batch as readonly (Uint8Array | string)[]).map((data) => ({ state, data })));
    return { first: sequences[0] as number, last: sequences[sequences.length - 1] as number };
  }

  /**
   * Appends one record without waiting; returns its sequence. It is durable after the next `await log.sync()`.
   * Throws RINGWALL_BACKPRESSURE when memory is full: `await log.drain()` whenever `log.needDrain`. Otherwise as `append`.
   */
  enqueue(data: Uint8Array | string): number {
    checkData(data, this.#home.recordBytesMax, this.name);
    return this.#writer().enqueue(this.#stateToWrite(), data);
  }

  /** Durable records in order, in arrays: the fast way. */
  readBatches(options: ReadOptions = {}): AsyncGenerator<LogRecord[], undefined, undefined> {
    return readBatches(this.#home.source, this.#stateToRead(), options);
  }

  /** Durable records in order. */
  read(options: ReadOptions = {}): AsyncGenerator<LogRecord, undefined, undefined> {
    return read(this.#home.source, this.#stateToRead(), options);
  }

  /** Durable records in order, then each as it becomes durable, until the loop is left or `signal` aborts. */
  tail(options: TailOptions = {}): AsyncGenerator<LogRecord, undefined, undefined> {
    return tail(this.#home.source, this.#stateToRead(), options);
  }

  /** As `tail`, in arrays. */
  tailBatches(options: TailOptions = {}): AsyncGenerator<LogRecord[], undefined, undefined> {
    return tailBatches(this.#home.source, this.#stateToRead(), options);
  }

  /** One record; undefined when it is not durable yet. Rejects with RINGWALL_TRIMMED when it is gone. */
  get(seq: number): Promise<LogRecord | undefined> {
    return get(this.#home.source, this.#stateToRead(), seq);
  }

  /**
   * Head trim: forgets the records below `before`. Resolves when that is durable and the segments in which nothing is left are free.
   * `before` may be up to `lastSeq + 1`; below `firstSeq` nothing happens.
   */
  async trim(before: number): Promise<void> {
    const lane = this.#writer();
    const last = this.lastSeq;
    if (!Number.isSafeInteger(before) || before < 1 || before > last + 1) throw outside("before", before, 1, last + 1, this.name);
    const state = this.#found();
    if (state === null || before <= state.firstAsked) return;
    await lane.control("trim", state, before);
    await lane.release();
  }

  /**
   * Tail truncation, for consensus logs: forgets the records above `after`; the next append gets `after + 1`.
   * Resolves when that is durable. `after` may be from `firstSeq - 1`; from `lastSeq` on nothing happens.
   */
  async truncate(after: number): Promise<void> {
    const lane = this.#writer();
    const state = this.#found();
    const first = state?.firstAsked ?? 1;
    if (!Number.isSafeInteger(after) || after < first - 1) throw outside("after", after, first - 1, this.lastSeq, this.name);
    if (state === null || after >= state.lastSequence) return;
    const { settings, table } = lane;
    if (state.truncations.length >= partitionTruncationsMax(settings) || !hasTableRoom(table, settings, truncationBytes)) {
      throw new RingwallError("RINGWALL_INVALID_ARGUMENT", "there are too many truncations in the segments that are kept", {
        place: { partition: this.name },
        remedy: "Trim, so that old segments go.",
      });
    }
    await lane.control("truncate", state, after);
  }

  /** The lane's view of the partition, for `log.write`. */
  stateForBatch(): PartitionState {
    return this.#stateToWrite();
  }

  #found(): PartitionState | null {
    this.#state ??= this.#home.table.byName(this.name) ?? null;
    return this.#state;
  }

  #writer(): Lane {
    const { writer } = this.#home;
    if (writer === null) throw readOnlyError();
    return writer;
  }

  /** Defined durably by its first append. Hot. */
  #stateToWrite(): PartitionState {
    const state = this.#found();
    return state !== null && state.id !== 0 ? state : this.#reserve(state);
  }

  #reserve(found: PartitionState | null): PartitionState {
    const { table, writer } = this.#home;
    const reserved = table.byName(this.name);
    if (reserved !== undefined) return reserved;
    // Each segment begins with the whole table and must have room for records behind it.
    if (writer !== null && !hasTableRoom(table, writer.settings, checkpointEntryBytesMax(this.name.length * 3, 0))) {
      throw new RingwallError("RINGWALL_INVALID_ARGUMENT", `the lane's ${String(table.size)} partitions are all that its segments can describe`, {
        place: { partition: this.name },
        remedy: "Open the log with a larger segmentBytes, or with more lanes.",
      });
    }
    this.#state = table.reserve(this.name, found ?? undefined);
    return this.#state;
  }

  /** Reading a partition that does not exist finds nothing; a tail of it waits. A writer's table does not learn of it. */
  #stateToRead(): PartitionState {
    this.#state = this.#found() ?? (this.#home.writer === null ? this.#home.table.reserve(this.name) : new PartitionState(0, this.name));
    return this.#state;
  }
}

export function readOnlyError(): RingwallError {
  return new RingwallError("RINGWALL_READ_ONLY", "the log is open read-only", { remedy: "Open it without { readOnly: true }." });
}

/** Throws RINGWALL_INVALID_ARGUMENT unless `name` can be a partition's. */
export function checkPartitionName(name: unknown): asserts name is string {
  const bytes = typeof name === "string" ? Buffer.from(name, "utf8") : null;
  if (bytes !== null && bytes.length >= 1 && bytes.length <= partitionNameBytesMax && bytes.toString("utf8") === name) return;
  throw new RingwallError("RINGWALL_INVALID_ARGUMENT", `a partition's name must be a well-formed string of 1 to ${String(partitionNameBytesMax)} bytes in UTF-8`, {
    details: { name },
  });
}

function outside(name: string, value: unknown, min: number, max: number, partition: string): RingwallError {
  return new RingwallError("RINGWALL_INVALID_ARGUMENT", `\`${name}\` must be an integer from ${String(min)} to ${String(max)}; it is ${String(value)}`, {
    place: { partition },
  });
}
