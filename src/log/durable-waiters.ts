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
  readonly #byState = new Map<PartitionState, Waiter[]>();
  #size = 0;
  #failure: Error | null = null;

  /** Resolves once `state.durableSequence` is above `sequence`, or the record `sequence` is truncated away, or the partition is dropped; rejects on failure or when `signal` aborts (RINGWALL_ABORTED). */
  wait(state: PartitionState, sequence: number, signal: AbortSignal | undefined): Promise<void> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    if (signal?.aborted === true) return Promise.reject(aborted(signal));
    if (state.durableSequence > sequence) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.#remove(waiter);
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
      this.#add(waiter);
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  }

  /**
   * Of the first `count` partitions more is durable, or something is gone. Hot: once per block. A hundred thousand may be waited for, or
   * a block hold records of hundreds: it takes as long as the fewer of both.
   */
  handleChanged(states: readonly (PartitionState | undefined)[], count: number): void {
    if (this.#size === 0) return;
    if (this.#byState.size <= count) {
      this.notify();
      return;
    }
    for (let index = 0; index < count; index++) {
      const waiters = this.#byState.get(states[index] as PartitionState);
      if (waiters !== undefined) this.#release(waiters);
    }
  }

  /** Any partition may have changed. */
  notify(): void {
    for (const waiters of this.#byState.values()) this.#release(waiters);
  }

  /** Nobody waits any longer, now or later. */
  fail(error: Error): void {
    this.#failure = error;
    for (const waiters of this.#byState.values()) for (const waiter of waiters) waiter.reject(error);
    this.#byState.clear();
    this.#size = 0;
  }

  get size(): number {
    return this.#size;
  }

  #add(waiter: Waiter): void {
    const waiters = this.#byState.get(waiter.state);
    if (waiters === undefined) this.#byState.set(waiter.state, [waiter]);
    else waiters.push(waiter);
    this.#size++;
  }

  #remove(waiter: Waiter): void {
    const waiters = this.#byState.get(waiter.state) ?? [];
    const place = waiters.indexOf(waiter);
    if (place === -1) return;
    waiters.splice(place, 1);
    this.#size--;
    if (waiters.length === 0) this.#byState.delete(waiter.state);
  }

  /** Of one partition: who waits no longer. */
  #release(waiters: Waiter[]): void {
    const { state } = waiters[0] as Waiter;
    let kept = 0;
    for (const waiter of waiters) {
      if (mustWait(waiter)) waiters[kept++] = waiter;
      else waiter.resolve();
    }
    this.#size -= waiters.length - kept;
    waiters.length = kept;
    if (kept === 0) this.#byState.delete(state);
  }
}

function mustWait({ state, sequence, truncations }: Waiter): boolean {
  return state.life !== "dropped" && state.durableSequence <= sequence && truncationSince(state.truncations, truncations, sequence) === null;
}

function aborted(signal: AbortSignal): RingwallError {
  return new RingwallError("RINGWALL_ABORTED", "the wait was aborted by its signal", { cause: signal.reason });
}
