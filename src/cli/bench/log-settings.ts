// The bench's flags as options of a log, and the log opened with them.

import type { Log } from "../../log/log.js";
import type { DurabilityOption, LogOptions } from "../../log/options.js";

/** Flags that every bench of a log has; undefined: the library's default. */
export interface LogFlags {
  readonly backend: "auto" | "uring" | "fs";
  readonly durability: DurabilityOption["mode"];
  readonly intervalMs?: number;
  readonly completion?: "wait" | "spin";
  readonly lane?: "inline" | "thread";
  readonly blocksInFlight?: number;
  readonly gatherBytes?: number;
  readonly bufferBytes?: number;
  readonly bufferCount?: number;
  readonly segmentBytes?: number;
  readonly ringEntries?: number;
  readonly sqpoll?: boolean;
  /** Commander's way of `--no-…`: true unless given. */
  readonly registeredBuffers: boolean;
  readonly registeredFiles: boolean;
}

export function logOptionsOf(flags: LogFlags): LogOptions {
  return {
    backend: flags.backend,
    durability: flags.durability === "interval" && flags.intervalMs !== undefined ? { mode: "interval", ms: flags.intervalMs } : { mode: flags.durability },
    registeredBuffers: flags.registeredBuffers,
    registeredFiles: flags.registeredFiles,
    ...(flags.completion === undefined ? {} : { completion: flags.completion }),
    ...(flags.lane === undefined ? {} : { lane: flags.lane }),
    ...(flags.blocksInFlight === undefined ? {} : { blocksInFlight: flags.blocksInFlight }),
    ...(flags.gatherBytes === undefined ? {} : { gatherBytes: flags.gatherBytes }),
    ...(flags.bufferBytes === undefined ? {} : { bufferBytes: flags.bufferBytes }),
    ...(flags.bufferCount === undefined ? {} : { bufferCount: flags.bufferCount }),
    ...(flags.segmentBytes === undefined ? {} : { segmentBytes: flags.segmentBytes }),
    ...(flags.ringEntries === undefined ? {} : { ringEntries: flags.ringEntries }),
    ...(flags.sqpoll === undefined ? {} : { sqpoll: flags.sqpoll }),
  };
}

/** What the log says it runs on, for the report. */
export interface LogFacts {
  readonly backend: string;
  readonly backendReason: string;
  readonly backendNotes: readonly string[];
  readonly flushMethod: string;
  readonly alignment: number;
  readonly checksumKernel: string;
}

export function logFactsOf(log: Log): LogFacts {
  const { backend, backendReason, backendNotes, flushMethod, alignment, checksumKernel } = log.info;
  return { backend, backendReason, backendNotes, flushMethod, alignment, checksumKernel };
}
