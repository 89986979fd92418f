// The contract that every backend keeps: io_uring (storage/uring), node:fs (storage/fs), simulation (storage/sim).
//
// Two surfaces. `FileSystem` is the control plane: superblock, segments' preparation, recovery, reading; promises.
// `BlockWriter` is the hot path of one lane: durable writes out of one memory, completions by callback, in any order.
// test/storage/contract.ts is the executable form of this file; every backend passes it.

import type { RingwallError } from "../base/errors.js";
import type { Memory } from "../format/memory.js";
import type { BackendFeature } from "./features.js";
import type { FlushMethod } from "../format/superblock.js";

/** An open file of the control plane. Positions and lengths are bytes. Operations reject with `RingwallError`. */
export interface StorageFile {
  readonly path: string;
  size(): Promise<number>;
  /**
   * Fills `into` from `position` on; resolves to the bytes read, fewer only at the end of the file. The caller leaves `into`, memory of
   * an ArrayBuffer, alone until then.
   */
  readAt(into: Uint8Array, position: number): Promise<number>;
  /** As `readAt`; a number, not a promise, where nothing has to be waited for. May throw what `readAt` rejects with. */
  readSoon?(into: Uint8Array, position: number): Promise<number> | number;
  /** Writes all of `bytes`; a short write is continued inside. Not durable before `sync`. */
  writeAt(bytes: Uint8Array, position: number): Promise<void>;
  /** Content and size of the file are on stable media when it resolves. Never retried after an error. */
  sync(): Promise<void>;
  /** Takes no operation from now on; resolves when those under way have ended and the file is closed. */
  close(): Promise<void>;
}

export type FileMode =
  /** Must exist. */
  | "read"
  /** Must exist; read once from front to back: large reads into `pageMemory` may pass by the page cache. */
  | "scan"
  /** Must exist; read and write. */
  | "write"
  /** Must not exist; read and write. */
  | "create";

export interface FileSystem {
  /** Creates a directory; parents must exist; resolves when it exists already. */
  makeDirectory(path: string): Promise<void>;
  /** Names in a directory, in no order; null when there is no such directory. */
  list(path: string): Promise<string[] | null>;
  open(path: string, mode: FileMode): Promise<StorageFile>;
  /** Atomic; replaces `to`. Durable after `syncDirectory` of both directories. */
  rename(from: string, to: string): Promise<void>;
  /** Resolves when the file is gone, also when it was never there. */
  remove(path: string): Promise<void>;
  /** A copy that shares the original's blocks. False where that can't be had; then `to` does not exist. */
  clone?(from: string, to: string): Promise<boolean>;
  /**
   * Calls `onChange` some time after a file in the directory changed, maybe once for several changes; what other hosts do it may
   * miss. Returns what ends it, or null where the system can't. A backend without it is asked by the clock.
   */
  watch?(path: string, onChange: () => void): (() => void) | null;
  /** Names created, renamed and removed in the directory are on stable media when it resolves. */
  syncDirectory(path: string): Promise<void>;
}

/** Time and turns of the event loop, so that a simulation can own them. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Runs once the current turn and the promises that follow from it are through. */
  defer(action: () => void): void;
  /** Runs `action` after `ms`. The timer holds the process only when `keepsAlive`. Returns what cancels it. */
  after(ms: number, action: () => void, keepsAlive?: boolean): () => void;
}

export type WriterFlush = FlushMethod | /** No flush: durability "none". */ "never";

export interface BlockWriterOptions {
  readonly bufferBytes: number;
  readonly bufferCount: number;
  /** Writes to one file at once; what is more waits inside. */
  readonly writesInFlight: number;
  /** Positions and lengths of writes are multiples of it. */
  readonly alignment: number;
  readonly flush: WriterFlush;
  /** Called once per write, in any order, from `reap` or from the event loop, never from inside `write`. */
  readonly onWritten: (token: number, error: RingwallError | null) => void;
  /** Called after a turn of the event loop delivered completions: the end of a batch of `onWritten` calls. */
  readonly onBatchEnd: () => void;
}

/** A part of the writer's memory, [start, start + bytes), whose write completes under `token`. */
export interface WritePart {
  readonly start: number;
  readonly bytes: number;
  readonly token: number;
}

/** A segment opened for block writes. */
export type WriterFile = number;

export interface BlockWriter {
  /** `bufferCount` buffers of `bufferBytes`, back to back. The caller leaves a buffer alone from `write` to its `onWritten`. */
  readonly memory: Memory;
  /** What this writer uses and why not more. A file that is opened may add to it. */
  readonly features: readonly BackendFeature[];
  /**
   * The descriptor of this writer's ring, where a kernel thread takes entries and completes them without this thread's help: then `reap` finds
   * every completion by looking at memory, and `write` makes no system call. Undefined elsewhere.
   */
  readonly pollingRing?: number | undefined;
  openFile(path: string): Promise<WriterFile>;
  closeFile(file: WriterFile): Promise<void>;
  /** Starts one write of memory [start, start + bytes). Durable when `onWritten(token, null)` comes (or merely written under "never"). */
  write(file: WriterFile, position: number, start: number, bytes: number, token: number): void;
  /**
   * Starts the writes of several parts that lie back to back in the file, the first at `position`: as few device writes as the backend
   * can make of them. Each part completes by itself, as if it had been given to `write`.
   */
  writeTogether(file: WriterFile, position: number, parts: readonly WritePart[]): void;
  /** Delivers what has completed, without waiting. Cheap when there is nothing. Returns how many. */
  reap(): number;
  /** Under "never": makes everything written to the file durable. */
  syncFile(file: WriterFile): Promise<void>;
  /** Waits for what is in flight, then frees everything. */
  close(): Promise<void>;
}

export interface StorageProbe {
  readonly flushMethod: FlushMethod;
  readonly alignment: number;
  /** p50 in microseconds of each method that was tried. */
  readonly micros: Readonly<Partial<Record<FlushMethod, number>>>;
}

export interface Storage {
  readonly name: "uring" | "fs" | "sim";
  readonly files: FileSystem;
  /** What reading uses by now and why not more, for `log.info`: e.g. ["reads: registered buffers: on"]. */
  readonly notes: readonly string[];
  /** Whether a read is under way that neither Node's list of requests shows nor memory: only a turn of the event loop ends it. */
  readonly isReading?: boolean;
  readonly clock: Clock;
  /** Measures in a directory which flush method is fastest there, within `millisMax`; removes what it wrote. */
  probe(directory: string, millisMax: number): Promise<StorageProbe>;
  createWriter(options: BlockWriterOptions): BlockWriter;
  /** 16 random bytes for a new log's uuid. */
  randomUuid(): Uint8Array;
  /** Takes the writer's lock on the log at `directory`; resolves to its release. Rejects with RINGWALL_LOCKED. */
  lock(directory: string): Promise<() => Promise<void>>;
  /** Whether a live writer holds the lock. */
  isLocked(directory: string): Promise<boolean>;
  close(): Promise<void>;
}
