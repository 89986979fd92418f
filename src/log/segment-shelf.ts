// The kept segments of a lane: their indexes, what of them is still alive, and reading's view of them.
//
// Owns the list of kept segments and the cache of sealed indexes. A segment goes only from the head, only when nothing
// in it is live, and only after the superblock says so durably.

import { RingwallError } from "../base/errors.js";
import { lastLive } from "../core/living-segment.js";
import type { PartitionState, PartitionTable } from "../core/partition-table.js";
import type { SegmentIndex } from "../core/segment-index.js";
import type { PartitionRun } from "../core/segment-runs.js";
import { indexName, segmentName } from "../format/names.js";
import { loadSegmentIndex } from "../recovery/load-segment-index.js";
import { writeSegmentIndex } from "../recovery/write-segment-index.js";
import { inTurns } from "../storage/in-turns.js";
import { DurableWaiters } from "./durable-waiters.js";
import { IndexCache } from "./index-cache.js";
import type { LaneSettings } from "./lane-settings.js";
import type { ReadSource } from "./read-source.js";
import { segmentFilesOf } from "./segment-files.js";

export class SegmentShelf implements ReadSource {
  /** A damaged lane is never opened for writing. */
  readonly isDamaged = false;
  readonly lane: number;
  readonly directory: string;
  readonly uuid: Uint8Array;
  readonly alignment: number;
  readonly kernels: LaneSettings["kernels"];
  readonly files: LaneSettings["storage"]["files"];
  readonly #settings: LaneSettings;
  readonly #waiters = new DurableWaiters();
  readonly #sealed = new IndexCache();
  #search: DeadSearch | null = null;
  /** So many ask that no segment is freed. */
  #keepers = 0;
  /** Sealed, but their index could not be written (full disk): kept in memory. */
  readonly #unwritten = new Map<number, SegmentIndex>();
  #current: SegmentIndex | null = null;
  /** Segments up to this one take no more blocks, and all of theirs are durable. */
  #sealedUpTo: number;
  #ids: readonly number[];
  /** Of every live record in segments up to this one, a copy lies further on. */
  #movedUpTo = 0;

  constructor(settings: LaneSettings) {
    const { lane, directory, uuid, alignment, kernels, storage, recovered } = settings;
    this.#settings = settings;
    this.lane = lane;
    this.directory = directory;
    this.uuid = uuid;
    this.alignment = alignment;
    this.kernels = kernels;
    this.files = storage.files;
    this.#ids = recovered.segments.map(({ segment }) => segment);
    this.#sealedUpTo = this.#ids[this.#ids.length - 2] ?? 0;
    for (const { index } of recovered.segments.slice(0, -1)) {
      index?.pack();
      if (index !== null) this.#sealed.add(index);
    }
  }

  get segmentIds(): readonly number[] {
    return this.#ids;
  }

