// The partitions of one lane: names, ids, first and last sequence, truncations.
//
// Filled by recovery, kept by the running lane, written into each segment's checkpoint. Pure.

import { assert } from "../base/assert.js";
import { checkpointEntryBytesMax, noTruncations, truncationBytes, type CheckpointEntry, type Truncation } from "../format/checkpoint.js";
import { isHiddenName } from "./own-names.js";
import { hasHiding, truncationsFrom, withTruncation } from "./truncations.js";

/** "dropping": its name is free already, and its drop waits to be placed. */
export type PartitionLife = "kept" | "dropping" | "dropped";

/** One partition of a lane. A hundred thousand of them are in memory: every field counts. Fields of the append path are plain: see `ringwall bench append`. */
export class PartitionState {
  /** Given when the partition's definition is framed; 0 until then. */
  id: number;
  readonly name: string;
  /** First sequence that is kept; records below are trimmed. */
  firstSequence = 1;
  /** What `firstSequence` will be once the trims that wait for space are placed. */
  firstAsked = 1;
  /** Last sequence given out; 0 when there never was one. */
  lastSequence = 0;
  /** Last sequence of which every frame lies in a block; below `lastSequence` while appends wait for space. */
  placedSequence = 0;
  /** Last sequence known durable. */
  durableSequence = 0;
  /** The block in which the partition last placed something. */
  touchedBlock = 0;
  /** As truncations.ts says. */
  truncations: readonly Truncation[] = noTruncations;
  /** The slot of the partition's run in `runSegment`. */
  runSlot = 0;
  /** The lane's current segment, once the partition writes there. */
  runSegment = 0;
  life: PartitionLife = "kept";

  constructor(id: number, name: string) {
    this.id = id;
    this.name = name;
  }

  /** Whether the record `sequence` whose frame lies at (segment, offset) was truncated away later. */
  isTruncated(sequence: number, segment: number, offset: number): boolean {
    for (const truncation of this.truncations) {
      if (sequence > truncation.after && truncation.isPast !== true && isBefore(segment, offset, truncation)) return true;
    }
    return false;
  }

  /** Whether a truncation that keeps the records up to `after` is possible: it keeps what a trim made the beginning. */
  canTruncate(after: number): boolean {
    return after >= this.firstSequence - 1;
  }

  /** Tail truncation, written at (segment, offset). */
  truncate(truncation: Truncation): void {
    assert(this.canTruncate(truncation.after), "a truncation keeps what a trim made the beginning");
    this.lastSequence = Math.min(this.lastSequence, truncation.after);
    this.placedSequence = Math.min(this.placedSequence, truncation.after);
    this.durableSequence = Math.min(this.durableSequence, truncation.after);
    this.truncations = withTruncation(this.truncations, truncation);
  }

  /** Head trim: `firstKept` is the first sequence that stays. */
  trim(firstKept: number): void {
    this.firstSequence = Math.max(this.firstSequence, firstKept);
    this.firstAsked = Math.max(this.firstAsked, this.firstSequence);
    // A partition trimmed beyond its end goes on behind the trim.
    const last = this.firstSequence - 1;
    this.lastSequence = Math.max(this.lastSequence, last);
    this.placedSequence = Math.max(this.placedSequence, last);
  }

  /** Nothing is left of it. */
  drop(): void {
    this.life = "dropped";
    this.firstSequence = 1;
    this.firstAsked = 1;
    this.lastSequence = 0;
    this.placedSequence = 0;
    this.durableSequence = 0;
    this.truncations = noTruncations;
  }

  toCheckpoint(): CheckpointEntry {
    return {
      id: this.id,
      name: this.name,
      firstSequence: this.firstSequence,
      lastSequence: this.placedSequence,
      truncations: this.truncations,
    };
  }
}

function isBefore(segment: number, offset: number, place: Truncation): boolean {
  return segment < place.segment || (segment === place.segment && offset < place.offset);
}

/** Past truncations that a partition keeps; fewer where the lane has so many truncations that checkpoints would be large. */
const pastMax = 4;
const pastMaxOfMany = 1;
const manyTruncations = 16 * 1024;

/** Ids up to here have a place in an array; a few high ones that someone made up must not cost gigabytes. */
const arrayIdsMax = 1 << 20;

export class PartitionTable {
  readonly #byName = new Map<string, PartitionState>();
  /** With holes where partitions were dropped. */
  readonly #byId: (PartitionState | undefined)[] = [undefined];
  /** Those above `arrayIdsMax`, ascending. */
  readonly #byHighId = new Map<number, PartitionState>();
  #nextId = 1;
  /** Partitions dropped so far. */
  drops = 0;
  /** The log's own among them. */
  readonly hidden = new Set<PartitionState>();
  #nameBytes = 0;
  /** Truncations of all partitions: whoever adds or forgets some says so with `noteTruncations`. */
  #truncationCount = 0;
  #mayForget = false;

  get size(): number {
    return this.#byName.size;
  }

  /** What a checkpoint of all partitions takes at most. */
  get checkpointBytes(): number {
    return this.#nameBytes + this.#truncationCount * truncationBytes;
  }

  noteTruncations(change: number): void {
    this.#truncationCount += change;
    this.#mayForget = true;
  }

