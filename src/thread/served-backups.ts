// The backups that one producer asks for. They run in the lane's thread, which keeps the segments meanwhile, and end with the producer.

import { RingwallError } from "../base/errors.js";
import type { BackupProgress } from "../log/backup/backup.js";
import type { LaneLog } from "../log/lane-log.js";
import { sentError } from "./error-transfer.js";
import type { FromLane, SentBackup, ToLane } from "./port-messages.js";

export type BackupMessage = Extract<ToLane, { kind: "heard" | "abort" }>;

interface Running {
  readonly ending: AbortController;
  /** The producer has heard of the progress. */
  goOn: () => void;
  done: Promise<void>;
}

export class ServedBackups {
  readonly #log: LaneLog;
  readonly #post: (message: FromLane) => void;
  readonly #running = new Map<number, Running>();
  #lastBegun = 0;
  /** Aborted before their commands were taken: these come over the ring, and it over the port. */
  readonly #unwanted = new Set<number>();

  constructor(log: LaneLog, post: (message: FromLane) => void) {
    this.#log = log;
    this.#post = post;
  }

  begin(order: SentBackup): void {
    const running: Running = { ending: new AbortController(), goOn: () => undefined, done: Promise.resolve() };
    this.#running.set(order.id, running);
    this.#lastBegun = order.id;
    if (this.#unwanted.delete(order.id)) running.ending.abort();
    running.done = this.#run(order, running);
  }

  handle({ kind, id }: BackupMessage): void {
    const running = this.#running.get(id);
    if (running === undefined) {
      if (kind === "abort" && id > this.#lastBegun) this.#unwanted.add(id);
    } else if (kind === "abort") running.ending.abort();
    else running.goOn();
  }

  /** Resolves when none is under way; nothing of them is left at their targets. */
  async end(): Promise<void> {
    const error = new RingwallError("RINGWALL_CLOSED", "the log was closed during the backup", { place: { path: this.#log.info.directory } });
    for (const { ending } of this.#running.values()) ending.abort(error);
    await Promise.all([...this.#running.values()].map(({ done }) => done));
  }

  async #run({ id, directory, bytesPerSecond, tellsProgress }: SentBackup, running: Running): Promise<void> {
    const { signal } = running.ending;
    // Awaited, so that the producer's answer decides before the copy is complete.
    const onProgress = (progress: BackupProgress): Promise<void> =>
      new Promise((resolve) => {
        running.goOn = resolve;
        if (signal.aborted) resolve();
        else signal.addEventListener("abort", () => { resolve(); }, { once: true });
        this.#post({ kind: "progress", id, progress });
      });
    try {
      const report = await this.#log.backup(directory, { signal, bytesPerSecond: bytesPerSecond ?? undefined, onProgress: tellsProgress ? onProgress : undefined });
      this.#post({ kind: "backup", id, report });
    } catch (error) {
      this.#post({ kind: "no backup", id, error: sentError(error) });
    } finally {
      this.#running.delete(id);
    }
  }
}
