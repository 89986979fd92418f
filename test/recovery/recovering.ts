// Set-up that the tests of recovery share: a log that is removed again, and recovery with either kernel.

import { rmSync } from "node:fs";
import { chooseKernels, portableKernels, type Kernels } from "#src/format/kernels.js";
import { recoverLane, type RecoverLaneOptions } from "#src/recovery/recover-lane.js";
import type { RecoveredLane } from "#src/recovery/recovered-lane.js";
import { nodeFileSystem } from "#src/storage/node-files.js";
import { define, entry, LogBuilder, moved, record, truncate } from "./log-builder.js";

export async function withLog(body: (log: LogBuilder) => Promise<void>, segmentBytes?: number): Promise<void> {
  const log = new LogBuilder(segmentBytes);
  try {
    await body(log);
  } finally {
    log.remove();
  }
}

/**
 * An old superblock is put back, which keeps a freed segment: its record 2 was truncated and written anew in a segment that is gone, and moved on
 * into the last one.
 */
export function buildForgottenTruncation(log: LogBuilder): void {
  log.rotate();
  log.block([define(1, "a"), record(1, 1, "one"), record(1, 2, "dead")]);
  log.rotate([entry(1, "a", 2)]);
  log.block([truncate(1, 1), record(1, 2, "two")]);
  log.rotate([entry(1, "a", 2)]);
  log.block([moved(1, 1, "one"), moved(1, 2, "two"), record(1, 3, "three")]);
  log.block([]);
  rmSync(log.path(2));
}

/** Recovers as a writer would, unless told otherwise. */
export function recover(log: LogBuilder, change: Partial<RecoverLaneOptions> = {}): Promise<RecoveredLane> {
  return recoverLane({
    files: nodeFileSystem(), directory: log.directory, lane: 0, superblock: log.superblock, kernels: chooseKernels(), readOnly: false, liveWriter: false, ...change,
  });
}

/** Both kernels where the addon is there. */
export const kernelsHere: readonly Kernels[] = chooseKernels().name === "javascript" ? [portableKernels] : [portableKernels, chooseKernels()];
