// How much a block must hold to go out while others are on their way: the more load there is, the more.
//
// A share of the most that was on its way lately, between `least` and four times that. Small blocks keep the device and this
// thread at work at the same time where there are few callers; where there are many, larger ones cost fewer submissions, and
// the device is busy all the same. Pure. Figures: docs/BENCHMARKS.md, "When a block is cut early".

const growthMax = 4;
/** Of what is remembered, per submission: a load that went away is forgotten within a hundred blocks. */
const memory = 0.98;
const windowSize = 32;

export class EagerBound {
  /** Read after each append. */
  current: number;
  readonly #least: number;
  readonly #share: number;
  /** What each block in flight holds, by its sequence modulo their size. */
  readonly #amounts = new Float64Array(windowSize);
  #onTheirWay = 0;
  #load = 0;

  constructor(options: { readonly least: number; readonly share: number }) {
    this.#least = options.least;
    this.#share = options.share;
    this.current = options.least;
  }

  handleSubmitted(sequence: number, amount: number): void {
    this.#amounts[sequence % windowSize] = amount;
    this.#onTheirWay += amount;
    this.#load = Math.max(this.#onTheirWay, this.#load * memory);
    this.current = Math.max(this.#least, Math.min(this.#load * this.#share, this.#least * growthMax));
  }

  /** The horizon passed the block. */
  handleDurable(sequence: number): void {
    this.#onTheirWay -= this.#amounts[sequence % windowSize] as number;
  }
}
