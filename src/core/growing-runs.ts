// The runs of a segment that is being filled: by a running lane as it appends, by recovery as it scans, from an index file.
//
// Everything lies in typed arrays outside the JavaScript heap: a hundred thousand runs are a few arrays, not a hundred
// thousand objects. A run has a slot, given in the order of their first records; the hot path knows it and looks nothing up.

import { assert } from "../base/assert.js";
import { inOneGo, type Slices } from "../base/slices.js";
import type { RecordPlace, RunNumbers } from "../format/index-file.js";
import { blockBytesMax } from "../format/block.js";
import { countUpTo, entryDistanceBytes, strideBytesMin, strideSpanBytes, type PartitionRun, type SegmentRuns } from "./segment-runs.js";

/** A row is 64 bytes, as a line of the processor's cache is: a record touches one. */
const rowNumbers = 8;
const rowPlaces = { firstSequence: 0, lastSequence: 1, records: 2, payloadBytes: 3, firstTime: 4, lastTime: 5 } as const;
const firstAt = rowPlaces.firstSequence;
const lastAt = rowPlaces.lastSequence;
const recordsAt = rowPlaces.records;
const payloadAt = rowPlaces.payloadBytes;
const firstTimeAt = rowPlaces.firstTime;
const lastTimeAt = rowPlaces.lastTime;
/** Where the next record must begin to go on with the stride. Without one: where the frame of the latest entry begins. */
const nextPositionAt = 6;
/** The latest entry's, as far as it was seen: above 0. */
const strideAt = 7;
/** One record since the latest entry, its own. */
const strideOpen = -1;
/** The latest entry gets none. */
const strideNone = 0;

/** Of an entry: sequence, block offset, frame offset with the stride above it. */
const entryNumbers = 3;
const spanMask = strideSpanBytes - 1;
/** A frame's offset in its block is less, and takes no more room with a stride multiplied by this. */
const strideUnit = blockBytesMax;
/** Of a range of entries: where it begins, how many there are, how many have room. */
const rangeNumbers = 3;
const slotsMin = 8;
/** Of a key, sorted by at once. */
const digitBits = 11;
/** Between two looks whether others have their turn. */
const runsPerSlice = 4096;

/** By place. */
export interface RunNumberColumns extends Record<keyof RunNumbers, Float64Array> {
  readonly key: Float64Array;
  /** Where the run's entries end among those of all. */
  readonly entryEnd: Float64Array;
}

export class GrowingRuns implements SegmentRuns {
  #size = 0;
  #rows: Float64Array;
  #keys: Uint32Array;
  /** Slot + 1 by key, open addressing; 0 is free. At most half of it is taken. Slots from `#tabled` on come in when one is looked up. */
  #table: Int32Array;
  #tabled = 0;
  #ranges: Uint32Array;
  #entries: Float64Array;
  #entriesEnd = 0;
  /** Ranges that were given up for larger ones, by their room. */
  readonly #freeRanges = new Map<number, number[]>();

  /** With room for so many runs: to grow costs time, once for each of them. */
  constructor(runsExpected = 0) {
    const slots = 2 ** Math.ceil(Math.log2(Math.max(slotsMin, runsExpected)));
    this.#rows = new Float64Array(slots * rowNumbers);
    this.#keys = new Uint32Array(slots);
    this.#table = new Int32Array(slots * 2);
    this.#ranges = new Uint32Array(slots * rangeNumbers);
    this.#entries = new Float64Array(slots * entryNumbers);
  }

  get size(): number {
    return this.#size;
  }

  get bytes(): number {
    return this.#rows.byteLength + this.#keys.byteLength + this.#table.byteLength + this.#ranges.byteLength + this.#entries.byteLength;
  }

  /** The slot of the run of that key, which begins here if there is none. */
  open(key: number): number {
    const found = this.#find(key);
    return found === 0 ? this.begin(key) : found - 1;
  }

