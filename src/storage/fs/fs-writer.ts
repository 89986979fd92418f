// Durable block writes through node:fs: the portable hot path, where there is no io_uring.
//
// Owns: the memory, the open files, and every write until its completion. Writes run on libuv's threads, so completions
// come from the event loop only, one by one; Node keeps the process alive while they are under way.
// O_DSYNC carries the flush on Linux alone: macOS accepts it and leaves the data in the drive's cache, so everywhere
// else a write is followed by its own fdatasync (on macOS Node's reaches the media: F_FULLFSYNC).

import fs from "node:fs";
import os from "node:os";
import { assert } from "../../base/assert.js";
import type { RingwallError } from "../../base/errors.js";
import { Memory } from "../../format/memory.js";
import { closeDescriptor, openDescriptor } from "../node-files.js";
import { fileClosed, OpenFiles, type OpenFile } from "../open-files.js";
import type { BlockWriter, BlockWriterOptions, WriterFile } from "../storage.js";
import { fromErrno, fromNodeError } from "../system-error.js";

const { O_RDWR, O_DSYNC } = fs.constants as { O_RDWR: number; O_DSYNC: number | undefined };

/** Whether a write to a file opened with O_DSYNC is on stable media when it returns. */
export const dsyncReachesMedia = process.platform === "linux" && O_DSYNC !== undefined;

type Flush = "dsync" | "separate" | "never";

export class FsWriter implements BlockWriter {
  readonly memory: Memory;
  readonly notes: readonly string[];

  readonly #options: BlockWriterOptions;
  readonly #flush: Flush;
  readonly #afterClose: () => void;
  readonly #files = new OpenFiles();
  readonly #idle: FsWrite[] = [];
  #inFlight = 0;
  #state: "open" | "closing" | "closed" = "open";
  #closed: Promise<void> | null = null;
  #onIdle: (() => void) | null = null;

  constructor(options: BlockWriterOptions, onClosed: () => void) {
    this.memory = new Memory(new ArrayBuffer(options.bufferBytes * options.bufferCount));
    this.#options = options;
    this.#afterClose = onClosed;
    this.#flush = options.flush === "never" ? "never" : options.flush === "dsync" && dsyncReachesMedia ? "dsync" : "separate";
    const instead = this.#flush === options.flush ? "" : ` instead of ${options.flush}: node:fs can't do better on ${process.platform}`;
    this.notes = [`flush: ${this.#flush}${instead}`, "direct I/O: off: node:fs has no aligned memory"];
  }

  async openFile(path: string): Promise<WriterFile> {
    let descriptor: number;
    try {
      descriptor = await openDescriptor(path, this.#flush === "dsync" ? O_RDWR | (O_DSYNC as number) : O_RDWR);
    } catch (error) {
      throw fromNodeError(error, { operation: "open to write", path });
    }
    if (this.#state !== "open") {
      await closeDescriptor(descriptor, path);
      throw fileClosed();
    }
    return this.#files.add(path, descriptor).id;
  }

  async closeFile(id: WriterFile): Promise<void> {
    const file = this.#files.get(id);
    file.retired = true;
    await file.settled();
    await this.#freeFile(file);
  }

  write(id: WriterFile, position: number, start: number, bytes: number, token: number): void {
    const { alignment } = this.#options;
    assert(this.#state === "open", "a closed writer takes no writes");
    assert(bytes > 0 && start >= 0 && start + bytes <= this.memory.buffer.byteLength, "a write stays inside the writer's memory");
    assert((position % alignment) + (start % alignment) + (bytes % alignment) === 0, "a write is aligned");
    this.#inFlight += 1;
    const write = this.#idle.pop() ?? new FsWrite(this.memory.bytes, this.#flush === "separate", (done, error) => this.#finish(done, error));
    write.token = token;
    const file = this.#files.find(id);
    if (file === undefined) {
      setImmediate(() => this.#finish(write, fileClosed()));
      return;
    }
    file.inFlight += 1;
    write.begin(file, position, start, bytes);
  }

  /** Completions exist only once the event loop has brought them. */
  reap(): number {
    return 0;
  }

  async syncFile(id: WriterFile): Promise<void> {
    const file = this.#files.get(id);
    assert(this.#state === "open", "a closed writer takes no syncs");
    file.inFlight += 1;
    this.#inFlight += 1;
    try {
      await new Promise<void>((resolve, reject) => {
        fs.fdatasync(file.descriptor, (error) => {
          if (error) reject(fromNodeError(error, { operation: "sync", path: file.path }));
          else resolve();
        });
      });
    } finally {
      this.#landed(file);
    }
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#state = "closing";
    if (this.#inFlight > 0) await new Promise<void>((resolve) => (this.#onIdle = resolve));
    this.#state = "closed";
    this.#afterClose();
    await Promise.all(this.#files.all().filter((file) => !file.retired).map((file) => this.#freeFile(file)));
  }

  async #freeFile(file: OpenFile): Promise<void> {
    this.#files.forget(file);
    await closeDescriptor(file.descriptor, file.path);
  }

  #finish(write: FsWrite, error: RingwallError | null): void {
    const { token, file } = write;
    write.file = null;
    this.#idle.push(write);
    try {
      this.#options.onWritten(token, error);
    } finally {
      this.#landed(file);
    }
    this.#options.onBatchEnd();
  }

  #landed(file: OpenFile | null): void {
    if (file !== null) file.landed();
    this.#inFlight -= 1;
    if (this.#inFlight === 0 && this.#onIdle !== null) this.#onIdle();
  }
}

/** One write under way. Pooled, with its callbacks bound once. */
class FsWrite {
  token = 0;
  file: OpenFile | null = null;
  readonly #bytes: Uint8Array;
  readonly #separateSync: boolean;
  readonly #done: (write: FsWrite, error: RingwallError | null) => void;
  #position = 0;
  #start = 0;
  #left = 0;

  constructor(bytes: Uint8Array, separateSync: boolean, done: (write: FsWrite, error: RingwallError | null) => void) {
    this.#bytes = bytes;
    this.#separateSync = separateSync;
    this.#done = done;
  }

  begin(file: OpenFile, position: number, start: number, bytes: number): void {
    this.file = file;
    this.#position = position;
    this.#start = start;
    this.#left = bytes;
    this.#writeOn();
  }

  #writeOn(): void {
    fs.write((this.file as OpenFile).descriptor, this.#bytes, this.#start, this.#left, this.#position, this.#onWritten);
  }

  readonly #onWritten = (error: Error | null, written: number): void => {
    if (error !== null) return this.#done(this, fromNodeError(error, this.#failed()));
    if (written === 0) return this.#done(this, fromErrno(os.constants.errno.EIO, this.#failed()));
    this.#position += written;
    this.#start += written;
    this.#left -= written;
    // Short: the rest follows. Under O_DSYNC each piece is durable by itself; otherwise the sync comes after the last.
    if (this.#left > 0) this.#writeOn();
    else if (this.#separateSync) fs.fdatasync((this.file as OpenFile).descriptor, this.#onSynced);
    else this.#done(this, null);
  };

  readonly #onSynced = (error: Error | null): void => {
    if (error) this.#done(this, fromNodeError(error, { operation: "sync", path: this.file?.path ?? "" }));
    else this.#done(this, null);
  };

  #failed(): { operation: string; path: string; offset: number } {
    return { operation: `write ${String(this.#left)} bytes durably`, path: this.file?.path ?? "", offset: this.#position };
  }
}
