// Long work in slices: a generator that yields wherever others may have their turn, about how many nanoseconds it worked since.
//
// That is reckoned from how much was done and never read from a clock, so that a simulation repeats. Pure.

export type Slices<Result> = Generator<number, Result, undefined>;

/** All of it at once. */
export function inOneGo<Result>(work: Slices<Result>): Result {
  for (;;) {
    const step = work.next();
    if (step.done === true) return step.value;
  }
}