  /** The slot of a run that begins: there is none of that key. Hot where partitions are many: to look it up misses every cache. */
  begin(key: number): number {
    if (this.#size === this.#keys.length) this.#growSlots();
    const slot = this.#size++;
    this.#keys[slot] = key;
    this.demandEntry(slot);
    return slot;
  }

  /** Slot + 1, or 0. */
  #find(key: number): number {
    for (; this.#tabled < this.#size; this.#tabled++) {
      const at = placeOf(this.#table, this.#keys, this.keyOf(this.#tabled));
      assert(this.#table[at] === 0, "a key has one run");
      this.#table[at] = this.#tabled + 1;
    }
    return this.#table[placeOf(this.#table, this.#keys, key)] as number;
  }

  /** Counts one record whose first frame lies at `position`. True when it is due an entry: `addEntry`. Hot: see `ringwall bench append`. */
  note(slot: number, sequence: number, position: number, payloadBytes: number, time: number): boolean {
    const rows = this.#rows;
    const row = slot * rowNumbers;
    const last = rows[row + lastAt] as number;
    const isNext = sequence === last + 1;
    if (rows[row + firstAt] === 0) rows[row + firstAt] = sequence;
    if (rows[row + recordsAt] === 0) rows[row + firstTimeAt] = time;
    rows[row + lastAt] = sequence;
    if (time > (rows[row + lastTimeAt] as number)) rows[row + lastTimeAt] = time;
    (rows[row + recordsAt] as number)++;
    (rows[row + payloadAt] as number) += payloadBytes;
    const stride = rows[row + strideAt] as number;
    if (stride <= strideNone) {
      if (!isNext && last !== 0) this.#giveUpStride(slot);
      return this.#isDue(row, position, isNext);
    }
    if (position !== rows[row + nextPositionAt] || !isNext || (position & spanMask) < stride) return this.#endsStride(slot, position, isNext);
    rows[row + nextPositionAt] = position + stride;
    return false;
  }

  /** Of a record behind an entry without a stride. The second of an entry makes one. */
  #isDue(row: number, position: number, isNext: boolean): boolean {
    const rows = this.#rows;
    const distance = position - (rows[row + nextPositionAt] as number);
    if (distance >= entryDistanceBytes) return true;
    if (rows[row + strideAt] === strideOpen) {
      rows[row + strideAt] = isNext ? distance : strideNone;
      if (isNext) rows[row + nextPositionAt] = position + distance;
    }
    return false;
  }

  /** Of the latest entry: 1. it has a stride; 2. what comes behind it is truncated, and trimmed beyond that; 3. it would tell of records between. */
  #giveUpStride(slot: number): void {
    const count = this.entryCountOf(slot);
    if (count > 0) (this.#entries[this.#entryAt(slot, count - 1) + 2] as number) %= strideUnit;
  }

  /**
   * Of a record that does not go on with the stride, or is the first of a span. What lies behind an entry without a stride is searched for, so
   * where the entry is too near for another one its stride is given up. It is also where records are missing: it would tell of them.
   */
  #endsStride(slot: number, position: number, isNext: boolean): boolean {
    const rows = this.#rows;
    const row = slot * rowNumbers;
    const { blockOffset, frameOffset, stride } = this.entryOf(slot, this.entryCountOf(slot) - 1);
    const entryPosition = blockOffset + frameOffset;
    if (isNext && position - entryPosition >= strideBytesMin) {
      this.#keepStride(slot);
      return true;
    }
    const goesOn = isNext && position === rows[row + nextPositionAt];
    rows[row + nextPositionAt] = goesOn ? position + stride : entryPosition;
    if (goesOn) return false;
    rows[row + strideAt] = strideNone;
    return position - entryPosition >= entryDistanceBytes;
  }

