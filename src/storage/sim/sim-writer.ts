// Block writes on a simulated machine: they complete in any order, and until then nothing of them is certain.
//
// A write goes through: submitted → on the device (it takes effect) → flushed, as the method demands → delivered, by `reap`
// or by the event loop. It also watches its caller: a buffer that changes between `write` and `onWritten` is a broken invariant.

import { assert } from "../../base/assert.js";
import type { RingwallError } from "../../base/errors.js";
import { Memory } from "../../format/memory.js";
import { type BackendFeature, off } from "../features.js";
import type { BlockWriter, BlockWriterOptions, WritePart, WriterFile } from "../storage.js";
import { failure } from "./disk.js";
import type { Owner } from "./event-loop.js";
import { sectorBytes, type Inode } from "./inode.js";
import type { DiskOperation, SimMachine } from "./machine.js";
import { writeSome } from "./sim-files.js";

interface OpenFile {
  readonly path: string;
  readonly inode: Inode;
  inFlight: number;
  isClosing: boolean;
}

interface Write {
  readonly token: number;
  readonly path: string;
  /** Null: the file was closed. */
  readonly file: OpenFile | null;
  readonly position: number;
  readonly start: number;
  /** As they were when the write was submitted. */
  readonly bytes: Uint8Array;
  error: RingwallError | null;
}

/** What an observer learns of each write; for oracles. */
export interface WriteObserver {
  submitted(path: string, position: number, bytes: Uint8Array): void;
  /** The write claims to be durable. `honest`: it is. */
  durable(path: string, position: number, honest: boolean): void;
  /** A write landed where it was not meant to. */
  misplaced(path: string, position: number, bytes: number): void;
}

export class SimWriter implements BlockWriter {
  readonly memory: Memory;
  readonly features: readonly BackendFeature[] = [off("direct I/O", "simulated storage has no page cache to pass by")];
  readonly #machine: SimMachine;
  readonly #owner: Owner;
  readonly #options: BlockWriterOptions;
  readonly #observer: WriteObserver | null;
  readonly #files: (OpenFile | null)[] = [];
  /** On the device and flushed, not delivered. */
  #done: Write[] = [];
  #inFlight = 0;
  #deliveryDue = false;
  #isClosed = false;
  #onLanded: (() => void)[] = [];

  constructor(machine: SimMachine, owner: Owner, options: BlockWriterOptions, observer: WriteObserver | null) {
    this.#machine = machine;
    this.#owner = owner;
    this.#options = options;
    this.#observer = observer;
    this.memory = new Memory(new ArrayBuffer(options.bufferBytes * options.bufferCount));
  }

  openFile(path: string): Promise<WriterFile> {
    return this.#after(() => this.#files.push({ path, inode: this.#machine.disk.open(path, "write"), inFlight: 0, isClosing: false }) - 1);
  }

