// Bytes of payload that partitions with a limit of bytes hold in a lane's sealed segments.
//
// Owns a sum for each of them that was looked at, with the first sequence that it counts from: where the partition begins
// elsewhere by now, somebody else has trimmed it, and it is counted anew out of the indexes. It counts what was written;
// truncated records count until their segment goes.

import type { PartitionState } from "../core/partition-table.js";
import type { SegmentIndex } from "../core/segment-index.js";
import { findSegment, liveLast } from "./read-place.js";
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
    for (const segment of this.#source.segmentIds) {
      if (segment > last) break;
      const index = await this.#source.segmentIndex(segment);
      for (const id of byId.size < index.runs.size ? byId.keys() : index.runs.keys()) {
        const state = byId.get(id);
        if (state !== undefined) this.#countRun(state, index);
      }
    }
  }

  #countRun(state: PartitionState, index: SegmentIndex): void {
    const total = this.#totals.get(state.id) as Total;
    if (lastLive(index, state) >= total.first) total.bytes += index.runs.get(state.id)?.payloadBytes ?? 0;
  }

  /** The newest segment, up to `last`, that the partition can give up so that `bytesMin` stay; null: none. Counts as if it had. */
  async takeSurplus(state: PartitionState, bytesMin: number, last: number): Promise<SegmentIndex | null> {
    const total = this.#totals.get(state.id);
    let surplus: SegmentIndex | null = null;
    while (total !== undefined && total.bytes > bytesMin) {
      const index = await findSegment(this.#source, state, total.first);
      if (index === null || index.segment > last) break;
      const payloadBytes = index.runs.get(state.id)?.payloadBytes ?? 0;
      if (total.bytes - payloadBytes < bytesMin) break;
      total.bytes -= payloadBytes;
      total.first = lastLive(index, state) + 1;
      surplus = index;
    }
    return surplus;
  }
}

/** The last sequence that the partition has alive in the segment; 0: none. */
export function lastLive(index: SegmentIndex, state: PartitionState): number {
  const run = index.runs.get(state.id);
  return run === undefined ? 0 : Math.min(run.lastSequence, liveLast(state, index.segment));
}
