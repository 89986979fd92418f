// What a suite prints for each contender.

import type { BenchMachine } from "../bench-machine.js";
import type { Spread } from "../spread.js";
import type { Settings } from "./suite.js";

/** One line of a suite's JSON. Every figure by itself: the median of the rounds, and what they varied between. */
export interface SuiteDocument extends Spread<object> {
  readonly bench: string;
  readonly group: string;
  readonly contender: string;
  readonly settings: Settings;
  readonly rounds: number;
  /** Of neighbouring rounds, this contender's over the reference's. */
  readonly ratios?: { readonly to: string; readonly of: Readonly<Record<string, Spread<number>>> };
  readonly facts?: object;
  readonly warmUp?: object;
  readonly machine: BenchMachine;
  readonly options: Record<string, unknown>;
}
