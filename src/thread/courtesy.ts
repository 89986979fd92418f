// When a thread that looks at memory without a pause lets others have the processor, which costs a system call.
//
// Who needs it may be what the thread waits for: 1. a durable write ends in a kernel worker bound to this processor; 2. this thread
// looks for it without a pause; 3. the worker waits for the scheduler's tick, 4 ms. So what a yield was good for is measured: one that
// took time let somebody run, and the next comes soon; one that came back at once was for nothing, and the next waits twice as long. Where
// there are processors enough they end by themselves, for waits are shorter than that; where there are not, the first long wait brings them back.

/** Longer than a write takes, so that no call is made while all goes well. */
const waitMillisMin = 0.5;
/** Longer than a scheduler's tick, behind which others run in any case. */
const waitMillisMax = 8;
/** A yield to nobody takes a microsecond, a switch of threads and back several. */
const usefulMillis = 0.02;

export class Courtesy {
  readonly #isOff: boolean;
  #waitMillis = waitMillisMin;

  constructor(yields: "auto" | "never") {
    this.#isOff = yields === "never";
  }

  /** Whether it is time, after so long without work or since the last yield. Hot. */
  isDue(waitedMillis: number): boolean {
    return !this.#isOff && waitedMillis >= this.#waitMillis;
  }

  handleYield(tookMillis: number): void {
    this.#waitMillis = tookMillis >= usefulMillis ? waitMillisMin : Math.min(waitMillisMax, this.#waitMillis * 2);
  }
}
