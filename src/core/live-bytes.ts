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
  /** How many segments these are of. */
  count = 0;
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
    // What a group of the segment before takes here can't be freed without it, and is counted neither as used nor as alive.
    const isLinked = this.#find(index.segment - 1)?.goesOn === true;
    const used = isLinked ? Math.max(1, Math.min(index.endOffset, weight)) : index.endOffset;
    const share = used / weight;
    const counting = index.moved.size === 0 ? this.#countFresh(segment, index, table, share) : this.#countAll(segment, index, table, share);
    if (!(yield* counting)) return;
    segment.used = used;
    this.used += segment.used;
    this.count++;
  }

  /** These are false when the segment was freed meanwhile. */
  *#countAll(segment: LivingSegment, index: SegmentIndex, table: PartitionTable, share: number): Slices<boolean> {
    let count = 0;
    for (const { id, run, isMoved } of runsOf(index)) {
      if (++count % runsPerSlice === 0) yield runsPerSlice * 100;
      if (!this.#segments.includes(segment)) return false;
      const state = table.byId(id);
      if (state !== undefined) this.live += segment.add(state, run, isMoved, share);
    }
    return true;
  }

  /** As `#countAll` where nothing was moved: without an object for each run. */
  *#countFresh(segment: LivingSegment, index: SegmentIndex, table: PartitionTable, share: number): Slices<boolean> {
    const runs = index.pack();
    const run = { firstSequence: 0, lastSequence: 0, records: 0, payloadBytes: 0 };
    for (let from = 0; from < runs.size && this.#segments.includes(segment); from += runsPerSlice) {
      const { key, firstSequence, more, records, payloadBytes } = runs.slice(from, Math.min(from + runsPerSlice, runs.size));
      for (let place = 0; place < key.length; place++) {
        const state = table.byId(key[place] as number);
        if (state === undefined) continue;
        run.firstSequence = firstSequence[place] as number;
        run.lastSequence = run.firstSequence + (more[place] as number);
        run.records = records[place] as number;
        run.payloadBytes = payloadBytes[place] as number;
        this.live += segment.add(state, run, false, share);
      }
      yield key.length * 60;
    }
    return this.#segments.includes(segment);
  }

  /** The segment is freed. */
  forget({ segment }: SegmentIndex): void {
    const freed = this.#find(segment);
    if (freed === undefined) return;
    this.live -= freed.live;
    this.used -= freed.used;
    if (freed.used > 0) this.count--;
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

  /**
   * How many bytes may be appended for each byte that is moved, until all of it has been moved once, so that use never grows by more than
   * `room`: segments go from the head on, each once what lives in it was moved. Those up to `last` go together; `moved` of them is done.
   */
  pace(room: number, { last, moved }: { readonly last: number; readonly moved: number } = { last: 0, moved: 0 }): number {
    let pace = Number.POSITIVE_INFINITY;
    let live = -moved;
    let dead = 0;
    let freed = 0;
    for (const segment of this.#segments) {
      if (segment.used === 0) continue;
      live += segment.live;
      if (live > 0) pace = Math.min(pace, (room + freed) / live);
      dead += segment.used - segment.live;
      if (segment.segment >= last) freed = dead;
    }
    return pace;
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
  for (let from = 0; from < runs.size; from += runsPerSlice) {
    const { payloadBytes, records } = runs.slice(from, Math.min(from + runsPerSlice, runs.size));
    for (let place = 0; place < records.length; place++) weight += weightOf({ payloadBytes: payloadBytes[place] as number, records: records[place] as number });
    yield records.length * 40;
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
