// A full disk: what died by now is freed before anything that waits for space is refused.
//
//   the supply says full → what is placed is written → a release → the supply is asked again → refused, if it still says full
//
// Owns whether there is anything left to free, and who hears of a refusal. It must never refuse while something is, and never look twice
// for what one look sees: a full disk answers in finite time.

import type { RingwallError } from "../base/errors.js";
import type { Drains } from "./drains.js";
import type { Operation } from "./operation.js";
import type { OperationQueue } from "./operation-queue.js";
import type { Releases } from "./releases.js";
import type { Tail } from "./tail.js";

export interface FullDiskOptions {
  readonly queue: OperationQueue;
  readonly tail: Tail;
  readonly drains: Drains;
  readonly releases: Releases;
  readonly isClosing: () => boolean;
  /** Places what it can of an operation; true when it is through. */
  readonly place: (operation: Operation) => boolean;
  /** Moves on what can move, and asks the supply again where something still waits for space. */
  readonly settle: () => void;
}

export class FullDisk {
  readonly #options: FullDiskOptions;
  /** The last look for what is dead saw all that was placed up to this block. */
  #seenUpTo = -1;
  #isLooking = false;
  /** The last look is through. Never rejects. */
  looked: Promise<void> = Promise.resolve();
  /** Something that `enqueue` had accepted was refused while the log was closing. */
  unheard: RingwallError | null = null;

  constructor(options: FullDiskOptions) {
    this.#options = options;
  }

  /** Whether more segments may become free by what is placed by now. */
  get mayBringSpace(): boolean {
    const { tail, releases } = this.#options;
    return this.#isLooking || this.#seenUpTo !== tail.placedUpTo || releases.isUnderWay;
  }

  /**
   * The supply has no space. What waits is refused and its sequences are given back, once nothing is left to free; nothing acknowledged is
   * touched. What was begun, and what `enqueue` has accepted, with all before it, goes on waiting, unless the log is closing.
   */
  handle(error: RingwallError): void {
    const { queue, tail, drains, isClosing, place, settle } = this.#options;
    // Of a poisoned lane nothing waits.
    if (queue.length > 0 && this.mayBringSpace) {
      if (!this.#isLooking) this.looked = this.#look();
      return;
    }
    if (queue.refuse(error, isClosing(), (trim) => tail.withoutAsking(() => place(trim))).unheard) this.unheard = error;
    drains.fail(error);
    // A trim may have been placed.
    if (queue.length === 0) settle();
  }

  /**
   * 1. a trim is placed, and not durable; 2. an append behind it finds the disk full, and is refused; 3. the trim frees what it needed.
   * And what is dead in a segment that the lane has left is seen only once the segment's blocks are written.
   */
  async #look(): Promise<void> {
    const { tail, releases, settle } = this.#options;
    this.#isLooking = true;
    const written = tail.written();
    this.#seenUpTo = tail.placedUpTo;
    // Poison, or a damaged index: then nothing is freed, and others tell of it.
    await written.then(() => releases.next()).catch(() => undefined);
    this.#isLooking = false;
    settle();
  }
}
