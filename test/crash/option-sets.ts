// The ways in which logs are opened by the crash rigs.

import type { LogOptions } from "#src/index.js";
import type { FlushMethod } from "#src/format/superblock.js";
import type { Profile } from "./workload.js";
import type { Counting } from "./writer.js";

export interface OptionSet {
  readonly name: string;
  readonly options: LogOptions;
  readonly profile: Profile;
  /** What is promised to survive a crash of the process. */
  readonly counting: Counting;
  readonly flushMethod?: FlushMethod;
}

const kibibyte = 1024;
const mebibyte = 1024 * kibibyte;

/** Segments of the smallest size: rotation and recycling all the time. */
const small: LogOptions = { segmentBytes: mebibyte, bufferBytes: 16 * kibibyte, bufferCount: 8 };
const smallProfile: Profile = { lanes: 1, blockBytes: 16 * kibibyte, keptMax: 30 };

export const optionSets: readonly OptionSet[] = [
  { name: "small segments", options: small, profile: smallProfile, counting: "each" },
  { name: "gathered writes", options: { ...small, gatherBytes: mebibyte }, profile: smallProfile, counting: "each" },
  { name: "one block in flight", options: { ...small, blocksInFlight: 1 }, profile: smallProfile, counting: "each" },
  {
    name: "larger blocks",
    options: { segmentBytes: 4 * mebibyte, bufferBytes: 128 * kibibyte, bufferCount: 4 },
    profile: { lanes: 1, blockBytes: 128 * kibibyte, keptMax: 200 },
    counting: "each",
  },
  { name: "durability none", options: { ...small, durability: { mode: "none" } }, profile: smallProfile, counting: "each" },
  { name: "interval of 5 ms", options: { ...small, durability: { mode: "interval", ms: 5, recordsMax: 100 } }, profile: smallProfile, counting: "controls" },
  { name: "two lanes", options: { ...small, lanes: 2 }, profile: { ...smallProfile, lanes: 2 }, counting: "each" },
  { name: "two buffers", options: { ...small, bufferCount: 2, blocksInFlight: 2 }, profile: smallProfile, counting: "each", flushMethod: "separate" },
  { name: "defaults, linked flush", options: {}, profile: { lanes: 1, blockBytes: 512 * kibibyte, keptMax: 200 }, counting: "each", flushMethod: "linked" },
];

/** What is promised to survive a power cut. */
export function countingAtPowerCut({ options, counting }: OptionSet): Counting {
  return options.durability?.mode === "none" ? "syncs" : counting;
}
