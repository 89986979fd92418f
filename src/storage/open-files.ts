// The files that one block writer has open, by the number that its caller holds.
//
// Owns: the numbers, which never come back, and how many writes are in flight per file. Crash without the first:
// 1. segment 7 is closed; 2. its number is given to segment 8; 3. a late write meant for 7 lands in 8.

import { assert } from "../base/assert.js";
import { RingwallError } from "../base/errors.js";
import type { WriterFile } from "./storage.js";

/** Open at once, per writer; a lane has two or three. */
const filesMax = 1024;

export class OpenFile {
  readonly id: WriterFile;
  readonly path: string;
  readonly descriptor: number;
  /** Place in the table, for a kernel-side table of the same shape. */
  readonly index: number;
  /** Where the kernel knows the file by `index`: see the uring backend's file table. */
  fixed = false;
  /** A write with RWF_DSYNC is not durable on this file's filesystem: it is followed by a sync of its own. */
  needsSync = false;
  /** Being closed: takes no new operation. */
  retired = false;
  inFlight = 0;
  #idle: (() => void) | null = null;

  constructor(id: WriterFile, path: string, descriptor: number) {
    this.id = id;
    this.path = path;
    this.descriptor = descriptor;
    this.index = id % filesMax;
  }

  /** One operation less. */
  landed(): void {
    this.inFlight -= 1;
    assert(this.inFlight >= 0, "an operation lands once");
    if (this.inFlight === 0 && this.#idle !== null) this.#idle();
  }

  /** Resolves when nothing is in flight. No operation may be started any more. */
  async settled(): Promise<void> {
    if (this.inFlight > 0) await new Promise<void>((resolve) => (this.#idle = resolve));
  }
}

export class OpenFiles {
  readonly #entries: (OpenFile | undefined)[] = [];
  #serial = 0;

  add(path: string, descriptor: number): OpenFile {
    let index = 0;
    while (this.#entries[index] !== undefined) index += 1;
    assert(index < filesMax, "a writer has no more than 1024 files open");
    this.#serial += 1;
    const file = new OpenFile(this.#serial * filesMax + index, path, descriptor);
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
    this.#entries[file.index] = undefined;
  }

  all(): OpenFile[] {
    return this.#entries.filter((file) => file !== undefined) as OpenFile[];
  }
}

export function fileClosed(): RingwallError {
  return new RingwallError("RINGWALL_CLOSED", "the file is closed");
}
