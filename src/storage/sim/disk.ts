// A simulated disk with its file system: directories, files, and what of them survives the power.
//
// Names are durable only after `syncDirectory`: until then each directory keeps the list of its changes, and a power loss
// keeps a prefix of it. Contents are the inodes'. It knows no time: operations take effect when they are called.

import type { FileMode } from "../storage.js";
import { RingwallError, type RingwallErrorCode } from "../../base/errors.js";
import { Inode } from "./inode.js";
import type { Random } from "./random.js";

type Entry = { readonly kind: "file"; readonly inode: Inode } | { readonly kind: "directory" };

type NameChange =
  | { readonly kind: "set"; readonly name: string; readonly entry: Entry }
  | { readonly kind: "rename"; readonly from: string; readonly to: string }
  | { readonly kind: "remove"; readonly name: string };

interface Directory {
  entries: Map<string, Entry>;
  durable: Map<string, Entry>;
  pending: NameChange[];
}

export class SimDisk {
  /** Bytes that fit. */
  capacityBytes: number;
  readonly #directories = new Map<string, Directory>();
  #inodes = 0;

  constructor(capacityBytes: number) {
    this.capacityBytes = capacityBytes;
    this.#directories.set("", { entries: new Map(), durable: new Map(), pending: [] });
  }

  makeDirectory(path: string): void {
    const { parent, name } = this.#split(path);
    const existing = parent.entries.get(name);
    if (existing?.kind === "directory") return;
    if (existing !== undefined) throw failure("RINGWALL_IO", "EEXIST: a file has that name", path);
    this.#change(parent, { kind: "set", name, entry: { kind: "directory" } });
    this.#directories.set(normalized(path), { entries: new Map(), durable: new Map(), pending: [] });
  }

  list(path: string): string[] | null {
    const directory = this.#directories.get(normalized(path));
    return directory === undefined ? null : [...directory.entries.keys()];
  }

  open(path: string, mode: FileMode): Inode {
    const { parent, name } = this.#split(path);
    const entry = parent.entries.get(name);
    if (mode === "create") {
      if (entry !== undefined) throw failure("RINGWALL_IO", "EEXIST: the file exists", path);
      const inode = new Inode(++this.#inodes);
      this.#change(parent, { kind: "set", name, entry: { kind: "file", inode } });
      return inode;
    }
    if (entry === undefined) throw failure("RINGWALL_NOT_FOUND", "ENOENT: there is no such file", path);
    if (entry.kind === "directory") throw failure("RINGWALL_IO", "EISDIR: it is a directory", path);
    return entry.inode;
  }

  rename(from: string, to: string): void {
    const source = this.#split(from);
    const target = this.#split(to);
    if (!source.parent.entries.has(source.name)) throw failure("RINGWALL_NOT_FOUND", "ENOENT: there is no such file", from);
    if (source.parent !== target.parent) throw failure("RINGWALL_IO", "EXDEV: the simulation renames within a directory only", from);
    if (source.name !== target.name) this.#change(source.parent, { kind: "rename", from: source.name, to: target.name });
  }

  remove(path: string): void {
    const { parent, name } = this.#split(path);
    if (parent.entries.has(name)) this.#change(parent, { kind: "remove", name });
  }

  /** How many changes of the directory wait: the mark for `endDirectoryFlush`. */
  beginDirectoryFlush(path: string): number {
    return this.#directory(path).pending.length;
  }

  /** The first `count` waiting changes are durable. */
  endDirectoryFlush(path: string, count: number): void {
    const directory = this.#directories.get(normalized(path));
    if (directory === undefined) return;
    for (const change of directory.pending.splice(0, count)) apply(directory.durable, change);
  }

  /** Throws RINGWALL_DISK_FULL when `inode` can't grow to `size`. */
  demandSpace(inode: Inode, size: number, path: string): void {
    if (size <= inode.size || this.capacityBytes === Number.POSITIVE_INFINITY) return;
    if (this.usedBytes + size - inode.size > this.capacityBytes) throw failure("RINGWALL_DISK_FULL", "ENOSPC: no space left on device", path);
  }

  get usedBytes(): number {
    let bytes = 0;
    for (const { inode } of this.files()) bytes += inode.size;
    return bytes;
  }

  /** Every file, with its path, directories in order of their paths. */
  files(): { readonly path: string; readonly inode: Inode }[] {
    const files: { path: string; inode: Inode }[] = [];
    for (const path of [...this.#directories.keys()].sort()) {
      for (const [name, entry] of (this.#directories.get(path) as Directory).entries) if (entry.kind === "file") files.push({ path: `${path}/${name}`, inode: entry.inode });
    }
    return files;
  }

  /** `keep`: the probability with which a dirty sector reached the media. */
  losePower(random: Random, keep: number): void {
    this.#loseNames("", random);
    for (const { inode } of this.files()) inode.losePower(random, keep);
  }

  /** Of each directory a prefix of its changes is kept; what lay in a directory that was never there is gone. */
  #loseNames(path: string, random: Random): void {
    const directory = this.#directories.get(path) as Directory;
    const kept = random.below(directory.pending.length + 1);
    for (const change of directory.pending.slice(0, kept)) apply(directory.durable, change);
    directory.pending = [];
    directory.entries = new Map(directory.durable);
    for (const child of [...this.#directories.keys()].filter((other) => isChild(path, other)).sort()) {
      const entry = directory.entries.get(child.slice(path.length + 1));
      if (entry?.kind === "directory") this.#loseNames(child, random);
      else this.#forgetDirectory(child);
    }
  }

  #forgetDirectory(path: string): void {
    for (const other of [...this.#directories.keys()]) if (other === path || other.startsWith(`${path}/`)) this.#directories.delete(other);
  }

  #change(directory: Directory, change: NameChange): void {
    apply(directory.entries, change);
    directory.pending.push(change);
  }

  #directory(path: string): Directory {
    const directory = this.#directories.get(normalized(path));
    if (directory === undefined) throw failure("RINGWALL_NOT_FOUND", "ENOENT: there is no such directory", path);
    return directory;
  }

  #split(path: string): { readonly parent: Directory; readonly name: string } {
    const whole = normalized(path);
    const at = whole.lastIndexOf("/");
    return { parent: this.#directory(whole.slice(0, Math.max(0, at))), name: whole.slice(at + 1) };
  }
}

export function failure(code: RingwallErrorCode, message: string, path: string): RingwallError {
  return new RingwallError(code, message, { place: { path } });
}

function apply(entries: Map<string, Entry>, change: NameChange): void {
  if (change.kind === "set") entries.set(change.name, change.entry);
  else if (change.kind === "remove") entries.delete(change.name);
  else {
    const entry = entries.get(change.from);
    if (entry === undefined) return;
    entries.delete(change.from);
    entries.set(change.to, entry);
  }
}

function isChild(parent: string, path: string): boolean {
  return path.length > parent.length && path.startsWith(`${parent}/`) && !path.slice(parent.length + 1).includes("/");
}

const normalizedPaths = new Map<string, string>();

/** "/log/lane-00"; "" is the root. */
function normalized(path: string): string {
  const known = normalizedPaths.get(path);
  if (known !== undefined) return known;
  const parts = path.split("/").filter((part) => part !== "" && part !== ".");
  const whole = parts.length === 0 ? "" : `/${parts.join("/")}`;
  if (normalizedPaths.size > 10_000) normalizedPaths.clear();
  normalizedPaths.set(path, whole);
  return whole;
}
