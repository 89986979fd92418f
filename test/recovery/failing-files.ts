// Files on a disk with bad sectors: reads that touch them fail as the kernel's EIO does, everything else is real.

import { RingwallError } from "#src/base/errors.js";
import type { FileMode, FileSystem, StorageFile } from "#src/storage/storage.js";

interface BadRange {
  readonly path: string;
  readonly from: number;
  readonly to: number;
}

export class FailingFiles implements FileSystem {
  readonly #files: FileSystem;
  readonly #bad: BadRange[] = [];
  /** Bytes read so far, per path: what recovery looked at. */
  readonly read = new Map<string, number>();
  /** Paths of files that were synced. */
  readonly synced: string[] = [];
  /** What was written, as "path offset +bytes". */
  readonly written: string[] = [];

  constructor(files: FileSystem) {
    this.#files = files;
  }

  failReads(path: string, from: number, to: number): void {
    this.#bad.push({ path, from, to });
  }

  makeDirectory(path: string): Promise<void> {
    return this.#files.makeDirectory(path);
  }

  list(path: string): Promise<string[] | null> {
    return this.#files.list(path);
  }

  async open(path: string, mode: FileMode): Promise<StorageFile> {
    const file = await this.#files.open(path, mode);
    return {
      path,
      size: () => file.size(),
      writeAt: (bytes, position) => {
        this.written.push(`${path} ${String(position)} +${String(bytes.length)}`);
        return file.writeAt(bytes, position);
      },
      sync: async () => {
        await file.sync();
        this.synced.push(path);
      },
      close: () => file.close(),
      readAt: async (into, position) => {
        const end = position + into.length;
        if (this.#bad.some((range) => range.path === path && range.from < end && position < range.to)) {
          throw new RingwallError("RINGWALL_IO", "cannot read: EIO: i/o error", { place: { path, offset: position } });
        }
        const count = await file.readAt(into, position);
        this.read.set(path, (this.read.get(path) ?? 0) + count);
        return count;
      },
    };
  }

  rename(from: string, to: string): Promise<void> {
    return this.#files.rename(from, to);
  }

  remove(path: string): Promise<void> {
    return this.#files.remove(path);
  }

  syncDirectory(path: string): Promise<void> {
    return this.#files.syncDirectory(path);
  }
}
