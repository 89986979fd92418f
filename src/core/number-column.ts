// Whole numbers in as many bytes each as the distance between the least and the greatest needs: 1, 2, 4 or 8.
//
// Made once, never changed. Pure.

export class NumberColumn {
  readonly #least: number;
  readonly #distances: Uint8Array | Uint16Array | Uint32Array | Float64Array;

  constructor(numbers: Float64Array) {
    let least = numbers[0] ?? 0;
    let greatest = least;
    for (let index = 1; index < numbers.length; index++) {
      const number = numbers[index] as number;
      if (number < least) least = number;
      else if (number > greatest) greatest = number;
    }
    this.#least = least;
    this.#distances = distancesUpTo(greatest - least, numbers.length);
    for (let index = 0; index < numbers.length; index++) this.#distances[index] = (numbers[index] as number) - least;
  }

  get bytes(): number {
    return this.#distances.byteLength;
  }

  /** Those from `from` on, as many as `into` takes: much cheaper than one after the other. */
  copy(from: number, into: Float64Array): Float64Array {
    const least = this.#least;
    into.set(this.#distances.subarray(from, from + into.length));
    if (least !== 0) for (let index = 0; index < into.length; index++) (into[index] as number) += least;
    return into;
  }

  at(index: number): number {
    return this.#least + (this.#distances[index] as number);
  }

  /** The last index in [from, to) with a number of at most `number`, where they ascend; `from` - 1 when there is none. */
  lastUpTo(number: number, from: number, to: number): number {
    const distances = this.#distances;
    const distance = number - this.#least;
    let low = from;
    let high = to;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((distances[middle] as number) <= distance) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}

function distancesUpTo(greatest: number, length: number): Uint8Array | Uint16Array | Uint32Array | Float64Array {
  if (greatest < 2 ** 8) return new Uint8Array(length);
  if (greatest < 2 ** 16) return new Uint16Array(length);
  return greatest < 2 ** 32 ? new Uint32Array(length) : new Float64Array(length);
}
