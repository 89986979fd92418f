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
import { type BackendFeature, learn, off, on } from "../features.js";
import { fuseFlush, isFuse } from "../fuse.js";
import { closeDescriptors, openDescriptors } from "../node-files.js";
import { fileClosed, OpenFiles, type Handle, type OpenFile } from "../open-files.js";
import { runAll } from "../run-all.js";
import type { BlockWriter, BlockWriterOptions, WritePart, WriterFile } from "../storage.js";
import { fromErrno, fromNodeError } from "../system-error.js";

const { O_RDWR, O_DSYNC } = fs.constants as { O_RDWR: number; O_DSYNC: number | undefined };

/** Whether a write to a file opened with O_DSYNC is on stable media when it returns. */
export const dsyncReachesMedia = process.platform === "linux" && O_DSYNC !== undefined;

type Flush = "dsync" | "separate" | "never";

export class FsWriter implements BlockWriter {
  readonly memory: Memory;
  readonly features: BackendFeature[];

  readonly #options: BlockWriterOptions;
  readonly #flush: Flush;
  readonly #afterClose: () => void;
  readonly #files = new OpenFiles();
  readonly #idle: FsWrite[] = [];
  /** Writes that wait for a handle of their file. First in, first out. */
  readonly #waiting: FsWrite[] = [];
  #inFlight = 0;
  #state: "open" | "closing" | "closed" = "open";
  #closed: Promise<void> | null = null;
  #onIdle: (() => void) | null = null;

