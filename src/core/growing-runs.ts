// The runs of a segment that is being filled: by a running lane as it appends, by recovery as it scans, from an index file.
//
// Everything lies in typed arrays outside the JavaScript heap: a hundred thousand runs are a few arrays, not a hundred
// thousand objects. A run has a slot, given in the order of their first records; the hot path knows it and looks nothing up.

import { assert } from "../base/assert.js";
import { entryDistanceBytes, placeAtOrBefore, type PartitionRun, type RecordPlace, type RunNumbers, type SegmentRuns } from "./segment-runs.js";

/** A row is 64 bytes, as a line of the processor's cache is: a record touches one. */
const rowNumbers = 8;
const rowPlaces = { firstSequence: 0, lastSequence: 1, records: 2, payloadBytes: 3, firstTime: 4, lastTime: 5 } as const;
const firstAt = rowPlaces.firstSequence;
const lastAt = rowPlaces.lastSequence;
const recordsAt = rowPlaces.records;
const payloadAt = rowPlaces.payloadBytes;
const firstTimeAt = rowPlaces.firstTime;
const lastTimeAt = rowPlaces.lastTime;
/** File position of the frame of the latest entry. */
const entryPositionAt = 6;

/** Of an entry: sequence, block offset, frame offset. */
const entryNumbers = 3;
/** Of a range of entries: where it begins, how many there are, how many have room. */
const rangeNumbers = 3;
const slotsMin = 8;

export class GrowingRuns implements SegmentRuns {
  #size = 0;
  #rows = new Float64Array(slotsMin * rowNumbers);
  #keys = new Uint32Array(slotsMin);
  /** Slot + 1 by key, open addressing; 0 is free. At most half of it is taken. */
  #table = new Int32Array(slotsMin * 2);
  #ranges = new Uint32Array(slotsMin * rangeNumbers);
  #entries = new Float64Array(slotsMin * entryNumbers);
  #entriesEnd = 0;
  /** Ranges that were given up for larger ones, by their room. */
  readonly #freeRanges = new Map<number, number[]>();

  get size(): number {
    return this.#size;
  }

  get bytes(): number {
    return this.#rows.byteLength + this.#keys.byteLength + this.#table.byteLength + this.#ranges.byteLength + this.#entries.byteLength;
  }

