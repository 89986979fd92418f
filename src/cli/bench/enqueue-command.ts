// `ringwall bench enqueue`: many records without a promise each, then one sync.

import type { ExitCode } from "../exit-codes.js";
import { countText, tableText } from "../quantities.js";
import type { BenchMachine } from "./bench-machine.js";
import { optionsOf, runBench, type BenchContext, type BenchFlags } from "./bench-run.js";
import { factsText, rangedText } from "./bench-text.js";
import { roundsOf } from "./contender.js";
import type { EnqueueFigures } from "./enqueue-phase.js";
import { measureInstrumentation, type Instrumentation } from "./instrumentation.js";
import { LogContender, type WarmUp } from "./log-contender.js";
import { logOptionsOf, type LogFacts, type LogFlags } from "./log-settings.js";
import { spreadOf } from "./spread.js";

export interface EnqueueBenchFlags extends BenchFlags, LogFlags {
  readonly backend: "auto" | "uring" | "fs";
  readonly bytes: number;
  readonly records: number;
  readonly repeat: number;
  readonly trim: boolean;
}

export interface EnqueueReport extends EnqueueFigures, LogFacts {
  readonly bench: "enqueue";
  readonly rounds: number;
  readonly spread: { readonly min: EnqueueFigures; readonly max: EnqueueFigures };
  readonly warmUp: WarmUp;
  readonly instrumentation: Instrumentation;
  readonly machine: BenchMachine;
  readonly options: Record<string, unknown>;
}

export function enqueueBench(flags: EnqueueBenchFlags): Promise<ExitCode> {
  return runBench(flags, (context) => measure(flags, context), enqueueText);
}

async function measure(flags: EnqueueBenchFlags, { place, machine, isStopped, onStep }: BenchContext): Promise<EnqueueReport> {
  const instrumentation = measureInstrumentation(1);
  const log = await LogContender.open(place.fresh("log"), logOptionsOf(flags), { callers: 1, bytes: flags.bytes, partitions: 1, batch: 1, everyCall: 1, trims: flags.trim });
  try {
    onStep(flags.trim ? "warming up until segments are recycled" : "warming up");
    const warmUp = await log.warmUp(0, isStopped);
    await log.enqueueRound(Math.min(flags.records, 100_000));
    const rounds = await roundsOf({ name: "enqueue", round: () => log.enqueueRound(flags.records) }, { rounds: flags.repeat, isStopped, onRound: onStep });
    const { median, min, max } = spreadOf(rounds);
    return { bench: "enqueue", ...median, ...log.facts, rounds: rounds.length, spread: { min, max }, warmUp, instrumentation, machine, options: optionsOf(flags) };
  } finally {
    await log.close();
  }
}

function enqueueText(report: EnqueueReport): string {
  const { spread, instrumentation } = report;
  const nanos = (name: "p50" | "p99" | "p999"): string => rangedText({ median: report.enqueueNanos[name], min: spread.min.enqueueNanos[name], max: spread.max.enqueueNanos[name] }, 0);
  const plain = (name: "recordsPerSecond" | "megabytesPerSecond"): string => rangedText({ median: report[name], min: spread.min[name], max: spread.max[name] }, 0);
  const rows = [
    ["records/s", "MB/s", "p50 ns", "p99 ns", "p99.9 ns", "drains"],
    [plain("recordsPerSecond"), plain("megabytesPerSecond"), nanos("p50"), nanos("p99"), nanos("p999"), countText(report.drains)],
  ];
  return [tableText(rows), "", `of each time the clock is ${countText(instrumentation.emptyNanos.p50)} ns; the rate is of a pass without a clock, with its sync`, factsText(report)].join("\n");
}
