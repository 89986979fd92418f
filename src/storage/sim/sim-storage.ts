// One process on a simulated machine, seen as storage: the contract of storage.ts, without a device and without real time.

import { RingwallError } from "../../base/errors.js";
import type { FlushMethod } from "../../format/superblock.js";
import type { BlockWriter, BlockWriterOptions, Clock, FileSystem, Storage, StorageProbe } from "../storage.js";
import type { Owner } from "./event-loop.js";
import type { SimMachine } from "./machine.js";
import { SimFiles } from "./sim-files.js";
import { SimWriter, type WriteObserver } from "./sim-writer.js";

export interface SimStorageOptions {
  readonly alignment?: number;
  readonly flushMethod?: FlushMethod;
  readonly observer?: WriteObserver;
}

export class SimStorage implements Storage {
  readonly name = "sim";
  readonly notes: readonly string[] = [];
  readonly owner: Owner;
  readonly files: FileSystem;
  readonly clock: Clock;
  readonly #machine: SimMachine;
  readonly #files: SimFiles;
  readonly #options: SimStorageOptions;

  constructor(machine: SimMachine, options: SimStorageOptions = {}) {
    this.#machine = machine;
    this.#options = options;
    this.owner = machine.boot();
    this.#files = new SimFiles(machine, this.owner);
    this.files = this.#files;
    const { loop } = machine;
    this.clock = {
      now: () => loop.now,
      defer: (action) => { loop.defer(this.owner, action); },
      after: (ms, action) => loop.schedule(this.owner, ms * 1000, action),
    };
  }

  async probe(directory: string): Promise<StorageProbe> {
    const { alignment = 4096, flushMethod = "dsync" } = this.#options;
    if ((await this.files.list(directory)) === null) throw new RingwallError("RINGWALL_NOT_FOUND", "there is no such directory", { place: { path: directory } });
    return { flushMethod, alignment, micros: { [flushMethod]: 100 } };
  }

  createWriter(options: BlockWriterOptions): BlockWriter {
    return new SimWriter(this.#machine, this.owner, options, this.#options.observer ?? null);
  }

  randomUuid(): Uint8Array {
    return this.#machine.random.bytes(16);
  }

  lock(directory: string): Promise<() => Promise<void>> {
    const { locks, disk } = this.#machine;
    return this.#files.look(() => {
      if (disk.list(directory) === null) throw new RingwallError("RINGWALL_NOT_FOUND", "there is no such directory", { place: { path: directory } });
      if (locks.has(directory)) throw new RingwallError("RINGWALL_LOCKED", "another process of the simulation has it open", { place: { path: directory } });
      locks.set(directory, this.owner);
      let held = true;
      return () => this.#files.look(() => {
        if (held) locks.delete(directory);
        held = false;
      });
    });
  }

  isLocked(directory: string): Promise<boolean> {
    return this.#files.look(() => this.#machine.locks.has(directory));
  }

  async close(): Promise<void> {
    await this.#files.look(() => undefined);
  }
}
