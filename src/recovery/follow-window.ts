// The stretch of a segment file that a follower has in memory, and the file that it comes from.
//
// Owns one piece of memory, used over and over, and one open file. Within a look reads grow, so that a reader that only
// asks whether there is anything new reads little, and one that is behind reads much at once.

import { alignUp } from "../base/numbers.js";
import { pageBytes } from "../format/block.js";
import { Memory } from "../format/memory.js";
import type { FileSystem, StorageFile } from "../storage/storage.js";
import { segmentPath } from "./lane-files.js";
import { readAround } from "./read-around.js";
import { openIfThere } from "./scan.js";

const readBytesMin = 16 * 1024;

export class FollowWindow {
  memory: Memory;
  readonly #files: FileSystem;
  readonly #directory: string;
  #file: StorageFile | null = null;
  #fileSegment = 0;
  /** What the memory holds; nothing while `#from` is `#to`. */
  #segment = 0;
  #from = 0;
  #to = 0;
  #readBytes: number;
  readonly #readBytesMax: number;

  /** `readBytesMax`: of one read, unless more is asked for. */
  constructor(files: FileSystem, directory: string, readBytesMax: number) {
    this.#files = files;
    this.#directory = directory;
    this.#readBytesMax = readBytesMax;
    this.#readBytes = Math.min(readBytesMin, readBytesMax);
    this.memory = new Memory(new ArrayBuffer(this.#readBytes));
  }

  /** Nothing that was read before counts any more. */
  beginLook(): void {
    this.drop();
    this.#readBytes = Math.min(readBytesMin, this.#readBytesMax);
  }

  drop(): void {
    this.#to = this.#from;
  }

  holds(segment: number, offset: number, bytes: number): boolean {
    return segment === this.#segment && offset >= this.#from && offset + bytes <= this.#to;
  }

  /** Where the byte at `offset` of the segment file stands in the memory. */
  startOf(offset: number): number {
    return offset - this.#from;
  }

  /**
   * Brings at least `bytes` from `offset` on; what lies behind the file's end, or can't be read, is zeros. False when there is no such file.
   * 1. a sector of a recycled file is bad, behind the last block; 2. a read ahead meets it; 3. a reader that failed there would have missed
   * nothing: the writer's next block makes it whole.
   */
  async load(segment: number, offset: number, bytes: number): Promise<boolean> {
    const file = await this.#fileOf(segment);
    if (file === null) return false;
    const wanted = Math.max(alignUp(bytes, pageBytes), this.#readBytes);
    this.#readBytes = Math.min(this.#readBytesMax, wanted * 4);
    this.drop();
    if (this.memory.bytes.length < wanted) this.memory = new Memory(new ArrayBuffer(wanted));
    const into = this.memory.bytes.subarray(0, wanted);
    await readAround(file, into, offset);
    this.#segment = segment;
    this.#from = offset;
    this.#to = offset + wanted;
    return true;
  }

  async close(): Promise<void> {
    const file = this.#file;
    this.#file = null;
    await file?.close();
  }

  async #fileOf(segment: number): Promise<StorageFile | null> {
    if (this.#file !== null && this.#fileSegment === segment) return this.#file;
    await this.close();
    this.#file = await openIfThere(this.#files, segmentPath(this.#directory, segment), "read");
    this.#fileSegment = segment;
    return this.#file;
  }
}
