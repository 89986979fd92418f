// Open segment files of one lane, for reading.
//
// Owns: at most `openFilesMax` idle files, and every file that a reader holds. A file is closed when the last reader
// gives it back and it was forgotten or evicted. Closing the cache waits for reads that are under way but not for
// readers: one that is parked between two reads meets RINGWALL_CLOSED at the next.
// It must be told (`forget`) when a segment is recycled, or its disk space stays taken until it is evicted.

import { RingwallError } from "../base/errors.js";
import { segmentName } from "../format/names.js";
import type { FileSystem, StorageFile } from "../storage/storage.js";
import type { ReadSource } from "./read-source.js";

const openFilesMax = 16;

/** A file on loan. `release` gives it back; only the first call counts. */
export interface SegmentFile {
  readonly segment: number;
  /** As `StorageFile.readAt`; rejects with RINGWALL_CLOSED once the cache is closed. */
  readAt(into: Uint8Array, position: number): Promise<number>;
  /** As `readAt`; a number, not a promise, where nothing has to be waited for. Throws or rejects. */
  readSoon(into: Uint8Array, position: number): Promise<number> | number;
  release(): void;
}

interface Entry {
  readonly segment: number;
  readonly opening: Promise<StorageFile>;
  /** Once it is open. */
  file: StorageFile | null;
  readonly reads: Set<Promise<number>>;
  users: number;
}

export class SegmentFiles {
  readonly #files: FileSystem;
  readonly #directory: string;
  readonly #idleMax: number;
  /** In order of last use, oldest first. */
  readonly #entries = new Map<number, Entry>();
  /** Forgotten, and still in use. */
  readonly #lingering = new Set<Entry>();
  readonly #closing = new Set<Promise<void>>();
  #isClosed = false;

  constructor(files: FileSystem, directory: string, idleMax: number = openFilesMax) {
    this.#files = files;
    this.#directory = directory;
    this.#idleMax = idleMax;
  }

  /** Files open now, lent or idle. */
  get openCount(): number {
    return this.#entries.size + this.#lingering.size;
  }

  async acquire(segment: number): Promise<SegmentFile> {
    if (this.#isClosed) throw closedError();
    let entry = this.#entries.get(segment);
    if (entry === undefined) {
      const path = `${this.#directory}/${segmentName(segment)}`;
      entry = { segment, opening: this.#files.open(path, "read"), file: null, reads: new Set(), users: 0 };
    } else this.#entries.delete(segment);
    this.#entries.set(segment, entry);
    entry.users++;
    try {
      const file = await entry.opening;
      // Closed while it opened: nothing may be read any more.
      if (this.#isClosed) throw closedError();
      entry.file = file;
      return this.#lend(entry, file);
    } catch (error) {
      this.#forgetEntry(entry);
      this.#giveBack(entry);
      throw error;
    }
  }

  /** As `acquire`, of a file that is open; null when it is not. */
  acquireOpen(segment: number): SegmentFile | null {
    const entry = this.#entries.get(segment);
    const file = entry?.file ?? null;
    if (entry === undefined || file === null || this.#isClosed) return null;
    this.#entries.delete(segment);
    this.#entries.set(segment, entry);
    entry.users++;
    return this.#lend(entry, file);
  }

  /** The segment is gone: its file closes as soon as no reader holds it, and a later `acquire` opens anew. */
  forget(segment: number): void {
    const entry = this.#entries.get(segment);
    if (entry !== undefined) this.#forgetEntry(entry);
  }

  /** Ends reading: resolves when reads under way are through and every file is closed. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const entry of [...this.#entries.values(), ...this.#lingering]) this.#closeFile(entry);
    this.#entries.clear();
    this.#lingering.clear();
    await Promise.all(this.#closing);
  }

  #lend(entry: Entry, file: StorageFile): SegmentFile {
    let isLent = true;
    const readSoon = (into: Uint8Array, position: number): Promise<number> | number => {
      if (this.#isClosed) throw closedError();
      const read = file.readSoon === undefined ? file.readAt(into, position) : file.readSoon(into, position);
      return typeof read === "number" ? read : noted(entry, read);
    };
    return {
      segment: entry.segment,
      readSoon,
      readAt: async (into, position) => readSoon(into, position),
      release: () => {
        if (!isLent) return;
        isLent = false;
        this.#giveBack(entry);
      },
    };
  }

  #giveBack(entry: Entry): void {
    entry.users--;
    if (entry.users > 0) return;
    if (this.#lingering.delete(entry)) this.#closeFile(entry);
    else this.#evict();
  }

  #evict(): void {
    for (const entry of this.#entries.values()) {
      if (this.#entries.size <= this.#idleMax) return;
      if (entry.users === 0) this.#forgetEntry(entry);
    }
  }

  #forgetEntry(entry: Entry): void {
    if (this.#entries.get(entry.segment) !== entry) return;
    this.#entries.delete(entry.segment);
    if (entry.users > 0) this.#lingering.add(entry);
    else this.#closeFile(entry);
  }

  #closeFile(entry: Entry): void {
    const closing = Promise.allSettled([...entry.reads])
      .then(() => entry.opening)
      .then((file) => file.close())
      // A file that never opened has nothing to close, and a failing close of a file that was only read loses nothing.
      .catch(() => undefined)
      .finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }
}

/** Closing waits for it. */
async function noted(entry: Entry, reading: Promise<number>): Promise<number> {
  entry.reads.add(reading);
  try {
    return await reading;
  } finally {
    entry.reads.delete(reading);
  }
}

function closedError(): RingwallError {
  return new RingwallError("RINGWALL_CLOSED", "the log is closed");
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
