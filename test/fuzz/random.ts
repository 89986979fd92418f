// A generator with a seed that is printed, and fuzzing for so many seconds.
//
//   RINGWALL_FUZZ_SEED=<seed>      replays that input alone
//   RINGWALL_FUZZ_SECONDS=<n>      of each target; a few when left out

import type { TestContext } from "node:test";

export class Random {
  readonly seed: number;
  #state: number;

  constructor(seed: number) {
    this.seed = seed;
    this.#state = seed >>> 0;
  }

  /** An integer in [0, limit). Mulberry32: Tommy Ettinger, public domain. */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T;
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.below(256));
  }
}

const only = process.env["RINGWALL_FUZZ_SEED"];
export const seedToReplay: number | null = only === undefined ? null : Number(only);

export function fuzzSeconds(secondsDefault: number): number {
  return Number(process.env["RINGWALL_FUZZ_SECONDS"] ?? secondsDefault);
}
const inputMillisMax = 2000;

/** Gives `body` one generator after the other, each from a seed of its own, and prints how many. An input that takes seconds fails. */
export async function fuzz(t: TestContext, secondsDefault: number, body: (random: Random) => void | Promise<void>): Promise<void> {
  const first = seedToReplay ?? Math.floor(Math.random() * 2 ** 31);
  const end = performance.now() + fuzzSeconds(secondsDefault) * 1000;
  let inputs = 0;
  let now = performance.now();
  do {
    const seed = first + inputs;
    try {
      const waits = body(new Random(seed));
      if (waits !== undefined) await waits;
    } catch (error) {
      throw new Error(`seed ${String(seed)}: ${String(error)}; replay with RINGWALL_FUZZ_SEED=${String(seed)}`, { cause: error });
    }
    const after = performance.now();
    if (after - now > inputMillisMax) throw new Error(`seed ${String(seed)} took ${String(after - now)} ms`);
    now = after;
    inputs++;
  } while (seedToReplay === null && now < end);
  t.diagnostic(`${String(inputs)} inputs from seed ${String(first)}`);
}