  /** The lane goes on in this segment; the one before stays readable from memory until `addSealed`. */
  setCurrent(index: SegmentIndex): void {
    if (this.#current !== null) this.#unwritten.set(this.#current.segment, this.#current);
    this.#current = index;
    if (this.#ids[this.#ids.length - 1] !== index.segment) this.#ids = [...this.#ids, index.segment];
  }

  /** Segments up to this one take no more blocks, and all of theirs are durable. */
  get sealedUpTo(): number {
    return this.#sealedUpTo;
  }

  /** Of every live record in segments up to `segment` a copy was placed further on: the next release frees them, once the copies are durable. */
  handleMoved(segment: number): void {
    this.#movedUpTo = Math.max(this.#movedUpTo, segment);
  }

  /** Every block of the segment is durable: its index goes to disk. Others have turns meanwhile, until it `isUrgent`. */
  async addSealed(index: SegmentIndex, isUrgent: () => boolean): Promise<void> {
    this.#sealedUpTo = index.segment;
    await this.#write(index, isUrgent);
  }

  async #write(index: SegmentIndex, isUrgent: () => boolean): Promise<void> {
    const run = inTurns(this.#settings.storage.clock, isUrgent);
    try {
      await writeSegmentIndex({ files: this.files, directory: this.directory, index, uuid: this.uuid, lane: this.lane, run });
    } catch (error) {
      // The index saves the next opening a scan, no more: failing to write one is no reason to stop.
      if (error instanceof RingwallError) return;
      throw error;
    }
    this.#unwritten.delete(index.segment);
    this.#sealed.add(index);
  }

  /** Indexes that recovery had to rebuild go to disk, or every opening would scan their segments again. */
  writeMissingIndexes(enqueue: (task: () => Promise<void>) => void): void {
    for (const { segment, index } of this.#settings.recovered.segments.slice(0, -1)) {
      if (index !== null) enqueue(() => (this.#ids.includes(segment) ? this.#write(index, never) : Promise.resolve()));
    }
  }

  async segmentIndex(segment: number): Promise<SegmentIndex> {
    const known = this.knownIndex(segment);
    if (known !== undefined) return known;
    const { directory, lane, uuid, alignment, kernels, files } = this;
    const index = await loadSegmentIndex({ files, directory, lane, uuid, alignment, kernels, segment });
    this.#sealed.add(index);
    return index;
  }

  knownIndex(segment: number): SegmentIndex | undefined {
    if (segment === this.#current?.segment) return this.#current;
    return this.#unwritten.get(segment) ?? this.#sealed.get(segment);
  }

  durableBeyond(state: PartitionState, sequence: number, signal: AbortSignal | undefined): Promise<void> {
    return this.#waiters.wait(state, sequence, signal);
  }

  lookAgain(): Promise<boolean> {
    return Promise.resolve(false);
  }

  /** Of the first `count` partitions more is durable, or something is gone. Hot: once per block. */
  handleChanged(states: readonly (PartitionState | undefined)[], count: number): void {
    this.#waiters.handleChanged(states, count);
  }

  fail(error: Error): void {
    this.#waiters.fail(error);
  }

  /** From the next `release` on nothing is freed until the result is called. */
  keepSegments(): () => void {
    this.#keepers++;
    return () => { this.#keepers--; };
  }

  /** Whether nothing is freed now, though it could be. */
  get keepsSegments(): boolean {
    return this.#keepers > 0;
  }

  /**
   * Frees segments at the head that hold nothing live, and returns their indexes; `onFree` gets their files once nothing refers to them
   * any more, and whether their records were moved on.
   * `barrier` resolves when everything placed before its call is on stable media, with the highest block of which that is known.
   */
  async release(lane: ReleasingLane, barrier: () => Promise<number>, onFree: (path: string, isMoved: boolean) => Promise<void>): Promise<SegmentIndex[]> {
    const free = this.keepsSegments ? [] : await this.#deadAtHead(lane);
    if (free.length === 0) return free;
    const movedUpTo = this.#movedUpTo;
    // 1. a trim is placed, not durable, and makes a segment dead; 2. the segment is freed; 3. power fails, the trim is
    // gone and its records are missed. So every trim that counted is durable first, and every copy of a moved record.
    const horizon = await barrier();
    const firstKept = this.#ids[free.length] as number;
    // 1. a segment is recycled; 2. power fails before the superblock knows; 3. recovery misses a kept segment and reports
    // damage. So the superblock is durable first.
    // The horizon goes along: 1. the first kept segment begins with a block that no later one covers yet; 2. the others are
    // freed; 3. a reader beside the writer may show nothing of that block, the checkpoint, and so no partition at all.
    await this.#settings.updateSuperblock({ firstSegment: firstKept, horizon });
    this.#ids = this.#ids.slice(free.length);
    for (const { segment } of free) {
      this.#sealed.delete(segment);
      this.#unwritten.delete(segment);
      segmentFilesOf(this).forget(segment);
      await this.files.remove(`${this.directory}/${indexName(segment)}`);
      await onFree(`${this.directory}/${segmentName(segment)}`, segment <= movedUpTo);
    }
    if (lane.table.mayForgetTruncations) lane.table.forgetTruncationsBefore(firstKept);
    return free;
  }

  /** Segments from the first on that hold nothing live, and nothing that a kept one needs to be understood. */
  async #deadAtHead({ table, isCheckpointPlaced }: ReleasingLane): Promise<SegmentIndex[]> {
    const dead: SegmentIndex[] = [];
    let count = 0;
    // 1. the lane goes over to a segment, and a full disk leaves no room for its checkpoint; 2. all before it is dead and freed;
    // 3. the process ends: no segment holds the lane's state.
    for (const segment of this.#ids.slice(0, isCheckpointPlaced ? -1 : -2)) {
      // A block may still be on its way into one that is not sealed.
      if (segment > this.#sealedUpTo) break;
      const index = await this.segmentIndex(segment);
      if (!this.#isDead(index, table)) break;
      dead.push(index);
      // 1. a batch begins here and ends in the next segment; 2. this one is freed; 3. recovery meets a group without
      // its beginning and can't tell that it is complete. So both go, or none.
      if (!index.goesOn) count = dead.length;
    }
    return dead.slice(0, count);
  }

  /**
   * Whether every record of the sealed segment is trimmed or truncated away. What is dead stays dead, so the search goes on where the
   * last one found something live: a hundred thousand partitions that are trimmed one by one are walked through once.
   */
  #isDead(index: SegmentIndex, table: PartitionTable): boolean {
    if (index.segment <= this.#movedUpTo) return true;
    const { segment } = index;
    const runs = index.pack();
    if (this.#search?.segment !== segment) this.#search = { segment, dead: 0, moved: stretchesOf(index), movedDead: 0 };
    const search = this.#search;
    for (; search.dead < runs.size; search.dead++) {
      if (isRunLive(table.byId(runs.keyAt(search.dead)), segment, runs.at(search.dead), false)) return false;
    }
    for (let next = search.moved[search.movedDead]; next !== undefined; next = search.moved[++search.movedDead]) {
      if (isRunLive(table.byId(next.id), segment, next.stretch, true)) return false;
    }
    return true;
  }

  async close(): Promise<void> {
    this.#waiters.fail(new RingwallError("RINGWALL_CLOSED", "the log was closed while waiting", { place: { path: this.directory } }));
    await segmentFilesOf(this).close();
  }
}

const never = (): boolean => false;

/** What a release goes by. */
interface ReleasingLane {
  readonly table: PartitionTable;
  /** The current segment has its checkpoint, in blocks that the barrier waits for. */
  readonly isCheckpointPlaced: boolean;
}

/** How many runs of a segment, from the first on, are known to be dead. */
interface DeadSearch {
  readonly segment: number;
  dead: number;
  readonly moved: readonly { readonly id: number; readonly stretch: PartitionRun }[];
  movedDead: number;
}

function stretchesOf({ moved }: SegmentIndex): DeadSearch["moved"] {
  return [...moved].flatMap(([id, stretches]) => stretches.map((stretch) => ({ id, stretch })));
}

function isRunLive(state: PartitionState | undefined, segment: number, run: PartitionRun, isMoved: boolean): boolean {
  return state !== undefined && lastLive(state, segment, run.lastSequence, isMoved) >= state.firstSequence;
}