  constructor(options: BlockWriterOptions, onClosed: () => void) {
    this.memory = new Memory(new ArrayBuffer(options.bufferBytes * options.bufferCount));
    this.#options = options;
    this.#afterClose = onClosed;
    this.#flush = options.flush === "never" ? "never" : options.flush === "dsync" && dsyncReachesMedia ? "dsync" : "separate";
    const instead = this.#flush === options.flush ? undefined : `instead of ${options.flush}: node:fs can't do better on ${process.platform}`;
    this.features = [on("flush", this.#flush, instead), on("vectored writes", "writev"), off("direct I/O", "node:fs has no aligned memory")];
  }

  async openFile(path: string): Promise<WriterFile> {
    let descriptors: number[];
    let needsSync = this.#flush === "separate";
    try {
      if (this.#flush === "dsync" && (await isFuse(path))) {
        needsSync = true;
        learn(this.features, fuseFlush);
      }
      const flags = this.#flush === "dsync" && !needsSync ? O_RDWR | (O_DSYNC as number) : O_RDWR;
      descriptors = await openDescriptors(path, flags, this.#options.writesInFlight);
    } catch (error) {
      throw fromNodeError(error, { operation: "open to write", path });
    }
    if (this.#state !== "open") {
      await closeDescriptors(descriptors, path);
      throw fileClosed();
    }
    return this.#files.add({ path, descriptors, needsSync }).id;
  }

  async closeFile(id: WriterFile): Promise<void> {
    const file = this.#files.get(id);
    file.retired = true;
    await file.settled();
    await this.#freeFile(file);
  }

  write(id: WriterFile, position: number, start: number, bytes: number, token: number): void {
    this.#demandWritable(position, start, bytes);
    const write = this.#take();
    write.prepare(token, position, start, bytes);
    this.#start(write, id);
  }

  writeTogether(id: WriterFile, position: number, parts: readonly WritePart[]): void {
    let at = position;
    for (const { start, bytes } of parts) {
      this.#demandWritable(at, start, bytes);
      at += bytes;
    }
    const write = this.#take();
    write.gather(parts, position, at - position);
    this.#start(write, id);
  }

  #demandWritable(position: number, start: number, bytes: number): void {
    const { alignment } = this.#options;
    assert(this.#state === "open", "a closed writer takes no writes");
    assert(bytes > 0 && start >= 0 && start + bytes <= this.memory.buffer.byteLength, "a write stays inside the writer's memory");
    assert((position % alignment) + (start % alignment) + (bytes % alignment) === 0, "a write is aligned");
  }

  #take(): FsWrite {
    this.#inFlight += 1;
    return this.#idle.pop() ?? new FsWrite(this.memory.bytes, (done, error) => this.#finish(done, error));
  }

  #start(write: FsWrite, id: WriterFile): void {
    const file = this.#files.find(id);
    if (file === undefined) {
      setImmediate(() => this.#finish(write, fileClosed()));
      return;
    }
    file.inFlight += 1;
    write.file = file;
    const handle = file.take();
    if (handle === null) this.#waiting.push(write);
    else write.begin(handle);
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
      await file.sync((handle) => new Promise<void>((resolve, reject) => {
        fs.fdatasync(handle.descriptor, (error) => {
          if (error) reject(fromNodeError(error, { operation: "sync", path: file.path }));
          else resolve();
        });
      }));
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
    await runAll(this.#files.all().filter((file) => !file.retired).map((file) => () => this.#freeFile(file)));
  }

  async #freeFile(file: OpenFile): Promise<void> {
    this.#files.forget(file);
    await closeDescriptors(file.handles.map((handle) => handle.descriptor), file.path);
  }

  #finish(write: FsWrite, error: RingwallError | null): void {
    const { token, parts, file, handle } = write;
    write.file = null;
    write.handle = null;
    write.parts = null;
    this.#idle.push(write);
    if (file !== null && handle !== null) this.#passOn(file, handle);
    try {
      if (parts === null) this.#options.onWritten(token, error);
      else for (const part of parts) this.#options.onWritten(part.token, error);
    } finally {
      this.#landed(file);
    }
    this.#options.onBatchEnd();
  }

  #passOn(file: OpenFile, handle: Handle): void {
    const at = this.#waiting.findIndex((write) => write.file === file);
    const [next] = at === -1 ? [] : this.#waiting.splice(at, 1);
    if (next === undefined) file.give(handle);
    else next.begin(handle);
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
  /** Of a gathered write. */
  parts: readonly WritePart[] | null = null;
  file: OpenFile | null = null;
  handle: Handle | null = null;
  readonly #bytes: Uint8Array;
  readonly #done: (write: FsWrite, error: RingwallError | null) => void;
  #position = 0;
  #start = 0;
  #left = 0;
  #gathered: Uint8Array[] = [];

  constructor(bytes: Uint8Array, done: (write: FsWrite, error: RingwallError | null) => void) {
    this.#bytes = bytes;
    this.#done = done;
  }

  prepare(token: number, position: number, start: number, bytes: number): void {
    this.token = token;
    this.#position = position;
    this.#start = start;
    this.#left = bytes;
  }

  gather(parts: readonly WritePart[], position: number, bytes: number): void {
    this.parts = parts;
    this.#gathered = parts.map(({ start, bytes: partBytes }) => this.#bytes.subarray(start, start + partBytes));
    this.#position = position;
    this.#left = bytes;
  }

  begin(handle: Handle): void {
    this.handle = handle;
    this.#writeOn();
  }

  #writeOn(): void {
    if (this.parts !== null) fs.writev((this.handle as Handle).descriptor, this.#gathered, this.#position, this.#onWritten);
    else fs.write((this.handle as Handle).descriptor, this.#bytes, this.#start, this.#left, this.#position, this.#onWritten);
  }

  readonly #onWritten = (error: Error | null, written: number): void => {
    if (error !== null) return this.#done(this, fromNodeError(error, this.#failed()));
    if (written === 0) return this.#done(this, fromErrno(os.constants.errno.EIO, this.#failed()));
    this.#position += written;
    this.#start += written;
    this.#left -= written;
    if (this.parts !== null) this.#gathered = behind(this.#gathered, written);
    // Short: the rest follows. Under O_DSYNC each piece is durable by itself; otherwise the sync comes after the last.
    if (this.#left > 0) this.#writeOn();
    else if ((this.file as OpenFile).needsSync) fs.fdatasync((this.handle as Handle).descriptor, this.#onSynced);
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

/** What stands behind the first `count` bytes. */
function behind(gathered: readonly Uint8Array[], count: number): Uint8Array[] {
  let skip = count;
  return gathered.flatMap((bytes) => {
    const skipped = Math.min(skip, bytes.length);
    skip -= skipped;
    return skipped === bytes.length ? [] : [bytes.subarray(skipped)];
  });
}
