// How many bytes of a lane's sealed segments are alive, kept up as segments are sealed, trimmed, truncated and freed. Pure.
//
// Counted by run: a run is a partition's records of one segment, and each of them counts as their mean. A record's share of its
// segment is what its frame takes of it, with as much of headers and padding: a log of which nothing was trimmed has no dead byte.

import type { Slices } from "../base/slices.js";
import { LivingSegment, weightOf } from "./living-segment.js";
import type { PartitionState, PartitionTable } from "./partition-table.js";
import type { SegmentIndex } from "./segment-index.js";
import type { PartitionRun } from "./segment-runs.js";

/** Between two looks whether others have their turn. */
const runsPerSlice = 1024;

export class LiveBytes {
  /** Of all segments that are counted. */
  used = 0;
  live = 0;
  /** Ascending. */
  readonly #segments: LivingSegment[] = [];

  segment(segment: number): Readonly<LivingSegment> | undefined {
    const counted = this.#find(segment);
    return counted === undefined || counted.used === 0 ? undefined : counted;
  }

  /** Live bytes of a partition in some segments. */
  bytesOf(partition: number, segments: readonly number[]): number {
    return segments.reduce((sum, segment) => sum + (this.#find(segment)?.bytesOf(partition) ?? 0), 0);
  }

  /**
   * Counts a sealed segment, once, in slices: it may be trimmed meanwhile, and freed. What it uses counts last, or there would seem to
   * be too little alive.
   */
  *add(index: SegmentIndex, table: PartitionTable): Slices<void> {
    if (this.#find(index.segment) !== undefined) return;
    const stretches = [...index.moved.values()].reduce((sum, { length }) => sum + length, 0);
    const segment = new LivingSegment(index.segment, index.goesOn, index.runs.size + stretches);
    this.#insert(segment);
    const weight = yield* weighed(index);
    let count = 0;
    for (const { id, run, isMoved } of runsOf(index)) {
      if (++count % runsPerSlice === 0) yield runsPerSlice * 100;
      // Freed meanwhile.
      if (!this.#segments.includes(segment)) return;
      const state = table.byId(id);
      if (state !== undefined) this.live += segment.add(state, run, isMoved, index.endOffset / weight);
    }
    segment.used = index.endOffset;
    this.used += segment.used;
  }

  /** The segment is freed. */
  forget({ segment }: SegmentIndex): void {
    const freed = this.#find(segment);
    if (freed === undefined) return;
    this.live -= freed.live;
    this.used -= freed.used;
    this.#segments.splice(this.#segments.indexOf(freed), 1);
  }

  /** The partition was trimmed. */
  handleTrim(state: PartitionState): void {
    const hasMoved = this.#segments.some(({ moved }) => moved > 0);
    for (const segment of this.#segments) {
      this.live += segment.trim(state);
      // Further on there is nothing below, but for records that were moved.
      if (!hasMoved && segment.beginsAt(state.id, state.firstSequence)) return;
    }
  }

  /** The partition is gone. */
  handleDrop(state: PartitionState): void {
    for (const segment of this.#segments) this.live += segment.drop(state);
  }

  /** The partition was truncated. */
  handleTruncate(state: PartitionState): void {
    for (const segment of this.#segments) this.live += segment.truncate(state);
  }

  #find(segment: number): LivingSegment | undefined {
    return this.#segments.find((counted) => counted.segment === segment);
  }

  #insert(segment: LivingSegment): void {
    let at = this.#segments.length;
    while (at > 0 && (this.#segments[at - 1] as LivingSegment).segment > segment.segment) at--;
    this.#segments.splice(at, 0, segment);
  }
}

/** What the frames of all its runs take. */
function* weighed(index: SegmentIndex): Slices<number> {
  let weight = 0;
  for (const stretches of index.moved.values()) for (const run of stretches) weight += weightOf(run);
  const runs = index.pack();
  for (let place = 0; place < runs.size; place++) {
    weight += weightOf(runs.at(place));
    if (place % runsPerSlice === runsPerSlice - 1) yield runsPerSlice * 50;
  }
  return weight;
}

/** Every run of a segment, by ascending partitions: of fresh records, and of those that were moved on into it. */
export function* runsOf(index: SegmentIndex): Generator<{ readonly id: number; readonly run: PartitionRun; readonly isMoved: boolean }, undefined> {
  const moved = [...index.moved].sort(([a], [b]) => a - b);
  let next = 0;
  for (const [id, run] of index.runs) {
    for (; next < moved.length && (moved[next] as (typeof moved)[number])[0] < id; next++) yield* stretchesOf(moved[next] as (typeof moved)[number]);
    yield { id, run, isMoved: false };
  }
  for (const stretches of moved.slice(next)) yield* stretchesOf(stretches);
  return undefined;
}

function* stretchesOf([id, stretches]: readonly [id: number, stretches: readonly PartitionRun[]]): Generator<{ readonly id: number; readonly run: PartitionRun; readonly isMoved: true }, undefined> {
  for (const run of stretches) yield { id, run, isMoved: true };
  return undefined;
}
