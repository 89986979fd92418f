// Who waits for records of a partition to become durable: the tails of readers.

import { RingwallError } from "../base/errors.js";
import type { PartitionState } from "../core/partition-table.js";
import { truncationSince } from "../core/truncations.js";
import type { Truncation } from "../format/checkpoint.js";

interface Waiter {
  readonly state: PartitionState;
  readonly sequence: number;
  /** When the wait began. */
  readonly truncations: readonly Truncation[];
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export class DurableWaiters {
  readonly #waiters = new Set<Waiter>();
  #failure: Error | null = null;

  /** Resolves once `state.durableSequence` is above `sequence`, or the record `sequence` is truncated away, or the partition is dropped; rejects on failure or when `signal` aborts (RINGWALL_ABORTED). */
  wait(state: PartitionState, sequence: number, signal: AbortSignal | undefined): Promise<void> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    if (signal?.aborted === true) return Promise.reject(aborted(signal));
    if (state.durableSequence > sequence) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.#waiters.delete(waiter);
        reject(aborted(signal as AbortSignal));
      };
      const waiter: Waiter = {
        state,
        sequence,
        truncations: state.truncations,
        resolve: () => {
          signal?.removeEventListener("abort", onAbort);
          resolve();
        },
        reject: (error) => {
          signal?.removeEventListener("abort", onAbort);
          reject(error);
        },
      };
      this.#waiters.add(waiter);
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  }

  /** The horizon moved. */
  notify(): void {
    for (const waiter of this.#waiters) {
      const { state, sequence, truncations } = waiter;
      if (state.life !== "dropped" && state.durableSequence <= sequence && truncationSince(state.truncations, truncations, sequence) === null) continue;
      this.#waiters.delete(waiter);
      waiter.resolve();
    }
  }

  /** Nobody waits any longer, now or later. */
  fail(error: Error): void {
    this.#failure = error;
    for (const waiter of this.#waiters) waiter.reject(error);
    this.#waiters.clear();
  }

  get size(): number {
    return this.#waiters.size;
  }
}

function aborted(signal: AbortSignal): RingwallError {
  return new RingwallError("RINGWALL_ABORTED", "the wait was aborted by its signal", { cause: signal.reason });
}
