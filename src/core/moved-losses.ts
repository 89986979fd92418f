// What a damaged lane has lost, in the light of its moved records: what has a copy is not lost, and what has neither a fresh frame nor a
// copy is, although no gap among the fresh records names it. Pure.

import { runsOf } from "./live-bytes.js";
import { lastLive } from "./living-segment.js";
import type { LostSequences } from "./loss-ledger.js";
import type { PartitionTable } from "./partition-table.js";
import type { SegmentIndex } from "./segment-index.js";
import { addRange, merged, rangesByPartition, without, type SequenceRange } from "./sequence-ranges.js";

export interface SettledLosses {
  readonly lost: LostSequences[];
  /** Sequences among them that the fresh records do not tell. */
  readonly unnamed: number;
}

/** `lost`: what the fresh records tell. `indexes`: of all kept segments, in order. */
export function settleMoved(lost: readonly LostSequences[], table: PartitionTable, indexes: readonly SegmentIndex[]): SettledLosses {
  const firstFresh = new Map<number, number>();
  for (const { runs } of indexes) {
    for (const [id, { firstSequence }] of runs) if (firstSequence > 0) firstFresh.set(id, Math.min(firstSequence, firstFresh.get(id) ?? Number.POSITIVE_INFINITY));
  }
  const copies = copiesThatCount(table, indexes);
  const named = rangesByPartition(lost);
  const all: LostSequences[] = [];
  let unnamed = 0;
  for (const { id, firstSequence, lastSequence } of table) {
    const below = { first: firstSequence, last: Math.min(lastSequence, (firstFresh.get(id) ?? Number.POSITIVE_INFINITY) - 1) };
    const known = merged(named.get(id) ?? []);
    const missing = without(merged([...known, below]), merged(copies.get(id) ?? []));
    for (const { first, last } of missing) all.push({ partition: id, firstSequence: first, lastSequence: last });
    for (const { first, last } of without(missing, known)) unnamed += last - first + 1;
  }
  return { lost: all, unnamed };
}

/** By partition: the sequences that have a copy which a reader of the damaged lane takes (read-place.ts). */
export function copiesThatCount(table: PartitionTable, indexes: readonly SegmentIndex[]): Map<number, SequenceRange[]> {
  const copies = new Map<number, SequenceRange[]>();
  for (const index of indexes) {
    for (const { id, run, isMoved } of runsOf(index)) {
      const state = table.byId(id);
      if (!isMoved || state === undefined) continue;
      const range = { first: Math.max(run.firstSequence, state.firstSequence), last: lastLive(state, index.segment, run.lastSequence, true) };
      if (range.first <= range.last) addRange(copies, id, range);
    }
    // A fresh record was appended behind all that was before it: copies from there on are dead.
    for (const [id, { firstSequence }] of index.runs) {
      if (firstSequence > 0) for (const range of copies.get(id) ?? []) range.last = Math.min(range.last, firstSequence - 1);
    }
  }
  return copies;
}
