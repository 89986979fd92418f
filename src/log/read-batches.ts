// Iterators over a walk: arrays of records, and single records on top of them.
//
// Written by hand and not as async generators for two reasons: a generator spends three promises per record where
// `for await` needs one, and its `return` waits for a pending `next`, which in a tail may never come.

import { RingwallError, type RingwallErrorCode } from "../base/errors.js";
import { HandIterator } from "./hand-iterator.js";
import type { PartitionState } from "../core/partition-table.js";
import type { LogRecord } from "./block-cursor.js";
import { abortedError, trimmedError } from "./read-errors.js";
import type { ReadSource } from "./read-source.js";
import { findSince } from "./read-times.js";
import { ReadWalk, type WalkOptions } from "./read-walk.js";
import { sharedTailsOf, type Claim, type SharedTail, type WaitingTail } from "./shared-tails.js";

export interface BatchesOptions extends WalkOptions {
  /** Milliseconds since 1970: the first record is one of that time or a later one. */
  readonly since: number | undefined;
  readonly signal: AbortSignal | undefined;
}

type Life =
  | { readonly kind: "reading" }
  /** `return` was called: what is pending ends, with no record and no error. */
  | { readonly kind: "ended" };

type Batch = IteratorResult<readonly LogRecord[], undefined>;

/** Those behind which a caller reads on. */
const passedErrors: ReadonlySet<RingwallErrorCode> = new Set(["RINGWALL_NOT_FOUND", "RINGWALL_TRIMMED", "RINGWALL_DAMAGED"]);

const end: IteratorReturnResult<undefined> = { done: true, value: undefined };

/** Arrays of records, none of them empty. Calls are served one after the other, in order. */
export class RecordBatches extends HandIterator<readonly LogRecord[]> implements WaitingTail {
  readonly #source: ReadSource;
  readonly #state: PartitionState;
  readonly #options: BatchesOptions;
  #walk: ReadWalk | null = null;
  /** Of a tail that has begun. */
  #shared: SharedTail | null = null;
  /** While this tail reads on for those that stand at its place. */
  #claim: Claim | null = null;
  /** While another one does: resolves what `next` gave. */
  #resolve: ((result: Batch | Promise<Batch>) => void) | null = null;
  /** What `since` asks for that no record has met yet; null: nothing. */
  #due: number | null;
  /** Wakes a tail that waits: the caller's signal, or `return`. */
  readonly #wake = new AbortController();
  readonly #onAbort = (): void => { this.#end(); };
  #life: Life = { kind: "reading" };
  /** Calls that are not settled. */
  #calls = 0;
  #last: Promise<unknown> = Promise.resolve();

  constructor(source: ReadSource, state: PartitionState, options: BatchesOptions) {
    super();
    this.#source = source;
    this.#state = state;
    this.#options = options;
    this.#due = options.since ?? null;
    options.signal?.addEventListener("abort", this.#onAbort, { once: true });
  }

  next(): Promise<Batch> {
    if (this.#calls > 0 || !this.#options.isTail || this.#isEnded() || this.#options.signal?.aborted === true) return this.#inOrder(this.#step);
    return this.#nextOfTail();
  }

  return(): Promise<IteratorReturnResult<undefined>> {
    this.#life = { kind: "ended" };
    this.#end();
    return this.#inOrder(async () => {
      await this.#release();
      return end;
    });
  }

  /** Who has read on at this tail's place has done so, or given up. */
  handleRelease(): void {
    const resolve = this.#resolve;
    if (resolve === null) return;
    let known: readonly LogRecord[] | null;
    try {
      known = this.#takeKnown();
    } catch (error) {
      this.#resolveBy(() => this.#fail(error));
      return;
    }
    if (known === null) {
      if (!this.#mustWait()) this.#resolveBy(this.#step);
      return;
    }
    this.#resolve = null;
    this.#calls--;
    resolve({ done: false, value: known });
  }

  /** Whether the tail is to go on has changed: what waits looks. */
  #end(): void {
    this.#wake.abort();
    if (this.#resolve !== null) this.#resolveBy(this.#step);
  }

  #resolveBy(operation: () => Promise<Batch>): void {
    const resolve = this.#resolve;
    this.#resolve = null;
    const result = operation();
    void result.then(this.#onSettled, this.#onSettled);
    resolve?.(result);
  }

  #inOrder<Result>(operation: () => Promise<Result>): Promise<Result> {
    const isIdle = this.#calls++ === 0;
    const result = isIdle ? operation() : this.#last.then(operation, operation);
    this.#last = result.then(this.#onSettled, this.#onSettled);
    return result;
  }

