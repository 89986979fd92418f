// The superblock of an open log: its current content, and its changes, one after the other, each durable when it resolves.

import type { LaneRecord, Superblock } from "../format/superblock.js";
import { writeSuperblock } from "../recovery/superblock-file.js";
import type { FileSystem } from "../storage/storage.js";

export class SuperblockStore {
  readonly #files: FileSystem;
  readonly #directory: string;
  #current: Superblock;
  #work: Promise<void> = Promise.resolve();

  constructor(files: FileSystem, directory: string, superblock: Superblock) {
    this.#files = files;
    this.#directory = directory;
    this.#current = superblock;
  }

  get current(): Superblock {
    return this.#current;
  }

  /** Changes the records of some lanes in one durable write. */
  updateLanes(changes: ReadonlyMap<number, Partial<LaneRecord>>): Promise<void> {
    const work = this.#work.then(async () => {
      const lanes = this.#current.lanes.map((record, lane) => ({ ...record, ...changes.get(lane) }));
      const next: Superblock = { ...this.#current, sequence: this.#current.sequence + 1, lanes };
      await writeSuperblock(this.#files, this.#directory, next);
      this.#current = next;
    });
    this.#work = work.catch(() => undefined);
    return work;
  }

  updateLane(lane: number, change: Partial<LaneRecord>): Promise<void> {
    return this.updateLanes(new Map([[lane, change]]));
  }
}
