// `ringwall bench append`: closed-loop callers on a log in its steady state; beside it, on request, the portable baseline
// and the floor of the device, interleaved round by round in the same process.

import { alignUp } from "../../base/numbers.js";
import { blockHeaderBytes } from "../../format/block.js";
import { frameBytes } from "../../format/frame.js";
import type { ExitCode } from "../exit-codes.js";
import { CommandError } from "../report-failure.js";
import { reportOf, type AppendReport } from "./append-report.js";
import { appendText } from "./append-text.js";
import { BaselineContender } from "./baseline-contender.js";
import { BusyProcesses } from "./busy-processes.js";
import { optionsOf, runBench, type BenchContext, type BenchFlags } from "./bench-run.js";
import { interleave, type Contender } from "./contender.js";
import type { EnqueueFigures } from "./enqueue-phase.js";
import { floorContenders } from "./floor-contender.js";
import { openFloor } from "./floor-device.js";
import { floorPageBytes } from "./floor-layout.js";
import { measureInstrumentation } from "./instrumentation.js";
import { LogContender } from "./log-contender.js";
import { logOptionsOf, type LogFlags } from "./log-settings.js";

export interface AppendBenchFlags extends BenchFlags, LogFlags {
  readonly backend: "auto" | "uring" | "fs";
  readonly callers: number;
  readonly bytes: number;
  readonly seconds: number;
  readonly warmUp: number;
  readonly partitions: number;
  readonly batch: number;
  readonly repeat: number;
  readonly enqueueRecords: number;
  readonly latencyEvery?: number;
  /** Commander's way of `--no-trim`. */
  readonly trim: boolean;
  readonly compare?: "baseline";
  readonly floor?: boolean;
  /** Cores that other processes keep busy meanwhile. */
  readonly busy: number;
}

const manyCallers = 16;
const everyCallOfMany = 16;
/** What 256 callers of 1 KiB have in flight. */
const floorBytesMax = 272 * 1024;

export function appendBench(flags: AppendBenchFlags): Promise<ExitCode> {
  demandSense(flags);
  return runBench(flags, (context) => measureAppend(flags, context), appendText);
}

function demandSense({ callers, batch, compare, floor, durability, bytes }: AppendBenchFlags): void {
  if (floor === true && (batch !== 1 || durability !== "sync" || floorBytesOf(callers, bytes) > floorBytesMax)) {
    throw new CommandError("--floor compares with one durable write of what all callers append at once: it needs --batch 1, --durability sync, and callers × (bytes + 24) of 272 KiB at most");
  }
  if (compare !== undefined && (batch !== 1 || durability !== "sync")) throw new CommandError("--compare baseline needs --batch 1 and --durability sync: the baseline knows nothing else");
  if (callers * batch * bytes > 1024 ** 3) throw new CommandError("callers × batch × bytes is more than 1 GiB: that much would be in memory at once");
}

/** The block that holds one record of every caller. */
function floorBytesOf(callers: number, bytes: number): number {
  return alignUp(blockHeaderBytes + callers * frameBytes(bytes), floorPageBytes);
}

async function measureAppend(flags: AppendBenchFlags, context: BenchContext): Promise<AppendReport> {
  const { callers, bytes, partitions, batch, trim, warmUp, compare, floor } = flags;
  const { place, onStep, isStopped } = context;
  const everyCall = flags.latencyEvery ?? (callers < manyCallers ? 1 : everyCallOfMany);
  const instrumentation = measureInstrumentation(everyCall, batch);
  const log = await LogContender.open(place.fresh("log"), logOptionsOf(flags), { callers, bytes, partitions, batch, everyCall, trims: trim });
  const busy = new BusyProcesses(flags.busy);
  const rivals = [(): void => { busy.end(); }];
  try {
    const contenders: Contender<object>[] = [log];
    if (compare !== undefined) {
      onStep("preparing the baseline's file");
      const baseline = await BaselineContender.open(place.fresh("baseline"), { callers, bytes, everyCall });
      rivals.push(() => { baseline.close(); });
      contenders.push(baseline);
      await baseline.round(warmUp, isStopped);
    }
    let method = "";
    if (floor === true) {
      const device = openFloor(place.fresh("floor"), flags.backend, floorBytesOf(callers, bytes));
      rivals.push(() => { device.close(); });
      method = device.method;
      contenders.push(...floorContenders(device));
    }
    onStep(trim ? "warming up until segments are recycled" : "warming up");
    const warmed = await log.warmUp(warmUp, isStopped);
    const results = await interleave(contenders, { rounds: flags.repeat, seconds: flags.seconds, isStopped, onRound: onStep });
    onStep("enqueuing");
    const enqueued = await enqueueRounds(log, flags, isStopped);
    return reportOf({ options: optionsOf(flags), machine: context.machine, facts: log.facts, instrumentation, warmUp: warmed, results, enqueued, method, floorRecords: callers });
  } finally {
    for (const close of rivals) close();
    await log.close();
  }
}

async function enqueueRounds(log: LogContender, { enqueueRecords, repeat }: AppendBenchFlags, isStopped: () => boolean): Promise<EnqueueFigures[]> {
  const rounds: EnqueueFigures[] = [];
  if (enqueueRecords === 0) return rounds;
  for (let round = 0; round < repeat && !isStopped(); round++) rounds.push(await log.enqueueRound(enqueueRecords));
  return rounds;
}
