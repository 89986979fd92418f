// One file of a backup: cloned where the filesystem shares the blocks, else copied in pieces; durable when it resolves.
//
// Owns one piece of memory, the count of bytes, and the pace. It stops between two pieces when the signal says so.

import { RingwallError } from "../../base/errors.js";
import { pageMemory } from "../../storage/page-memory.js";
import type { Clock, FileSystem, StorageFile } from "../../storage/storage.js";

const pieceBytes = 1024 * 1024;

export interface FileCopierOptions {
  readonly files: FileSystem;
  readonly clock: Clock;
  readonly signal: AbortSignal | undefined;
  /** Bytes a second at most that are read and written; infinity: no limit. */
  readonly bytesPerSecond: number;
  /** Awaited. */
  readonly onBytes: (bytes: number) => Promise<void>;
}

export class FileCopier {
  clonedBytes = 0;
  copiedBytes = 0;
  readonly #options: FileCopierOptions;
  readonly #piece = new Uint8Array(pageMemory(pieceBytes));
  readonly #began: number;
  /** A clone was refused: it is not tried again. */
  #clones = true;

  constructor(options: FileCopierOptions) {
    this.#options = options;
    this.#began = options.clock.now();
  }

  /** The whole file. */
  async copy(from: string, to: string): Promise<void> {
    this.demandWanted();
    const { files, onBytes } = this.#options;
    if (this.#clones && files.clone !== undefined && (await files.clone(from, to))) {
      const clone = await files.open(to, "write");
      try {
        const bytes = await clone.size();
        await clone.sync();
        this.clonedBytes += bytes;
        await onBytes(bytes);
      } finally {
        await clone.close();
      }
      return;
    }
    this.#clones = false;
    await this.copyRange(from, to, Number.POSITIVE_INFINITY);
  }

  /** The first `end` bytes, or all where there are fewer. */
  async copyRange(from: string, to: string, end: number): Promise<void> {
    const { files } = this.#options;
    const source = await files.open(from, "scan");
    try {
      await files.remove(to);
      const target = await files.open(to, "create");
      try {
        await this.#pump(source, target, Math.min(end, await source.size()));
        await target.sync();
      } finally {
        await target.close();
      }
    } finally {
      await source.close();
    }
  }

  async #pump(source: StorageFile, target: StorageFile, end: number): Promise<void> {
    for (let at = 0; at < end; ) {
      this.demandWanted();
      const into = this.#piece.subarray(0, Math.min(pieceBytes, end - at));
      const count = await source.readAt(into, at);
      if (count === 0) break;
      await target.writeAt(into.subarray(0, count), at);
      at += count;
      this.copiedBytes += count;
      await this.#options.onBytes(count);
      await this.#keepPace();
    }
  }

  async #keepPace(): Promise<void> {
    const { clock, bytesPerSecond, signal } = this.#options;
    const due = this.#began + (this.copiedBytes / bytesPerSecond) * 1000;
    const early = due - clock.now();
    if (!(early > 0) || signal?.aborted === true) return;
    await new Promise<void>((resolve) => {
      const finish = (): void => {
        signal?.removeEventListener("abort", finish);
        cancel();
        resolve();
      };
      const cancel = clock.after(early, finish, true);
      signal?.addEventListener("abort", finish, { once: true });
    });
  }

  /** Throws what the signal says. */
  demandWanted(): void {
    const { signal } = this.#options;
    if (signal?.reason instanceof RingwallError && signal.reason.code === "RINGWALL_CLOSED") throw signal.reason;
    if (signal?.aborted === true) throw backupAborted(signal.reason);
  }
}

export function backupAborted(reason: unknown): RingwallError {
  return new RingwallError("RINGWALL_ABORTED", "the backup was aborted", { cause: reason });
}
