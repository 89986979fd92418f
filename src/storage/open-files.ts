// The files that one block writer has open, by the number that its caller holds, each through several descriptors.
//
// Owns: the numbers, which never come back; how many operations are in flight per file; who uses which descriptor.
// Crash without the first: 1. segment 7 is closed; 2. its number is given to segment 8; 3. a late write meant for 7 lands in 8.
//
// One write per descriptor, from its beginning to the end of its flush, because the kernel reports a failed writeback once per
// descriptor. Crash with a shared one: 1. blocks 6 and 7 are in flight; 2. a page of 6 can't be written; 3. the flush of 7 is told;
// 4. the flush of 6 finds nothing new and returns 0; 5. its completion comes first: 6 is acknowledged, and lost.

import { assert } from "../base/assert.js";
import { RingwallError } from "../base/errors.js";
import type { WriterFile } from "./storage.js";

/** Open at once, per writer; a lane has two or three. */
const filesMax = 1024;

export class Handle {
  readonly descriptor: number;
  /** Place in a kernel-side table of all handles of the writer. */
  readonly index: number;
  /** Where the kernel knows it by `index`: see the uring backend's file table. */
  fixed = false;

  constructor(descriptor: number, index: number) {
    this.descriptor = descriptor;
    this.index = index;
  }
}

export class OpenFile {
  readonly id: WriterFile;
  readonly path: string;
  readonly handles: readonly Handle[];
  /** What a single write asks for is not durable on this file's filesystem: it is followed by a sync of its own. */
  readonly needsSync: boolean;
  /** Being closed: takes no new operation. */
  retired = false;
  inFlight = 0;
  readonly #idle: Handle[];
  #onSettled: (() => void) | null = null;
  #sync: Promise<void> = Promise.resolve();
  #nextSync: Promise<void> | null = null;

  constructor(id: WriterFile, opened: OpenedFile) {
    const { path, descriptors, needsSync } = opened;
    this.id = id;
    this.path = path;
    this.handles = descriptors.map((descriptor, at) => new Handle(descriptor, (id % filesMax) * descriptors.length + at));
    this.needsSync = needsSync;
    this.#idle = [...this.handles];
  }

  /** A handle that nobody uses, for one write and its flush; null when there is none now. */
  take(): Handle | null {
    return this.#idle.pop() ?? null;
  }

  give(handle: Handle): void {
    this.#idle.push(handle);
  }

  /** One operation less. */
  landed(): void {
    this.inFlight -= 1;
    assert(this.inFlight >= 0, "an operation lands once");
    if (this.inFlight === 0 && this.#onSettled !== null) this.#onSettled();
  }

  /** Resolves when nothing is in flight. No operation may be started any more. */
  async settled(): Promise<void> {
    if (this.inFlight > 0) await new Promise<void>((resolve) => (this.#onSettled = resolve));
  }

  /**
   * Runs `sync` on the file's first handle, one at a time, for of two at once only the first would hear of lost pages. Who asks
   * while one runs shares the next. One that failed fails all that follow: what it did not write, none of them would.
   */
  sync(sync: (handle: Handle) => Promise<void>): Promise<void> {
    this.#nextSync ??= this.#sync = this.#sync.then(() => {
      this.#nextSync = null;
      return sync(this.handles[0] as Handle);
    });
    return this.#nextSync;
  }
}

export interface OpenedFile {
  readonly path: string;
  /** As many as writes in flight at once; always the same number within a writer. */
  readonly descriptors: readonly number[];
  readonly needsSync: boolean;
}

export class OpenFiles {
  readonly #entries: (OpenFile | undefined)[] = [];
  #serial = 0;

  add(opened: OpenedFile): OpenFile {
    let index = 0;
    while (this.#entries[index] !== undefined) index += 1;
    assert(index < filesMax, "a writer has no more than 1024 files open");
    this.#serial += 1;
    const file = new OpenFile(this.#serial * filesMax + index, opened);
    this.#entries[index] = file;
    return file;
  }

  /** Undefined when it is closed. */
  find(id: WriterFile): OpenFile | undefined {
    const file = this.#entries[id % filesMax];
    return file !== undefined && file.id === id && !file.retired ? file : undefined;
  }

  /** The open file; throws RINGWALL_CLOSED. */
  get(id: WriterFile): OpenFile {
    const file = this.find(id);
    if (file === undefined) throw fileClosed();
    return file;
  }

  /** Its index is free again; whoever calls this knows that the kernel does not use it any more. */
  forget(file: OpenFile): void {
    this.#entries[file.id % filesMax] = undefined;
  }

  all(): OpenFile[] {
    return this.#entries.filter((file) => file !== undefined) as OpenFile[];
  }
}

export function fileClosed(): RingwallError {
  return new RingwallError("RINGWALL_CLOSED", "the file is closed");
}
