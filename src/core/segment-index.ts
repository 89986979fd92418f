// What a segment holds, per partition, sparse: enough to read any record with one short read.
//
// The same class is filled by a running lane as it appends, by recovery as it scans, and from the index file of a
// sealed segment. Pure. Flat number arrays, since a segment can hold a hundred thousand entries.

import { assert } from "../base/assert.js";

/** A partition gets a new entry when its last one lies at least this many bytes back: a read walks no further. */
export const entryDistanceBytes = 32 * 1024;

/** Where a record lies: the block's offset in the segment file, and the frame's offset from the block's start. */
export interface RecordPlace {
  readonly sequence: number;
  readonly blockOffset: number;
  readonly frameOffset: number;
}

/** From `offset` in the segment file on, blocks are of `epoch`. */
export interface EpochStart {
  readonly offset: number;
  readonly epoch: number;
}

/** Frames in [from, to) of the segment file belong to a group that never was completed: they count for nothing. */
export interface Void {
  readonly from: number;
  readonly to: number;
}

/** One partition's part of one segment. */
export class PartitionRun {
  /** First and last sequence in this segment; 0 and 0 when truncation left none. */
  firstSequence = 0;
  lastSequence = 0;
  /** Records and payload bytes ever written here, dead ones included. */
  records = 0;
  payloadBytes = 0;
  /** Milliseconds since 1970 of the first and the newest record. */
  firstTime = 0;
  lastTime = 0;
  /** File position of the frame of the latest entry. */
  entryPosition = Number.NEGATIVE_INFINITY;
  /** Triples (sequence, block offset, frame offset), sequences ascending. */
  readonly #entries: number[] = [];

  /** Counts one record. `place` is where its first frame lies. Hot: see `ringwall bench append`. */
  note(sequence: number, blockOffset: number, frameOffset: number, payloadBytes: number, time: number): void {
    if (this.firstSequence === 0) this.firstSequence = sequence;
    if (this.records === 0) this.firstTime = time;
    this.lastSequence = sequence;
    if (time > this.lastTime) this.lastTime = time;
    this.records++;
    this.payloadBytes += payloadBytes;
    const position = blockOffset + frameOffset;
    if (position - this.entryPosition >= entryDistanceBytes) {
      this.entryPosition = position;
      this.#entries.push(sequence, blockOffset, frameOffset);
    }
  }

  /** Forgets records above `after`: their sequences will be written anew. */
  truncate(after: number): void {
    while (this.#entries.length > 0 && (this.#entries[this.#entries.length - 3] as number) > after) this.#entries.length -= 3;
    // The next record gets an entry of its own, so that a search for it never starts at a dead one.
    this.entryPosition = Number.NEGATIVE_INFINITY;
    if (this.lastSequence > after) this.lastSequence = after;
    if (this.firstSequence > after) {
      this.firstSequence = 0;
      this.lastSequence = 0;
    }
  }

  /** The last entry at or before `sequence`: reading forward from there meets it. Null when the run has none such. */
  placeAtOrBefore(sequence: number): RecordPlace | null {
    let low = 0;
    let high = this.#entries.length / 3;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#entries[middle * 3] as number) <= sequence) low = middle + 1;
      else high = middle;
    }
    return low === 0 ? null : this.entry(low - 1);
  }

  get entryCount(): number {
    return this.#entries.length / 3;
  }

  entry(index: number): RecordPlace {
    const at = index * 3;
    assert(at >= 0 && at + 2 < this.#entries.length, "entry index is in range");
    return {
      sequence: this.#entries[at] as number,
      blockOffset: this.#entries[at + 1] as number,
      frameOffset: this.#entries[at + 2] as number,
    };
  }

  /** Adds an entry as it was stored, in ascending order. */
  restoreEntry(place: RecordPlace): void {
    this.#entries.push(place.sequence, place.blockOffset, place.frameOffset);
    this.entryPosition = place.blockOffset + place.frameOffset;
  }
}

export class SegmentIndex {
  readonly segment: number;
  /** Milliseconds since 1970; frames count their time from here. */
  readonly baseTime: number;
  readonly runs = new Map<number, PartitionRun>();
  readonly epochs: EpochStart[] = [];
  /** Ascending. */
  readonly voids: Void[] = [];
  /** First and last block sequence in the segment; 0 and 0 when it has no block. */
  firstBlock = 0;
  lastBlock = 0;
  /** Its last group goes on in the next segment, which can't be understood without this one. */
  goesOn = false;
  /** Checksum field of the last block. */
  lastChecksum = 0;
  /** Offset behind the last block; blocks begin at `firstOffset`. */
  endOffset: number;
  readonly firstOffset: number;

  constructor(segment: number, baseTime: number, firstOffset: number) {
    this.segment = segment;
    this.baseTime = baseTime;
    this.firstOffset = firstOffset;
    this.endOffset = firstOffset;
  }

  run(partition: number): PartitionRun {
    let run = this.runs.get(partition);
    if (run === undefined) {
      run = new PartitionRun();
      this.runs.set(partition, run);
    }
    return run;
  }

  /** Counts one block that begins at `offset`. Blocks come in order, back to back. */
  noteBlock(offset: number, blockBytes: number, sequence: number, epoch: number, checksum: number): void {
    assert(offset === this.endOffset, "blocks lie back to back");
    const current = this.epochs[this.epochs.length - 1];
    if (current === undefined || current.epoch !== epoch) this.epochs.push({ offset, epoch });
    if (this.firstBlock === 0) this.firstBlock = sequence;
    this.lastBlock = sequence;
    this.lastChecksum = checksum;
    this.endOffset = offset + blockBytes;
  }

  /** Counts a void that begins at or behind the end of the last one. */
  addVoid(from: number, to: number): void {
    const last = this.voids[this.voids.length - 1];
    if (last !== undefined && last.to === from) this.voids[this.voids.length - 1] = { from: last.from, to };
    else this.voids.push({ from, to });
  }

  /** How many epochs begin at `offset` or before. */
  epochsUpTo(offset: number): number {
    return countUpTo(this.epochs, (start) => start.offset <= offset);
  }

  /** The epoch of the block at `offset`. */
  epochAt(offset: number): number {
    const start = this.epochs[this.epochsUpTo(offset) - 1];
    if (start === undefined) throw new RangeError(`no epoch at offset ${String(offset)} of segment ${String(this.segment)}`);
    return start.epoch;
  }

  isVoid(position: number): boolean {
    const before = this.voids[countUpTo(this.voids, (range) => range.from <= position) - 1];
    return before !== undefined && position < before.to;
  }
}

/** How many items from the first on pass `test`, which holds up to some item and for none behind it. */
function countUpTo<T>(items: readonly T[], test: (item: T) => boolean): number {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (test(items[middle] as T)) low = middle + 1;
    else high = middle;
  }
  return low;
}
