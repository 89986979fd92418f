// The directory that a backup goes to: demanded empty, marked while it is incomplete, made a log by its superblock, or cleared.
//
// Owns what it makes there, and removes nothing else. The mark goes last: until then no opening takes it for a log.

import fs from "node:fs";
import path from "node:path";
import { RingwallError } from "../../base/errors.js";
import { backupMarkName, laneDirectoryName, superblockName } from "../../format/names.js";
import type { Superblock } from "../../format/superblock.js";
import { createSuperblock } from "../../recovery/superblock-file.js";
import type { FileSystem } from "../../storage/storage.js";

export class BackupTarget {
  readonly directory: string;
  readonly #files: FileSystem;
  #lanes = 0;
  #isNew = false;
  #isBegun = false;

  constructor(files: FileSystem, directory: string) {
    this.#files = files;
    this.directory = directory;
  }

  laneDirectory(lane: number): string {
    return `${this.directory}/${laneDirectoryName(lane)}`;
  }

  /** Rejects with RINGWALL_INVALID_ARGUMENT unless there is nothing at the target, or an empty directory, outside the log. */
  async begin(source: string, lanes: number): Promise<void> {
    const inside = path.relative(path.resolve(source), path.resolve(this.directory));
    if (inside === "" || (inside !== ".." && !inside.startsWith(`..${path.sep}`) && !path.isAbsolute(inside))) {
      throw unfit(this.directory, "the target lies in the log itself", "Name a directory outside the log's.");
    }
    const names = await this.#files.list(this.directory);
    const [name] = names ?? [];
    if (name !== undefined) {
      const isLeftover = (names ?? []).includes(backupMarkName);
      const remedy = isLeftover ? "An interrupted backup left that: remove it and run the backup again." : "Name a directory that does not exist yet, or an empty one.";
      throw unfit(this.directory, `the target is not empty (${JSON.stringify(name)})`, remedy);
    }
    this.#isNew = names === null;
    if (this.#isNew) await this.#files.makeDirectory(this.directory);
    this.#isBegun = true;
    this.#lanes = lanes;
    const mark = await this.#files.open(`${this.directory}/${backupMarkName}`, "create");
    await mark.close();
    // 1. segments are copied, their names durable; 2. power fails, and the mark's is not: what is left looks like a damaged log.
    await this.#files.syncDirectory(this.directory);
    await this.#syncParent();
    for (let lane = 0; lane < lanes; lane++) await this.#files.makeDirectory(this.laneDirectory(lane));
  }

  /** All files are durable: it becomes a log. */
  async complete(superblock: Superblock): Promise<void> {
    for (let lane = 0; lane < this.#lanes; lane++) await this.#files.syncDirectory(this.laneDirectory(lane));
    // 1. the superblock's name is durable; 2. power fails before those of the lanes are: a log without its records.
    await this.#files.syncDirectory(this.directory);
    await createSuperblock(this.#files, this.directory, superblock);
    // The mark goes last: whatever is there beside it, no opening takes for a log.
    await this.#files.remove(`${this.directory}/${backupMarkName}`);
    await this.#files.syncDirectory(this.directory);
    await this.#syncParent();
  }

  #syncParent(): Promise<void> {
    return this.#files.syncDirectory(path.dirname(path.resolve(this.directory)));
  }

  /** Nothing is left of what was made. */
  async discard(): Promise<void> {
    if (!this.#isBegun) return;
    // A superblock first: a log that loses its files one by one is worse than none.
    for (const name of [superblockName, `${superblockName}.new`]) await this.#files.remove(`${this.directory}/${name}`);
    for (let lane = 0; lane < this.#lanes; lane++) await fs.promises.rm(this.laneDirectory(lane), { recursive: true, force: true });
    await this.#files.remove(`${this.directory}/${backupMarkName}`);
    if (this.#isNew) await fs.promises.rmdir(this.directory);
  }
}

function unfit(target: string, message: string, remedy: string): RingwallError {
  return new RingwallError("RINGWALL_INVALID_ARGUMENT", message, { place: { path: target }, remedy });
}
