// Group commit: when the open block is cut, and which blocks are durable.
//
// Blocks are submitted in order of their sequence, at most `inFlightMax` at once, and complete in any order; the
// horizon moves only over blocks of which every predecessor is durable. Pure: facts in, decisions out.
//
// Batching is natural: while a block is written the next one fills. A block is cut
//   1. when it is full;
//   2. when it holds `eagerBytes`, or `eagerWaiters` callers wait for it, and there is room in flight: the device starts while
//      the turn goes on appending, and these callers go on while it writes the next block. Both bounds grow with the load;
//   3. at the end of a turn, when nothing is in flight.
// Otherwise it waits for a completion, whose turn ends with rule 3.

import { assert } from "../base/assert.js";
import { EagerBound } from "./eager-bound.js";

/** A quarter of the bytes keeps four blocks in flight; small records cost this thread more than the device: two groups in turn. */
const bytesShare = 1 / 4;
const waitersShare = 1 / 2;

export class GroupCommit {
  readonly inFlightMax: number;
  readonly #eagerBytes: EagerBound;
  readonly #eagerWaiters: EagerBound;
  /** Highest block sequence of which it and all before are durable. */
  #horizon: number;
  /** Highest block sequence submitted. */
  #submitted: number;
  /** Bit i: block horizon + 1 + i completed out of order. */
  #completed = 0;

  constructor(options: { readonly inFlightMax: number; readonly eagerBytes: number; readonly eagerWaiters: number; readonly horizon: number }) {
    assert(options.inFlightMax >= 1 && options.inFlightMax <= 30, "blocks in flight: 1 to 30");
    this.inFlightMax = options.inFlightMax;
    this.#eagerBytes = new EagerBound({ least: options.eagerBytes, share: bytesShare });
    this.#eagerWaiters = new EagerBound({ least: options.eagerWaiters, share: waitersShare });
    this.#horizon = options.horizon;
    this.#submitted = options.horizon;
  }

  get horizon(): number {
    return this.#horizon;
  }

  get submitted(): number {
    return this.#submitted;
  }

  /** Blocks submitted and not covered by the horizon. Invariant: at most `inFlightMax`, the W of recovery. */
  get inFlight(): number {
    return this.#submitted - this.#horizon;
  }

  get hasRoom(): boolean {
    return this.#submitted - this.#horizon < this.inFlightMax;
  }

  /** Rule 2, asked after each append. Hot. */
  isEager(openBytes: number, waiters: number): boolean {
    return (openBytes >= this.#eagerBytes.current || waiters >= this.#eagerWaiters.current) && this.#submitted - this.#horizon < this.inFlightMax;
  }

  /** Rule 3, asked at the end of a turn when the open block holds something. */
  get cutsAtTurnEnd(): boolean {
    return this.#submitted === this.#horizon;
  }

  /** `waiters`: callers that wait for the block. */
  handleSubmitted(sequence: number, bytes: number, waiters: number): void {
    assert(sequence === this.#submitted + 1, "blocks are submitted in order");
    assert(this.hasRoom, "no more blocks in flight than recovery allows for");
    this.#submitted = sequence;
    this.#eagerBytes.handleSubmitted(sequence, bytes);
    this.#eagerWaiters.handleSubmitted(sequence, waiters);
  }

  /** A block is durable. Returns the horizon that follows. */
  handleWritten(sequence: number): number {
    assert(sequence > this.#horizon && sequence <= this.#submitted, "only a block in flight completes");
    const bit = 1 << (sequence - this.#horizon - 1);
    assert((this.#completed & bit) === 0, "a block completes once");
    this.#completed |= bit;
    while ((this.#completed & 1) !== 0) {
      this.#completed >>>= 1;
      this.#horizon++;
      this.#eagerBytes.handleDurable(this.#horizon);
      this.#eagerWaiters.handleDurable(this.#horizon);
    }
    return this.#horizon;
  }
}
