// Open segment files of one lane, for reading.
//
// Owns: at most `openFilesMax` idle files, and every file that a reader holds. A file is closed when the last
// reader gives it back and it was forgotten, evicted, or the cache was closed; never under a reader.
// It must be told (`forget`) when a segment is recycled, or its disk space stays taken until it is evicted.

import { RingwallError } from "../base/errors.js";
import { segmentName } from "../format/names.js";
import type { FileSystem, StorageFile } from "../storage/storage.js";
import type { ReadSource } from "./read-source.js";

const openFilesMax = 16;

/** A file on loan. `release` gives it back; only the first call counts. */
export interface SegmentFile {
  readonly segment: number;
  readonly file: StorageFile;
  release(): void;
}

interface Entry {
  readonly segment: number;
  readonly opening: Promise<StorageFile>;
  users: number;
  /** Nobody finds it any more: it closes with its last user. */
  forgotten: boolean;
}

export class SegmentFiles {
  readonly #files: FileSystem;
  readonly #directory: string;
  readonly #idleMax: number;
  /** In order of last use, oldest first. */
  readonly #entries = new Map<number, Entry>();
  readonly #closing = new Set<Promise<void>>();
  /** Entries that are forgotten and still in use. */
  #lingering = 0;
  #waiting: (() => void)[] = [];
  #closed = false;

  constructor(files: FileSystem, directory: string, idleMax: number = openFilesMax) {
    this.#files = files;
    this.#directory = directory;
    this.#idleMax = idleMax;
  }

  /** Files open now, lent or idle. */
  get openCount(): number {
    return this.#entries.size + this.#lingering;
  }

  async acquire(segment: number): Promise<SegmentFile> {
    if (this.#closed) throw new RingwallError("RINGWALL_CLOSED", "the log is closed");
    let entry = this.#entries.get(segment);
    if (entry === undefined) {
      entry = { segment, opening: this.#files.open(`${this.#directory}/${segmentName(segment)}`, "read"), users: 0, forgotten: false };
    } else this.#entries.delete(segment);
    this.#entries.set(segment, entry);
    entry.users++;
    try {
      return this.#lend(entry, await entry.opening);
    } catch (error) {
      this.#giveBack(entry, true);
      throw error;
    }
  }

  /** The segment is gone: its file closes as soon as no reader holds it, and a later `acquire` opens anew. */
  forget(segment: number): void {
    const entry = this.#entries.get(segment);
    if (entry !== undefined) this.#drop(entry);
  }

  /** Closes everything; resolves when the last reader has given its file back and every file is closed. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const entry of [...this.#entries.values()]) this.#drop(entry);
    if (this.#lingering > 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    await Promise.all(this.#closing);
  }

  #lend(entry: Entry, file: StorageFile): SegmentFile {
    let lent = true;
    return {
      segment: entry.segment,
      file,
      release: () => {
        if (!lent) return;
        lent = false;
        this.#giveBack(entry, false);
      },
    };
  }

  #giveBack(entry: Entry, failed: boolean): void {
    if (failed && !entry.forgotten) this.#drop(entry);
    entry.users--;
    if (entry.users > 0) return;
    if (entry.forgotten) {
      this.#lingering--;
      this.#closeFile(entry);
      if (this.#lingering === 0) for (const resolve of this.#waiting.splice(0)) resolve();
      return;
    }
    this.#evict();
  }

  #evict(): void {
    if (this.#entries.size <= this.#idleMax) return;
    for (const entry of [...this.#entries.values()]) {
      if (entry.users === 0) this.#drop(entry);
      if (this.#entries.size <= this.#idleMax) return;
    }
  }

  #drop(entry: Entry): void {
    entry.forgotten = true;
    this.#entries.delete(entry.segment);
    if (entry.users > 0) this.#lingering++;
    else this.#closeFile(entry);
  }

  #closeFile(entry: Entry): void {
    const closing = entry.opening
      .then((file) => file.close())
      // A file that never opened has nothing to close, and a failing close of a file that was only read loses nothing.
      .catch(() => undefined)
      .finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }
}

const caches = new WeakMap<ReadSource, SegmentFiles>();

/** The lane's cache; made at first use. The lane calls `forget` when it recycles a segment, and `close`. */
export function segmentFilesOf(source: ReadSource): SegmentFiles {
  let files = caches.get(source);
  if (files === undefined) {
    files = new SegmentFiles(source.files, source.directory);
    caches.set(source, files);
  }
  return files;
}
