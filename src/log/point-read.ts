// One record by one short read: the way that nearly every `get` goes. Hot: see `ringwall bench read`, `ringwall bench fio`.
//
// The record is read from where the index says that it begins, or else from the last index entry in front of it, up to where it should end, and each
// frame in between is verified, as always. Whatever is not as it should be is left to the walk (read-walk.ts), which begins anew and knows what
// it means: damage, a record that is longer than thought or in fragments, a segment that is freed meanwhile, a record that is trimmed, truncated or not durable.
// Never returns a record of which it does not know, after the last wait, that it is durable and alive.

import { RingwallError } from "../base/errors.js";
import type { PartitionState } from "../core/partition-table.js";
import type { Memory } from "../format/memory.js";
import { BlockCursor, type LogRecord } from "./block-cursor.js";
import { findAtOnce, findRecord, type RecordHome } from "./read-place.js";
import { pointStretch, type PointStretch } from "./read-plan.js";
import type { ReadSource } from "./read-source.js";
import { segmentFilesOf, type SegmentFile } from "./segment-files.js";

export interface PointRequest {
  readonly source: ReadSource;
  readonly state: PartitionState;
  readonly sequence: number;
  /** What is read lies in it, and so do the record's bytes. */
  readonly scratch: Memory;
}

/** The record, or null: the walk must look for it. */
export async function readPoint(request: PointRequest): Promise<LogRecord | null> {
  const { source, state, sequence, scratch } = request;
  const { truncations } = state;
  const { segmentIds } = source;
  if (source.isDamaged || state.life === "dropped" || sequence > state.durableSequence) return null;
  try {
    const home = findAtOnce(source, state, sequence) ?? (await findRecord(source, state, sequence));
    const stretch = home === null ? null : pointStretch(home.run, sequence, home.index.endOffset);
    if (home === null || stretch === null || stretch.end - stretch.start > scratch.bytes.length) return null;
    const files = segmentFilesOf(source);
    const { segment } = home.index;
    const bytesRead = await readStretch(files.acquireOpen(segment) ?? (await files.acquire(segment)), stretch, scratch);
    // 1. a window of a segment is read; 2. the segment is freed, and with it the truncation that hides some of its records; 3. the window shows them.
    const isAsBefore = state.truncations === truncations && source.segmentIds === segmentIds && sequence >= state.firstSequence;
    return isAsBefore && isLive(state) && bytesRead === stretch.end - stretch.start ? recordIn(request, home, stretch) : null;
  } catch (error) {
    if (error instanceof RingwallError) return null;
    throw error;
  }
}

/** The partition may have been dropped since it was looked at. */
function isLive(state: PartitionState): boolean {
  return state.life !== "dropped";
}

async function readStretch(file: SegmentFile, { start, end }: PointStretch, scratch: Memory): Promise<number> {
  try {
    return await file.readSoon(scratch.bytes.subarray(0, end - start), start);
  } finally {
    file.release();
  }
}

function recordIn({ source, state, sequence, scratch }: PointRequest, { index, isMoved }: RecordHome, { start, end }: PointStretch): LogRecord | null {
  const cursor = new BlockCursor(source, state, sequence);
  cursor.enter(index, isMoved, false);
  cursor.take({ memory: scratch, base: start, start, end, limit: sequence, cause: undefined }, true);
  const records: LogRecord[] = [];
  cursor.collect(records, sequence, 1);
  return records[0] ?? null;
}
