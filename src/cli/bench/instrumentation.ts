// What measuring itself costs, measured: a figure is worth no more than the clock it was taken with.

import { Samples, type Quantiles } from "./samples.js";

export interface Instrumentation {
  /** One call in so many is timed; every call is counted. */
  readonly everyCall: number;
  /** Two readings of the clock and one recording, nanoseconds. */
  readonly nanosPerSample: number;
  /** The same, spread over all records. */
  readonly nanosPerRecord: number;
  /** Two readings of the clock with nothing between them: every time of a single call has this in it, and it is not subtracted. */
  readonly emptyNanos: Quantiles;
}

const rounds = 200_000;

/** `recordsPerCall`: more than one for batches. */
export function measureInstrumentation(everyCall: number, recordsPerCall = 1): Instrumentation {
  const samples = new Samples(rounds);
  timeNothing(samples);
  samples.clear();
  const started = performance.now();
  timeNothing(samples);
  const nanosPerSample = ((performance.now() - started) * 1e6) / rounds;
  return { everyCall, nanosPerSample, nanosPerRecord: nanosPerSample / everyCall / recordsPerCall, emptyNanos: samples.quantiles(1e6) };
}

function timeNothing(samples: Samples): void {
  for (let round = 0; round < rounds; round++) {
    const started = performance.now();
    samples.record(performance.now() - started);
  }
}
