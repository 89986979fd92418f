// Reads a segment file from front to back in large chunks, the next one already on its way while this one is looked at.
//
// Owns: two chunk buffers and the joined memory for blocks that span chunks. What can't be read comes as zeros, which
// verify as nothing, and is listed in `unreadable`: a bad sector is never the end of the log.

import { alignUp } from "../base/numbers.js";
import { pageBytes } from "../format/block.js";
import { Memory } from "../format/memory.js";
import { pageMemory } from "../storage/page-memory.js";
import type { StorageFile } from "../storage/storage.js";
import { readAround } from "./read-around.js";

export const chunkBytesDefault = 4 * 1024 * 1024;

export interface ByteRange {
  readonly from: number;
  readonly to: number;
}

type Loading =
  | { readonly kind: "idle" }
  | { readonly kind: "reading"; readonly from: number; readonly done: Promise<ReadOutcome> };

/** Never rejects: a rejection of a read that nobody waits for any more would end the process. */
type ReadOutcome = { readonly kind: "read"; readonly bytes: number } | { readonly kind: "failed"; readonly error: unknown };

/** Buffers that one scan after the other uses. */
export class ReadBuffers {
  readonly chunkBytes: number;
  #free: Memory[] = [];
  #joined: Memory | null = null;

  constructor(chunkBytes: number = chunkBytesDefault) {
    this.chunkBytes = chunkBytes;
  }

  take(bytes: number): Memory {
    const index = this.#free.findIndex((memory) => memory.bytes.length >= bytes);
    if (index >= 0) return this.#free.splice(index, 1)[0] as Memory;
    return new Memory(pageMemory(bytes));
  }

  give(memory: Memory): void {
    if (this.#free.length < 2) this.#free.push(memory);
  }

  joined(bytes: number): Memory {
    if (this.#joined === null || this.#joined.bytes.length < bytes) this.#joined = new Memory(new ArrayBuffer(alignUp(bytes, 256 * 1024)));
    return this.#joined;
  }
}

export class SegmentReader {
  readonly size: number;
  /** Ranges of the file that could not be read, in no order. */
  readonly unreadable: ByteRange[] = [];
  readBytes = 0;
  /** Where the bytes of the last `locate` or `load` lie. */
  memory: Memory;
  start = 0;
  readonly #file: StorageFile;
  readonly #buffers: ReadBuffers;
  readonly #chunkBytes: number;
  #current: Memory;
  #other: Memory;
  /** File range in `#current`. */
  #from = 0;
  #to = 0;
  #loading: Loading = { kind: "idle" };

  /** `size`: how far to look, at most the file's size. */
  constructor(file: StorageFile, size: number, buffers: ReadBuffers) {
    this.#file = file;
    this.size = size;
    this.#buffers = buffers;
    this.#chunkBytes = Math.min(buffers.chunkBytes, alignUp(Math.max(size, 1), pageBytes));
    this.#current = buffers.take(this.#chunkBytes);
    this.#other = buffers.take(size > this.#chunkBytes ? this.#chunkBytes : 8);
    this.memory = this.#current;
  }

  /** Whether [position, position + bytes) lies in the chunk at hand; then `memory` and `start` say where. */
  locate(position: number, bytes: number): boolean {
    if (position < this.#from || position + bytes > this.#to) return false;
    this.memory = this.#current;
    this.start = position - this.#from;
    return true;
  }

  /** Brings [position, position + bytes), which must lie within `size`, to `memory` at `start`. */
  async load(position: number, bytes: number): Promise<void> {
    if (this.locate(position, bytes)) return;
    if (position < this.#from || position >= this.#to) await this.#advance(position);
    if (this.locate(position, bytes)) return;
    const joined = this.#buffers.joined(bytes);
    let copied = 0;
    while (copied < bytes) {
      const at = position + copied;
      if (at >= this.#to) await this.#advance(at);
      const start = at - this.#from;
      const end = Math.min(this.#to - this.#from, start + bytes - copied);
      joined.bytes.set(this.#current.bytes.subarray(start, end), copied);
      copied += end - start;
    }
    this.memory = joined;
    this.start = 0;
  }

  async close(): Promise<void> {
    if (this.#loading.kind === "reading") await this.#loading.done;
    this.#buffers.give(this.#current);
    this.#buffers.give(this.#other);
    await this.#file.close();
  }

  /** Makes the chunk with `position` the current one and starts reading the one behind it. */
  async #advance(position: number): Promise<void> {
    const from = position - (position % this.#chunkBytes);
    let loading = this.#loading;
    if (loading.kind === "reading" && loading.from !== from) {
      await loading.done;
      loading = { kind: "idle" };
    }
    if (loading.kind === "idle") loading = this.#startReading(from);
    const outcome = await loading.done;
    this.#loading = { kind: "idle" };
    if (outcome.kind === "failed") throw outcome.error;
    [this.#current, this.#other] = [this.#other, this.#current];
    this.#from = from;
    this.#to = from + this.#lengthAt(from);
    const next = from + this.#chunkBytes;
    if (next < this.size) this.#loading = this.#startReading(next);
  }

  #lengthAt(from: number): number {
    return Math.min(this.#chunkBytes, this.size - from);
  }

  #startReading(from: number): Extract<Loading, { kind: "reading" }> {
    if (this.#other.bytes.length < this.#chunkBytes) this.#other = this.#buffers.take(this.#chunkBytes);
    const into = this.#other.bytes.subarray(0, this.#lengthAt(from));
    const done = this.#read(into, from).then(
      (bytes): ReadOutcome => ({ kind: "read", bytes }),
      (error: unknown): ReadOutcome => ({ kind: "failed", error }),
    );
    return { kind: "reading", from, done };
  }

  async #read(into: Uint8Array, from: number): Promise<number> {
    const bytes = await readAround(this.#file, into, from, (position) => { this.#noteUnreadable(position, position + Math.min(pageBytes, from + into.length - position)); });
    this.readBytes += bytes;
    return bytes;
  }

  #noteUnreadable(from: number, to: number): void {
    const last = this.unreadable[this.unreadable.length - 1];
    if (last !== undefined && last.to === from) this.unreadable[this.unreadable.length - 1] = { from: last.from, to };
    else this.unreadable.push({ from, to });
  }
}
