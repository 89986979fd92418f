// How many bytes of a lane's sealed segments are alive, kept up as segments are sealed, trimmed, truncated and freed. Pure.
//
// Counted by run: a run is a partition's records of one segment, and each of them counts as their mean. A record's share of its
// segment is what its frame takes of it, with as much of headers and padding: a log of which nothing was trimmed has no dead byte.
// Owns one extent per run. A trim or truncation touches the extents of its own partition only.

import { frameHeaderBytes } from "../format/frame.js";
import type { PartitionState, PartitionTable } from "./partition-table.js";
import type { SegmentIndex } from "./segment-index.js";
import type { PartitionRun } from "./segment-runs.js";

/** A partition's live records in one segment, [first, last]. */
export interface Extent {
  readonly segment: number;
  readonly isMoved: boolean;
  first: number;
  last: number;
  readonly bytesEach: number;
}

interface SegmentBytes {
  readonly used: number;
  readonly goesOn: boolean;
  live: number;
}

/** Payloads are padded to 8 bytes: 4 in the mean. */
const frameBytesAround = frameHeaderBytes + 4;

export class LiveBytes {
  /** Of all segments that are counted. */
  used = 0;
  live = 0;
  readonly #segments = new Map<number, SegmentBytes>();
  /** Of each partition by first sequence. */
  readonly #extents = new Map<number, Extent[]>();

  segment(segment: number): Readonly<SegmentBytes> | undefined {
    return this.#segments.get(segment);
  }

  extents(partition: number): readonly Readonly<Extent>[] {
    return this.#extents.get(partition) ?? [];
  }

  /** Counts a sealed segment, once. */
  add(index: SegmentIndex, table: PartitionTable): void {
    if (this.#segments.has(index.segment)) return;
    this.#segments.set(index.segment, { used: index.endOffset, goesOn: index.goesOn, live: 0 });
    this.used += index.endOffset;
    let weight = 0;
    for (const { run } of runsOf(index)) weight += run.payloadBytes + run.records * frameBytesAround;
    for (const { id, run, isMoved } of runsOf(index)) {
      const state = table.byId(id);
      if (state === undefined || run.firstSequence === 0) continue;
      const bytesEach = ((run.payloadBytes / run.records + frameBytesAround) * index.endOffset) / weight;
      const extent = { segment: index.segment, isMoved, first: Math.max(run.firstSequence, state.firstSequence), last: lastLive(state, index.segment, run.lastSequence, isMoved), bytesEach };
      if (extent.first > extent.last) continue;
      this.#insert(id, extent);
      this.#change(extent, extent.last - extent.first + 1);
    }
  }

  /** The segment is freed. */
  forget(index: SegmentIndex): void {
    const segment = this.#segments.get(index.segment);
    if (segment === undefined) return;
    for (const { id } of runsOf(index)) {
      const kept = this.extents(id).filter((extent) => extent.segment !== index.segment);
      if (kept.length === 0) this.#extents.delete(id);
      else this.#extents.set(id, [...kept]);
    }
    this.live -= segment.live;
    this.used -= segment.used;
    this.#segments.delete(index.segment);
  }

  /** The partition was trimmed. */
  handleTrim(state: PartitionState): void {
    const extents = this.#extents.get(state.id);
    if (extents === undefined) return;
    let dead = 0;
    for (const extent of extents) {
      if (extent.first >= state.firstSequence) break;
      const first = Math.min(state.firstSequence, extent.last + 1);
      this.#change(extent, extent.first - first);
      extent.first = first;
      if (first > extent.last) dead++;
    }
    if (dead > 0) this.#keep(state.id, extents);
  }

  /** The partition is gone. */
  handleDrop(state: PartitionState): void {
    for (const extent of this.extents(state.id)) this.#change(extent, extent.first - extent.last - 1);
    this.#extents.delete(state.id);
  }

  /** The partition was truncated. */
  handleTruncate(state: PartitionState): void {
    const extents = this.#extents.get(state.id);
    if (extents === undefined) return;
    for (const extent of extents) {
      const last = Math.max(extent.first - 1, lastLive(state, extent.segment, extent.last, extent.isMoved));
      this.#change(extent, last - extent.last);
      extent.last = last;
    }
    this.#keep(state.id, extents);
  }

  #keep(id: number, extents: readonly Extent[]): void {
    const kept = extents.filter((extent) => extent.first <= extent.last);
    if (kept.length === 0) this.#extents.delete(id);
    else this.#extents.set(id, kept);
  }

  #insert(id: number, extent: Extent): void {
    const extents = this.#extents.get(id);
    if (extents === undefined) {
      this.#extents.set(id, [extent]);
      return;
    }
    let at = extents.length;
    while (at > 0 && (extents[at - 1] as Extent).first > extent.first) at--;
    extents.splice(at, 0, extent);
  }

  #change(extent: Extent, records: number): void {
    const bytes = records * extent.bytesEach;
    (this.#segments.get(extent.segment) as SegmentBytes).live += bytes;
    this.live += bytes;
  }
}

/** Every run of a segment: of fresh records, and of those that were moved on into it. */
export function* runsOf(index: SegmentIndex): Generator<{ readonly id: number; readonly run: PartitionRun; readonly isMoved: boolean }, undefined> {
  for (const [id, run] of index.runs) yield { id, run, isMoved: false };
  for (const [id, stretches] of index.moved) for (const run of stretches) yield { id, run, isMoved: true };
  return undefined;
}

/**
 * The last of a segment's records up to `last` that no truncation hides. A truncation in the segment itself has taken fresh records out
 * of their run, where they may have been appended anew. Of moved records it hides what is above it: what is moved was appended in an
 * older segment, so that nothing can have been appended anew and moved in between.
 */
export function lastLive(state: PartitionState, segment: number, last: number, isMoved: boolean): number {
  let live = last;
  for (const truncation of state.truncations) {
    if (truncation.segment > segment || (isMoved && truncation.segment === segment)) live = Math.min(live, truncation.after);
  }
  return live;
}
