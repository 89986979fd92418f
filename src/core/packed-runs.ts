// The runs of a sealed segment in few bytes: every number has a column of its own, and a column is as wide as its numbers
// need. A run of one record takes some 20 bytes. Sorted by key, found by halves. Never changes. Pure.

import { assert } from "../base/assert.js";
import type { Slices } from "../base/slices.js";
import { pageBytes } from "../format/block.js";
import type { RecordPlace, RunSlice } from "../format/index-file.js";
import type { EntryNumbers, GrowingRuns, RunNumberColumns } from "./growing-runs.js";
import { NumberColumn } from "./number-column.js";
import { countUpTo, type PartitionRun, type SegmentRuns } from "./segment-runs.js";

/** Frames begin at multiples of it. */
const frameAlignment = 8;
/** Between two looks whether others have their turn. */
const runsPerSlice = 4096;

/** New memory for each slice would be tens of megabytes a segment, and each 64 MB of it a collection of the whole heap. */
const scratches = new Map<keyof RunSlice, Float64Array>();

function scratch(name: keyof RunSlice, count: number): Float64Array {
  let numbers = scratches.get(name);
  if (numbers === undefined || numbers.length < count) {
    numbers = new Float64Array(count);
    scratches.set(name, numbers);
  }
  return numbers.subarray(0, count);
}

interface RunColumns {
  readonly key: NumberColumn;
  readonly firstSequence: NumberColumn;
  /** How far the last sequence lies behind the first. */
  readonly more: NumberColumn;
  readonly records: NumberColumn;
  readonly payloadBytes: NumberColumn;
  readonly firstTime: NumberColumn;
  /** From the first record to the newest. */
  readonly millis: NumberColumn;
  /** The run's first entry. There is one number more than runs: where the last one's entries end. */
  readonly entry: NumberColumn;
}

interface EntryColumns {
  /** How far it lies behind the run's first sequence. */
  readonly step: NumberColumn;
  readonly page: NumberColumn;
  readonly frame: NumberColumn;
  /** Divided by 8; 0: there is none. Null: no entry has one. */
  readonly stride: NumberColumn | null;
}

export class PackedRuns implements SegmentRuns {
  readonly size: number;
  readonly bytes: number;
  readonly runs: RunColumns;
  readonly entries: EntryColumns;

  private constructor(runs: RunColumns, entries: EntryColumns, size: number) {
    this.size = size;
    this.runs = runs;
    this.entries = entries;
    this.bytes = Object.values<NumberColumn | null>({ ...runs, ...entries }).reduce((sum, column) => sum + (column?.bytes ?? 0), 0);
  }

  /** In slices: a hundred thousand runs take milliseconds. */
  static *of(growing: GrowingRuns): Slices<PackedRuns> {
    const slots = yield* growing.slotsByKey();
    const numbers = yield* growing.columnsOf(slots);
    const places = yield* growing.entriesOf(slots, numbers.entryEnd[slots.length - 1] ?? 0);
    const entries = yield* packEntries(places, numbers);
    return new PackedRuns(yield* packRuns(numbers), entries, slots.length);
  }

  /** By place: from 0 on, by ascending keys. */
  keyAt(place: number): number {
    return this.runs.key.at(place);
  }

  /** Those from place `from` to before `to`, for whoever goes through all of them: in memory that the next call, of any runs, overwrites. */
  slice(from: number, to: number): RunSlice {
    const { key, firstSequence, more, records, payloadBytes, firstTime, millis, entry } = this.runs;
    const { step, page, frame, stride } = this.entries;
    const firstEntry = entry.at(from);
    const count = to - from;
    const entryCount = entry.at(to) - firstEntry;
    const entryEnd = entry.copy(from + 1, scratch("entryEnd", count));
    for (let index = 0; index < count; index++) (entryEnd[index] as number) -= firstEntry;
    return {
      entryEnd,
      key: key.copy(from, scratch("key", count)),
      firstSequence: firstSequence.copy(from, scratch("firstSequence", count)),
      more: more.copy(from, scratch("more", count)),
      records: records.copy(from, scratch("records", count)),
      payloadBytes: payloadBytes.copy(from, scratch("payloadBytes", count)),
      firstTime: firstTime.copy(from, scratch("firstTime", count)),
      millis: millis.copy(from, scratch("millis", count)),
      step: step.copy(firstEntry, scratch("step", entryCount)),
      page: page.copy(firstEntry, scratch("page", entryCount)),
      frame: frame.copy(firstEntry, scratch("frame", entryCount)),
      stride: stride === null ? null : stride.copy(firstEntry, scratch("stride", entryCount)),
    };
  }

  at(place: number): PackedRun {
    return new PackedRun(this, place);
  }

