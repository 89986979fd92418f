// The vectors of writes that gather several parts of the memory: where each part lies and how long it is, for the kernel.
//
// Owns: a page of `struct iovec` at an address that the kernel can be given, cut into places for `partsMax` of them.

import { assert } from "../../base/assert.js";
import { highHalf, lowHalf } from "../../base/numbers.js";
import type { NativeBinding } from "../../native/binding.js";
import type { WritePart } from "../storage.js";

/** Parts of one write; what is more goes out as further writes. */
export const partsMax = 8;
const pageBytes = 4096;
/** `struct iovec`: address and length, 64 bits each. */
const entryWords = 4;
const placeWords = partsMax * entryWords;

/** One write's vector, until `give`. */
export interface Vector {
  readonly place: number;
  readonly parts: readonly WritePart[];
  /** Bytes from the front on that are written already. */
  skipped: number;
}

export class Vectors {
  readonly #native: NativeBinding;
  readonly #page: ArrayBuffer | null;
  readonly #words: Uint32Array;
  readonly #free: number[];
  readonly #pageAddress = new Uint32Array(2);
  readonly #memoryAddress = new Uint32Array(2);

  /** Of parts of `memory`. */
  constructor(native: NativeBinding, memory: ArrayBuffer) {
    this.#native = native;
    const page = native.allocate(pageBytes);
    this.#page = typeof page === "number" ? null : page;
    this.#words = new Uint32Array(this.#page ?? new ArrayBuffer(0));
    this.#free = Array.from({ length: this.#words.length / placeWords }, (_, place) => place);
    if (this.#page !== null) native.address(this.#page, this.#pageAddress);
    native.address(memory, this.#memoryAddress);
  }

  /** Null when all are in use. */
  take(parts: readonly WritePart[]): Vector | null {
    assert(parts.length <= partsMax, "a vector has room for its parts");
    const place = this.#free.pop();
    return place === undefined ? null : { place, parts, skipped: 0 };
  }

  give(vector: Vector): void {
    this.#free.push(vector.place);
  }

  /** Writes down what is still to be written, into the entry's words for address and count. */
  fill(vector: Vector, entry: Uint32Array, at: number): void {
    const words = this.#words;
    let to = vector.place * placeWords;
    let skip = vector.skipped;
    let count = 0;
    for (const { start, bytes } of vector.parts) {
      const skipped = Math.min(skip, bytes);
      skip -= skipped;
      if (skipped === bytes) continue;
      const low = (this.#memoryAddress[0] as number) + start + skipped;
      words[to] = lowHalf(low);
      words[to + 1] = (this.#memoryAddress[1] as number) + highHalf(low);
      words[to + 2] = bytes - skipped;
      words[to + 3] = 0;
      to += entryWords;
      count += 1;
    }
    // Inside one page: the low half does not overflow.
    entry[at + 4] = (this.#pageAddress[0] as number) + vector.place * placeWords * 4;
    entry[at + 5] = this.#pageAddress[1] as number;
    entry[at + 6] = count;
  }

  close(): void {
    if (this.#page !== null) this.#native.release(this.#page);
  }
}
