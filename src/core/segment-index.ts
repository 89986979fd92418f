// What a segment holds, per partition, sparse: enough to read any record with one short read.
//
// The same class is filled by a running lane as it appends, by recovery as it scans, and from the index file of a
// sealed segment; once the segment is sealed its runs are packed. Pure.

import { assert } from "../base/assert.js";
import { inOneGo, type Slices } from "../base/slices.js";
import type { RecordPlace, RunNumbers } from "../format/index-file.js";
import { GrowingRun, GrowingRuns } from "./growing-runs.js";
import { MovedStretch } from "./moved-stretch.js";
import { PackedRuns } from "./packed-runs.js";
import { countUpTo, type SegmentRuns } from "./segment-runs.js";

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

/** About what an index takes besides its runs. */
const fixedBytes = 1024;

export class SegmentIndex {
  readonly segment: number;
  /** Milliseconds since 1970; frames count their time from here. */
  readonly baseTime: number;
  /** Null once the runs are packed. */
  #growing: GrowingRuns | null;
  #packed: PackedRuns | null = null;
  /** Records that were moved on into this segment: per partition stretches of contiguous sequences, in order of place. */
  readonly moved = new Map<number, MovedStretch[]>();
  readonly epochs: EpochStart[] = [];
  /** Ascending. */
  readonly voids: Void[] = [];
  /** First and last block sequence in the segment; 0 and 0 when it has no block. */
  firstBlock = 0;
  lastBlock = 0;
  /** Runs of it began before the lane was opened: a partition may have one that its state does not know. */
  isResumed = false;
  /** Its last group goes on in the next segment, which can't be understood without this one. */
  goesOn = false;
  /** Checksum field of the last block. */
  lastChecksum = 0;
  /** Offset behind the last block; blocks begin at `firstOffset`. */
  endOffset: number;
  readonly firstOffset: number;
  #restored = 0;
  #restoredStretch: MovedStretch | null = null;

  /** `runsExpected`: room is made for so many. */
  constructor(segment: number, baseTime: number, firstOffset: number, runsExpected = 0) {
    this.#growing = new GrowingRuns(runsExpected);
    this.segment = segment;
    this.baseTime = baseTime;
    this.firstOffset = firstOffset;
    this.endOffset = firstOffset;
  }

  get runs(): SegmentRuns {
    return (this.#packed ?? this.#growing) as SegmentRuns;
  }

  /** Runs that records are added to. Hot. */
  get growing(): GrowingRuns {
    assert(this.#growing !== null, "a sealed segment takes no records");
    return this.#growing;
  }

  /** The runs of a sealed segment, in few bytes from the first call on. */
  pack(): PackedRuns {
    return inOneGo(this.packing());
  }

  /** As `pack`, in slices. Until the last one the runs are read as they were. */
  *packing(): Slices<PackedRuns> {
    if (this.#packed !== null) return this.#packed;
    const packed = yield* PackedRuns.of(this.growing);
    // Another may have come first.
    this.#packed ??= packed;
    this.#growing = null;
    return this.#packed;
  }

  /** About what it keeps in memory. */
  get bytes(): number {
    let movedBytes = 0;
    for (const stretches of this.moved.values()) for (const stretch of stretches) movedBytes += stretch.bytes;
    return fixedBytes + this.runs.bytes + movedBytes + (this.epochs.length + this.voids.length) * 64;
  }

  /** The run of that key, which begins here if there is none. */
  run(key: number): GrowingRun {
    return new GrowingRun(this.growing, this.growing.open(key));
  }

  /** Forgets a run's records above `after`, if there is such a run. */
  truncate(key: number, after: number): void {
    this.growing.get(key)?.truncate(after);
  }

  /** A run as it was stored, with the entries of the calls of `restoreEntry` that follow. */
  restoreRun(key: number, numbers: RunNumbers): void {
    this.#restoredStretch = null;
    this.#restored = this.growing.open(key);
    this.growing.restore(this.#restored, numbers);
  }

  /** Entries come in ascending order. */
  restoreEntry(place: RecordPlace): void {
    if (this.#restoredStretch === null) this.growing.restoreEntry(this.#restored, place);
    else this.#restoredStretch.addEntry(place.sequence, place.blockOffset, place.frameOffset);
  }

  /** The stretch that a moved record belongs to: the last one, which it continues, or a new one. */
  movedStretch(partition: number, sequence: number): MovedStretch {
    const stretches = this.moved.get(partition);
    const last = stretches?.[stretches.length - 1];
    return last !== undefined && last.lastSequence + 1 === sequence ? last : this.#addStretch(partition, new MovedStretch());
  }

  /** As `restoreRun`, of moved records: in order of place. */
  restoreStretch(partition: number, numbers: RunNumbers): void {
    this.#restoredStretch = this.#addStretch(partition, MovedStretch.restored(numbers));
  }

  #addStretch(partition: number, stretch: MovedStretch): MovedStretch {
    const stretches = this.moved.get(partition);
    if (stretches === undefined) this.moved.set(partition, [stretch]);
    else stretches.push(stretch);
    return stretch;
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
    return countUpTo(this.epochs.length, (index) => (this.epochs[index] as EpochStart).offset <= offset);
  }

  /** The epoch of the block at `offset`. */
  epochAt(offset: number): number {
    const start = this.epochs[this.epochsUpTo(offset) - 1];
    if (start === undefined) throw new RangeError(`no epoch at offset ${String(offset)} of segment ${String(this.segment)}`);
    return start.epoch;
  }

  isVoid(position: number): boolean {
    const before = this.voids[countUpTo(this.voids.length, (index) => (this.voids[index] as Void).from <= position) - 1];
    return before !== undefined && position < before.to;
  }
}
