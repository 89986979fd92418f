// What of one sealed segment is alive, by partition: some 25 bytes for each, in columns.
//
// A hundred thousand objects for each segment would cost as much as its records. Pure.

import { frameHeaderBytes } from "../format/frame.js";
import type { PartitionState } from "./partition-table.js";
import { countUpTo, type PartitionRun } from "./segment-runs.js";

/** Payloads are padded to 8 bytes: 4 in the mean. */
const frameBytesAround = frameHeaderBytes + 4;

/** What the frames of a run take. */
export function weightOf({ payloadBytes, records }: Pick<PartitionRun, "payloadBytes" | "records">): number {
  return payloadBytes + records * frameBytesAround;
}

export class LivingSegment {
  readonly segment: number;
  readonly goesOn: boolean;
  /** 0 until all of it is counted. */
  used = 0;
  live = 0;
  /** Stretches of moved records. */
  moved = 0;
  #size = 0;
  /** Ascending, one for each run and each stretch of moved records that is alive. */
  readonly #ids: Uint32Array;
  readonly #firsts: Float64Array;
  readonly #lasts: Float64Array;
  /** Each record of a run counts as their mean. */
  readonly #bytesEach: Float32Array;
  readonly #isMoved: Uint8Array;

  constructor(segment: number, goesOn: boolean, room: number) {
    this.segment = segment;
    this.goesOn = goesOn;
    this.#ids = new Uint32Array(room);
    this.#firsts = new Float64Array(room);
    this.#lasts = new Float64Array(room);
    this.#bytesEach = new Float32Array(room);
    this.#isMoved = new Uint8Array(room);
  }

  /** Counts a run, by ascending partitions; returns its live bytes. `share`: what a byte of frames takes of the segment. */
  add(state: PartitionState, run: Pick<PartitionRun, "firstSequence" | "lastSequence" | "payloadBytes" | "records">, isMoved: boolean, share: number): number {
    const first = Math.max(run.firstSequence, state.firstSequence);
    const last = lastLive(state, this.segment, run.lastSequence, isMoved);
    if (run.firstSequence === 0 || first > last) return 0;
    const row = this.#size++;
    this.#ids[row] = state.id;
    this.#bytesEach[row] = (weightOf(run) / run.records) * share;
    this.#isMoved[row] = isMoved ? 1 : 0;
    if (isMoved) this.moved++;
    this.#firsts[row] = first;
    this.#lasts[row] = first - 1;
    return this.#set(row, first, last);
  }

  /** Live bytes of a partition. */
  bytesOf(id: number): number {
    let bytes = 0;
    for (let row = this.#rowOf(id); row < this.#size && this.#ids[row] === id; row++) bytes += this.#countOf(row) * (this.#bytesEach[row] as number);
    return bytes;
  }

  /** Whether the partition has fresh records here that begin at `sequence` or behind it. */
  beginsAt(id: number, sequence: number): boolean {
    const row = this.#rowOf(id);
    return row < this.#size && this.#ids[row] === id && this.#isMoved[row] === 0 && this.#countOf(row) > 0 && (this.#firsts[row] as number) >= sequence;
  }

  /** These return by how much the live bytes changed. */
  trim({ id, firstSequence }: PartitionState): number {
    return this.#change(id, (row, first, last) => this.#set(row, Math.min(Math.max(first, firstSequence), last + 1), last));
  }

  truncate(state: PartitionState): number {
    return this.#change(state.id, (row, first, last) => this.#set(row, first, Math.max(first - 1, lastLive(state, this.segment, last, this.#isMoved[row] === 1))));
  }

  drop({ id }: PartitionState): number {
    return this.#change(id, (row, first) => this.#set(row, first, first - 1));
  }

  #change(id: number, change: (row: number, first: number, last: number) => number): number {
    let bytes = 0;
    for (let row = this.#rowOf(id); row < this.#size && this.#ids[row] === id; row++) {
      if (this.#countOf(row) > 0) bytes += change(row, this.#firsts[row] as number, this.#lasts[row] as number);
    }
    return bytes;
  }

  #rowOf(id: number): number {
    return countUpTo(this.#size, (row) => (this.#ids[row] as number) < id);
  }

  #countOf(row: number): number {
    return (this.#lasts[row] as number) - (this.#firsts[row] as number) + 1;
  }

  #set(row: number, first: number, last: number): number {
    const before = this.#countOf(row);
    this.#firsts[row] = first;
    this.#lasts[row] = last;
    const bytes = (last - first + 1 - before) * (this.#bytesEach[row] as number);
    this.live += bytes;
    return bytes;
  }
}

/**
 * The last of a segment's records up to `last` that no truncation hides. A truncation in the segment itself has taken fresh records out
 * of their run, where they may have been appended anew. Of moved records it hides what is above it: what is moved was appended in an
 * older segment, so that nothing can have been appended anew and moved in between.
 */
export function lastLive(state: PartitionState, segment: number, last: number, isMoved: boolean): number {
  let live = last;
  for (const truncation of state.truncations) {
    if (truncation.isPast === true) continue;
    if (truncation.segment > segment || (isMoved && truncation.segment === segment)) live = Math.min(live, truncation.after);
  }
  return live;
}
