// Finds the segment that holds a record.
//
// A sequence can lie on disk twice, truncated and written anew; the newest segment that names it has the live one.
// Behind the last truncation sequences only ascend, so that part is searched by halves. What no segment names as a fresh
// record was moved on. Of several copies the oldest is read: a newer one may still be on its way to the disk.

import type { PartitionState } from "../core/partition-table.js";
import { lastLive } from "../core/living-segment.js";
import type { SegmentIndex } from "../core/segment-index.js";
import type { PartitionRun } from "../core/segment-runs.js";
import type { ReadSource } from "./read-source.js";

/** Where a record is to be read. */
export interface RecordHome {
  readonly index: SegmentIndex;
  /** The run that names it. */
  readonly run: PartitionRun;
  /** It lies there as a moved record. */
  readonly isMoved: boolean;
  /**
   * Records of the run behind it, up to this one, may be read here as well. 1. copies of records 1 to 9 are durable, and their segment is
   * freed; 2. copies of 10 to 19 are placed behind them, in the same run; 3. a reader goes on from 9 to 10, which is not on disk yet.
   */
  readonly last: number;
}

/** The segment in which the live record `sequence` begins, or null when no segment names it. */
export async function findRecord(source: ReadSource, state: PartitionState, sequence: number): Promise<RecordHome | null> {
  if (source.isDamaged) return findNewest(source, state, sequence);
  const fresh = await findFresh(source, state, sequence);
  return fresh ?? (await findMoved(source, state, sequence));
}

/** As `findRecord`, of a fresh record, where every index that it needs is in memory; null also where one is not. Hot: `ringwall bench read`. */
export function findAtOnce(source: ReadSource, state: PartitionState, sequence: number): RecordHome | null {
  if (source.isDamaged) return null;
  const found = searchFresh({ state, ids: source.segmentIds, sequence, indexOf: (segment) => source.knownIndex(segment) });
  return typeof found === "number" ? null : found;
}

async function findFresh(source: ReadSource, state: PartitionState, sequence: number): Promise<RecordHome | null> {
  const ids = source.segmentIds;
  // The cache of the source may be too small for all that one search needs.
  const loaded = new Map<number, SegmentIndex>();
  const indexOf = (segment: number): SegmentIndex | undefined => loaded.get(segment) ?? source.knownIndex(segment);
  for (;;) {
    const found = searchFresh({ state, ids, sequence, indexOf });
    if (typeof found !== "number") return found;
    loaded.set(found, await source.segmentIndex(found));
  }
}

/** The oldest copy of the live record, or null. */
export async function findMoved(source: ReadSource, state: PartitionState, sequence: number): Promise<RecordHome | null> {
  let above = Number.POSITIVE_INFINITY;
  for (const id of source.segmentIds) {
    const index = await source.segmentIndex(id);
    for (const run of index.moved.get(state.id) ?? []) {
      if (holds(run, sequence) && lastLive(state, index.segment, sequence, true) === sequence) return { index, run, isMoved: true, last: above - 1 };
      if (run.firstSequence > sequence) above = Math.min(above, run.firstSequence);
    }
    const fresh = index.runs.get(state.id);
    if (fresh !== undefined && fresh.firstSequence > sequence) above = Math.min(above, fresh.firstSequence);
  }
  return null;
}

/**
 * What names the live record last, or null.
 * 1. record 2 is truncated and written anew; 2. its segment is freed, record 2 moved on, the truncation forgotten; 3. an old superblock is
 * put back, which keeps the file of the first record 2.
 */
async function findNewest(source: ReadSource, state: PartitionState, sequence: number): Promise<RecordHome | null> {
  let above = Number.POSITIVE_INFINITY;
  for (const id of [...source.segmentIds].reverse()) {
    const index = await source.segmentIndex(id);
    const fresh = index.runs.get(state.id);
    const named = [...(fresh === undefined ? [] : [{ run: fresh, isMoved: false }]), ...[...(index.moved.get(state.id) ?? [])].reverse().map((run) => ({ run, isMoved: true }))];
    for (const { run, isMoved } of named) {
      if (holds(run, sequence) && lastLive(state, index.segment, sequence, isMoved) === sequence) return { index, run, isMoved, last: above - 1 };
      if (run.firstSequence > sequence) above = Math.min(above, run.firstSequence);
    }
    // It was appended behind all that was before: what older segments have from there on is dead.
    if (fresh !== undefined && fresh.firstSequence > 0 && fresh.firstSequence <= sequence) return null;
  }
  return null;
}

/** The first sequence above `sequence` that any segment names, or null. */
export async function firstNamedAbove(source: ReadSource, state: PartitionState, sequence: number): Promise<number | null> {
  let first: number | null = null;
  for (const id of source.segmentIds) {
    const index = await source.segmentIndex(id);
    const fresh = index.runs.get(state.id);
    for (const run of [...(fresh === undefined ? [] : [fresh]), ...(index.moved.get(state.id) ?? [])]) {
      if (run.firstSequence > sequence && (first === null || run.firstSequence < first)) first = run.firstSequence;
    }
  }
  return first;
}

interface FreshSearch {
  readonly state: PartitionState;
  readonly ids: readonly number[];
  readonly sequence: number;
  /** Undefined: not in memory. */
  readonly indexOf: (segment: number) => SegmentIndex | undefined;
}

/** Where the fresh record is; null: nowhere; or the segment whose index must be known first. */
function searchFresh(search: FreshSearch): RecordHome | number | null {
  const { state, ids, sequence, indexOf } = search;
  const lastTruncation = state.truncations.reduce((last, truncation) => Math.max(last, truncation.segment), 0);
  const firstAscending = ids.findIndex((id) => id >= lastTruncation);
  const ascendingFrom = firstAscending < 0 ? ids.length : firstAscending;
  const found = searchAscending(search, ascendingFrom);
  if (found !== null) return found;
  for (let at = ascendingFrom - 1; at >= 0; at--) {
    const index = indexOf(ids[at] as number);
    if (index === undefined) return ids[at] as number;
    // What a later truncation hides is not here: it would be looked for in this segment for ever.
    const run = index.runs.get(state.id);
    if (run !== undefined && holds(run, sequence) && lastLive(state, index.segment, sequence, false) === sequence) return freshHome(index, run);
  }
  return null;
}

/** In the segments from position `from` on, in which the partition's sequences ascend. */
function searchAscending({ state, ids, sequence, indexOf }: FreshSearch, from: number): RecordHome | number | null {
  let low = from;
  let high = ids.length;
  // The wanted segment, if there is one, lies in [low, high).
  while (low < high) {
    const middle = (low + high) >>> 1;
    let next = middle + 1;
    // The newest segment up to the middle that holds anything of the partition.
    for (let at = middle; at >= low; at--) {
      const index = indexOf(ids[at] as number);
      if (index === undefined) return ids[at] as number;
      const run = index.runs.get(state.id);
      if (run === undefined || run.lastSequence === 0) continue;
      if (holds(run, sequence)) return freshHome(index, run);
      if (sequence < run.firstSequence) {
        high = at;
        next = low;
      }
      break;
    }
    low = next;
  }
  return null;
}

function freshHome(index: SegmentIndex, run: PartitionRun): RecordHome {
  return { index, run, isMoved: false, last: Number.POSITIVE_INFINITY };
}

function holds(run: PartitionRun, sequence: number): boolean {
  return run.firstSequence > 0 && run.firstSequence <= sequence && sequence <= run.lastSequence;
}
