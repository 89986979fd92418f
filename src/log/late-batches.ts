// A tail of a partition of which a reader does not know yet where it will be made: it waits on every lane, and goes on with the one that has it.

import { HandIterator } from "./hand-iterator.js";
import type { LogRecord } from "./block-cursor.js";

type Batches = AsyncGenerator<readonly LogRecord[], undefined, undefined>;
type Batch = IteratorResult<readonly LogRecord[], undefined>;

export interface LateOptions {
  /** Resolves once one lane has it; rejects when the signal aborts, which ends all that it waits for. */
  readonly made: (signal: AbortSignal) => Promise<void>;
  /** The tail of what was made. */
  readonly begin: () => Batches;
  readonly signal: AbortSignal | undefined;
}

/** Calls are served one after the other, in order; `return` ends what is pending. */
export class LateBatches extends HandIterator<readonly LogRecord[]> {
  readonly #options: LateOptions;
  readonly #wake = new AbortController();
  readonly #onAbort = (): void => { this.#wake.abort(this.#options.signal?.reason); };
  #tail: Batches | null = null;
  #isEnded = false;
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: LateOptions) {
    super();
    this.#options = options;
    options.signal?.addEventListener("abort", this.#onAbort, { once: true });
    if (options.signal?.aborted === true) this.#onAbort();
  }

  next(): Promise<Batch> {
    const result = this.#last.then(() => this.#next());
    this.#last = result.catch(() => undefined);
    return result;
  }

  async return(): Promise<IteratorReturnResult<undefined>> {
    this.#end();
    await this.#tail?.return(undefined);
    await this.#last;
    return { done: true, value: undefined };
  }

  async #next(): Promise<Batch> {
    try {
      if (!this.#isEnded && this.#tail === null) {
        await this.#options.made(this.#wake.signal);
        // The other lanes' waits. Nothing comes between: who calls `return` finds the tail.
        this.#rouse();
        if (!this.#isEnded) this.#tail = this.#options.begin();
      }
    } catch (error) {
      const isAsked = this.#isEnded;
      this.#end();
      if (!isAsked) throw error;
    }
    return this.#tail === null || this.#isEnded ? { done: true, value: undefined } : this.#tail.next();
  }

  #end(): void {
    this.#isEnded = true;
    this.#rouse();
  }

  #rouse(): void {
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
    this.#wake.abort();
  }
}
