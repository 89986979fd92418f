// Numbers from a seed: the same on the writer's side and on the checker's.

export class Random {
  #state: number;

  constructor(...seeds: readonly number[]) {
    this.#state = 0;
    for (const seed of seeds) this.#state = mixed((this.#state ^ seed) + 0x9e3779b9);
  }

  /** An integer from 0 to `limit - 1`. */
  below(limit: number): number {
    // Mulberry32: Tommy Ettinger, public domain.
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    return mulberry(this.#state) % limit;
  }

  /** Between `low` and `high`, as likely in each power of two. */
  spread(low: number, high: number): number {
    return low * (high / low) ** (this.below(1_000_000) / 1_000_000);
  }

  /** True once in `times`. */
  oneIn(times: number): boolean {
    return this.below(times) === 0;
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)] as Item;
  }
}

/** A hash of some numbers, 32 bits. */
export function hashOf(...values: readonly number[]): number {
  let hash = 0x811c9dc5;
  for (const value of values) hash = mixed(hash ^ value);
  return hash >>> 0;
}

function mixed(value: number): number {
  const once = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  const twice = Math.imul(once ^ (once >>> 13), 0xc2b2ae35);
  return (twice ^ (twice >>> 16)) >>> 0;
}

function mulberry(state: number): number {
  let value = Math.imul(state ^ (state >>> 15), state | 1);
  value ^= value + Math.imul(value ^ (value >>> 7), value | 61);
  return (value ^ (value >>> 14)) >>> 0;
}
