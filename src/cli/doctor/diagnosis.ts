// What doctor finds out: also its JSON document.

import type { Feature } from "./feature.js";
import type { FileSystemFacts, MachineFacts } from "./machine.js";

export interface FlushMeasurement {
  readonly backend: "uring" | "fs";
  readonly method: string;
  readonly microsP50: number;
  /** The one that a new log here would use. */
  readonly chosen: boolean;
}

export interface Diagnosis {
  readonly machine: MachineFacts;
  /** Where the disk was tried; an ancestor when the directory is not there yet. */
  readonly directory: string;
  readonly fileSystem: FileSystemFacts | null;
  readonly checksumKernel: string;
  /** RLIMIT_MEMLOCK in bytes; null: unlimited or unknown. */
  readonly lockedMemoryBytesMax: number | null;
  readonly uringSwitch: string | null;
  /** The backend that a log gets here. */
  readonly backend: "uring" | "fs";
  readonly features: readonly Feature[];
  readonly alignment: number;
  readonly flush: readonly FlushMeasurement[];
  readonly log: "none" | "open for writing" | "not locked";
}
