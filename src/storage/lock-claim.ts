// One process's attempt at a log's lock: its record, and the moves by which it becomes the last of the chain.
//
// Owns: every change in the directory that locking makes, and the descriptor whose flock says that this owner lives.
// It removes only names that it made itself or whose makers are dead.

import { randomBytes } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { assert } from "../base/assert.js";
import { lockName } from "../format/names.js";
import type { NativeBinding } from "../native/binding.js";
import { lastOfChain, readRecord, successorName, type ChainEnd } from "./lock-chain.js";
import { currentOwner, judgeOwner, type LockOwner } from "./lock-owner.js";
import { closeDescriptor, nodeFileSystem, openDescriptor } from "./node-files.js";
import { runAll } from "./run-all.js";
import { errnoName, fromNodeError } from "./system-error.js";

const { O_CREAT, O_EXCL, O_RDWR } = fs.constants;
const files = nodeFileSystem();

/** What link(2) says where a filesystem has no hard links: FAT, some network filesystems. */
const noLinks = new Set(["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS"]);

export class LockClaim {
  readonly #directory: string;
  readonly #owner: LockOwner;
  /** The record before it has its final name; gone once the lock is won. */
  readonly #draft: string;
  /** Open as long as the claim lives when it carries a flock; -1 otherwise. */
  #descriptor: number;
  /** The name under which the record stands in the chain. */
  #name: string | null = null;

  private constructor(directory: string, owner: LockOwner, draft: string, descriptor: number) {
    this.#directory = directory;
    this.#owner = owner;
    this.#draft = draft;
    this.#descriptor = descriptor;
  }

  /** Writes the record under a draft name, locked before anyone can see it in the chain. */
  static async make(directory: string, native: NativeBinding | null): Promise<LockClaim> {
    const draft = path.join(directory, `${lockName}.new-${randomBytes(8).toString("hex")}`);
    const descriptor = await openDescriptor(draft, O_RDWR | O_CREAT | O_EXCL);
    const owner = currentOwner(native !== null && native.lock(descriptor, true) === 0);
    const claim = new LockClaim(directory, owner, draft, descriptor);
    try {
      await fs.promises.writeFile(draft, JSON.stringify(owner));
      if (!owner.flock) await claim.#letGo();
      return claim;
    } catch (error) {
      await claim.abandon();
      throw error;
    }
  }

  /** Tries to be the successor of `end`. False: someone else was faster; walk the chain again. */
  async succeed(end: ChainEnd): Promise<boolean> {
    const name = successorName(end);
    if (!(await this.#place(name))) return false;
    this.#name = name;
    const last = await lastOfChain(this.#directory);
    if (last.kind === "record" && last.key === this.#owner.nonce) return true;
    assert(name !== lockName, "a lock that was free stays with the one who took it");
    await this.#withdraw();
    return false;
  }

  /** Makes the record the first of the chain and clears away what dead processes left. Resolves to the release. */
  async win(): Promise<() => Promise<void>> {
    assert(this.#name !== null, "only the last of the chain wins");
    if (this.#name !== lockName) await files.rename(path.join(this.#directory, this.#name), path.join(this.#directory, lockName));
    this.#name = lockName;
    await files.remove(this.#draft);
    await this.#sweep();
    let released: Promise<void> | null = null;
    return () => (released ??= this.#release());
  }

  async abandon(): Promise<void> {
    await runAll([() => this.#withdraw(), () => files.remove(this.#draft), () => this.#letGo()]);
  }

  /** Where the file system fails, the record stays; the flock goes all the same. */
  #release(): Promise<void> {
    return runAll([() => this.#withdraw(), () => this.#letGo()]);
  }

  /** Gives the record a name in the chain, if nobody has it. */
  async #place(name: string): Promise<boolean> {
    const target = path.join(this.#directory, name);
    try {
      await fs.promises.link(this.#draft, target);
      return true;
    } catch (error) {
      const reason = errnoName(error);
      if (reason === "EEXIST") return false;
      if (reason === null || !noLinks.has(reason)) throw error;
    }
    return await this.#placeWithoutLinks(target);
  }

  /** The record is visible before it is whole: readers give an illegible one a second. Without flock, for that is on the draft. */
  async #placeWithoutLinks(target: string): Promise<boolean> {
    try {
      await fs.promises.writeFile(target, JSON.stringify({ ...this.#owner, flock: false }), { flag: "wx" });
      return true;
    } catch (error) {
      if (errnoName(error) === "EEXIST") return false;
      throw error;
    }
  }

  /** Removes the record from where it stands, unless another stands there by now. */
  async #withdraw(): Promise<void> {
    const name = this.#name;
    this.#name = null;
    if (name === null) return;
    const record = await readRecord(this.#directory, name).catch((error: unknown) => {
      throw fromNodeError(error, { operation: "release the lock", path: path.join(this.#directory, name) });
    });
    if (record.kind === "record" && record.key === this.#owner.nonce) await files.remove(path.join(this.#directory, name));
  }

  async #letGo(): Promise<void> {
    const descriptor = this.#descriptor;
    this.#descriptor = -1;
    if (descriptor !== -1) await closeDescriptor(descriptor, this.#draft);
  }

  /** Only records of the dead: a living process's is its attempt under way. */
  async #sweep(): Promise<void> {
    const names = (await files.list(this.#directory)) ?? [];
    for (const name of names.filter((candidate) => candidate.startsWith(`${lockName}.`))) {
      const record = await readRecord(this.#directory, name);
      if (record.kind === "record" && judgeOwner(record.owner) === "dead") await files.remove(path.join(this.#directory, name));
    }
  }
}
