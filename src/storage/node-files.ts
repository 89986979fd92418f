// The control plane on node:fs: what the uring and the fs backend share.
//
// Raw descriptors and callbacks instead of FileHandle: recovery reads a log through this, and a FileHandle
// costs an object with a finalizer and a second promise per read. A failed sync is reported and never retried:
// the kernel may have dropped the pages that it could not write.
//
// Owns: each descriptor, until nothing uses it any more. Crash-equivalent of closing it under a read: 1. the read waits for a
// thread; 2. the descriptor is closed; 3. another file gets its number; 4. the read brings that file's bytes.

import fs from "node:fs";
import os from "node:os";
import { RingwallError } from "../base/errors.js";
import { errnoName, fromErrno, fromNodeError } from "./system-error.js";
import { runAll } from "./run-all.js";
import type { FileMode, FileSystem, StorageFile } from "./storage.js";

const eio = os.constants.errno.EIO;
const { O_CREAT, O_EXCL, O_RDONLY, O_RDWR } = fs.constants;

const openFlags: Readonly<Record<FileMode, number>> = {
  read: O_RDONLY,
  scan: O_RDONLY,
  write: O_RDWR,
  create: O_RDWR | O_CREAT | O_EXCL,
};

/** Bytes of one system call at most: Linux cuts at 2 GiB - 4 KiB anyway, and other systems refuse more. */
const callBytesMax = 1 << 30;

/** One read of an open file. The descriptor stays open until it has ended. */
export interface ReadRequest {
  readonly descriptor: number;
  readonly path: string;
  readonly into: Uint8Array;
  readonly position: number;
}

/** How files are read. */
export interface ReadWay {
  /**
   * What can be read without waiting. The result when that was all there is, as of `StorageFile.readAt`; otherwise the complement (~)
   * of how many bytes from the front on were read. Null: this way never can.
   */
  readonly now: ((request: ReadRequest) => number) | null;
  /** Not null while `now` may not be called: resolves when it may. */
  readonly turn: () => Promise<void> | null;
  /** Everything, as `StorageFile.readAt`. */
  readonly wait: (request: ReadRequest) => Promise<number>;
}

/** By libuv's threads. */
export const pooledReads: ReadWay = { now: null, turn: () => null, wait: readInPool };

export function nodeFileSystem(reads: ReadWay = pooledReads): FileSystem {
  return { makeDirectory, list, open: (path, mode) => open(path, mode, reads), rename, remove, clone, watch, syncDirectory };
}

/** A descriptor for `path` with exactly these flags. Rejects with Node's error, so that the caller can fall back. */
export function openDescriptor(path: string, flags: number): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.open(path, flags, 0o644, (error, descriptor) => {
      if (error === null) resolve(descriptor);
      else reject(error);
    });
  });
}

/** So many of them, or none. */
export async function openDescriptors(path: string, flags: number, count: number): Promise<number[]> {
  const descriptors: number[] = [];
  try {
    while (descriptors.length < count) descriptors.push(await openDescriptor(path, flags));
  } catch (error) {
    await closeDescriptors(descriptors, path).catch(() => undefined);
    throw error;
  }
  return descriptors;
}

/** All of them, also after one could not be closed; then rejects. */
export async function closeDescriptors(descriptors: readonly number[], path: string): Promise<void> {
  await runAll(descriptors.map((descriptor) => () => closeDescriptor(descriptor, path)));
}

export function closeDescriptor(descriptor: number, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    fs.close(descriptor, (error) => {
      if (error) reject(fromNodeError(error, { operation: "close", path }));
      else resolve();
    });
  });
}

async function makeDirectory(path: string): Promise<void> {
  try {
    await fs.promises.mkdir(path);
  } catch (error) {
    if (errnoName(error) === "EEXIST" && (await isDirectory(path))) return;
    throw fromNodeError(error, { operation: "create the directory", path });
  }
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await fs.promises.stat(path)).isDirectory();
  } catch {
    return false;
  }
}

async function list(path: string): Promise<string[] | null> {
  try {
    return await fs.promises.readdir(path);
  } catch (error) {
    if (errnoName(error) === "ENOENT") return null;
    throw fromNodeError(error, { operation: "list the directory", path });
  }
}

async function open(path: string, mode: FileMode, reads: ReadWay): Promise<StorageFile> {
  try {
    return new NodeFile(path, await openDescriptor(path, openFlags[mode]), reads);
  } catch (error) {
    throw fromNodeError(error, { operation: mode === "create" ? "create" : `open to ${mode}`, path });
  }
}

async function rename(from: string, to: string): Promise<void> {
  try {
    await fs.promises.rename(from, to);
  } catch (error) {
    throw fromNodeError(error, { operation: `rename to ${to}`, path: from });
  }
}

async function remove(path: string): Promise<void> {
  try {
    await fs.promises.unlink(path);
  } catch (error) {
    if (errnoName(error) !== "ENOENT") throw fromNodeError(error, { operation: "remove", path });
  }
}

