// Reading in another thread than the lane's: arrays of records, each asked for when the one before is used up.

import { RingwallError } from "../base/errors.js";
import { HandIterator } from "../log/hand-iterator.js";
import type { BatchesOptions } from "../log/read-batches.js";
import type { LogRecord } from "../log/reader.js";
import type { Connection } from "./connection.js";
import type { SentRecords } from "./port-messages.js";

const end: IteratorReturnResult<undefined> = { done: true, value: undefined };

/** Calls are served one after the other, in order; `return` ends one that waits. */
export class ThreadBatches extends HandIterator<LogRecord[]> {
  readonly #connection: Connection;
  readonly #partition: string;
  readonly #options: BatchesOptions;
  readonly #onAbort = (): void => this.#stop();
  #id = 0;
  #isEnded = false;
  #last: Promise<unknown> = Promise.resolve();

  constructor(connection: Connection, partition: string, options: BatchesOptions) {
    super();
    this.#connection = connection;
    this.#partition = partition;
    this.#options = options;
    options.signal?.addEventListener("abort", this.#onAbort, { once: true });
  }

  next(): Promise<IteratorResult<LogRecord[], undefined>> {
    const result = this.#last.then(() => this.#step());
    this.#last = result.catch(() => undefined);
    return result;
  }

  async return(): Promise<IteratorReturnResult<undefined>> {
    this.#isEnded = true;
    this.#stop();
    await this.#last;
    this.#release();
    return end;
  }

  async #step(): Promise<IteratorResult<LogRecord[], undefined>> {
    if (this.#isEnded) return end;
    const { from, since, to, limit, isTail } = this.#options;
    try {
      this.#demandNotAborted();
      if (this.#id === 0) this.#id = this.#connection.openRead(this.#partition, { from, since, to, limit, isTail });
      const records = await this.#connection.nextRecords(this.#id);
      if (!this.#wasReturned()) this.#demandNotAborted();
      if (records !== null && !this.#wasReturned()) return { done: false, value: unpacked(records) };
    } catch (error) {
      const wasReturned = this.#wasReturned();
      this.#release();
      if (wasReturned) return end;
      throw error;
    }
    this.#release();
    return end;
  }

  #wasReturned(): boolean {
    return this.#isEnded;
  }

  #stop(): void {
    if (this.#id !== 0) this.#connection.endRead(this.#id);
  }

  #release(): void {
    this.#isEnded = true;
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
  }

  #demandNotAborted(): void {
    const { signal } = this.#options;
    if (signal?.aborted !== true) return;
    this.#stop();
    throw new RingwallError("RINGWALL_ABORTED", "reading was aborted", { place: { partition: this.#partition }, cause: signal.reason });
  }
}

/** Views into what came over. */
export function unpacked({ first, times, ends, data }: SentRecords): LogRecord[] {
  let start = 0;
  return Array.from(ends, (stop, index) => {
    const record: LogRecord = { seq: first + index, time: times[index] as number, data: data.subarray(start, stop) };
    start = stop;
    return record;
  });
}
