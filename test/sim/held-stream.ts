// One partition of a life in which writers are held, and what it must hold in the end.

import assert from "node:assert/strict";
import type { Partition } from "#src/index.js";
import { RingwallError } from "#src/base/errors.js";
import type { Random } from "#src/storage/sim/random.js";

export class Stream {
  /** Another one once the log was opened anew. */
  partition: Partition;
  readonly bytes: number;
  readonly keeps: number;
  readonly #nextId: () => number;
  /** A call was refused that others were asked behind: what is where is not known. */
  isDoubtful = false;
  #firstAsked = 1;
  /** By sequence, as far as it is known for certain. */
  readonly #known = new Map<number, number>();
  /** Truncations asked so far. */
  #truncations = 0;

  constructor(partition: Partition, { bytes, keeps, nextId }: { readonly bytes: number; readonly keeps: number; readonly nextId: () => number }) {
    this.partition = partition;
    this.bytes = bytes;
    this.keeps = keeps;
    this.#nextId = nextId;
  }

  get name(): string {
    return this.partition.name;
  }

  get length(): number {
    return this.partition.lastSeq - this.#firstAsked + 1;
  }

  mayTrim(random: Random): boolean {
    return Number.isFinite(this.keeps) && this.length > this.keeps + random.below(this.keeps + 5);
  }

  append(bytes: number): Promise<number> {
    const { id, data } = this.#content(bytes);
    return this.#noting([id], () => this.partition.append(data), (last) => last);
  }

  appendBatch(count: number, bytes: number, after?: number): Promise<unknown> {
    const records = Array.from({ length: count }, () => this.#content(bytes));
    const data = records.map((record) => record.data);
    return this.#noting(records.map(({ id }) => id), () => this.partition.appendBatch(data, after === undefined ? {} : { after }), ({ last }) => last);
  }

  enqueue(bytes: number): void {
    const { id, data } = this.#content(bytes);
    this.#known.set(this.partition.enqueue(data), id);
  }

  overwrite(after: number, count: number, bytes: number): Promise<unknown> {
    const kept = Math.min(this.partition.lastSeq, Math.max(this.#firstAsked - 1, after));
    this.#forgetAbove(kept);
    return this.appendBatch(count, bytes, kept);
  }

  truncate(after: number): Promise<void> {
    const kept = Math.max(this.#firstAsked - 1, after);
    this.#forgetAbove(kept);
    return this.#doubting(this.partition.truncate(kept));
  }

  trim(first: number): Promise<void> {
    const kept = Math.max(this.#firstAsked, Math.min(first, this.partition.lastSeq + 1));
    this.#firstAsked = kept;
    return this.#doubting(this.partition.trim(kept));
  }

  #forgetAbove(after: number): void {
    this.#truncations++;
    for (const seq of [...this.#known.keys()]) if (seq > after) this.#known.delete(seq);
  }

  #content(bytes: number): { readonly id: number; readonly data: string } {
    const id = this.#nextId();
    return { id, data: `${this.name}#${String(id)}#`.padEnd(bytes, ".") };
  }

  async #noting<Result>(ids: readonly number[], call: () => Promise<Result>, lastOf: (result: Result) => number): Promise<Result> {
    const before = this.#truncations;
    const result = await this.#doubting(call());
    // What was truncated since may be gone.
    if (this.#truncations === before) for (const [at, id] of ids.entries()) this.#known.set(lastOf(result) - ids.length + 1 + at, id);
    return result;
  }

  async #doubting<Result>(call: Promise<Result>): Promise<Result> {
    try {
      return await call;
    } catch (error) {
      this.isDoubtful = true;
      throw error;
    }
  }

  async demandContents(mayBeDamaged: boolean): Promise<void> {
    const { partition } = this;
    let due = partition.firstSeq;
    try {
      for await (const batch of partition.readBatches()) {
        for (const { seq, data } of batch) {
          const text = Buffer.from(data).toString();
          assert.equal(seq, due++, this.name);
          assert.ok(text.startsWith(`${this.name}#`), `${this.name} ${String(seq)} holds ${text.slice(0, 20)}`);
          const known = this.#known.get(seq);
          if (!this.isDoubtful && known !== undefined) assert.equal(text.split("#")[1], String(known), `${this.name} ${String(seq)}`);
        }
      }
    } catch (error) {
      if (mayBeDamaged && error instanceof RingwallError && error.code === "RINGWALL_DAMAGED") return;
      throw error;
    }
    assert.equal(due, partition.lastSeq + 1, `${this.name}: every record`);
  }
}
