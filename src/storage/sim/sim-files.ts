// The control plane on a simulated machine: every operation takes virtual time, may fail, and may be cut off by a crash.

import { failure, type SimDisk } from "./disk.js";
import type { Owner } from "./event-loop.js";
import type { Inode } from "./inode.js";
import { sectorBytes } from "./inode.js";
import type { DiskOperation, SimMachine } from "./machine.js";
import type { Random } from "./random.js";
import type { FileMode, FileSystem, StorageFile } from "../storage.js";

export class SimFiles implements FileSystem {
  readonly #machine: SimMachine;
  readonly #owner: Owner;
  readonly #disk: SimDisk;

  constructor(machine: SimMachine, owner: Owner) {
    this.#machine = machine;
    this.#owner = owner;
    this.#disk = machine.disk;
  }

  makeDirectory(path: string): Promise<void> {
    return this.change(`mkdir ${path}`, () => this.#disk.makeDirectory(path));
  }

  list(path: string): Promise<string[] | null> {
    return this.look(() => this.#disk.list(path));
  }

  open(path: string, mode: FileMode): Promise<StorageFile> {
    const open = (): StorageFile => new SimFile(this, this.#machine, { inode: this.#disk.open(path, mode), path, mode });
    return mode === "create" ? this.change(`create ${path}`, open) : this.look(open);
  }

  rename(from: string, to: string): Promise<void> {
    return this.change(`rename ${from} to ${to}`, () => this.#disk.rename(from, to));
  }

  remove(path: string): Promise<void> {
    return this.change(`remove ${path}`, () => this.#disk.remove(path));
  }

  syncDirectory(path: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.later(`sync directory ${path}`, reject, () => {
        // Changes that come while it works are not its business.
        const count = this.#disk.beginDirectoryFlush(path);
        this.later("", reject, () => {
          if (this.#machine.strikes("syncError")) throw failure("RINGWALL_IO", "EIO: the directory's flush failed", path);
          if (!this.#machine.strikes("syncLie")) this.#disk.endDirectoryFlush(path, count);
          resolve();
        });
      });
    });
  }

  /** An operation without effect. */
  look<Result>(action: () => Result): Promise<Result> {
    return new Promise((resolve, reject) => { this.later("", reject, () => { resolve(action()); }); });
  }

  /** An operation that takes effect as a whole; a crash meanwhile decides by chance whether it did. */
  change<Result>(what: string, effect: () => Result): Promise<Result> {
    return this.#operate(what, effect, (random) => {
      if (!random.chance(0.5)) return;
      try {
        effect();
      } catch {
        // It would have failed; nobody is there to hear of it.
      }
    });
  }

  write(file: { readonly inode: Inode; readonly path: string }, bytes: Uint8Array, position: number): Promise<void> {
    const { inode, path } = file;
    const effect = (): void => {
      try {
        this.#disk.demandSpace(inode, position + bytes.length, path);
      } catch (error) {
        this.#machine.counts.add("full");
        throw error;
      }
      if (this.#machine.strikes("writeError")) {
        writeSome(inode, bytes, position, this.#machine.random);
        throw failure("RINGWALL_IO", `EIO: cannot write ${String(bytes.length)} bytes at ${String(position)}`, path);
      }
      inode.write(bytes, position);
    };
    return this.#operate(`write ${path}`, effect, (random) => writeSome(inode, bytes, position, random));
  }

  #operate<Result>(what: string, effect: () => Result, abandon: (random: Random) => void): Promise<Result> {
    return new Promise((resolve, reject) => {
      const operation: DiskOperation = { abandon };
      this.#machine.begin(this.#owner, operation);
      this.later(what, reject, () => {
        this.#machine.end(operation);
        resolve(effect());
      });
    });
  }

  /** Runs `action` when the device got to it; what it throws goes to `reject`. */
  later(what: string, reject: (error: unknown) => void, action: () => void): void {
    const machine = this.#machine;
    machine.loop.schedule(this.#owner, machine.latency(), () => {
      if (what !== "") machine.note(what, 0, 0);
      try {
        action();
      } catch (error) {
        reject(error);
      }
    });
  }
}

/** Each sector is written or not. */
export function writeSome(inode: Inode, bytes: Uint8Array, position: number, random: Random): void {
  const keep = random.pick([0, 1, 0.5, 0.5]);
  for (let from = 0; from < bytes.length; ) {
    const to = Math.min(bytes.length, from + sectorBytes - ((position + from) % sectorBytes));
    if (random.chance(keep)) inode.write(bytes.subarray(from, to), position + from);
    from = to;
  }
}

class SimFile implements StorageFile {
  readonly path: string;
  readonly #inode: Inode;
  readonly #mode: FileMode;
  readonly #files: SimFiles;
  readonly #machine: SimMachine;
  #isClosed = false;

  constructor(files: SimFiles, machine: SimMachine, { inode, path, mode }: { readonly inode: Inode; readonly path: string; readonly mode: FileMode }) {
    this.#files = files;
    this.#machine = machine;
    this.#inode = inode;
    this.path = path;
    this.#mode = mode;
  }

  async size(): Promise<number> {
    this.#demandOpen();
    return this.#files.look(() => this.#inode.size);
  }

  async readAt(into: Uint8Array, position: number): Promise<number> {
    this.#demandOpen();
    return this.#files.look(() => {
      if (this.#inode.isBad(position, into.length)) throw failure("RINGWALL_IO", `EIO: cannot read ${String(into.length)} bytes at ${String(position)}`, this.path);
      return this.#inode.read(into, position);
    });
  }

  async writeAt(bytes: Uint8Array, position: number): Promise<void> {
    this.#demandOpen();
    if (this.#mode === "read" || this.#mode === "scan") throw failure("RINGWALL_IO", "EBADF: the file is open for reading", this.path);
    await this.#files.write({ inode: this.#inode, path: this.path }, bytes, position);
  }

  async sync(): Promise<void> {
    this.#demandOpen();
    const machine = this.#machine;
    await new Promise<void>((resolve, reject) => {
      const mark = this.#inode.beginFlush();
      this.#files.later(`sync ${this.path}`, reject, () => {
        if (machine.strikes("syncError")) {
          if (machine.strikes("syncForgets")) this.#inode.failFlush(mark, machine.random);
          throw failure("RINGWALL_IO", "EIO: the flush failed", this.path);
        }
        if (!machine.strikes("syncLie")) this.#inode.endFlush(mark);
        resolve();
      });
    });
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#files.look(() => undefined);
  }

  #demandOpen(): void {
    if (this.#isClosed) throw failure("RINGWALL_CLOSED", "the file is closed", this.path);
  }
}
