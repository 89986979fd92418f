// `ringwall bench soak`: callers at full load for minutes, and what the process holds meanwhile; on request on a disk that stalls in the middle.

import path from "node:path";
import type { Partition } from "../../../log/partition.js";
import type { LogOptions } from "../../../log/options.js";
import { Log } from "../../../thread/log.js";
import type { ExitCode } from "../../exit-codes.js";
import { bytesText, countText, tableText } from "../../quantities.js";
import type { BenchMachine } from "../bench-machine.js";
import { optionsOf, runBench, type BenchContext, type BenchFlags } from "../bench-run.js";
import { factsText } from "../bench-text.js";
import { benchPartition, LogContender, type WarmUp } from "../log-contender.js";
import { logFactsOf, logOptionsOf, type LogFacts, type LogFlags } from "../log-settings.js";
import { medianOf } from "../spread.js";
import { everyCallOf } from "../suites/log-entrant.js";
import { CommandError } from "../../report-failure.js";
import { LoopDisk } from "./loop-disk.js";
import { memoryTrendOf, type MemoryTrend } from "./memory-trend.js";
import { SoakWindow, type SoakSample } from "./soak-window.js";
import { StallRun, type StallFigures } from "./stall-run.js";

export interface SoakFlags extends BenchFlags, LogFlags {
  readonly backend: "auto" | "uring" | "fs";
  readonly callers: number;
  readonly bytes: number;
  readonly seconds: number;
  /** Undefined: a fifth of `seconds`. */
  readonly settle?: number;
  readonly stall?: number;
  readonly trim: boolean;
}

export interface SoakReport extends LogFacts {
  readonly bench: "soak";
  /** Of all samples behind `settleSeconds`. */
  readonly rss: MemoryTrend;
  readonly heapUsed: MemoryTrend;
  readonly external: MemoryTrend;
  readonly recordsPerSecond: number;
  readonly ackMicrosP99: number;
  readonly records: number;
  readonly seconds: number;
  readonly settleSeconds: number;
  readonly descriptorsFirst: number;
  readonly descriptorsLast: number;
  readonly stall?: StallFigures;
  readonly series: Readonly<Record<keyof SoakSample, readonly number[]>>;
  readonly warmUp: WarmUp;
  readonly machine: BenchMachine;
  readonly options: Record<string, unknown>;
}

const samplesMax = 3600;
/** Segments that a trimmed log has on its disk: kept, current, ready, free. */
const segmentsOnDisk = 16;
const segmentBytesDefault = 100 * 1024 ** 2;

export function soakBench(flags: SoakFlags): Promise<ExitCode> {
  if ((flags.settle ?? 0) >= flags.seconds) throw new CommandError("--settle leaves nothing of --seconds");
  if (flags.stall !== undefined && flags.stall > flags.seconds / 2) throw new CommandError("--stall takes half of --seconds at most");
  return runBench(flags, (context) => measure(flags, context), soakText);
}

async function measure(flags: SoakFlags, context: BenchContext): Promise<SoakReport> {
  const { place } = context;
  if (flags.stall === undefined) return soak(flags, place.fresh("log"), null, context);
  const bytes = segmentsOnDisk * (flags.segmentBytes ?? segmentBytesDefault) + 64 * 1024 ** 2;
  const disk = LoopDisk.open(place.directory, bytes);
  try {
    return await soak(flags, path.join(disk.directory, "log"), disk, context);
  } finally {
    await disk.close();
  }
}

async function soak(flags: SoakFlags, directory: string, disk: LoopDisk | null, { machine, isStopped, onStep }: BenchContext): Promise<SoakReport> {
  const { callers, bytes, seconds } = flags;
  const settleSeconds = flags.settle ?? seconds / 5;
  const options = logOptionsOf(flags);
  const log = await Log.open(directory, options);
  const contender = LogContender.over(log, directory, { callers, bytes, partitions: 1, batch: 1, everyCall: everyCallOf(callers), trims: flags.trim });
  let window: SoakWindow;
  let warmUp: WarmUp;
  let stall: StallRun | null = null;
  let sequenceBefore = 0;
  try {
    onStep("warming up until segments are recycled");
    warmUp = await contender.warmUp(0.5, isStopped);
    sequenceBefore = benchPartition(log, 0).lastSeq;
    window = new SoakWindow({
      seconds,
      everySeconds: Math.max(Math.min(1, seconds / 10), seconds / samplesMax),
      segmentFiles: () => contender.segmentFiles,
      isStopped,
      onTick: () => {
        contender.trim();
        stall?.tick();
      },
      onSample: (sample) => { onStep(`${sample.second.toFixed(0)} of ${String(seconds)} s: ${countText(sample.recordsPerSecond)} records/s, p99 ${countText(sample.ackMicrosP99)} µs, ${bytesText(sample.rssBytes)} resident`); },
    });
    if (disk !== null) stall = new StallRun({ log, disk, options, afterSeconds: seconds / 2, seconds: flags.stall ?? 0, bytes, acknowledged: () => window.records });
    try {
      await contender.runIn(window);
      await stall?.ended();
    } finally {
      window.close();
    }
  } finally {
    await log.close();
  }
  const measured = { window, warmUp, settleSeconds, facts: logFactsOf(log), machine, options: optionsOf(flags) };
  if (stall === null) return reportOf(measured);
  const lost = await recordsLost(directory, options, { wanted: sequenceBefore + window.records, enqueued: stall.enqueued });
  return { ...reportOf(measured), stall: stall.figures(lost) };
}