  /** The slot of the run of that key, which begins here if there is none. */
  open(key: number): number {
    if (this.#size === this.#keys.length) this.#growSlots();
    const at = placeOf(this.#table, this.#keys, key);
    const found = this.#table[at] as number;
    if (found > 0) return found - 1;
    const slot = this.#size++;
    this.#table[at] = slot + 1;
    this.#keys[slot] = key;
    this.demandEntry(slot);
    return slot;
  }

  /** Counts one record whose first frame lies at `position`. True when it is due an entry: `addEntry`. Hot: see `ringwall bench append`. */
  note(slot: number, sequence: number, position: number, payloadBytes: number, time: number): boolean {
    const rows = this.#rows;
    const row = slot * rowNumbers;
    if (rows[row + firstAt] === 0) rows[row + firstAt] = sequence;
    if (rows[row + recordsAt] === 0) rows[row + firstTimeAt] = time;
    rows[row + lastAt] = sequence;
    if (time > (rows[row + lastTimeAt] as number)) rows[row + lastTimeAt] = time;
    (rows[row + recordsAt] as number)++;
    (rows[row + payloadAt] as number) += payloadBytes;
    return position - (rows[row + entryPositionAt] as number) >= entryDistanceBytes;
  }

  /** Entries come in ascending order. */
  addEntry(slot: number, sequence: number, blockOffset: number, frameOffset: number): void {
    this.#rows[slot * rowNumbers + entryPositionAt] = blockOffset + frameOffset;
    const range = slot * rangeNumbers;
    const count = this.#ranges[range + 1] as number;
    if (count === this.#ranges[range + 2]) this.#widen(range);
    const at = ((this.#ranges[range] as number) + count) * entryNumbers;
    this.#entries[at] = sequence;
    this.#entries[at + 1] = blockOffset;
    this.#entries[at + 2] = frameOffset;
    this.#ranges[range + 1] = count + 1;
  }

  /** The next record gets an entry, however near the last one lies. */
  demandEntry(slot: number): void {
    this.#rows[slot * rowNumbers + entryPositionAt] = Number.NEGATIVE_INFINITY;
  }

  /** Forgets records above `after`: their sequences will be written anew. */
  truncate(slot: number, after: number): void {
    let count = this.entryCountOf(slot);
    while (count > 0 && this.entryOf(slot, count - 1).sequence > after) count--;
    this.#ranges[slot * rangeNumbers + 1] = count;
    // A search for the next record must never start at a dead one.
    this.demandEntry(slot);
    const row = slot * rowNumbers;
    if ((this.#rows[row + lastAt] as number) > after) this.#rows[row + lastAt] = after;
    if ((this.#rows[row + firstAt] as number) > after) {
      this.#rows[row + firstAt] = 0;
      this.#rows[row + lastAt] = 0;
    }
  }

  /** Takes a run's numbers over as they were stored. */
  restore(slot: number, numbers: RunNumbers): void {
    const row = slot * rowNumbers;
    this.#rows[row + firstAt] = numbers.firstSequence;
    this.#rows[row + lastAt] = numbers.lastSequence;
    this.#rows[row + recordsAt] = numbers.records;
    this.#rows[row + payloadAt] = numbers.payloadBytes;
    this.#rows[row + firstTimeAt] = numbers.firstTime;
    this.#rows[row + lastTimeAt] = numbers.lastTime;
  }

  numberOf(slot: number, name: keyof RunNumbers): number {
    return this.#rows[slot * rowNumbers + rowPlaces[name]] as number;
  }

  /** One number of all runs, in the order of `slots`. */
  numbersOf(slots: Float64Array, name: keyof RunNumbers): Float64Array {
    const rows = this.#rows;
    const place = rowPlaces[name];
    const numbers = new Float64Array(slots.length);
    for (let at = 0; at < slots.length; at++) numbers[at] = rows[(slots[at] as number) * rowNumbers + place] as number;
    return numbers;
  }

  keysOf(slots: Float64Array): Float64Array {
    const keys = new Float64Array(slots.length);
    for (let at = 0; at < slots.length; at++) keys[at] = this.#keys[slots[at] as number] as number;
    return keys;
  }

  /** The entries of all runs in the order of `slots`, three numbers each as in `RecordPlace`, and where those of each run end. */
  entriesOf(slots: Float64Array): { readonly ends: Float64Array; readonly numbers: Float64Array } {
    const ends = new Float64Array(slots.length);
    let count = 0;
    for (let at = 0; at < slots.length; at++) {
      count += this.#ranges[(slots[at] as number) * rangeNumbers + 1] as number;
      ends[at] = count;
    }
    const numbers = new Float64Array(count * entryNumbers);
    let to = 0;
    for (let at = 0; at < slots.length; at++) {
      const range = (slots[at] as number) * rangeNumbers;
      const from = (this.#ranges[range] as number) * entryNumbers;
      const end = from + (this.#ranges[range + 1] as number) * entryNumbers;
      for (let index = from; index < end; index++) numbers[to++] = this.#entries[index] as number;
    }
    return { ends, numbers };
  }

  entryCountOf(slot: number): number {
    return this.#ranges[slot * rangeNumbers + 1] as number;
  }

  entryOf(slot: number, index: number): RecordPlace {
    assert(index >= 0 && index < this.entryCountOf(slot), "entry index is in range");
    const at = ((this.#ranges[slot * rangeNumbers] as number) + index) * entryNumbers;
    const entries = this.#entries;
    return { sequence: entries[at] as number, blockOffset: entries[at + 1] as number, frameOffset: entries[at + 2] as number };
  }

  keyOf(slot: number): number {
    return this.#keys[slot] as number;
  }

  /** All slots, by ascending keys. */
  slotsByKey(): Float64Array {
    const size = this.#size;
    let isAscending = true;
    let greatest = 0;
    for (let slot = 0; slot < size; slot++) {
      if (slot > 0 && this.keyOf(slot) <= greatest) isAscending = false;
      greatest = Math.max(greatest, this.keyOf(slot));
    }
    const slots = new Float64Array(size);
    for (let slot = 0; slot < size; slot++) slots[slot] = slot;
    if (isAscending) return slots;
    // Sorted as plain numbers, with the slot in the low part: ten times as fast as with a function that compares.
    assert((greatest + 1) * size <= Number.MAX_SAFE_INTEGER, "a key and a slot fit one number");
    for (let slot = 0; slot < size; slot++) slots[slot] = this.keyOf(slot) * size + slot;
    slots.sort();
    for (let index = 0; index < size; index++) slots[index] = (slots[index] as number) % size;
    return slots;
  }

  get(key: number): GrowingRun | undefined {
    const found = this.#table[placeOf(this.#table, this.#keys, key)] as number;
    return found === 0 ? undefined : new GrowingRun(this, found - 1);
  }

  *keys(): IterableIterator<number> {
    for (const slot of this.slotsByKey()) yield this.keyOf(slot);
  }

  *values(): IterableIterator<GrowingRun> {
    for (const slot of this.slotsByKey()) yield new GrowingRun(this, slot);
  }

  *[Symbol.iterator](): IterableIterator<readonly [key: number, run: GrowingRun]> {
    for (const slot of this.slotsByKey()) yield [this.keyOf(slot), new GrowingRun(this, slot)];
  }

  #growSlots(): void {
    const slots = this.#keys.length * 2;
    this.#rows = grown(this.#rows, new Float64Array(slots * rowNumbers));
    this.#keys = grown(this.#keys, new Uint32Array(slots));
    this.#ranges = grown(this.#ranges, new Uint32Array(slots * rangeNumbers));
    this.#table = new Int32Array(slots * 2);
    for (let slot = 0; slot < this.#size; slot++) this.#table[placeOf(this.#table, this.#keys, this.keyOf(slot))] = slot + 1;
  }

  /** Twice the room for a run's entries. */
  #widen(range: number): void {
    const from = this.#ranges[range] as number;
    const room = this.#ranges[range + 2] as number;
    const to = this.#takeRange(Math.max(1, room * 2));
    this.#entries.copyWithin(to * entryNumbers, from * entryNumbers, (from + room) * entryNumbers);
    if (room > 0) {
      const free = this.#freeRanges.get(room);
      if (free === undefined) this.#freeRanges.set(room, [from]);
      else free.push(from);
    }
    this.#ranges[range] = to;
    this.#ranges[range + 2] = Math.max(1, room * 2);
  }

  #takeRange(room: number): number {
    const free = this.#freeRanges.get(room)?.pop();
    if (free !== undefined) return free;
    const at = this.#entriesEnd;
    this.#entriesEnd += room;
    if (this.#entriesEnd * entryNumbers > this.#entries.length) {
      this.#entries = grown(this.#entries, new Float64Array(Math.max(this.#entries.length * 2, this.#entriesEnd * entryNumbers)));
    }
    return at;
  }
}

/** A look at one run; it goes on showing what is there. */
export class GrowingRun implements PartitionRun {
  readonly #runs: GrowingRuns;
  readonly #slot: number;

  constructor(runs: GrowingRuns, slot: number) {
    this.#runs = runs;
    this.#slot = slot;
  }

  get firstSequence(): number {
    return this.#runs.numberOf(this.#slot, "firstSequence");
  }

  get lastSequence(): number {
    return this.#runs.numberOf(this.#slot, "lastSequence");
  }

  get records(): number {
    return this.#runs.numberOf(this.#slot, "records");
  }

  get payloadBytes(): number {
    return this.#runs.numberOf(this.#slot, "payloadBytes");
  }

  get firstTime(): number {
    return this.#runs.numberOf(this.#slot, "firstTime");
  }

  get lastTime(): number {
    return this.#runs.numberOf(this.#slot, "lastTime");
  }

  get entryCount(): number {
    return this.#runs.entryCountOf(this.#slot);
  }

  entry(index: number): RecordPlace {
    return this.#runs.entryOf(this.#slot, index);
  }

  placeAtOrBefore(sequence: number): RecordPlace | null {
    return placeAtOrBefore(this, sequence);
  }

  /** As `GrowingRuns.note`, with the entry that is due. */
  note(sequence: number, blockOffset: number, frameOffset: number, payloadBytes: number, time: number): void {
    if (this.#runs.note(this.#slot, sequence, blockOffset + frameOffset, payloadBytes, time)) this.#runs.addEntry(this.#slot, sequence, blockOffset, frameOffset);
  }

  truncate(after: number): void {
    this.#runs.truncate(this.#slot, after);
  }
}

function grown<T extends Float64Array | Uint32Array>(from: T, to: T): T {
  to.set(from);
  return to;
}

/** Where in the table the key is, or would be. */
function placeOf(table: Int32Array, keys: Uint32Array, key: number): number {
  const mask = table.length - 1;
  // Fibonacci hashing: neighbouring keys lie far from each other.
  let at = (Math.imul(key, 0x9e37_79b1) >>> 8) & mask;
  for (let taken = table[at] as number; taken > 0 && keys[taken - 1] !== key; taken = table[at] as number) at = (at + 1) & mask;
  return at;
}
