// When a read-only lane looks at its files while somebody waits for more.
//
// While looks find something they follow each other at a short distance. Once one finds nothing the directory is watched
// where the system can do that, and a slow heartbeat sees what a watch may miss: other hosts, filesystems without events,
// the end of a writer. Where nothing can be watched, or a watch turns out to be blind, looks go on by the clock.
// Owns one timer and one watch. At most one look is under way.

import type { Clock } from "../storage/storage.js";

/** Between two looks that find something: each brings what came meanwhile, and costs a few system calls. */
const gapMsMin = 2;
const pollMs = 25;
const heartbeatMs = 250;
/** So many looks in a row that found what the watch did not announce. */
const unannouncedMax = 3;
const failedLooksMax = 5;
/** A look that took an hour, for the process was stopped, or a clock that goes back by one, must not make readers wait for hours. */
const pauseMsMax = 5000;

export interface LookPaceOptions {
  readonly clock: Clock;
  /** Calls back on every change of the files; returns what ends that, or null where it can't be had. */
  readonly watch: (onChange: () => void) => (() => void) | null;
  readonly isWanted: () => boolean;
  /** Whether anything new was found. `pauseShare`: how many times what the look took must pass before the next. */
  readonly look: () => Promise<{ readonly found: boolean; readonly pauseShare: number }>;
  /** Looks failed again and again. */
  readonly onFailure: (error: Error) => void;
}

type Waiting =
  | { readonly kind: "idle" }
  | { readonly kind: "looking" }
  | { readonly kind: "timer"; readonly cancel: () => void; readonly isHeartbeat: boolean };

export class LookPace {
  readonly #options: LookPaceOptions;
  #waiting: Waiting = { kind: "idle" };
  #unwatch: (() => void) | null = null;
  /** Something changed during the look that is under way. */
  #isStale = false;
  #unannounced = 0;
  #failedLooks = 0;
  /** No look before. */
  #earliest = Number.NEGATIVE_INFINITY;
  #closed = false;

  constructor(options: LookPaceOptions) {
    this.#options = options;
  }

  /** Somebody waits. */
  wake(): void {
    if (this.#waiting.kind === "idle") this.#lookIn(0, false);
  }

  close(): void {
    this.#closed = true;
    this.#rest();
  }

  #rest(): void {
    if (this.#waiting.kind === "timer") this.#waiting.cancel();
    if (this.#waiting.kind !== "looking") this.#waiting = { kind: "idle" };
    this.#stopWatching();
  }

  /** In so many milliseconds, but not before the pause since the last look is over. */
  #lookIn(ms: number, isHeartbeat: boolean): void {
    if (this.#closed) return;
    const { clock } = this.#options;
    const delay = Math.max(ms, Math.min(pauseMsMax, this.#earliest - clock.now()));
    this.#waiting = { kind: "timer", isHeartbeat, cancel: clock.after(delay, () => { void this.#look(isHeartbeat); }, true) };
  }

  async #look(isHeartbeat: boolean): Promise<void> {
    const { clock, look, isWanted, onFailure } = this.#options;
    this.#waiting = { kind: "looking" };
    this.#isStale = false;
    const began = clock.now();
    let found = false;
    try {
      const outcome = await look();
      ({ found } = outcome);
      this.#failedLooks = 0;
      const ended = clock.now();
      this.#earliest = ended + Math.max(gapMsMin, (ended - began) * outcome.pauseShare);
    } catch (error) {
      // A look can meet files that the writer is just moving; one that fails again and again is a failure.
      this.#failedLooks++;
      this.#earliest = clock.now() + pollMs;
      if (this.#failedLooks >= failedLooksMax) onFailure(error as Error);
    }
    this.#waiting = { kind: "idle" };
    if (!isWanted()) this.#rest();
    else this.#lookAfter(found, isHeartbeat);
  }

  #lookAfter(found: boolean, wasHeartbeat: boolean): void {
    if (found && wasHeartbeat && !this.#isStale) this.#unannounced++;
    if (found || this.#isStale) {
      // More is to be expected, and the watch would only say so once for every block.
      this.#stopWatching();
      this.#lookIn(0, false);
    } else if (this.#unwatch !== null) this.#lookIn(heartbeatMs, true);
    else if (this.#startWatching()) this.#lookIn(0, false);
    else this.#lookIn(pollMs, false);
  }

  /** The look that follows sees what came before the watch began. */
  #startWatching(): boolean {
    if (this.#unannounced >= unannouncedMax) return false;
    this.#unwatch = this.#options.watch(() => { this.#handleChange(); });
    return this.#unwatch !== null;
  }

  #stopWatching(): void {
    this.#unwatch?.();
    this.#unwatch = null;
  }

  #handleChange(): void {
    this.#isStale = true;
    if (this.#waiting.kind !== "timer" || !this.#waiting.isHeartbeat) return;
    this.#unannounced = 0;
    this.#waiting.cancel();
    this.#lookIn(0, false);
  }
}
