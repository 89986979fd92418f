// What `bench append` reports: medians of the rounds, their spread, and the ratios to what ran beside the log.

import type { BenchMachine } from "./bench-machine.js";
import type { AppendFigures } from "./contender.js";
import type { EnqueueFigures } from "./enqueue-phase.js";
import type { FloorFigures } from "./floor-contender.js";
import type { Instrumentation } from "./instrumentation.js";
import type { LogFigures, WarmUp } from "./log-contender.js";
import type { LogFacts } from "./log-settings.js";
import type { Quantiles } from "./samples.js";
import { ratioOf, spreadOf, type Spread } from "./spread.js";

/** The figures are medians of the rounds; `spread` has what they varied between. */
export interface AppendReport extends LogFigures, LogFacts {
  readonly bench: "append";
  readonly machine: BenchMachine;
  readonly options: Record<string, unknown>;
  readonly warmUp: WarmUp;
  readonly instrumentation: Instrumentation;
  readonly rounds: number;
  readonly spread: { readonly min: LogFigures; readonly max: LogFigures };
  /** Absent when no record was enqueued. */
  readonly enqueue?: Spread<EnqueueFigures>;
  readonly enqueueNanos?: Quantiles;
  readonly baseline?: Spread<AppendFigures>;
  readonly floor?: { readonly method: string; readonly waiting: Spread<FloorFigures>; readonly polling?: Spread<FloorFigures> };
  readonly ratios: Ratios;
}

/** Of figures of one round, over all rounds. */
export interface Ratios {
  /** Records per second, the log's over the baseline's. */
  readonly recordsPerSecondToBaseline?: Spread<number>;
  readonly ackP50ToBaseline?: Spread<number>;
  readonly ackP50ToFloorWaiting?: Spread<number>;
  readonly ackP50ToFloorPolling?: Spread<number>;
  /** To one record of every caller per write of the floor. */
  readonly recordsPerSecondToFloorWaiting?: Spread<number>;
}

export interface Measured {
  readonly options: Record<string, unknown>;
  readonly machine: BenchMachine;
  readonly facts: LogFacts;
  readonly instrumentation: Instrumentation;
  readonly warmUp: WarmUp;
  /** Rounds by contender; of the log one at least. */
  readonly results: Map<string, object[]>;
  readonly enqueued: readonly EnqueueFigures[];
  /** Of the floor; empty without one. */
  readonly method: string;
  /** Records of one write of the floor. */
  readonly floorRecords: number;
}

export function reportOf({ options, machine, facts, instrumentation, warmUp, results, enqueued, method, floorRecords }: Measured): AppendReport {
  const rounds = results.get("ringwall") as LogFigures[];
  const { median, min, max } = spreadOf(rounds);
  const baseline = results.get("baseline") as AppendFigures[] | undefined;
  const waiting = results.get("floorWaiting") as FloorFigures[] | undefined;
  const polling = results.get("floorPolling") as FloorFigures[] | undefined;
  const enqueue = enqueued.length === 0 ? undefined : spreadOf(enqueued);
  return {
    bench: "append",
    ...median,
    ...facts,
    ...(enqueue === undefined ? {} : { enqueueNanos: enqueue.median.enqueueNanos, enqueue }),
    rounds: rounds.length,
    spread: { min, max },
    ratios: { ...ratiosOf(rounds, baseline, waiting, polling), ...rateToFloor(rounds, floorRecords, waiting) },
    ...(baseline === undefined ? {} : { baseline: spreadOf(baseline) }),
    ...(waiting === undefined ? {} : { floor: { method, waiting: spreadOf(waiting), ...(polling === undefined ? {} : { polling: spreadOf(polling) }) } }),
    warmUp,
    instrumentation,
    machine,
    options,
  };
}

function rateToFloor(log: readonly LogFigures[], records: number, waiting?: readonly FloorFigures[]): Ratios {
  if (waiting === undefined) return {};
  return { recordsPerSecondToFloorWaiting: ratioOf(log.map(({ recordsPerSecond }) => recordsPerSecond), waiting.map(({ writesPerSecond }) => writesPerSecond * records)) };
}

function ratiosOf(log: readonly LogFigures[], baseline?: readonly AppendFigures[], waiting?: readonly FloorFigures[], polling?: readonly FloorFigures[]): Ratios {
  const rates = (rounds: readonly AppendFigures[]): number[] => rounds.map(({ recordsPerSecond }) => recordsPerSecond);
  const medians = (rounds: readonly { readonly ackMicros: Quantiles }[]): number[] => rounds.map(({ ackMicros }) => ackMicros.p50);
  return {
    ...(baseline === undefined ? {} : { recordsPerSecondToBaseline: ratioOf(rates(log), rates(baseline)), ackP50ToBaseline: ratioOf(medians(log), medians(baseline)) }),
    ...(waiting === undefined ? {} : { ackP50ToFloorWaiting: ratioOf(medians(log), medians(waiting)) }),
    ...(polling === undefined ? {} : { ackP50ToFloorPolling: ratioOf(medians(log), medians(polling)) }),
  };
}
