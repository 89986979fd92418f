// The suite `modes`: each feature of the io_uring backend alone, its settings in turn on logs that have all else in common.

import type { FlushMethod } from "../../../format/superblock.js";
import type { LogOptions } from "../../../log/options.js";
import { CommandError } from "../../report-failure.js";
import type { BenchContext } from "../bench-run.js";
import { appendMeasures, backendsOf, closeLogs, everyCallOf, logEntrant, openLog, type OpenedLog } from "./log-entrant.js";
import type { Entrant, Group, OpenGroup, Suite, SuiteFlags } from "./suite.js";

export interface ModesFlags extends SuiteFlags {
  readonly bytes: number;
  readonly callers: readonly number[];
  readonly warmUp: number;
  readonly features?: readonly string[];
  readonly segmentBytes?: number;
  readonly bufferBytes?: number;
  readonly bufferCount?: number;
}

interface Variant {
  readonly name: string;
  readonly options?: LogOptions;
  /** Instead of what the probe finds. */
  readonly flush?: FlushMethod;
}

interface Feature {
  readonly name: string;
  readonly backends: readonly ("uring" | "fs")[];
  /** The first is the default; ratios are to it. */
  readonly variants: readonly Variant[];
}

const features: readonly Feature[] = [
  { name: "registered-buffers", backends: ["uring"], variants: [{ name: "on" }, { name: "off", options: { registeredBuffers: false } }] },
  { name: "registered-files", backends: ["uring"], variants: [{ name: "on" }, { name: "off", options: { registeredFiles: false } }] },
  { name: "sqpoll", backends: ["uring"], variants: [{ name: "off" }, { name: "on", options: { sqpoll: true } }] },
  { name: "completion", backends: ["uring"], variants: [{ name: "wait" }, { name: "spin", options: { completion: "spin" } }] },
  { name: "blocks-in-flight", backends: ["uring", "fs"], variants: [{ name: "4" }, ...[3, 2, 1].map((blocksInFlight) => ({ name: String(blocksInFlight), options: { blocksInFlight } }))] },
  { name: "gathered-writes", backends: ["uring", "fs"], variants: [{ name: "off" }, { name: "on", options: { gatherBytes: 1024 * 1024 } }] },
  { name: "flush", backends: ["uring"], variants: [{ name: "dsync", flush: "dsync" }, { name: "linked", flush: "linked" }, { name: "separate", flush: "separate" }] },
  // node:fs can't link.
  { name: "flush", backends: ["fs"], variants: [{ name: "dsync", flush: "dsync" }, { name: "separate", flush: "separate" }] },
];

export const modesSuite: Suite<ModesFlags> = {
  measures: appendMeasures,
  groups: (flags) => {
    const [backend = "fs"] = backendsOf(flags.backend);
    const offered = features.filter(({ backends }) => backends.includes(backend));
    for (const wanted of flags.features ?? []) {
      if (!offered.some(({ name }) => name === wanted)) throw new CommandError(`--features: ${wanted} is none of ${backend}'s: ${offered.map(({ name }) => name).join(", ")}`);
    }
    return offered.filter(({ name }) => flags.features?.includes(name) ?? true).map((feature): Group => {
      return { name: `${feature.name} (${backend})`, open: (context) => openFeature(feature, backend, flags, context) };
    });
  },
};

async function openFeature(feature: Feature, backend: "uring" | "fs", flags: ModesFlags, { place }: BenchContext): Promise<OpenGroup> {
  const { bytes, segmentBytes, bufferBytes, bufferCount } = flags;
  const space = { ...(segmentBytes === undefined ? {} : { segmentBytes }), ...(bufferBytes === undefined ? {} : { bufferBytes }), ...(bufferCount === undefined ? {} : { bufferCount }) };
  const logs: OpenedLog[] = [];
  try {
    for (const { options, flush } of feature.variants) logs.push(await openLog(place, { backend, ...space, ...options }, flush));
  } catch (error) {
    await closeLogs(place, logs);
    throw error;
  }
  const nameOf = (variant: Variant, callers: number): string => `${variant.name}, ${String(callers)} ${callers === 1 ? "caller" : "callers"}`;
  const entrants = flags.callers.flatMap((callers, level) => feature.variants.map((variant, index): Entrant => logEntrant({
    name: nameOf(variant, callers),
    opened: logs[index] as OpenedLog,
    load: { callers, bytes, partitions: 1, batch: 1, everyCall: everyCallOf(callers), trims: true },
    settings: { backend, [feature.name]: variant.name },
    ...(index === 0 ? {} : { reference: nameOf(feature.variants[0] as Variant, callers) }),
    warmUp: flags.warmUp,
    fills: level === 0,
  })));
  return { entrants, close: () => closeLogs(place, logs) };
}
