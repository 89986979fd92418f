// Backups of one log that are under way: its close ends them first, for behind it segments may be freed by anyone.

import { RingwallError } from "../../base/errors.js";
import type { BackupOptions, BackupReport } from "./backup.js";

export class RunningBackups {
  readonly #directory: string;
  readonly #ending = new AbortController();
  readonly #running = new Set<Promise<unknown>>();

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Runs `backUp` with a signal that also comes from `end`. */
  async run(options: BackupOptions, backUp: (options: BackupOptions) => Promise<BackupReport>): Promise<BackupReport> {
    if (this.#ending.signal.aborted) throw new RingwallError("RINGWALL_CLOSED", "the log is closed", { place: { path: this.#directory }, remedy: "Open it again." });
    const given: unknown = (options as BackupOptions | null)?.signal;
    const signal = given instanceof AbortSignal ? AbortSignal.any([given, this.#ending.signal]) : this.#ending.signal;
    // What is no signal, or no object, is for the backup to refuse.
    const isFit = typeof options === "object" && (given === undefined || given instanceof AbortSignal);
    const running = backUp(isFit ? { ...options, signal } : options);
    this.#running.add(running);
    try {
      return await running;
    } finally {
      this.#running.delete(running);
    }
  }

  /** Resolves when none is under way; nothing of them is left at their targets. */
  async end(): Promise<void> {
    this.#ending.abort(new RingwallError("RINGWALL_CLOSED", "the log was closed during the backup", { place: { path: this.#directory } }));
    await Promise.allSettled(this.#running);
  }
}
