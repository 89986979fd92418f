// What a damaged lane has lost, in the light of its moved records: what has a copy is not lost, and what has neither a fresh frame nor a
// copy is, although no gap among the fresh records names it. Pure.

import { lastLive, runsOf } from "./live-bytes.js";
import type { LostSequences } from "./loss-ledger.js";
import type { PartitionTable } from "./partition-table.js";
import type { SegmentIndex } from "./segment-index.js";
import { merged, without, type SequenceRange } from "./sequence-ranges.js";

/** `lost`: what the fresh records tell. `indexes`: of all kept segments. */
export function settleMoved(lost: readonly LostSequences[], table: PartitionTable, indexes: readonly SegmentIndex[]): LostSequences[] {
  const firstFresh = new Map<number, number>();
  const moved = new Map<number, SequenceRange[]>();
  for (const index of indexes) {
    for (const { id, run, isMoved } of runsOf(index)) {
      const state = table.byId(id);
      if (state === undefined || run.firstSequence === 0) continue;
      const last = lastLive(state, index.segment, run.lastSequence, isMoved);
      if (!isMoved) firstFresh.set(id, Math.min(run.firstSequence, firstFresh.get(id) ?? Number.POSITIVE_INFINITY));
      else if (run.firstSequence <= last) push(moved, id, { first: run.firstSequence, last });
    }
    // A fresh record was appended behind all that was before it: copies from there on are dead, and no reader takes them (read-place.ts).
    for (const [id, { firstSequence }] of index.runs) {
      if (firstSequence > 0) for (const range of moved.get(id) ?? []) range.last = Math.min(range.last, firstSequence - 1);
    }
  }
  const named = new Map<number, SequenceRange[]>();
  for (const { partition, firstSequence, lastSequence } of lost) push(named, partition, { first: firstSequence, last: lastSequence });
  const all: LostSequences[] = [];
  for (const { id, firstSequence, lastSequence } of table) {
    const below = { first: firstSequence, last: Math.min(lastSequence, (firstFresh.get(id) ?? Number.POSITIVE_INFINITY) - 1) };
    for (const { first, last } of without(merged([...(named.get(id) ?? []), below]), merged(moved.get(id) ?? []))) {
      all.push({ partition: id, firstSequence: first, lastSequence: last });
    }
  }
  return all;
}

function push(ranges: Map<number, SequenceRange[]>, id: number, range: SequenceRange): void {
  const known = ranges.get(id);
  if (known === undefined) ranges.set(id, [range]);
  else known.push(range);
}