  get(key: number): PackedRun | undefined {
    const place = countUpTo(this.size, (index) => this.keyAt(index) < key);
    return place < this.size && this.keyAt(place) === key ? new PackedRun(this, place) : undefined;
  }

  *keys(): IterableIterator<number> {
    for (let place = 0; place < this.size; place++) yield this.keyAt(place);
  }

  *values(): IterableIterator<PackedRun> {
    for (let place = 0; place < this.size; place++) yield this.at(place);
  }

  *[Symbol.iterator](): IterableIterator<readonly [key: number, run: PackedRun]> {
    for (let place = 0; place < this.size; place++) yield [this.keyAt(place), this.at(place)];
  }
}

class PackedRun implements PartitionRun {
  readonly #packed: PackedRuns;
  readonly #place: number;

  constructor(packed: PackedRuns, place: number) {
    this.#packed = packed;
    this.#place = place;
  }

  get firstSequence(): number {
    return this.#packed.runs.firstSequence.at(this.#place);
  }

  get lastSequence(): number {
    return this.firstSequence + this.#packed.runs.more.at(this.#place);
  }

  get records(): number {
    return this.#packed.runs.records.at(this.#place);
  }

  get payloadBytes(): number {
    return this.#packed.runs.payloadBytes.at(this.#place);
  }

  get firstTime(): number {
    return this.#packed.runs.firstTime.at(this.#place);
  }

  get lastTime(): number {
    return this.firstTime + this.#packed.runs.millis.at(this.#place);
  }

  get entryCount(): number {
    const { entry } = this.#packed.runs;
    return entry.at(this.#place + 1) - entry.at(this.#place);
  }

  entry(index: number): RecordPlace {
    assert(index >= 0 && index < this.entryCount, "entry index is in range");
    const { runs, entries } = this.#packed;
    const at = runs.entry.at(this.#place) + index;
    return {
      sequence: this.firstSequence + entries.step.at(at),
      blockOffset: entries.page.at(at) * pageBytes,
      frameOffset: entries.frame.at(at) * frameAlignment,
      stride: (entries.stride?.at(at) ?? 0) * frameAlignment,
    };
  }

  entryAtOrBefore(sequence: number): number {
    const { runs, entries } = this.#packed;
    const first = runs.entry.at(this.#place);
    return entries.step.lastUpTo(sequence - this.firstSequence, first, first + this.entryCount) - first;
  }
}

function* packRuns(numbers: RunNumberColumns): Slices<RunColumns> {
  const { firstSequence, firstTime, lastSequence, lastTime, entryEnd } = numbers;
  const entry = new Float64Array(entryEnd.length + 1);
  entry.set(entryEnd, 1);
  return {
    key: yield* packed(numbers.key),
    more: yield* packed(less(lastSequence, firstSequence)),
    firstSequence: yield* packed(firstSequence),
    records: yield* packed(numbers.records),
    payloadBytes: yield* packed(numbers.payloadBytes),
    millis: yield* packed(less(lastTime, firstTime)),
    firstTime: yield* packed(firstTime),
    entry: yield* packed(entry),
  };
}

function* packed(numbers: Float64Array): Slices<NumberColumn> {
  yield numbers.length * 4;
  return new NumberColumn(numbers);
}

function less(numbers: Float64Array, by: Float64Array): Float64Array {
  for (let at = 0; at < numbers.length; at++) numbers[at] = (numbers[at] as number) - (by[at] as number);
  return numbers;
}

function* packEntries(places: EntryNumbers, { entryEnd, firstSequence }: RunNumberColumns): Slices<EntryColumns> {
  const { count } = places;
  const steps = new Float64Array(count);
  const pages = new Float64Array(count);
  const frames = new Float64Array(count);
  const strides = new Float64Array(count);
  let hasStride = false;
  for (let run = 0, at = 0; run < entryEnd.length; run++) {
    for (const end = entryEnd[run] as number; at < end; at++) {
      const blockOffset = places.blockOffset(at);
      const frameOffset = places.frameOffset(at);
      const stride = places.stride(at);
      assert(blockOffset % pageBytes === 0 && frameOffset % frameAlignment === 0 && stride % frameAlignment === 0, "blocks begin with a page, frames at a multiple of 8");
      steps[at] = places.sequence(at) - (firstSequence[run] as number);
      pages[at] = blockOffset / pageBytes;
      frames[at] = frameOffset / frameAlignment;
      strides[at] = stride / frameAlignment;
      if (stride > 0) hasStride = true;
    }
    if (run % runsPerSlice === runsPerSlice - 1) yield runsPerSlice * 20;
  }
  return { step: yield* packed(steps), page: yield* packed(pages), frame: yield* packed(frames), stride: hasStride ? yield* packed(strides) : null };
}
