// What a suite is: groups of entrants that run their rounds in turn, and the measures that are looked at.
//
// A suite only describes. The loop over rounds, the medians, the ratios, the documents and the table are the runner's
// (run-suite.ts); a suite that needs a loop of its own is not a suite.

import type { CommonOptions } from "../../common-options.js";
import type { BenchContext } from "../bench-run.js";
import type { Contender } from "../contender.js";

export interface SuiteFlags extends CommonOptions {
  readonly dir: string;
  readonly keep?: boolean;
  readonly seconds: number;
  readonly repeat: number;
}

export type Settings = Readonly<Record<string, string | number | boolean>>;

export interface Entrant extends Contender<object> {
  /** Unique in its group. */
  readonly name: string;
  /** In what it differs from the others, and what it has in common with them. */
  readonly settings: Settings;
  /** What it ran on, for the document; read after the rounds. */
  readonly facts?: object;
  /** The entrant of its group that ratios are taken to. */
  readonly reference?: string;
  /** Before the first round, unmeasured. What it resolves to is the document's `warmUp`. */
  prepare?(isStopped: () => boolean): Promise<object | undefined>;
}

/** Entrants whose rounds alternate: A B A B. */
export interface OpenGroup {
  readonly entrants: readonly Entrant[];
  close(): Promise<void>;
}

export interface Group {
  readonly name: string;
  open(context: BenchContext): Promise<OpenGroup>;
}

export interface Measure {
  /** Where it is in the figures of a round: "ackMicros.p50". */
  readonly path: string;
  readonly title: string;
  readonly digits: number;
  /** Whether a ratio to the reference is taken of it. */
  readonly isCompared?: boolean;
}

export interface Suite<Flags extends SuiteFlags = SuiteFlags> {
  readonly measures: readonly Measure[];
  /** Throws CommandError where the flags make no sense, or the machine lacks what the suite needs. */
  groups(flags: Flags): readonly Group[];
}