  /** The segments before this one are freed: truncations there have nothing to hide any more. */
  forgetTruncationsBefore(firstSegment: number): void {
    const most = this.#truncationCount > manyTruncations ? pastMaxOfMany : pastMax;
    this.#truncationCount = 0;
    this.#mayForget = false;
    for (const state of this) {
      if (state.truncations.length === 0) continue;
      state.truncations = truncationsFrom(state.truncations, firstSegment, most);
      this.#truncationCount += state.truncations.length;
      this.#mayForget ||= hasHiding(state.truncations);
    }
  }

  get nextId(): number {
    return this.#nextId;
  }

  byName(name: string): PartitionState | undefined {
    return this.#byName.get(name);
  }

  byId(id: number): PartitionState | undefined {
    return id <= arrayIdsMax ? this.#byId[id] : this.#byHighId.get(id);
  }

  /** A partition that no frame defines yet: it has no id. */
  reserve(name: string, state: PartitionState = new PartitionState(0, name)): PartitionState {
    const before = this.#byName.size;
    this.#byName.set(name, state);
    assert(this.#byName.size > before, "a partition is defined once");
    if (isHiddenName(name)) this.hidden.add(state);
    this.#nameBytes += checkpointEntryBytesMax(name.length * 3, 0);
    return state;
  }

  /** The name is free: whoever had it is being dropped. */
  releaseName(state: PartitionState): void {
    assert(this.#byName.get(state.name) === state, "a name is released by its partition");
    this.#byName.delete(state.name);
    this.hidden.delete(state);
    this.#nameBytes -= checkpointEntryBytesMax(state.name.length * 3, 0);
  }

  /** It was not dropped after all: one that was reserved under its name meanwhile has nothing, and is returned. */
  keepName(state: PartitionState): PartitionState | undefined {
    const other = this.#byName.get(state.name);
    if (other !== undefined) {
      this.releaseName(other);
      other.drop();
    }
    state.life = "kept";
    this.reserve(state.name, state);
    return other;
  }

  /** Nothing is left of the partition, and its id is not given out again. */
  drop(state: PartitionState): void {
    if (this.#byName.get(state.name) === state) this.releaseName(state);
    this.#truncationCount -= state.truncations.length;
    if (state.id <= arrayIdsMax) this.#byId[state.id] = undefined;
    else this.#byHighId.delete(state.id);
    state.drop();
    this.drops++;
  }

  /** Ids up to this one were given out. */
  noteHighestId(id: number): void {
    this.#nextId = Math.max(this.#nextId, id + 1);
  }

  /** Gives a reserved partition its id, the next one, at the moment its definition is framed. */
  assignId(state: PartitionState): void {
    assert(state.id === 0, "a partition gets one id");
    this.placeId(state, this.#nextId);
  }

  /** Gives a partition the id that it has on disk, in place of another that was listed under it. */
  placeId(state: PartitionState, id: number): void {
    assert(id >= 1, "partition ids begin at 1");
    state.id = id;
    if (id <= arrayIdsMax) this.#byId[id] = state;
    else this.#byHighId.set(id, state);
    this.noteHighestId(id);
  }

  /** The partition of that id and name is this object from now on. */
  substitute(state: PartitionState): void {
    const before = this.byId(state.id);
    assert(before?.name === state.name, "one object of a partition takes the place of another");
    if (this.hidden.delete(before)) this.hidden.add(state);
    this.placeId(state, state.id);
    this.#byName.set(state.name, state);
  }

  /** Ids are given out in order; those that are passed over are of partitions that were dropped. */
  define(id: number, name: string): PartitionState {
    assert(id >= this.#nextId, "partition ids ascend");
    const state = this.reserve(name);
    this.placeId(state, id);
    return state;
  }

  /** Takes a partition over from a checkpoint. */
  restore(entry: CheckpointEntry): PartitionState {
    const state = this.define(entry.id, entry.name);
    state.firstSequence = entry.firstSequence;
    state.firstAsked = entry.firstSequence;
    state.lastSequence = entry.lastSequence;
    state.placedSequence = entry.lastSequence;
    state.durableSequence = entry.lastSequence;
    state.truncations = entry.truncations;
    this.noteTruncations(entry.truncations.length);
    return state;
  }

  /** Of all with an id from `firstId` to `lastId`, as they are when each is asked for. */
  *checkpoint(firstId = 1, lastId = Number.POSITIVE_INFINITY): IterableIterator<CheckpointEntry> {
    for (let id = firstId; id < this.#byId.length && id <= lastId; id++) {
      const state = this.#byId[id];
      if (state !== undefined) yield state.toCheckpoint();
    }
    for (const [id, state] of this.#byHighId) if (id >= firstId && id <= lastId) yield state.toCheckpoint();
  }

  /** The last id given out so far, of those that are no high ones. */
  get arrayIdLast(): number {
    return this.#byId.length - 1;
  }

  /** Whether there may be something to forget for `forgetTruncationsBefore`. */
  get mayForgetTruncations(): boolean {
    return this.#mayForget;
  }

  /** Those with an id, in its order. */
  *[Symbol.iterator](): IterableIterator<PartitionState> {
    for (let id = 1; id < this.#byId.length; id++) {
      const state = this.#byId[id];
      if (state !== undefined) yield state;
    }
    yield* this.#byHighId.values();
  }
}
