// What writers may append while records are moved: so much until the next copies are placed. What is more waits.
//
// Owns whether writers are held. How much they may append, reclaim says. It must never hold them while nothing is moved.

import { weightOf } from "../core/living-segment.js";
import type { LaneStats } from "./lane-stats.js";

export interface HeldLane {
  readonly stats: LaneStats;
  hold(isHeld: boolean): void;
}

export class WriterAllowance {
  readonly #lane: HeldLane;
  /** In bytes that writers have appended. */
  #upTo = Number.POSITIVE_INFINITY;
  #isHeld = false;
  /** Called once, when it is used up. */
  #onUsedUp: (() => void) | null = null;

  constructor(lane: HeldLane) {
    this.#lane = lane;
  }

  /** From now on so many bytes. A block is the least that can be stopped: what was appended too much counts. */
  give(bytes: number): void {
    this.#upTo = Math.min(this.#appended, this.#upTo) + bytes;
    this.look();
  }

  /** As many as they like. */
  lift(): void {
    this.give(Number.POSITIVE_INFINITY);
  }

  /** Once it is used up, at once where it is. */
  whenUsedUp(action: () => void): void {
    if (this.#isHeld) action();
    else this.#onUsedUp = action;
  }

  /** Writers may have appended. */
  look(): void {
    const isHeld = this.#upTo <= this.#appended;
    if (isHeld === this.#isHeld) return;
    this.#isHeld = isHeld;
    this.#lane.hold(isHeld);
    if (!this.#isHeld) return;
    const action = this.#onUsedUp;
    this.#onUsedUp = null;
    action?.();
  }

  /** With their frames. */
  get #appended(): number {
    return weightOf(this.#lane.stats);
  }
}
