// Files that are read once from front to back: past the page cache, unless what is wanted is in it.
//
// A buffered read of a file that is not cached costs the kernel a page at a time, and throws out what others have cached.
// Direct reads of 1 MiB, several under way, go as fast as the device; of a file that is cached they would be the slower ones.
// cachestat tells which it is. Where direct reads are refused, or the kernel can't tell (before Linux 6.5), reads are buffered.

import fs from "node:fs";
import { highHalf, lowHalf } from "../base/numbers.js";
import { loadNative, type NativeBinding } from "../native/binding.js";
import { closeDescriptor, nodeFileSystem, openDescriptor, pooledReads, type ReadWay } from "./node-files.js";
import type { FileSystem, StorageFile } from "./storage.js";

const { O_RDONLY, O_DIRECT } = fs.constants as { O_RDONLY: number; O_DIRECT: number | undefined };
/** Of positions, lengths and addresses: enough for every device that is not exotic, and those refuse. */
const unitBytes = 4096;
const directBytesMin = 1024 * 1024;
const partBytes = 1024 * 1024;
/** More than one page in so many is cached: the rest is read through the cache as well. */
const cachedShareMax = 8;

/** As `nodeFileSystem`, with the mode "scan". */
export function scanningFileSystem(reads: ReadWay = pooledReads): FileSystem {
  const files = nodeFileSystem(reads);
  const native = loadNative();
  if (native.kind === "absent" || O_DIRECT === undefined) return files;
  const { binding } = native;
  return { ...files, open: async (path, mode) => (mode === "scan" ? openScan(binding, path, await files.open(path, mode)) : files.open(path, mode)) };
}

async function openScan(native: NativeBinding, path: string, buffered: StorageFile): Promise<StorageFile> {
  try {
    return new ScanFile(native, buffered, await openDescriptor(path, O_RDONLY | (O_DIRECT as number)));
  } catch {
    // tmpfs of older kernels, FUSE, some network filesystems: the buffered file serves.
    return buffered;
  }
}

class ScanFile implements StorageFile {
  readonly path: string;
  readonly #native: NativeBinding;
  readonly #buffered: StorageFile;
  readonly #direct: number;
  readonly #halves = new Uint32Array(2);
  #isRefused = false;
  #isClosed = false;

  constructor(native: NativeBinding, buffered: StorageFile, direct: number) {
    this.path = buffered.path;
    this.#native = native;
    this.#buffered = buffered;
    this.#direct = direct;
  }

  size(): Promise<number> {
    return this.#buffered.size();
  }

  async readAt(into: Uint8Array, position: number): Promise<number> {
    if (this.#isClosed || !this.#isWorthIt(into, position)) return this.#buffered.readAt(into, position);
    const done = await this.#readDirect(into, position);
    return done === into.length ? done : done + (await this.#buffered.readAt(into.subarray(done), position + done));
  }

  writeAt(bytes: Uint8Array, position: number): Promise<void> {
    return this.#buffered.writeAt(bytes, position);
  }

  sync(): Promise<void> {
    return this.#buffered.sync();
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await closeDescriptor(this.#direct, this.path);
    await this.#buffered.close();
  }

  #isWorthIt(into: Uint8Array, position: number): boolean {
    if (this.#isRefused || into.length < directBytesMin || position % unitBytes !== 0 || into.length % unitBytes !== 0) return false;
    this.#native.address(into.buffer as ArrayBuffer, this.#halves);
    if (((this.#halves[0] as number) + into.byteOffset) % unitBytes !== 0) return false;
    const pages = this.#native.cachedPages(this.#direct, lowHalf(position), highHalf(position), into.length);
    return pages >= 0 && pages * cachedShareMax <= into.length / unitBytes;
  }

  /** How many bytes from the front on were read; the others are to be had through the cache, or not at all. */
  async #readDirect(into: Uint8Array, position: number): Promise<number> {
    const starts = Array.from({ length: Math.ceil(into.length / partBytes) }, (_, part) => part * partBytes);
    const counts = await Promise.all(starts.map((start) => this.#readPart(into.subarray(start, start + partBytes), position + start)));
    let done = 0;
    for (const [part, count] of counts.entries()) {
      done += count;
      if (count < Math.min(partBytes, into.length - (starts[part] as number))) break;
    }
    return done;
  }

  /** 0 when it failed: the buffered read that follows finds out why, and says it. */
  #readPart(into: Uint8Array, position: number): Promise<number> {
    return new Promise((resolve) => {
      fs.read(this.#direct, into, 0, into.length, position, (error, count) => {
        if (error?.code === "EINVAL") this.#isRefused = true;
        resolve(error === null ? count : 0);
      });
    });
  }
}
