// The log as users see it: opened on a directory, many partitions, one durable order per lane.
//
// The interface and the shapes in it. lane-log.ts is it in the lane's own thread, thread/thread-log.ts in any other.

import type { FlushMethod } from "../format/superblock.js";
import type { RecoveryReport } from "../recovery/recovered-lane.js";
import type { BackendFeature } from "../storage/features.js";
import type { BackupOptions, BackupReport } from "./backup/backup.js";
import type { Cursor } from "./cursor.js";
import type { LaneStatsSnapshot } from "./lane-stats.js";
import type { ResolvedOptions } from "./options.js";
import type { Partition } from "./partition.js";

/** What a log is and runs on. */
export interface LogInfo {
  readonly directory: string;
  /** 32 hexadecimal digits. */
  readonly uuid: string;
  readonly formatVersion: number;
  /** When it was created. */
  readonly created: Date;
  readonly readOnly: boolean;
  readonly backend: "uring" | "fs" | "sim";
  /** Why this backend. */
  readonly backendReason: string;
  /** What the backend can use for writes: whether it does here, how, and why or why not. Empty for a reader. `ringwall doctor` prints the same. */
  readonly features: readonly BackendFeature[];
  /** The same, one sentence each, and what reading uses. */
  readonly backendNotes: readonly string[];
  /** How a block is made durable; measured when the log was created. */
  readonly flushMethod: FlushMethod;
  /** Every block begins at a multiple of this, bytes. */
  readonly alignment: number;
  /** Implementation of CRC-32C: "sse4.2", "arm64-crc", "table" or "javascript". */
  readonly checksumKernel: string;
  readonly durability: ResolvedOptions["durability"];
  /** Where the lanes run: in the thread that opened the log, or in one of their own. */
  readonly lane: "inline" | "thread";
  /** Why there. */
  readonly laneReason: string;
  /** The operating system's number of the thread that runs the lanes, for strace, perf and taskset; null where it does not tell. */
  readonly systemThreadId: number | null;
  readonly lanes: number;
  /** What recovery found when the log was opened, per lane. */
  readonly recovery: readonly RecoveryReport[];
}

export interface LogStats extends LaneStatsSnapshot {
  readonly lane: number;
  /** Highest block sequence known durable. */
  readonly horizon: number;
  readonly blocksInFlight: number;
  readonly partitions: number;
  readonly segmentsKept: number;
}

export interface PartitionOptions {
  /** The lane for a partition that does not exist yet, from 0. */
  readonly lane?: number;
  /** The lane of this partition, by name, for one that does not exist yet. */
  readonly with?: string;
}

/** One record of a `log.write`. */
export interface RecordItem {
  readonly partition: string;
  readonly data: Uint8Array | string;
  readonly truncate?: undefined;
}

/** For `log.write`: the partition's records above `truncate` go, before its first record in the same write. */
export interface TruncateItem {
  readonly partition: string;
  readonly truncate: number;
  readonly data?: undefined;
}

/** One cursor, by name, and where to: for `log.write`. */
export interface CursorMove {
  readonly cursor: string;
  readonly seq: number;
}

export type WriteItem = RecordItem | TruncateItem | CursorMove;

/** Names a log whose lane runs in a thread: any thread of the process makes it its own with `Log.attach`. Can be cloned and sent on. */
export interface LogHandle {
  readonly ringwall: "log";
  /** The lane's thread. */
  readonly threadId: number;
  /** What the lane makes known to every thread. */
  readonly board: SharedArrayBuffer;
}

export interface Log {
  readonly info: LogInfo;

  /**
   * The partition of that name. It need not exist: its first append creates it durably, on the lane that `options` name,
   * else on the one with the fewest partitions; there it stays for ever.
   */
  partition(name: string, options?: PartitionOptions): Partition;

  /** Partitions that exist: those that ever had a record and were not dropped, in order of their creation within each lane. */
  partitions(): Partition[];

  /**
   * The cursor of that name: a position that the log keeps for a consumer. It need not exist. In a log of several lanes it lives
   * for ever on the lane of what it is first written with in one `log.write`, or on the one that `options` name.
   */
  cursor(name: string, options?: PartitionOptions): Cursor;

  /** Cursors that have a position, lane by lane. */
  cursors(): Cursor[];

  /**
   * Appends records to several partitions, truncates some before, and moves cursors; all of it becomes durable together or not at
   * all: after a crash it is there, or what was before. `truncate` may be from `firstSeq - 1` to `lastSeq`, once for a partition.
   * Resolves to one number for each item, in order: the record's sequence, `truncate`, or the cursor's position.
   * Rejects with RINGWALL_CROSS_LANE when they live on different lanes; else as `Partition.append`.
   */
  write(items: readonly WriteItem[]): Promise<number[]>;

  /** Resolves when everything appended and enqueued so far is durable, whatever the durability mode. */
  sync(): Promise<void>;

  /** Whether `enqueue` is about to run out of memory: await `drain()` before going on. */
  readonly needDrain: boolean;

  /** Resolves when nothing waits for memory any longer. */
  drain(): Promise<void>;

  /** Ends the current segments: the next record begins new ones. */
  rotate(): void;

  /** Counters since the log was opened, per lane; in another thread than the lane's up to 10 ms old. Empty for a read-only log. */
  stats(): LogStats[];

  /**
   * Copies the log into `directory`, which must not exist or be empty, while it goes on. The copy is a log of its own that holds
   * exactly what was durable at one moment between call and end, in all partitions; everything accepted before the call is in it,
   * of a read-only log what a look shows. No segment is freed meanwhile. Segments are shared with the original where the filesystem
   * can (reflink). The copy keeps the log's uuid.
   *
   * Rejects with RINGWALL_INVALID_ARGUMENT, RINGWALL_ABORTED, RINGWALL_DISK_FULL, RINGWALL_DAMAGED, RINGWALL_IO, and from a read-only log
   * with RINGWALL_TRIMMED when the writer frees segments faster than they can be copied; then nothing is left at the target. What ends meanwhile, the log or this
   * thread's part of it, ends the backup with RINGWALL_CLOSED.
   */
  backup(directory: string, options?: BackupOptions): Promise<BackupReport>;

  /** For `Log.attach` in other threads. Throws RINGWALL_INVALID_OPTION unless the log was opened with `{ lane: "thread" }`. */
  share(): LogHandle;

  /**
   * Makes everything accepted durable and closes the log. Every pending append is acknowledged or rejected when it resolves.
   * Rejects with RINGWALL_POISONED when that was not possible. Where several things failed, the error's message has all of theirs,
   * and its cause is an AggregateError of them. Calling it again returns the same promise.
   *
   * An attached log ends for itself alone; closing the one that `Log.open` gave ends all that are attached to it.
   */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}
