// Records that were moved on into one segment: of one partition, with sequences that ascend by one. Pure.
//
// An object of its own and no row of the segment's runs: there are few, and a partition may have several in a segment.

import type { RecordPlace, RunNumbers } from "../format/index-file.js";
import { countUpTo, entryDistanceBytes, type PartitionRun } from "./segment-runs.js";

/** About what an object and its entries take. */
const stretchBytes = 200;
const numbersPerEntry = 3;

export class MovedStretch implements PartitionRun {
  firstSequence = 0;
  lastSequence = 0;
  records = 0;
  payloadBytes = 0;
  /** When they were moved. */
  firstTime = 0;
  lastTime = 0;
  /** File position of the frame of the latest entry. */
  #entryPosition = Number.NEGATIVE_INFINITY;
  /** Triples (sequence, block offset, frame offset), sequences ascending. */
  readonly #entries: number[] = [];

  /** As it was stored, without its entries. */
  static restored(numbers: RunNumbers): MovedStretch {
    return Object.assign(new MovedStretch(), numbers);
  }

  get bytes(): number {
    return stretchBytes + this.#entries.length * 8;
  }

  get entryCount(): number {
    return this.#entries.length / numbersPerEntry;
  }

  /** Counts one record. `payloadBytes` has the time in front of it. */
  note(sequence: number, blockOffset: number, frameOffset: number, payloadBytes: number, time: number): void {
    if (this.records === 0) {
      this.firstSequence = sequence;
      this.firstTime = time;
    }
    this.lastSequence = sequence;
    if (time > this.lastTime) this.lastTime = time;
    this.records++;
    this.payloadBytes += payloadBytes;
    if (blockOffset + frameOffset - this.#entryPosition >= entryDistanceBytes) this.addEntry(sequence, blockOffset, frameOffset);
  }

  addEntry(sequence: number, blockOffset: number, frameOffset: number): void {
    this.#entryPosition = blockOffset + frameOffset;
    this.#entries.push(sequence, blockOffset, frameOffset);
  }

  /** The next record gets an entry, however near the last one lies. */
  demandEntry(): void {
    this.#entryPosition = Number.NEGATIVE_INFINITY;
  }

  entry(index: number): RecordPlace {
    const at = index * numbersPerEntry;
    if (index < 0 || at >= this.#entries.length) throw new RangeError(`a stretch of ${String(this.entryCount)} entries has no entry ${String(index)}`);
    return { sequence: this.#entries[at] as number, blockOffset: this.#entries[at + 1] as number, frameOffset: this.#entries[at + 2] as number, stride: 0 };
  }

  entryAtOrBefore(sequence: number): number {
    return countUpTo(this.entryCount, (index) => (this.#entries[index * numbersPerEntry] as number) <= sequence) - 1;
  }
}