async function clone(from: string, to: string): Promise<boolean> {
  try {
    await fs.promises.copyFile(from, to, fs.constants.COPYFILE_FICLONE_FORCE);
    return true;
  } catch (error) {
    await remove(to);
    const name = errnoName(error);
    if (name === "ENOENT" || name === "ENOSPC" || name === "EDQUOT") throw fromNodeError(error, { operation: `clone to ${to}`, path: from });
    return false;
  }
}

function watch(path: string, onChange: () => void): (() => void) | null {
  try {
    const watcher = fs.watch(path, { persistent: false }, onChange);
    // The directory went, or the system gave the watch up: whoever watches also looks by the clock.
    watcher.on("error", () => { watcher.close(); });
    return () => { watcher.close(); };
  } catch {
    // No more watches for this user, or a filesystem without events.
    return null;
  }
}

async function syncDirectory(path: string): Promise<void> {
  // Windows can't sync a directory; NTFS journals names by itself.
  if (process.platform === "win32") return;
  const directory = await open(path, "read", pooledReads);
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

class NodeFile implements StorageFile {
  readonly path: string;
  readonly #descriptor: number;
  readonly #reads: ReadWay;
  #isClosed = false;
  /** Operations that use the descriptor. */
  #inFlight = 0;
  #onIdle: (() => void) | null = null;

  constructor(path: string, descriptor: number, reads: ReadWay) {
    this.path = path;
    this.#descriptor = descriptor;
    this.#reads = reads;
  }

  size(): Promise<number> {
    return this.#use((descriptor) => new Promise((resolve, reject) => {
      fs.fstat(descriptor, (error, stats) => {
        if (error === null) resolve(stats.size);
        else reject(fromNodeError(error, { operation: "take the size", path: this.path }));
      });
    }));
  }

  async readAt(into: Uint8Array, position: number): Promise<number> {
    return this.readSoon(into, position);
  }

  /** Hot path of `get`: see `ringwall bench read`. */
  readSoon(into: Uint8Array, position: number): Promise<number> | number {
    const { now, turn } = this.#reads;
    if (now === null) return this.#readBehind(into, position, 0);
    const waiting = turn();
    if (waiting !== null) return waiting.then(() => this.readSoon(into, position));
    const result = now({ descriptor: this.#open(), path: this.path, into, position });
    return result >= 0 ? result : this.#readBehind(into, position, ~result);
  }

  /** What is there from the front on is not read again. */
  async #readBehind(into: Uint8Array, position: number, done: number): Promise<number> {
    const rest = done === 0 ? into : into.subarray(done);
    return done + (await this.#use((descriptor) => this.#reads.wait({ descriptor, path: this.path, into: rest, position: position + done })));
  }

  writeAt(bytes: Uint8Array, position: number): Promise<void> {
    return this.#use((descriptor) => new Promise((resolve, reject) => {
      let done = 0;
      const writeOn = (): void => {
        const count = Math.min(bytes.length - done, callBytesMax);
        const failed = { operation: `write ${String(count)} bytes`, path: this.path, offset: position + done };
        fs.write(descriptor, bytes, done, count, position + done, (error, written) => {
          if (error !== null) return reject(fromNodeError(error, failed));
          if (written === 0 && count > 0) return reject(fromErrno(eio, failed));
          done += written;
          if (done === bytes.length) resolve();
          else writeOn();
        });
      };
      writeOn();
    }));
  }

  sync(): Promise<void> {
    return this.#use((descriptor) => new Promise((resolve, reject) => {
      fs.fsync(descriptor, (error) => {
        if (error) reject(fromNodeError(error, { operation: "sync", path: this.path }));
        else resolve();
      });
    }));
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (this.#inFlight > 0) await new Promise<void>((resolve) => (this.#onIdle = resolve));
    await closeDescriptor(this.#descriptor, this.path);
  }

  async #use<Result>(operate: (descriptor: number) => Promise<Result>): Promise<Result> {
    const descriptor = this.#open();
    this.#inFlight += 1;
    try {
      return await operate(descriptor);
    } finally {
      this.#inFlight -= 1;
      if (this.#inFlight === 0 && this.#onIdle !== null) this.#onIdle();
    }
  }

  #open(): number {
    if (this.#isClosed) throw new RingwallError("RINGWALL_CLOSED", "the file is closed", { place: { path: this.path } });
    return this.#descriptor;
  }
}

function readInPool({ descriptor, path, into, position }: ReadRequest): Promise<number> {
  return new Promise((resolve, reject) => {
    let done = 0;
    const readOn = (): void => {
      const bytes = Math.min(into.length - done, callBytesMax);
      const offset = position + done;
      fs.read(descriptor, into, done, bytes, offset, (error, count) => {
        if (error !== null) return reject(fromNodeError(error, { operation: `read ${String(bytes)} bytes`, path, offset }));
        done += count;
        // Zero bytes before the end of `into` is the end of the file; a short read alone is not.
        if (done === into.length || count === 0) resolve(done);
        else readOn();
      });
    };
    readOn();
  });
}
