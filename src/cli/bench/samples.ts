// Durations of single calls, recorded cheaply: into a ring of numbers, sorted once at the end.
//
// Hot: `record` is one store and two additions. A full ring forgets its oldest values; `count` tells how many came.

/** Quantiles by the nearest rank. Zeros when nothing was recorded. */
export interface Quantiles {
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

export class Samples {
  readonly #values: Float64Array<ArrayBuffer>;
  #next = 0;
  #count = 0;

  constructor(capacity = 1 << 20) {
    this.#values = new Float64Array(capacity);
  }

  get count(): number {
    return this.#count;
  }

  record(value: number): void {
    this.#values[this.#next] = value;
    this.#next++;
    if (this.#next === this.#values.length) this.#next = 0;
    this.#count++;
  }

  clear(): void {
    this.#next = 0;
    this.#count = 0;
  }

  /** Of what is kept, each value times `factor`: 1000 makes microseconds of milliseconds. */
  quantiles(factor: number): Quantiles {
    return quantilesOf([this.kept()], factor);
  }

  /** A copy, in no order. */
  kept(): Float64Array<ArrayBuffer> {
    return this.#values.slice(0, Math.min(this.#count, this.#values.length));
  }
}

/** Of all values together, each times `factor`. */
export function quantilesOf(lists: readonly Float64Array[], factor: number): Quantiles {
  const sorted = new Float64Array(lists.reduce((sum, { length }) => sum + length, 0));
  let next = 0;
  for (const list of lists) {
    sorted.set(list, next);
    next += list.length;
  }
  sorted.sort();
  const at = (quantile: number): number => (sorted[Math.max(0, Math.ceil(quantile * sorted.length) - 1)] ?? 0) * factor;
  return { p50: at(0.5), p99: at(0.99), p999: at(0.999), max: at(1) };
}
