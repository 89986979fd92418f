// Logs as entrants: one log per backend and set of options, with one or several loads on it.

import type { FlushMethod } from "../../../format/superblock.js";
import { LaneLog } from "../../../log/lane-log.js";
import { Log } from "../../../thread/log.js";
import { resolveOptions, type LogOptions } from "../../../log/options.js";
import { chooseStorage } from "../../../storage/choose.js";
import { openUring } from "../../../storage/uring/uring-storage.js";
import type { BenchPlace } from "../bench-place.js";
import { LogContender, type LogFigures, type LogLoad } from "../log-contender.js";
import { logFactsOf } from "../log-settings.js";
import type { Entrant, Measure, Settings } from "./suite.js";

export interface OpenedLog {
  readonly log: Log;
  readonly directory: string;
}

/** "auto": io_uring where it works, and node:fs. */
export function backendsOf(wanted: "auto" | "uring" | "fs"): ("uring" | "fs")[] {
  if (wanted !== "auto") return [wanted];
  return openUring().kind === "ok" ? ["uring", "fs"] : ["fs"];
}

/** `flush`: instead of the method that the probe finds fastest. */
export async function openLog(place: BenchPlace, options: LogOptions, flush?: FlushMethod): Promise<OpenedLog> {
  const directory = place.fresh("log");
  if (flush === undefined) return { log: await Log.open(directory, options), directory };
  const { storage, reason } = chooseStorage({ backend: options.backend ?? "auto" });
  const probe: typeof storage.probe = async (...request) => ({ ...(await storage.probe(...request)), flushMethod: flush });
  return { log: await LaneLog.openOn({ storage: { ...storage, probe }, reason }, directory, resolveOptions(options)), directory };
}

/** Closes and removes: a suite's logs are not all on the disk at once. */
export async function closeLogs(place: BenchPlace, logs: Iterable<OpenedLog>): Promise<void> {
  for (const { log, directory } of logs) {
    await log.close();
    place.discard(directory);
  }
}

export interface LogEntrantSetup {
  readonly name: string;
  readonly opened: OpenedLog;
  readonly load: LogLoad;
  readonly settings: Settings;
  readonly reference?: string;
  readonly warmUp: number;
  /** Whether this load fills the log until its segments are recycled; of the loads on one log the first does. */
  readonly fills: boolean;
}

export function logEntrant({ name, opened, load, settings, reference, warmUp, fills }: LogEntrantSetup): Entrant {
  const contender = LogContender.over(opened.log, opened.directory, load);
  return {
    name,
    settings: { ...settings, ...settingsOf(load) },
    facts: logFactsOf(opened.log),
    ...(reference === undefined ? {} : { reference }),
    prepare: async (isStopped) => {
      if (fills) return contender.warmUp(warmUp, isStopped);
      await contender.round(warmUp, isStopped);
      return undefined;
    },
    round: (seconds, isStopped): Promise<LogFigures> => contender.round(seconds, isStopped),
  };
}

export function settingsOf({ callers, bytes, batch, partitions, everyCall }: LogLoad): Settings {
  return { callers, bytes, batch, partitions, everyCall };
}

const manyCallers = 16;

/** One call in so many is timed: reading the clock at every call would be a share of the work. */
export function everyCallOf(callers: number): number {
  return callers < manyCallers ? 1 : manyCallers;
}

export const appendMeasures: readonly Measure[] = [
  { path: "recordsPerSecond", title: "records/s", digits: 0, isCompared: true },
  { path: "megabytesPerSecond", title: "MB/s", digits: 0 },
  { path: "ackMicros.p50", title: "p50 µs", digits: 0, isCompared: true },
  { path: "ackMicros.p99", title: "p99 µs", digits: 0 },
  { path: "recordsPerBlock", title: "records/block", digits: 1 },
  { path: "cpuMicrosPerRecord", title: "CPU µs/record", digits: 2 },
];
