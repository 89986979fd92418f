// Finds the segment that holds a record.
//
// A sequence can lie on disk twice, truncated and written anew; the newest segment that names it has the live one.
// Behind the last truncation sequences only ascend, so that part is searched by halves.

import type { PartitionState } from "../core/partition-table.js";
import type { SegmentIndex } from "../core/segment-index.js";
import type { PartitionRun } from "../core/segment-runs.js";
import type { Truncation } from "../format/checkpoint.js";
import type { ReadSource } from "./read-source.js";

interface Found {
  /** Position in `source.segmentIds`. */
  readonly at: number;
  readonly index: SegmentIndex;
  readonly run: PartitionRun;
}

/** The index of the segment in which the live record `sequence` begins, or null when no segment names it. */
export async function findSegment(source: ReadSource, state: PartitionState, sequence: number): Promise<SegmentIndex | null> {
  const ids = source.segmentIds;
  const lastTruncation = state.truncations.reduce((last, truncation) => Math.max(last, truncation.segment), 0);
  const firstAscending = ids.findIndex((id) => id >= lastTruncation);
  const ascendingFrom = firstAscending < 0 ? ids.length : firstAscending;
  const found = await findAscending(source, state, { ids, from: ascendingFrom, sequence });
  if (found !== null) return found;
  for (let at = ascendingFrom - 1; at >= 0; at--) {
    const index = await source.segmentIndex(ids[at] as number);
    // What a later truncation hides is not here: it would be looked for in this segment for ever.
    if (sequence <= liveLast(state, index.segment) && holds(index.runs.get(state.id), sequence)) return index;
  }
  return null;
}

/** The highest sequence below which the records of a segment may be live: later truncations hide those above. */
export function liveLast(state: PartitionState, segment: number): number {
  let last = Number.MAX_SAFE_INTEGER;
  for (const truncation of state.truncations) if (truncation.segment > segment) last = Math.min(last, truncation.after);
  return last;
}

/** A truncation that came after `known` and took the record `sequence` away; null when there is none. */
export function truncationSince(state: PartitionState, known: readonly Truncation[], sequence: number): Truncation | null {
  if (state.truncations === known) return null;
  return state.truncations.find((truncation) => truncation.after < sequence && !known.some((other) => isSame(other, truncation))) ?? null;
}

/** A lane that looks anew at the disk makes new objects of the same truncations. */
function isSame(a: Truncation, b: Truncation): boolean {
  return a.segment === b.segment && a.offset === b.offset && a.after === b.after;
}

/** The first sequence above `sequence` that any segment names, or null. */
export async function firstNamedAbove(source: ReadSource, state: PartitionState, sequence: number): Promise<number | null> {
  let first: number | null = null;
  for (const id of source.segmentIds) {
    const run = (await source.segmentIndex(id)).runs.get(state.id);
    if (run !== undefined && run.firstSequence > sequence && (first === null || run.firstSequence < first)) first = run.firstSequence;
  }
  return first;
}

async function findAscending(
  source: ReadSource,
  state: PartitionState,
  search: { readonly ids: readonly number[]; readonly from: number; readonly sequence: number },
): Promise<SegmentIndex | null> {
  const { ids, from, sequence } = search;
  let low = from;
  let high = ids.length;
  // The wanted segment, if there is one, lies in [low, high).
  while (low < high) {
    const middle = (low + high) >>> 1;
    const found = await runAtOrBefore(source, state, { ids, at: middle, low });
    if (found === null) low = middle + 1;
    else if (holds(found.run, sequence)) return found.index;
    else if (sequence < found.run.firstSequence) high = found.at;
    else low = middle + 1;
  }
  return null;
}

/** The newest segment in [low, at] that holds anything of the partition. */
async function runAtOrBefore(
  source: ReadSource,
  state: PartitionState,
  search: { readonly ids: readonly number[]; readonly at: number; readonly low: number },
): Promise<Found | null> {
  for (let at = search.at; at >= search.low; at--) {
    const index = await source.segmentIndex(search.ids[at] as number);
    const run = index.runs.get(state.id);
    if (run !== undefined && run.lastSequence > 0) return { at, index, run };
  }
  return null;
}

function holds(run: PartitionRun | undefined, sequence: number): boolean {
  return run !== undefined && run.firstSequence > 0 && run.firstSequence <= sequence && sequence <= run.lastSequence;
}
