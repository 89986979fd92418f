// Which stretches of a segment a reader of one partition needs, from the sparse index.
//
// A record gets an index entry when the last entry lies 8 KiB or more before it: so every record begins at an entry
// or less than 8 KiB behind one. The stretches in between belong to other partitions and are jumped over when they
// are long enough to be worth a second read. Owns no I/O.

import { alignUp } from "../base/numbers.js";
import { pageBytes } from "../format/block.js";
import { countUpTo, entryDistanceBytes, type PartitionRun } from "../core/segment-runs.js";
import type { RecordPlace } from "../format/index-file.js";
import { frameBytes } from "../format/frame.js";

/** Reading on is cheaper than a second read up to here: some ten microseconds of copying. */
const gapBytesMax = 64 * 1024;
/** Records are not of one size: so much further is read for one of them. It seldom costs a page more. */
const slackBytes = 512;

export interface Stretch {
  readonly start: number;
  readonly end: number;
  /** Begins at an index entry, not where the stretch before ended: offset of the entry's block, and the entry's sequence. */
  readonly jump: { readonly blockOffset: number; readonly sequence: number } | null;
}

export interface PlanOptions {
  readonly run: PartitionRun;
  /** Where the reader stands; a multiple of 8. Records before it are behind him. */
  readonly position: number;
  /** First and last sequence that he needs. */
  readonly first: number;
  readonly last: number;
  /** Offset behind the segment's last block. */
  readonly endOffset: number;
}

export class ReadPlan {
  /** The last sequence that this plan covers. */
  readonly last: number;
  readonly #run: PartitionRun;
  /** No needed record begins at or behind this offset. */
  readonly #bound: number;
  readonly #spanBytes: number;
  readonly #frameBytesMean: number;
  #at: number;
  /** Entry at which the next stretch begins, or -1 to go on where the last one ended. */
  #jumpTo: number;

  constructor(options: PlanOptions) {
    const { run, position, first, last, endOffset } = options;
    this.last = last;
    this.#run = run;
    this.#frameBytesMean = frameBytes(Math.ceil(run.payloadBytes / Math.max(1, run.records)));
    this.#spanBytes = entryDistanceBytes + this.#frameBytesMean;
    this.#at = position;
    const behind = countEntries(run, (sequence) => sequence <= last);
    this.#bound = behind < run.entryCount ? positionOf(run, behind) : endOffset;
    const nearest = countEntries(run, (sequence) => sequence <= first) - 1;
    // Standing before the entry: what lies in between are other partitions, or records that are not wanted.
    this.#jumpTo = nearest >= 0 && positionOf(run, nearest) > position ? nearest : -1;
  }

  /** The next stretch of at most `bytesMax`, or null when there is none. */
  next(bytesMax: number): Stretch | null {
    let index = this.#jumpTo;
    this.#jumpTo = -1;
    if (index < 0) {
      index = countEntries(this.#run, (_, position) => position <= this.#at) - 1;
      if (index < 0 || this.#at >= this.#spanEndOf(index)) index++;
      else return this.#stretch(index, this.#at, bytesMax, false);
    }
    if (index >= this.#run.entryCount) return null;
    const position = positionOf(this.#run, index);
    return position >= this.#bound ? null : this.#stretch(index, position, bytesMax, position !== this.#at);
  }

  /** Hot path of reading in order: one look at each entry. */
  #stretch(first: number, start: number, bytesMax: number, jumps: boolean): Stretch {
    const run = this.#run;
    const { entryCount } = run;
    const begin = run.entry(first);
    let place = begin;
    let end = 0;
    for (let index = first + 1; ; index++) {
      const next = index < entryCount ? run.entry(index) : null;
      end = Math.max(end, this.#spanEnd(place, next));
      if (next === null || end - start >= bytesMax) break;
      const position = next.blockOffset + next.frameOffset;
      if (position >= this.#bound || position - end > gapBytesMax) break;
      place = next;
    }
    end = Math.min(end, start + bytesMax);
    this.#at = end;
    return { start, end, jump: jumps ? { blockOffset: begin.blockOffset, sequence: begin.sequence } : null };
  }

  #spanEndOf(index: number): number {
    return this.#spanEnd(this.#run.entry(index), index + 1 < this.#run.entryCount ? this.#run.entry(index + 1) : null);
  }

  /** No record of the entry's stretch begins at or behind this offset; its last may go on. */
  #spanEnd(place: RecordPlace, next: RecordPlace | null): number {
    const isAlone = next !== null && next.sequence === place.sequence + 1;
    return Math.min(this.#bound, place.blockOffset + place.frameOffset + (isAlone ? 2 * this.#frameBytesMean : this.#spanBytes));
  }
}

/** Where one record is to be read, with all that lies between its index entry and it. */
export interface PointStretch {
  readonly start: number;
  readonly end: number;
  /** Of the block that `start` lies in. */
  readonly blockOffset: number;
}

/** The record may go on behind it: where it ends is reckoned, as if all between two entries were of one size. Null where no entry is. Hot. */
export function pointStretch(run: PartitionRun, sequence: number, endOffset: number): PointStretch | null {
  const index = run.entryAtOrBefore(sequence);
  if (index < 0) return null;
  const place = run.entry(index);
  const next = index + 1 < run.entryCount ? run.entry(index + 1) : null;
  const start = place.blockOffset + place.frameOffset;
  const bound = next === null ? endOffset : next.blockOffset + next.frameOffset;
  const bytesMean = frameBytes(Math.ceil(run.payloadBytes / Math.max(1, run.records)));
  const records = sequence - place.sequence + 1;
  // Behind an entry may lie what is other partitions', and behind the last one nothing says how much of it.
  const farthest = entryDistanceBytes + records * bytesMean;
  const reckoned = next === null ? farthest : Math.min(farthest, ((bound - start) * records) / (next.sequence - place.sequence));
  return { start, end: Math.min(bound, alignUp(Math.ceil(start + reckoned + slackBytes), pageBytes)), blockOffset: place.blockOffset };
}

function positionOf(run: PartitionRun, index: number): number {
  const place = run.entry(index);
  return place.blockOffset + place.frameOffset;
}

/** How many entries from the first on pass `test`, which holds up to some entry and for none behind it. */
function countEntries(run: PartitionRun, test: (sequence: number, position: number) => boolean): number {
  return countUpTo(run.entryCount, (index) => {
    const place = run.entry(index);
    return test(place.sequence, place.blockOffset + place.frameOffset);
  });
}
