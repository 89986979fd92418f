// Set-up that the tests of recovery share: a log that is removed again, and recovery with either kernel.

import { chooseKernels, portableKernels, type Kernels } from "#src/format/kernels.js";
import { recoverLane, type RecoverLaneOptions } from "#src/recovery/recover-lane.js";
import type { RecoveredLane } from "#src/recovery/recovered-lane.js";
import { nodeFileSystem } from "#src/storage/node-files.js";
import { LogBuilder } from "./log-builder.js";

export async function withLog(body: (log: LogBuilder) => Promise<void>, segmentBytes?: number): Promise<void> {
  const log = new LogBuilder(segmentBytes);
  try {
    await body(log);
  } finally {
    log.remove();
  }
}

/** Recovers as a writer would, unless told otherwise. */
export function recover(log: LogBuilder, change: Partial<RecoverLaneOptions> = {}): Promise<RecoveredLane> {
  return recoverLane({
    files: nodeFileSystem(), directory: log.directory, lane: 0, superblock: log.superblock, kernels: chooseKernels(), readOnly: false, liveWriter: false, ...change,
  });
}

/** Both kernels where the addon is there. */
export const kernelsHere: readonly Kernels[] = chooseKernels().name === "javascript" ? [portableKernels] : [portableKernels, chooseKernels()];
