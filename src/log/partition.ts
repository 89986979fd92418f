// A partition as users see it: a sequence of records in a log, numbered 1, 2, 3, …
//
// The interface alone; lane-partition.ts is it in the lane's own thread, thread/thread-partition.ts in any other.

import type { PartitionTimes } from "./read-times.js";
import type { LogRecord, ReadOptions, TailOptions } from "./reader.js";

export interface AppendBatchOptions {
  /** These records follow that one: what was above it goes, in the same atomic step. From `firstSeq - 1` to `lastSeq`. */
  readonly after?: number | undefined;
}

/** Which call of which producer an append is. A producer numbers its calls 1, 2, 3, …; it is the same one after a restart, and repeats what was not acknowledged. */
export interface ProducerOptions {
  /** 1 to 256 bytes in UTF-8. */
  readonly producer: string;
  /** The call's number, from 1. One more than the producer's last, whatever the call's outcome; a producer that is not known may begin with any. */
  readonly seq: number;
}

export interface Partition {
  readonly name: string;
  /** The lane that the partition lives on, for ever. Of a new one on a log of several lanes -1: for a reader until it exists, in another thread until an operation on it has resolved. */
  readonly lane: number;
  /** First sequence that is kept; 1 for a new partition. */
  readonly firstSeq: number;
  /** Last sequence given out, durable or on its way; 0 when there never was a record. */
  readonly lastSeq: number;
  /** Last sequence that is durable. */
  readonly durableSeq: number;

  /**
   * Appends one record; resolves to its sequence once it is durable as the log's `durability` says. Appends are acknowledged
   * in the order in which they were called. The bytes are copied before this returns: the caller may change, transfer or resize their memory at once.
   *
   * Rejects with RINGWALL_CLOSED, RINGWALL_READ_ONLY, RINGWALL_RECORD_TOO_LARGE, RINGWALL_INVALID_ARGUMENT and RINGWALL_DISK_FULL
   * when the record was not accepted, and with RINGWALL_POISONED when a write failed: then it is unknown whether the record is durable.
   *
   * With a producer's number the call is appended once, however often it is repeated, also after a crash: a repeated one resolves to the
   * sequence that the first got, when that is durable. Known are the producer's last 1024 calls, and the partition's last 65 536. Rejects
   * with RINGWALL_OUT_OF_SEQUENCE when a number is left out, or too old to be known. The first such call after opening reads what is
   * known; calls without a number may overtake it.
   */
  append(data: Uint8Array | string, options?: ProducerOptions): Promise<number>;

  /**
   * Appends records that become durable together or not at all. Resolves to their first and last sequence. Rejects as `append`.
   *
   * `{ after: n }`, for consensus logs, is `truncate(n)` and the append as one step: the records become n + 1, …, and after a crash
   * either they are there or all that was there before, never the truncated middle. A refused one takes nothing away.
   * With a producer's number, the batch is one call.
   */
  appendBatch(batch: readonly (Uint8Array | string)[], options?: AppendBatchOptions | ProducerOptions): Promise<{ readonly first: number; readonly last: number }>;

  /**
   * Appends one record without waiting; returns its sequence. It is durable after the next `await log.sync()`.
   * Throws RINGWALL_BACKPRESSURE when memory is full: `while (log.needDrain) await log.drain()` before it. Otherwise as `append`.
   *
   * Where the lane runs in another thread it returns 0: other producers append too, and the number is given there. What
   * fails after this returned rejects the next `sync` or `close` of the same log.
   */
  enqueue(data: Uint8Array | string): number;

  /** Durable records in order, in arrays: the fast way. */
  readBatches(options?: ReadOptions): AsyncGenerator<readonly LogRecord[], undefined, undefined>;
  /** Durable records in order. */
  read(options?: ReadOptions): AsyncGenerator<LogRecord, undefined, undefined>;
  /**
   * Durable records in order, then each as it becomes durable, until the loop is left or `signal` aborts. When records that it has
   * given are truncated away it rejects with RINGWALL_NOT_FOUND; `details.truncatedAfter` is the last that stays: tail anew from behind it.
   */
  tail(options?: TailOptions): AsyncGenerator<LogRecord, undefined, undefined>;
  /** As `tail`, in arrays. */
  tailBatches(options?: TailOptions): AsyncGenerator<readonly LogRecord[], undefined, undefined>;
  /** One record; undefined when it is not durable yet. Rejects with RINGWALL_TRIMMED when it is gone. */
  get(seq: number): Promise<LogRecord | undefined>;
  /** When the first record that is kept and the last that is durable were appended, milliseconds since 1970; undefined when there are none. Costs and rejects as two `get`s. */
  times(): Promise<PartitionTimes | undefined>;

  /**
   * Head trim: forgets the records below `before`. Resolves when that is durable and the segments in which nothing is left are free.
   * `before` may be up to `lastSeq + 1`; below `firstSeq` nothing happens.
   */
  trim(before: number): Promise<void>;

  /**
   * Tail truncation, for consensus logs: forgets the records above `after`; the next append gets `after + 1`.
   * Resolves when that is durable. `after` may be from `firstSeq - 1`; from `lastSeq` on nothing happens.
   */
  truncate(after: number): Promise<void>;

  /**
   * The partition is gone with all its records; resolves when that is durable and the segments in which nothing is left are free. At
   * once its name is free: what is appended later, here or by `log.partition(name)`, makes a new partition from sequence 1, on
   * the same lane while this log is open. Readers and tails of the old one reject with RINGWALL_DROPPED. Of none, nothing happens.
   */
  drop(): Promise<void>;
}