  /** Runs before whoever awaits the call goes on. */
  readonly #onSettled = (): void => {
    this.#calls--;
    const claim = this.#claim;
    if (claim === null) return;
    this.#claim = null;
    // Not by `#shared`: a tail that has ended is out of it.
    claim.tail.release(claim);
  };

  /**
   * What another tail has read, at once; else by the one that reads on at this place, which is this one if there is none. Hot with many
   * tails, see `ringwall bench tailers`: but for that one, a batch costs a tail one promise.
   */
  #nextOfTail(): Promise<Batch> {
    if (this.#walk === null) {
      if (this.#options.since !== undefined) return this.#inOrder(this.#step);
      this.#walk = new ReadWalk(this.#source, this.#state, this.#options);
    }
    this.#shared ??= sharedTailsOf(this.#source).join(this.#state);
    let known: readonly LogRecord[] | null;
    try {
      known = this.#takeKnown();
    } catch (error) {
      return this.#inOrder(() => this.#fail(error));
    }
    if (known !== null) return Promise.resolve({ done: false, value: known });
    if (!this.#mustWait()) return this.#inOrder(this.#step);
    this.#calls++;
    const waiting = new Promise<Batch>((resolve) => (this.#resolve = resolve));
    this.#last = waiting;
    return waiting;
  }

  /** What another tail has read. Throws when the next record is gone. */
  #takeKnown(): readonly LogRecord[] | null {
    const known = this.#shared?.take(this.#walk as ReadWalk) ?? null;
    if (known === null || this.#due === null) return known;
    const due = this.#dueOf(known);
    return due.length > 0 ? due : null;
  }

  /** Whether another tail reads on from this one's place; if none does anywhere, this one does from now on. */
  #mustWait(): boolean {
    const { expected, isOutdated } = this.#walk as ReadWalk;
    const shared = this.#shared as SharedTail;
    // 1. what this tail has given is truncated, and written anew; 2. another one has read it, and waits at the same place; 3. this one waits for it, and is not told.
    if (isOutdated) return false;
    if (shared.claim === null) {
      this.#claim = shared.claimFrom(expected);
      return false;
    }
    if (shared.claim.from !== expected) return false;
    shared.claim.waiting.push(this);
    return true;
  }

  readonly #step = async (): Promise<Batch> => {
    if (this.#isEnded()) return end;
    try {
      const value = await this.#read();
      if (value !== null) return { done: false, value };
    } catch (error) {
      return this.#fail(error);
    }
    await this.#release();
    return end;
  };

  async #fail(error: unknown): Promise<Batch> {
    const wasReturned = this.#isEnded();
    await this.#release();
    if (wasReturned) return end;
    const signal = this.#options.signal;
    if (signal?.aborted === true) throw abortedError(this.#source, this.#state, signal);
    // 1. the tail fails, for records that it gave are truncated; 2. reads that are under way end; 3. meanwhile more of them are. Its
    // caller goes on where the error says, and a new tail knows nothing of what was before it.
    const isPassed = error instanceof RingwallError && passedErrors.has(error.code);
    throw (isPassed ? this.#walk?.takeTruncation() : null) ?? error;
  }

  async #read(): Promise<readonly LogRecord[] | null> {
    for (;;) {
      if (this.#isEnded()) return null;
      this.#options.signal?.throwIfAborted();
      const walk = (this.#walk ??= await this.#begin());
      if (this.#options.isTail) this.#shared ??= sharedTailsOf(this.#source).join(this.#state);
      const records = await (this.#shared === null ? walk.next() : this.#shared.next(walk));
      this.#options.signal?.throwIfAborted();
      const due = this.#dueOf(records);
      if (due.length > 0) return due;
      if (records.length > 0) continue;
      if (!this.#options.isTail || walk.isComplete) return null;
      // 1. the walk finds nothing to read; 2. what it has given is truncated; 3. the wait begins, knows that truncation, and never ends.
      if (walk.isOutdated) continue;
      walk.rest();
      await this.#source.durableBeyond(this.#state, walk.expected - 1, this.#wake.signal);
    }
  }

  async #begin(): Promise<ReadWalk> {
    const { since, from, to, limit, isTail } = this.#options;
    if (since === undefined) return new ReadWalk(this.#source, this.#state, this.#options);
    // What is trimmed already is refused to those alone who ask for it by its sequence.
    if (from !== undefined && from < this.#state.firstSequence) throw trimmedError(this.#source, this.#state, from);
    const last = to ?? this.#state.durableSequence;
    const found = await findSince(this.#source, this.#state, { since, from, to: last });
    return new ReadWalk(this.#source, this.#state, { from: found, to: isTail ? undefined : last, limit, isTail });
  }

  /** A tail may begin before there is any record that is new enough. */
  #dueOf(records: readonly LogRecord[]): readonly LogRecord[] {
    const since = this.#due;
    if (since === null || records.length === 0) return records;
    const first = records.findIndex(({ time }) => time >= since);
    if (first < 0) return [];
    this.#due = null;
    return first === 0 ? records : records.slice(first);
  }

  #isEnded(): boolean {
    return this.#life.kind === "ended";
  }

  async #release(): Promise<void> {
    this.#life = { kind: "ended" };
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
    if (this.#shared !== null) sharedTailsOf(this.#source).leave(this.#shared);
    this.#shared = null;
    await this.#walk?.close();
  }
}

/** Single records. Within a batch `next` costs one promise that is resolved already. */
export class Records extends HandIterator<LogRecord> {
  readonly #batches: AsyncGenerator<readonly LogRecord[], undefined, undefined>;
  #batch: readonly LogRecord[] = [];
  #at = 0;
  /** The next batch, under way; calls that come meanwhile queue behind it. */
  #pending: Promise<IteratorResult<LogRecord, undefined>> | null = null;

  constructor(batches: AsyncGenerator<readonly LogRecord[], undefined, undefined>) {
    super();
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
    // A tail may wait for long: what was given is not kept meanwhile.
    this.#batch = [];
    const result = await this.#batches.next();
    if (result.done === true) return end;
    this.#batch = result.value;
    this.#at = 1;
    return { done: false, value: this.#batch[0] as LogRecord };
  }
}
