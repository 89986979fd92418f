// Iterators over a walk: arrays of records, and single records on top of them.
//
// Written by hand and not as async generators for two reasons: a generator spends three promises per record where
// `for await` needs one, and its `return` waits for a pending `next`, which in a tail may never come.

import type { PartitionState } from "../core/partition-table.js";
import type { LogRecord } from "./block-cursor.js";
import { abortedError } from "./read-errors.js";
import type { ReadSource } from "./read-source.js";
import { ReadWalk, type WalkOptions } from "./read-walk.js";

export interface BatchesOptions extends WalkOptions {
  readonly signal: AbortSignal | undefined;
}

type Life =
  | { readonly kind: "reading" }
  /** `return` was called: what is pending ends, with no record and no error. */
  | { readonly kind: "ended" };

const end: IteratorReturnResult<undefined> = { done: true, value: undefined };

/** Arrays of records, none of them empty. Calls are served one after the other, in order. */
export class RecordBatches implements AsyncGenerator<LogRecord[], undefined, undefined> {
  readonly #source: ReadSource;
  readonly #state: PartitionState;
  readonly #options: BatchesOptions;
  readonly #walk: ReadWalk;
  /** Wakes a tail that waits: the caller's signal, or `return`. */
  readonly #wake = new AbortController();
  readonly #onAbort = (): void => this.#wake.abort();
  #life: Life = { kind: "reading" };
  #last: Promise<unknown> = Promise.resolve();

  constructor(source: ReadSource, state: PartitionState, options: BatchesOptions) {
    this.#source = source;
    this.#state = state;
    this.#options = options;
    this.#walk = new ReadWalk(source, state, options);
    options.signal?.addEventListener("abort", this.#onAbort, { once: true });
  }

  next(): Promise<IteratorResult<LogRecord[], undefined>> {
    return this.#inOrder(() => this.#step());
  }

  return(): Promise<IteratorReturnResult<undefined>> {
    this.#life = { kind: "ended" };
    this.#wake.abort();
    return this.#inOrder(async () => {
      await this.#release();
      return end;
    });
  }

  async throw(error: unknown): Promise<never> {
    await this.return();
    throw error;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  #inOrder<Result>(operation: () => Promise<Result>): Promise<Result> {
    const result = this.#last.then(operation);
    this.#last = result.catch(() => undefined);
    return result;
  }

  async #step(): Promise<IteratorResult<LogRecord[], undefined>> {
    if (this.#life.kind === "ended") return end;
    try {
      const value = await this.#read();
      if (value !== null) return { done: false, value };
    } catch (error) {
      const wasReturned = this.#isEnded();
      await this.#release();
      if (wasReturned) return end;
      const signal = this.#options.signal;
      throw signal?.aborted === true ? abortedError(this.#source, this.#state, signal) : error;
    }
    await this.#release();
    return end;
  }

  async #read(): Promise<LogRecord[] | null> {
    for (;;) {
      if (this.#isEnded()) return null;
      this.#options.signal?.throwIfAborted();
      const records = await this.#walk.next();
      this.#options.signal?.throwIfAborted();
      if (records.length > 0) return records;
      if (!this.#options.isTail || this.#walk.isComplete) return null;
      await this.#source.durableBeyond(this.#state, this.#walk.expected - 1, this.#wake.signal);
    }
  }

  #isEnded(): boolean {
    return this.#life.kind === "ended";
  }

  async #release(): Promise<void> {
    this.#life = { kind: "ended" };
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
    await this.#walk.close();
  }
}

/** Single records. Within a batch `next` costs one promise that is resolved already. */
export class Records implements AsyncGenerator<LogRecord, undefined, undefined> {
  readonly #batches: AsyncGenerator<LogRecord[], undefined, undefined>;
  #batch: readonly LogRecord[] = [];
  #at = 0;
  /** The next batch, under way; calls that come meanwhile queue behind it. */
  #pending: Promise<IteratorResult<LogRecord, undefined>> | null = null;

  constructor(batches: AsyncGenerator<LogRecord[], undefined, undefined>) {
    this.#batches = batches;
  }

  next(): Promise<IteratorResult<LogRecord, undefined>> {
    const value = this.#pending === null ? this.#batch[this.#at] : undefined;
    if (value === undefined) return this.#queue(() => this.#takeOrLoad());
    this.#at++;
    return Promise.resolve({ done: false, value });
  }

  async return(): Promise<IteratorReturnResult<undefined>> {
    this.#batch = [];
    await this.#batches.return(undefined);
    return end;
  }

  async throw(error: unknown): Promise<never> {
    await this.return();
    throw error;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  #queue(operation: () => Promise<IteratorResult<LogRecord, undefined>>): Promise<IteratorResult<LogRecord, undefined>> {
    const before = this.#pending;
    const settled = before === null ? operation() : before.then(operation, operation);
    const pending = settled.finally(() => {
      if (this.#pending === pending) this.#pending = null;
    });
    this.#pending = pending;
    return pending;
  }

  async #takeOrLoad(): Promise<IteratorResult<LogRecord, undefined>> {
    const value = this.#batch[this.#at];
    if (value !== undefined) {
      this.#at++;
      return { done: false, value };
    }
    const result = await this.#batches.next();
    if (result.done === true) return end;
    this.#batch = result.value;
    this.#at = 1;
    return { done: false, value: this.#batch[0] as LogRecord };
  }
}
