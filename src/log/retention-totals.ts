// Bytes of payload that partitions with a limit of bytes hold in a lane's sealed segments.
//
// Owns a sum for each of them that was looked at, with the first sequence that it counts from: where the partition begins
// elsewhere by now, somebody else has trimmed it, and it is counted anew out of the indexes. It counts what was written;
// truncated records count until their segment goes. Records that were moved on count as copies once the segment is gone in which they were fresh.

import { lastLive } from "../core/living-segment.js";
import type { PartitionState } from "../core/partition-table.js";
import type { SegmentIndex } from "../core/segment-index.js";
import { findRecord } from "./read-place.js";
import type { ReadSource } from "./read-source.js";

interface Total {
  bytes: number;
  /** The last segment that counts. */
  last: number;
  /** The first sequence that counts. */
  first: number;
}

export class RetentionTotals {
  readonly #source: ReadSource;
  readonly #totals = new Map<number, Total>();

  constructor(source: ReadSource) {
    this.#source = source;
  }

  /** The segment was sealed. False: the partition is to be counted anew. */
  handleGrown(state: PartitionState, index: SegmentIndex): boolean {
    const total = this.#totals.get(state.id);
    if (total?.first !== state.firstAsked) return false;
    if (index.segment > total.last) total.bytes += index.runs.get(state.id)?.payloadBytes ?? 0;
    total.last = Math.max(total.last, index.segment);
    return true;
  }

  /** Retention trims what the partition has in its oldest segment, this one: records below `before` go. */
  handleTrim(state: PartitionState, index: SegmentIndex, before: number): void {
    const total = this.#totals.get(state.id);
    if (total?.first !== state.firstAsked || before <= total.first) return;
    total.bytes -= index.runs.get(state.id)?.payloadBytes ?? 0;
    total.first = before;
  }

  /** Counts these in the segments up to `last`. */
  async count(states: readonly PartitionState[], last: number): Promise<void> {
    if (states.length === 0) return;
    const byId = new Map(states.map((state) => [state.id, state]));
    for (const state of states) this.#totals.set(state.id, { bytes: 0, last, first: state.firstAsked });
    const firstFresh = new Map<number, number>();
    for (const segment of this.#source.segmentIds) {
      if (segment > last) break;
      const index = await this.#source.segmentIndex(segment);
      const { runs, moved } = index;
      for (const id of byId.size < runs.size + moved.size ? byId.keys() : new Set([...runs.keys(), ...moved.keys()])) {
        const state = byId.get(id);
        if (state !== undefined) this.#countRun(state, index, firstFresh);
      }
    }
  }

  #countRun(state: PartitionState, index: SegmentIndex, firstFresh: Map<number, number>): void {
    const total = this.#totals.get(state.id) as Total;
    // Segments come in order: whatever was fresh before these copies is known by now.
    const known = firstFresh.get(state.id) ?? Number.POSITIVE_INFINITY;
    for (const stretch of index.moved.get(state.id) ?? []) {
      if (stretch.lastSequence < known && lastLive(state, index.segment, stretch.lastSequence, true) >= total.first) total.bytes += stretch.payloadBytes;
    }
    const fresh = index.runs.get(state.id);
    if (fresh === undefined || fresh.firstSequence === 0) return;
    firstFresh.set(state.id, Math.min(known, fresh.firstSequence));
    if (lastLive(state, index.segment, fresh.lastSequence, false) >= total.first) total.bytes += fresh.payloadBytes;
  }

  /** The last sequence in segments up to `last` that the partition can give up so that `bytesMin` stay; null: none. Counts as if it had. */
  async takeSurplus(state: PartitionState, bytesMin: number, last: number): Promise<number | null> {
    const total = this.#totals.get(state.id);
    let surplus: number | null = null;
    while (total !== undefined && total.bytes > bytesMin) {
      const home = await findRecord(this.#source, state, total.first);
      if (home === null || home.index.segment > last) break;
      const { index: { segment }, run, isMoved } = home;
      if (total.bytes - run.payloadBytes < bytesMin) break;
      total.bytes -= run.payloadBytes;
      surplus = Math.min(home.last, lastLive(state, segment, run.lastSequence, isMoved));
      total.first = surplus + 1;
    }
    return surplus;
  }
}

/** The last sequence that the partition has alive in the segment; 0: none. */
export function lastLiveOf(index: SegmentIndex, state: PartitionState): number {
  const run = index.runs.get(state.id);
  let last = run === undefined ? 0 : lastLive(state, index.segment, run.lastSequence, false);
  // Of moved records all are older than what is fresh beside them.
  for (const stretch of index.moved.get(state.id) ?? []) last = Math.max(last, lastLive(state, index.segment, stretch.lastSequence, true));
  return last;
}
