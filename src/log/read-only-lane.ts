// A lane opened for reading only, maybe beside a writer in another process. Takes no lock and writes nothing.
//
// What it may show is what recovery accepts: beside a live writer that is what some later block's horizon covers.
// It looks again, by scanning what is new, when a tail waits.

import { RingwallError } from "../base/errors.js";
import { PartitionTable, type PartitionState } from "../core/partition-table.js";
import { isNameLost } from "../core/own-names.js";
import type { SegmentIndex } from "../core/segment-index.js";
import type { Kernels } from "../format/kernels.js";
import { loadSegmentIndex } from "../recovery/load-segment-index.js";
import type { RecoveredLane } from "../recovery/recovered-lane.js";
import type { Storage } from "../storage/storage.js";
import { DurableWaiters } from "./durable-waiters.js";
import type { ReadSource } from "./read-source.js";
import { segmentFilesOf } from "./segment-files.js";

const pollMsMin = 25;
const failedLooksMax = 5;
/** A look may take at most this share of the time between two. */
const pollShare = 8;

export interface ReadOnlyLaneOptions {
  readonly lane: number;
  readonly directory: string;
  readonly uuid: Uint8Array;
  readonly alignment: number;
  readonly kernels: Kernels;
  readonly storage: Storage;
  /** Recovers the lane anew. */
  readonly look: () => Promise<RecoveredLane>;
  /** No writer was at work since the last look, nor during it. */
  readonly isUnchanged: () => Promise<boolean>;
  readonly recovered: RecoveredLane;
}

export class ReadOnlyLane implements ReadSource {
  readonly lane: number;
  readonly directory: string;
  readonly uuid: Uint8Array;
  readonly alignment: number;
  readonly kernels: Kernels;
  readonly files: Storage["files"];
  readonly table = new PartitionTable();
  readonly #options: ReadOnlyLaneOptions;
  readonly #waiters = new DurableWaiters();
  /** Partitions that were listed under a stand-in for their name: whoever holds one reads on. */
  readonly #renamed = new Set<PartitionState>();
  #recovered: RecoveredLane;
  #indexes = new Map<number, SegmentIndex>();
  #ids: readonly number[] = [];
  #polling = false;
  #failedLooks = 0;
  #closed = false;

  constructor(options: ReadOnlyLaneOptions) {
    const { lane, directory, uuid, alignment, kernels, storage } = options;
    this.lane = lane;
    this.directory = directory;
    this.uuid = uuid;
    this.alignment = alignment;
    this.kernels = kernels;
    this.files = storage.files;
    this.#options = options;
    this.#recovered = options.recovered;
    this.#take(options.recovered);
  }

  get report(): RecoveredLane["report"] {
    return this.#recovered.report;
  }

  get segmentIds(): readonly number[] {
    return this.#ids;
  }

  async segmentIndex(segment: number): Promise<SegmentIndex> {
    const known = this.#indexes.get(segment);
    if (known !== undefined) return known;
    const { directory, lane, uuid, alignment, kernels, files } = this;
    const index = await loadSegmentIndex({ files, directory, lane, uuid, alignment, kernels, segment });
    this.#indexes.set(segment, index);
    return index;
  }

  durableBeyond(state: PartitionState, sequence: number, signal: AbortSignal | undefined): Promise<void> {
    const wait = this.#waiters.wait(state, sequence, signal);
    this.#poll(pollMsMin);
    return wait;
  }

  async lookAgain(): Promise<boolean> {
    // Else every loss of a damaged log would cost some recoveries.
    if (await this.#options.isUnchanged()) return false;
    this.#take(await this.#options.look());
    return true;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#waiters.fail(new RingwallError("RINGWALL_CLOSED", "the log was closed while waiting", { place: { path: this.directory } }));
    await segmentFilesOf(this).close();
  }

  #poll(ms: number): void {
    if (this.#polling || this.#closed || this.#waiters.size === 0) return;
    this.#polling = true;
    this.#options.storage.clock.after(ms, () => {
      const began = performance.now();
      this.#options.look().then(
        (recovered) => {
          this.#polling = false;
          if (this.#closed) return;
          this.#failedLooks = 0;
          this.#take(recovered);
          this.#waiters.notify();
          this.#poll(Math.max(pollMsMin, (performance.now() - began) * pollShare));
        },
        (error: unknown) => {
          this.#polling = false;
          this.#failedLooks++;
          // A look can meet files that the writer is just moving; one that fails again and again is a failure.
          if (this.#failedLooks >= failedLooksMax) this.#waiters.fail(error as Error);
          else this.#poll(pollMsMin);
        },
      );
    }, true);
  }

  /** States are updated in place: readers hold them. */
  #take(recovered: RecoveredLane): void {
    this.#recovered = recovered;
    this.#ids = recovered.segments.map(({ segment }) => segment);
    this.#indexes = new Map(recovered.segments.flatMap(({ segment, index }) => (index === null ? [] : [[segment, index] as const])));
    for (const fresh of recovered.table) copyState(fresh, this.#stateOf(fresh));
    for (const state of this.#renamed) {
      const fresh = recovered.table.byId(state.id);
      if (fresh !== undefined) copyState(fresh, state);
    }
  }

  /**
   * By id: names can be lost, and found again.
   * 1. the definitions of partitions 1 and 2 are damaged, and stand-ins are listed for their names; 2. the writer rotates:
   * the checkpoint names both; 3. were "b", whose id is 2, taken for a new partition, it would be read as partition 3.
   */
  #stateOf(fresh: PartitionState): PartitionState {
    const known = this.table.byId(fresh.id);
    if (known !== undefined && (known.name === fresh.name || isNameLost(fresh.name))) return known;
    const state = this.table.byName(fresh.name) ?? this.table.reserve(fresh.name);
    this.table.placeId(state, fresh.id);
    this.#renamed.delete(state);
    if (known !== undefined) this.#renamed.add(known);
    return state;
  }
}

function copyState(from: PartitionState, to: PartitionState): void {
  to.firstSequence = from.firstSequence;
  to.lastSequence = from.lastSequence;
  to.placedSequence = from.placedSequence;
  to.durableSequence = from.durableSequence;
  to.truncations = from.truncations;
}
