// Long work beside others: a slice in each turn of the event loop.

import type { Slices } from "../base/slices.js";
import type { Clock } from "./storage.js";

/** How slices are run: at once, or with turns for others in between. */
export type RunSlices = <Result>(work: Slices<Result>) => Result | Promise<Result>;

/** A writer waits no longer than that for one slice, as it was reckoned. */
const sliceNanos = 300_000;

/** Once it `isUrgent` the rest is done at once. */
export function inTurns(clock: Clock, isUrgent: () => boolean): <Result>(work: Slices<Result>) => Promise<Result> {
  return async <Result>(work: Slices<Result>): Promise<Result> => {
    let nanos = 0;
    for (let step = work.next(); ; step = work.next()) {
      if (step.done === true) return step.value;
      nanos += step.value;
      if (nanos < sliceNanos || isUrgent()) continue;
      nanos = 0;
      await new Promise<void>((resolve) => { clock.after(0, resolve, true); });
    }
  };
}
