// What the sizes of buffers and segments allow: each segment begins with the lane's whole partition table.

import { RingwallError } from "../base/errors.js";
import type { PartitionTable } from "../core/partition-table.js";
import { blockHeaderBytes } from "../format/block.js";
import { truncationsMax } from "../format/checkpoint.js";
import { frameHeaderBytes } from "../format/frame.js";

const checkpointPayloadBytes = 32 * 1024;
/** The rest of a segment is for records. */
const checkpointShare = 4;

export interface LaneSizes {
  readonly bufferBytes: number;
  readonly segmentBytes: number;
}

/** Bytes of one checkpoint frame's payload at most. */
export function checkpointPayloadBytesMax({ bufferBytes }: LaneSizes): number {
  return Math.min(checkpointPayloadBytes, bufferBytes - blockHeaderBytes - frameHeaderBytes);
}

/** Truncations that one partition may have in the segments that are kept. */
export function partitionTruncationsMax(sizes: LaneSizes): number {
  return truncationsMax(checkpointPayloadBytesMax(sizes));
}

/** Whether segments of this size have room for a table that takes `moreBytes` more than it does now. */
export function hasTableRoom(table: PartitionTable, sizes: LaneSizes, moreBytes: number): boolean {
  return table.checkpointBytes + moreBytes <= sizes.segmentBytes / checkpointShare;
}

/** Throws RINGWALL_INVALID_OPTION when a recovered table does not fit the sizes that the log is opened with. */
export function demandTableFits(table: PartitionTable, sizes: LaneSizes, directory: string): void {
  if (!hasTableRoom(table, sizes, 0)) {
    throw new RingwallError("RINGWALL_INVALID_OPTION", `the table of ${String(table.size)} partitions takes ${String(table.checkpointBytes)} bytes of each segment`, {
      place: { path: directory },
      remedy: `Open the log with segmentBytes of ${String(table.checkpointBytes * checkpointShare)} at least.`,
    });
  }
  const truncations = partitionTruncationsMax(sizes);
  for (const state of table) {
    if (state.truncations.length <= truncations) continue;
    throw new RingwallError("RINGWALL_INVALID_OPTION", `a block can't describe ${String(state.truncations.length)} truncations of one partition`, {
      place: { path: directory, partition: state.name },
      remedy: "Open the log with a larger bufferBytes.",
    });
  }
}
