// Random numbers from a seed, the same on every machine: the only source of chance in a simulation.
//
// sfc32 by Chris Doty-Humphrey (PractRand, public domain): 128 bits of state, integer arithmetic only.

import { assert } from "../../base/assert.js";

export class Random {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  /** Streams of one seed are independent: drawing more from one changes nothing in another. */
  constructor(seed: number, stream = 0) {
    this.#a = seed | 0;
    this.#b = Math.floor(seed / 0x1_0000_0000) | 0;
    this.#c = stream | 0;
    for (let round = 0; round < 12; round++) this.next();
  }

  /** An integer from 0 to 2^32 - 1. */
  next(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  /** An integer from 0 to `count` - 1. */
  below(count: number): number {
    assert(count >= 1, "there is something to choose from");
    return Math.floor((this.next() / 0x1_0000_0000) * count);
  }

  /** An integer from `min` to `max`. */
  between(min: number, max: number): number {
    return min + this.below(max - min + 1);
  }

  /** From 0 to below 1. */
  fraction(): number {
    return this.next() / 0x1_0000_0000;
  }

  chance(probability: number): boolean {
    // Drawn even when it can't matter, so that a changed probability does not shift everything after it.
    return this.next() < probability * 0x1_0000_0000;
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)] as Item;
  }

  bytes(count: number): Uint8Array {
    const bytes = new Uint8Array(count);
    for (let at = 0; at < count; at++) bytes[at] = this.next() & 0xff;
    return bytes;
  }
}