/** What was accepted and is not there when the log is opened again. */
async function recordsLost(directory: string, options: LogOptions, { wanted, enqueued }: { readonly wanted: number; readonly enqueued: number }): Promise<number> {
  const log = await Log.open(directory, options);
  const missing = (partition: Partition, count: number): number => Math.max(0, count - partition.durableSeq);
  const lost = missing(benchPartition(log, 0), wanted) + missing(log.partition(StallRun.partition), enqueued);
  await log.close();
  return lost;
}

interface Measured {
  readonly window: SoakWindow;
  readonly warmUp: WarmUp;
  readonly settleSeconds: number;
  readonly facts: LogFacts;
  readonly machine: BenchMachine;
  readonly options: Record<string, unknown>;
}

function reportOf({ window, warmUp, settleSeconds, facts, machine, options }: Measured): SoakReport {
  const { samples } = window;
  const settled = samples.filter(({ second }) => second > settleSeconds);
  const trend = (name: "rssBytes" | "heapUsedBytes" | "externalBytes"): MemoryTrend => memoryTrendOf(settled.map((sample) => ({ second: sample.second, records: sample.records, bytes: sample[name] })));
  const series = Object.fromEntries(Object.keys(samples[0] ?? {}).map((name) => [name, samples.map((sample) => Number(sample[name as keyof SoakSample].toFixed(2)))]));
  return {
    bench: "soak",
    rss: trend("rssBytes"),
    heapUsed: trend("heapUsedBytes"),
    external: trend("externalBytes"),
    recordsPerSecond: medianOf(settled.map(({ recordsPerSecond }) => recordsPerSecond)),
    ackMicrosP99: medianOf(settled.map(({ ackMicrosP99 }) => ackMicrosP99)),
    records: window.records,
    seconds: samples.at(-1)?.second ?? 0,
    settleSeconds,
    descriptorsFirst: samples[0]?.descriptors ?? 0,
    descriptorsLast: samples.at(-1)?.descriptors ?? 0,
    ...facts,
    series: series as Record<keyof SoakSample, number[]>,
    warmUp,
    machine,
    options,
  };
}

function soakText(report: SoakReport): string {
  const { rss, heapUsed, external, stall } = report;
  const memory = Object.entries({ "resident": rss, "JavaScript heap": heapUsed, "outside the heap": external });
  const rows = memory.map(([name, trend]) => [name, ...[trend.bytesMin, trend.bytesMedian, trend.bytesMax].map(bytesText), countText(trend.slopeBytesPerSecond), trend.slopeBytesPerRecord.toFixed(4)]);
  const lines = [
    tableText([[`behind ${report.settleSeconds.toFixed(0)} s`, "min", "median", "max", "slope, B/s", "B/record"], ...rows]),
    "",
    `${countText(report.records)} records in ${report.seconds.toFixed(0)} s, median ${countText(report.recordsPerSecond)} records/s, p99 ${countText(report.ackMicrosP99)} µs; descriptors ${String(report.descriptorsFirst)} at first, ${String(report.descriptorsLast)} in the end`,
  ];
  if (stall !== undefined) {
    lines.push(`disk stalled for ${stall.seconds.toFixed(1)} s: ${bytesText(stall.acceptedBytes)} enqueued and accepted (${bytesText(stall.limitBytes)} at most), ${countText(stall.refused)} refused, ${countText(stall.acknowledged)} acknowledged; resident ${bytesText(stall.rssBytesBefore)} before, ${bytesText(stall.rssBytesMax)} at most; longest turn of the event loop ${countText(stall.turnMillisMax)} ms; ${countText(stall.recordsLost)} records lost`);
  }
  return [...lines, factsText(report)].join("\n");
}