  /** Puts the stride of the latest entry to it. The next record gets an entry. */
  #keepStride(slot: number): void {
    const row = slot * rowNumbers;
    const stride = this.#rows[row + strideAt] as number;
    if (stride > strideNone) (this.#entries[this.#entryAt(slot, this.entryCountOf(slot) - 1) + 2] as number) += stride * strideUnit;
    this.demandEntry(slot);
  }

  /** Entries come in ascending order. */
  addEntry(slot: number, sequence: number, blockOffset: number, frameOffset: number): void {
    this.#rows[slot * rowNumbers + nextPositionAt] = blockOffset + frameOffset;
    this.#rows[slot * rowNumbers + strideAt] = strideOpen;
    const range = slot * rangeNumbers;
    const count = this.#ranges[range + 1] as number;
    if (count === this.#ranges[range + 2]) this.#widen(range);
    const at = ((this.#ranges[range] as number) + count) * entryNumbers;
    this.#entries[at] = sequence;
    this.#entries[at + 1] = blockOffset;
    this.#entries[at + 2] = frameOffset;
    this.#ranges[range + 1] = count + 1;
  }

  /** As it was stored. */
  restoreEntry(slot: number, { sequence, blockOffset, frameOffset, stride }: RecordPlace): void {
    this.addEntry(slot, sequence, blockOffset, frameOffset);
    this.#rows[slot * rowNumbers + strideAt] = stride;
    this.#keepStride(slot);
  }

  /** The next record gets an entry, however near the last one lies. */
  demandEntry(slot: number): void {
    this.#rows[slot * rowNumbers + nextPositionAt] = Number.NEGATIVE_INFINITY;
    this.#rows[slot * rowNumbers + strideAt] = strideNone;
  }

  /** Forgets records above `after`: their sequences will be written anew. */
  truncate(slot: number, after: number): void {
    // A search for the next record must never start at a dead one.
    this.#keepStride(slot);
    let count = this.entryCountOf(slot);
    while (count > 0 && this.entryOf(slot, count - 1).sequence > after) count--;
    this.#ranges[slot * rangeNumbers + 1] = count;
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

  /** The numbers of all runs in the order of `slots`, in slices. */
  *columnsOf(slots: Uint32Array): Slices<RunNumberColumns> {
    const count = slots.length;
    const columns: RunNumberColumns = {
      key: new Float64Array(count), firstSequence: new Float64Array(count), lastSequence: new Float64Array(count), records: new Float64Array(count),
      payloadBytes: new Float64Array(count), firstTime: new Float64Array(count), lastTime: new Float64Array(count), entryEnd: new Float64Array(count),
    };
    let entries = 0;
    for (let from = 0; from < count; from += runsPerSlice) {
      entries = this.#copyNumbers(slots, from, columns, entries);
      yield Math.min(runsPerSlice, count - from) * 30;
    }
    return columns;
  }

  /** Of one slice, row by row: each is one miss of the processor's cache. */
  #copyNumbers(slots: Uint32Array, from: number, columns: RunNumberColumns, entriesBefore: number): number {
    const { key, firstSequence, lastSequence, records, payloadBytes, firstTime, lastTime, entryEnd } = columns;
    const rows = this.#rows;
    let entries = entriesBefore;
    for (let at = from, to = Math.min(from + runsPerSlice, slots.length); at < to; at++) {
      const slot = slots[at] as number;
      const row = slot * rowNumbers;
      if ((rows[row + strideAt] as number) > strideNone) this.#keepStride(slot);
      key[at] = this.#keys[slot] as number;
      firstSequence[at] = rows[row + firstAt] as number;
      lastSequence[at] = rows[row + lastAt] as number;
      records[at] = rows[row + recordsAt] as number;
      payloadBytes[at] = rows[row + payloadAt] as number;
      firstTime[at] = rows[row + firstTimeAt] as number;
      lastTime[at] = rows[row + lastTimeAt] as number;
      entries += this.#ranges[slot * rangeNumbers + 1] as number;
      entryEnd[at] = entries;
    }
    return entries;
  }

  /** The entries of all runs in the order of `slots`, in slices. `count`: of all of them. */
  *entriesOf(slots: Uint32Array, count: number): Slices<EntryNumbers> {
    const numbers = new Float64Array(count * entryNumbers);
    for (let from = 0, to = 0; from < slots.length; from += runsPerSlice) {
      const before = to;
      to = this.#copyEntries(slots, from, numbers, to);
      yield Math.min(runsPerSlice, slots.length - from) * 10 + (to - before) * 2;
    }
    return new EntryNumbers(numbers);
  }

  #copyEntries(slots: Uint32Array, first: number, numbers: Float64Array, begin: number): number {
    const entries = this.#entries;
    let to = begin;
    for (let at = first, last = Math.min(first + runsPerSlice, slots.length); at < last; at++) {
      const range = (slots[at] as number) * rangeNumbers;
      const from = (this.#ranges[range] as number) * entryNumbers;
      const end = from + (this.#ranges[range + 1] as number) * entryNumbers;
      for (let index = from; index < end; index++) numbers[to++] = entries[index] as number;
    }
    return to;
  }

  entryCountOf(slot: number): number {
    return this.#ranges[slot * rangeNumbers + 1] as number;
  }

  entryOf(slot: number, index: number): RecordPlace {
    assert(index >= 0 && index < this.entryCountOf(slot), "entry index is in range");
    const at = this.#entryAt(slot, index);
    const entries = this.#entries;
    const frameOffsetAndStride = entries[at + 2] as number;
    const isLatest = index === this.entryCountOf(slot) - 1;
    const seen = isLatest ? (this.#rows[slot * rowNumbers + strideAt] as number) : strideNone;
    const stride = seen > strideNone ? seen : Math.floor(frameOffsetAndStride / strideUnit);
    return { sequence: entries[at] as number, blockOffset: entries[at + 1] as number, frameOffset: frameOffsetAndStride % strideUnit, stride };
  }

  #entryAt(slot: number, index: number): number {
    return ((this.#ranges[slot * rangeNumbers] as number) + index) * entryNumbers;
  }

  /** Of the slot's entries: see `PartitionRun.entryAtOrBefore`. */
  entryAtOrBefore(slot: number, sequence: number): number {
    const entries = this.#entries;
    const first = (this.#ranges[slot * rangeNumbers] as number) * entryNumbers;
    return countUpTo(this.entryCountOf(slot), (index) => (entries[first + index * entryNumbers] as number) <= sequence) - 1;
  }

  keyOf(slot: number): number {
    return this.#keys[slot] as number;
  }

  /** All slots, by ascending keys, in slices: sorted by one digit of the key after the other, the lowest first. */
  *slotsByKey(): Slices<Uint32Array> {
    const size = this.#size;
    const keys = this.#keys;
    let slots: Uint32Array = new Uint32Array(size);
    let greatest = 0;
    let isAscending = true;
    for (let slot = 0; slot < size; slot++) {
      const key = keys[slot] as number;
      if (slot > 0 && key <= greatest) isAscending = false;
      if (key > greatest) greatest = key;
      slots[slot] = slot;
    }
    if (isAscending) return slots;
    let sorted: Uint32Array = new Uint32Array(size);
    for (let shift = 0; shift < 32 && greatest >>> shift > 0; shift += digitBits) {
      yield size * 5;
      sortByDigit(keys, slots, sorted, shift);
      [slots, sorted] = [sorted, slots];
    }
    return slots;
  }

  #sortedSlots(): Uint32Array {
    return inOneGo(this.slotsByKey());
  }

  get(key: number): GrowingRun | undefined {
    const found = this.#find(key);
    return found === 0 ? undefined : new GrowingRun(this, found - 1);
  }

  *keys(): IterableIterator<number> {
    for (const slot of this.#sortedSlots()) yield this.keyOf(slot);
  }

  *values(): IterableIterator<GrowingRun> {
    for (const slot of this.#sortedSlots()) yield new GrowingRun(this, slot);
  }

  *[Symbol.iterator](): IterableIterator<readonly [key: number, run: GrowingRun]> {
    for (const slot of this.#sortedSlots()) yield [this.keyOf(slot), new GrowingRun(this, slot)];
  }

  #growSlots(): void {
    const slots = this.#keys.length * 2;
    this.#rows = grown(this.#rows, new Float64Array(slots * rowNumbers));
    this.#keys = grown(this.#keys, new Uint32Array(slots));
    this.#ranges = grown(this.#ranges, new Uint32Array(slots * rangeNumbers));
    this.#table = new Int32Array(slots * 2);
    this.#tabled = 0;
  }

  /** Twice the room for a run's entries. */
  #widen(range: number): void {
    const from = this.#ranges[range] as number;
    const room = this.#ranges[range + 2] as number;
    const to = this.#takeRange(Math.max(1, room * 2));
    if (room > 0) {
      this.#entries.copyWithin(to * entryNumbers, from * entryNumbers, (from + room) * entryNumbers);
      const free = this.#freeRanges.get(room);
      if (free === undefined) this.#freeRanges.set(room, [from]);
      else free.push(from);
    }
    this.#ranges[range] = to;
    this.#ranges[range + 2] = Math.max(1, room * 2);
  }

  #takeRange(room: number): number {
    const free = this.#freeRanges.size === 0 ? undefined : this.#freeRanges.get(room)?.pop();
    if (free !== undefined) return free;
    const at = this.#entriesEnd;
    this.#entriesEnd += room;
    if (this.#entriesEnd * entryNumbers > this.#entries.length) {
      this.#entries = grown(this.#entries, new Float64Array(Math.max(this.#entries.length * 2, this.#entriesEnd * entryNumbers)));
    }
    return at;
  }
}

/** Entries of many runs, one behind the other. */
export class EntryNumbers {
  readonly count: number;
  readonly #numbers: Float64Array;

  constructor(numbers: Float64Array) {
    this.count = numbers.length / entryNumbers;
    this.#numbers = numbers;
  }

  sequence(at: number): number {
    return this.#numbers[at * entryNumbers] as number;
  }

  blockOffset(at: number): number {
    return this.#numbers[at * entryNumbers + 1] as number;
  }

  frameOffset(at: number): number {
    return (this.#numbers[at * entryNumbers + 2] as number) % strideUnit;
  }

  stride(at: number): number {
    return Math.floor((this.#numbers[at * entryNumbers + 2] as number) / strideUnit);
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

  entryAtOrBefore(sequence: number): number {
    return this.#runs.entryAtOrBefore(this.#slot, sequence);
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

/** `slots` in the order of one digit of their keys; equal ones stay as they are. */
function sortByDigit(keys: Uint32Array, slots: Uint32Array, sorted: Uint32Array, shift: number): void {
  const digitMask = (1 << digitBits) - 1;
  const places = new Uint32Array(digitMask + 1);
  for (let at = 0; at < slots.length; at++) (places[((keys[at] as number) >>> shift) & digitMask] as number)++;
  for (let digit = 0, place = 0; digit <= digitMask; digit++) {
    const count = places[digit] as number;
    places[digit] = place;
    place += count;
  }
  for (let at = 0; at < slots.length; at++) {
    const slot = slots[at] as number;
    sorted[(places[((keys[slot] as number) >>> shift) & digitMask] as number)++] = slot;
  }
}

/** Where in the table the key is, or would be. */
function placeOf(table: Int32Array, keys: Uint32Array, key: number): number {
  const mask = table.length - 1;
  // Fibonacci hashing: neighbouring keys lie far from each other.
  let at = (Math.imul(key, 0x9e37_79b1) >>> 8) & mask;
  for (let taken = table[at] as number; taken > 0 && keys[taken - 1] !== key; taken = table[at] as number) at = (at + 1) & mask;
  return at;
}
