// What the sizes of buffers and segments allow: each segment begins with the lane's whole partition table.

import { RingwallError } from "../base/errors.js";
import { countedNumberMax } from "../base/numbers.js";
import type { PartitionTable } from "../core/partition-table.js";
import { blockHeaderBytes } from "../format/block.js";
import { truncationsMax } from "../format/checkpoint.js";
import { frameHeaderBytes } from "../format/frame.js";
import type { LaneRecord } from "../format/superblock.js";
import type { RecoveredLane } from "../recovery/recovered-lane.js";

const checkpointPayloadBytes = 32 * 1024;
/** The rest of a segment is for records. */
const checkpointShare = 4;
/** A segment has room for so many of the smallest blocks at least: its header, its checkpoint and records. */
const alignedBlocksMin = 16;
const epochMax = 0xffff_ffff;

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

/**
 * Throws RINGWALL_DAMAGED when a lane's numbers are so high that what is written next would not be read again: no writer
 * ever counted that far. `generation`: of the superblock.
 */
export function demandNumbersLeft(record: LaneRecord, generation: number, recovered: RecoveredLane, directory: string): void {
  const { table, segments, nextBlock, lastTime, report: { lane } } = recovered;
  const refuse = (what: string, value: number, partition?: string): never => {
    throw new RingwallError("RINGWALL_DAMAGED", `${what} ${String(value)} is not plausible, and leaves none to count on`, {
      place: { path: directory, lane, ...(partition === undefined ? {} : { partition }) },
      remedy: "Open it with { readOnly: true } to read it; copy the records into a new log.",
    });
  };
  if (record.epoch >= epochMax) refuse("epoch", record.epoch);
  const segment = segments[segments.length - 1]?.segment ?? 0;
  const numbers = [["superblock generation", generation], ["block", nextBlock], ["time", lastTime], ["segment", segment]] as const;
  for (const [what, value] of numbers) if (value > countedNumberMax) refuse(what, value);
  for (const { name, lastSequence } of table) if (lastSequence > countedNumberMax) refuse("sequence", lastSequence, name);
}

/** Throws RINGWALL_INVALID_OPTION when buffers or segments are no place for blocks that begin and end at multiples of `alignment`, as the device and the log have it. */
export function demandAligned({ bufferBytes, segmentBytes }: LaneSizes, alignment: number, directory: string): void {
  const segmentBytesMin = alignedBlocksMin * alignment;
  if (bufferBytes % alignment === 0 && segmentBytes % alignment === 0 && segmentBytes >= segmentBytesMin) return;
  throw new RingwallError("RINGWALL_INVALID_OPTION", `blocks of this log are aligned to ${String(alignment)} bytes: bufferBytes of ${String(bufferBytes)} or segmentBytes of ${String(segmentBytes)} does not suit them`, {
    place: { path: directory },
    remedy: `Open the log with multiples of ${String(alignment)}, and with segmentBytes of ${String(segmentBytesMin)} at least.`,
  });
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
