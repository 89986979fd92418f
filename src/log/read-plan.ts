// Which stretches of a segment a reader of one partition needs, from the sparse index.
//
// Every record begins at an index entry, or where the entry's stride says, or less than 8 KiB behind the entry. The stretches in
// between belong to other partitions and are jumped over when they are long enough to be worth a second read. Owns no I/O.

import { alignUp } from "../base/numbers.js";
import { blockHeaderBytes, pageBytes } from "../format/block.js";
import { countUpTo, entryDistanceBytes, exactPosition, strideSpanBytes, type PartitionRun } from "../core/segment-runs.js";
import type { RecordPlace } from "../format/index-file.js";
import { frameBytes } from "../format/frame.js";

/** Reading on is cheaper than a second read up to here: some ten microseconds of copying. */
const gapBytesMax = 64 * 1024;
/** Records are not of one size: so much further is read for one of them. It seldom costs a page more. */
const slackBytes = 512;

export interface Stretch {
  readonly start: number;
  readonly end: number;
  /** Begins at the frame of the record of this sequence, not where the stretch before ended. */
  readonly jump: { readonly sequence: number } | null;
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
  /** Records are missing between others: no stride is believed. */
  readonly isDamaged: boolean;
}

export class ReadPlan {
  /** The last sequence that this plan covers. */
  readonly last: number;
  readonly #run: PartitionRun;
  /** No needed record begins at or behind this offset. */
  readonly #bound: number;
  readonly #frameBytesMean: number;
  readonly #isDamaged: boolean;
  #at: number;
  /** The record at which the next stretch begins, or null to go on where the last one ended. */
  #jumpTo: FoundRecord | null;

  constructor(options: PlanOptions) {
    const { run, position, first, last, endOffset, isDamaged } = options;
    this.last = last;
    this.#isDamaged = isDamaged;
    this.#run = run;
    this.#frameBytesMean = frameBytes(Math.ceil(run.payloadBytes / Math.max(1, run.records)));
    this.#at = position;
    const behind = countEntries(run, (sequence) => sequence <= last);
    this.#bound = behind < run.entryCount ? positionOf(run, behind) : endOffset;
    const nearest = nearestRecord(run, first, isDamaged);
    // Standing before it: what lies in between are other partitions, or records that are not wanted.
    this.#jumpTo = nearest !== null && nearest.position > position ? nearest : null;
  }

  /** The next stretch of at most `bytesMax`, or null when there is none. */
  next(bytesMax: number): Stretch | null {
    let next = this.#jumpTo;
    this.#jumpTo = null;
    if (next === null) {
      let index = countEntries(this.#run, (_, position) => position <= this.#at) - 1;
      if (index < 0 || this.#at >= this.#spanEndOf(index)) index++;
      else return this.#stretch(index, this.#at, bytesMax, null);
      if (index >= this.#run.entryCount) return null;
      next = { index, sequence: this.#run.entry(index).sequence, position: positionOf(this.#run, index) };
    }
    const { index, sequence, position } = next;
    return position >= this.#bound ? null : this.#stretch(index, position, bytesMax, position === this.#at ? null : { sequence });
  }

  /** Hot path of reading in order: one look at each entry. */
  #stretch(first: number, start: number, bytesMax: number, jump: Stretch["jump"]): Stretch {
    const run = this.#run;
    const { entryCount } = run;
    let place = run.entry(first);
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
    return { start, end, jump };
  }

  #spanEndOf(index: number): number {
    return this.#spanEnd(this.#run.entry(index), index + 1 < this.#run.entryCount ? this.#run.entry(index + 1) : null);
  }

  /** No record of the entry begins at or behind this offset; its last may go on. */
  #spanEnd(place: RecordPlace, next: RecordPlace | null): number {
    const start = place.blockOffset + place.frameOffset;
    if (this.#isDamaged) return Math.min(this.#bound, start + strideSpanBytes + entryDistanceBytes + this.#frameBytesMean);
    const last = exactPosition(place, (next === null ? this.#run.lastSequence + 1 : next.sequence) - 1);
    return Math.min(this.#bound, last === null ? start + entryDistanceBytes + this.#frameBytesMean : last + 2 * this.#frameBytesMean);
  }
}

/** Where one record is to be read, with all that lies between its index entry and it where its place is not exact. */
export interface PointStretch {
  readonly start: number;
  readonly end: number;
}

/** The record may go on behind it: where it ends is reckoned. Null where no entry is, or the run does not hold the record any more. Hot. */
export function pointStretch(run: PartitionRun, sequence: number, endOffset: number): PointStretch | null {
  const index = run.entryAtOrBefore(sequence);
  if (index < 0 || sequence > run.lastSequence) return null;
  const place = run.entry(index);
  const next = index + 1 < run.entryCount ? run.entry(index + 1) : null;
  const bound = next === null ? endOffset : next.blockOffset + next.frameOffset;
  const bytesMean = frameBytes(Math.ceil(run.payloadBytes / Math.max(1, run.records)));
  const exact = exactPosition(place, sequence);
  if (exact !== null) return { start: exact, end: exactEnd(exact, place.stride > 0 ? Math.min(bound, exact + place.stride) : bound, bytesMean) };
  const start = place.blockOffset + place.frameOffset;
  const records = sequence - place.sequence + 1;
  // Behind an entry may lie what is other partitions', and behind the last one nothing says how much of it.
  const farthest = entryDistanceBytes + records * bytesMean;
  const reckoned = next === null ? farthest : Math.min(farthest, ((bound - start) * records) / (next.sequence - place.sequence));
  return { start, end: Math.min(bound, alignUp(Math.ceil(start + reckoned + slackBytes), pageBytes)) };
}

/** Where to stop reading a record whose frame begins at `start`: at `next` begins another. Pages are what the device gives. */
function exactEnd(start: number, next: number, bytesMean: number): number {
  if (next - start <= bytesMean) return next;
  // Blocks begin with a page: what begins behind the room of a header most likely has one before it.
  const end = next % pageBytes === blockHeaderBytes ? next - blockHeaderBytes : next;
  return Math.min(end, alignUp(start + 2 * bytesMean, pageBytes));
}

interface FoundRecord {
  /** Of its entry. */
  readonly index: number;
  readonly sequence: number;
  readonly position: number;
}

/**
 * The last record up to `sequence` whose place is known, or null. A stride says nothing of what lies behind the run's last record: it may
 * have been truncated since the reader came here.
 */
function nearestRecord(run: PartitionRun, sequence: number, isDamaged: boolean): FoundRecord | null {
  const index = run.entryAtOrBefore(sequence);
  if (index < 0) return null;
  const exact = isDamaged || sequence > run.lastSequence ? null : exactPosition(run.entry(index), sequence);
  return exact === null ? { index, sequence: run.entry(index).sequence, position: positionOf(run, index) } : { index, sequence, position: exact };
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
