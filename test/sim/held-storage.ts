// A process on a simulated machine whose block writes wait until the test lets them go, and whose file writes it may replace.

import type { SimMachine } from "#src/storage/sim/machine.js";
import { SimStorage, type SimStorageOptions } from "#src/storage/sim/sim-storage.js";
import type { BlockWriter, BlockWriterOptions, StorageFile } from "#src/storage/storage.js";

/** What happens instead of an operation on a file. */
export interface FileHooks {
  readonly write?: (file: StorageFile, bytes: Uint8Array, position: number) => Promise<void>;
}

export class HeldStorage extends SimStorage {
  isHolding = false;
  readonly #held: (() => void)[] = [];

  constructor(machine: SimMachine, options: SimStorageOptions = {}, hooks: FileHooks = {}) {
    super(machine, options);
    const { files } = this;
    const open = files.open.bind(files);
    files.open = async (path, mode) => hooked(await open(path, mode), hooks);
  }

  /** How many blocks wait. */
  get held(): number {
    return this.#held.length;
  }

  /** The first that waits is written. */
  letOneGo(): void {
    this.#held.shift()?.();
  }

  /** All are written, also those to come. */
  letGo(): void {
    this.isHolding = false;
    for (const go of this.#held.splice(0)) go();
  }

  override createWriter(options: BlockWriterOptions): BlockWriter {
    const writer = super.createWriter(options);
    const write = writer.write.bind(writer);
    writer.write = (...call) => {
      if (this.isHolding) this.#held.push(() => { write(...call); });
      else write(...call);
    };
    return writer;
  }
}

function hooked(file: StorageFile, { write }: FileHooks): StorageFile {
  return {
    path: file.path,
    size: () => file.size(),
    sync: () => file.sync(),
    close: () => file.close(),
    readAt: (into, position) => file.readAt(into, position),
    writeAt: (bytes, position) => (write === undefined ? file.writeAt(bytes, position) : write(file, bytes, position)),
  };
}

/** Lets happen whatever is not held: a second passes, and nothing takes that long here. */
export function settled(machine: SimMachine): Promise<void> {
  return machine.loop.sleep(machine.boot(), 1_000_000);
}