  async closeFile(file: WriterFile): Promise<void> {
    const open = this.#open(file);
    open.isClosing = true;
    while (open.inFlight > 0) await new Promise<void>((resolve) => this.#onLanded.push(resolve));
    await this.#after(() => { this.#files[file] = null; });
  }

  write(file: WriterFile, position: number, start: number, bytes: number, token: number): void {
    const { alignment } = this.#options;
    assert(!this.#isClosed, "the writer is not closed");
    assert(position % alignment === 0 && start % alignment === 0 && bytes % alignment === 0, "a block write is aligned");
    assert(bytes > 0 && start >= 0 && start + bytes <= this.memory.bytes.length, "a block write lies in the writer's memory");
    const open = this.#files[file] ?? null;
    const usable = open !== null && !open.isClosing ? open : null;
    const write: Write = { token, path: usable?.path ?? "", file: usable, position, start, bytes: this.memory.bytes.slice(start, start + bytes), error: null };
    this.#inFlight++;
    if (usable !== null) usable.inFlight++;
    this.#machine.note(`block write ${write.path}`, position, bytes);
    this.#observer?.submitted(write.path, position, write.bytes);
    this.#submit(write);
  }

  /** One by one: whatever a device makes of a gathered write, it may make of these. */
  writeTogether(file: WriterFile, position: number, parts: readonly WritePart[]): void {
    let at = position;
    for (const { start, bytes, token } of parts) {
      this.write(file, at, start, bytes, token);
      at += bytes;
    }
  }

  reap(): number {
    if (this.#done.length === 0) return 0;
    const done = this.#done;
    this.#done = [];
    for (const write of done) this.#deliver(write);
    return done.length;
  }

  async syncFile(file: WriterFile): Promise<void> {
    const { inode, path } = this.#open(file);
    const mark = inode.beginFlush();
    await this.#after(() => {
      this.#machine.note(`sync blocks of ${path}`, 0, 0);
      if (this.#machine.strikes("syncError")) {
        if (this.#machine.strikes("syncForgets")) inode.failFlush(mark, this.#machine.random);
        throw failure("RINGWALL_IO", "EIO: the flush failed", path);
      }
      if (!this.#machine.strikes("syncLie")) inode.endFlush(mark);
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    while (this.#inFlight > 0) await new Promise<void>((resolve) => this.#onLanded.push(resolve));
    await this.#after(() => undefined);
  }

  #submit(write: Write): void {
    const machine = this.#machine;
    if (write.file === null) {
      write.error = failure("RINGWALL_CLOSED", "the file is closed", write.path);
      machine.loop.schedule(this.#owner, 1, () => { this.#finish(write); });
      return;
    }
    const { inode } = write.file;
    const operation: DiskOperation = { abandon: (random) => { writeSome(inode, write.bytes, write.position, random); } };
    machine.begin(this.#owner, operation);
    if (machine.strikes("stuck")) return;
    const part = machine.strikes("short") ? machine.random.below(write.bytes.length / sectorBytes) * sectorBytes : 0;
    const micros = machine.latency();
    // Never behind the whole, as no device does: 1. a block is written and trimmed; 2. its file becomes the next segment, and is
    // written; 3. the first part of the old block lands in it.
    if (part > 0) machine.loop.schedule(this.#owner, micros / 2, () => { inode.write(write.bytes.subarray(0, part), write.position); });
    machine.loop.schedule(this.#owner, micros, () => { this.#land(write, inode, operation); });
  }

  /** The device carries the write out. */
  #land(write: Write, inode: Inode, operation: DiskOperation): void {
    const machine = this.#machine;
    const { path, bytes, position } = write;
    machine.note(`on the device ${path}`, position, bytes.length);
    if (machine.strikes("writeError")) {
      machine.end(operation);
      writeSome(inode, bytes, position, machine.random);
      write.error = failure("RINGWALL_IO", `EIO: cannot write ${String(bytes.length)} bytes at ${String(position)} durably`, path);
      this.#finish(write);
      return;
    }
    const { flush } = this.#options;
    const place = machine.strikes("misdirected") ? this.#otherPlace(inode, position, bytes.length) : position;
    inode.write(bytes, place);
    if (place !== position) this.#observer?.misplaced(path, place, bytes.length);
    machine.end(operation);
    if (flush === "never") this.#finish(write);
    else if (flush === "dsync") {
      const honest = !machine.strikes("syncLie");
      if (honest) inode.makeDurable(place, bytes.length);
      this.#observer?.durable(path, position, honest && place === position);
      this.#finish(write);
    } else this.#flush(write, inode, place === position);
  }

  #flush(write: Write, inode: Inode, isPlaced: boolean): void {
    const machine = this.#machine;
    const mark = inode.beginFlush();
    machine.loop.schedule(this.#owner, machine.latency(), () => {
      if (machine.strikes("syncError")) {
        if (machine.strikes("syncForgets")) inode.failFlush(mark, machine.random);
        write.error = failure("RINGWALL_IO", "EIO: the flush failed", write.path);
      } else {
        const honest = !machine.strikes("syncLie");
        if (honest) inode.endFlush(mark);
        this.#observer?.durable(write.path, write.position, honest && isPlaced);
      }
      this.#finish(write);
    });
  }

  #otherPlace(inode: Inode, position: number, bytes: number): number {
    const { alignment } = this.#options;
    const places = Math.floor((inode.size - bytes) / alignment) + 1;
    const place = this.#machine.random.below(Math.max(1, places)) * alignment;
    this.#machine.note(`misdirected to ${String(place)} instead of`, position, bytes);
    return place;
  }

  /** Completed: `reap` may deliver it from now on, the event loop will. */
  #finish(write: Write): void {
    this.#done.push(write);
    if (this.#deliveryDue) return;
    this.#deliveryDue = true;
    const { loop, random } = this.#machine;
    loop.schedule(this.#owner, random.chance(0.5) ? 0 : random.between(1, 100), () => {
      this.#deliveryDue = false;
      if (this.#done.length === 0) return;
      this.reap();
      this.#options.onBatchEnd();
    });
  }

  #deliver(write: Write): void {
    const { token, start, bytes, file, error } = write;
    const now = this.memory.bytes.subarray(start, start + bytes.length);
    assert(Buffer.compare(now, bytes) === 0, "a buffer stays as it is until its write is delivered");
    this.#machine.note(error === null ? "delivered" : "delivered with an error", write.position, bytes.length);
    try {
      this.#options.onWritten(token, error);
    } finally {
      this.#inFlight--;
      if (file !== null) file.inFlight--;
      for (const resolve of this.#onLanded.splice(0)) resolve();
    }
  }

  #open(file: WriterFile): OpenFile {
    const open = this.#files[file] ?? null;
    if (open === null || open.isClosing) throw failure("RINGWALL_CLOSED", "the file is closed", "");
    return open;
  }

  #after<Result>(action: () => Result): Promise<Result> {
    const { loop } = this.#machine;
    return new Promise((resolve, reject) => {
      loop.schedule(this.#owner, this.#machine.latency(), () => {
        try {
          resolve(action());
        } catch (error) {
          reject(error as Error);
        }
      });
    });
  }
}
