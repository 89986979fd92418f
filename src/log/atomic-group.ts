// What becomes durable together or not at all: records, and before them truncations of their partitions.
//
// Checks what the lane alone knows, the bounds of a truncation and room for it, before anything is changed; then gives
// the sequences out.

import type { PartitionState, PartitionTable } from "../core/partition-table.js";
import { RingwallError } from "../base/errors.js";
import { roundUp8 } from "../base/numbers.js";
import { blockHeaderBytes } from "../format/block.js";
import { truncationBytes } from "../format/checkpoint.js";
import { frameHeaderBytes, groupFramesMax } from "../format/frame.js";
import { hasTableRoom, partitionTruncationsMax, type LaneSizes } from "./lane-limits.js";
import { outsideError } from "./log-arguments.js";
import type { PlacedItem } from "./operation.js";
import { asBytes } from "./record-data.js";

/**
 * One record; or all records above `truncate` go, which comes before the partition's records. Data that depend on sequences are a
 * function: it is called when nothing stands in the way any more, before any is given out.
 */
export type GroupItem =
  | { readonly state: PartitionState; readonly data: Uint8Array | string | (() => Uint8Array); readonly truncate?: undefined }
  | { readonly state: PartitionState; readonly truncate: number; readonly data?: undefined };

/**
 * Throws RINGWALL_INVALID_ARGUMENT unless every truncation of the group is possible, and RINGWALL_DROPPED where a partition was
 * dropped since it was looked up: no frame may name its id any more.
 */
export function demandPossible(items: readonly GroupItem[], table: PartitionTable, sizes: LaneSizes): void {
  const gone = items.find(({ state }) => state.life !== "kept");
  if (gone !== undefined) throw new RingwallError("RINGWALL_DROPPED", "the partition was dropped", { place: { partition: gone.state.name } });
  let truncations = 0;
  for (const { state, truncate } of items) {
    if (truncate === undefined) continue;
    if (truncate < state.firstAsked - 1 || truncate > state.lastSequence) throw outsideError("truncate", truncate, state.firstAsked - 1, state.lastSequence, state.name);
    if (truncate < state.lastSequence) demandTruncationRoom(state, table, sizes, ++truncations);
  }
}

/** Throws RINGWALL_INVALID_ARGUMENT unless the lane's checkpoints have room for so many truncations more, one of them this partition's. */
export function demandTruncationRoom(state: PartitionState, table: PartitionTable, sizes: LaneSizes, truncations = 1): void {
  if (state.truncations.length < partitionTruncationsMax(sizes) && hasTableRoom(table, sizes, truncations * truncationBytes)) return;
  throw new RingwallError("RINGWALL_INVALID_ARGUMENT", "there are too many truncations in the segments that are kept", {
    place: { partition: state.name },
    remedy: "Trim, so that old segments go.",
  });
}

/** Gives every record its sequence. Truncations that take nothing away are left out. Throws RINGWALL_RECORD_TOO_LARGE where the group has too many frames. */
export function placedItems(items: readonly GroupItem[], sizes: LaneSizes): PlacedItem[] {
  // First what can fail: no sequence is lost then.
  const bytes = items.map(({ data }) => (data === undefined ? null : typeof data === "function" ? data() : asBytes(data)));
  demandFewFrames(bytes, sizes);
  const placed: PlacedItem[] = [];
  for (const [at, { state, truncate }] of items.entries()) {
    if (truncate === undefined) placed.push({ kind: "record", state, sequence: ++state.lastSequence, data: bytes[at] as Uint8Array });
    else if (truncate < state.lastSequence) {
      placed.push({ kind: "truncate", state, after: truncate, before: state.lastSequence });
      state.lastSequence = truncate;
    }
  }
  return placed;
}

/** 1. a group with more frames is acknowledged; 2. the process ends; 3. recovery takes it for one that never ends, which is damage. */
function demandFewFrames(records: readonly (Uint8Array | null)[], { bufferBytes }: LaneSizes): void {
  const blockFrameBytes = bufferBytes - blockHeaderBytes;
  let frames = 0;
  for (const record of records) {
    const bytes = frameHeaderBytes + roundUp8(record?.length ?? 0);
    // Of fragments the first lies where a block has room left, and others end with the space that is prepared: half of them are whole blocks at least.
    frames += bytes <= blockFrameBytes ? 1 : 2 + 2 * Math.ceil(bytes / blockFrameBytes);
  }
  if (frames <= groupFramesMax) return;
  throw new RingwallError("RINGWALL_RECORD_TOO_LARGE", `the ${String(records.length)} items of the batch may take ${String(frames)} frames, the limit is ${String(groupFramesMax)}`, {
    remedy: "Split the batch.",
  });
}
