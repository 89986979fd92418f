// A lane opened for reading only, maybe beside a writer in another process. Takes no lock and writes nothing.
//
// What it may show is what recovery accepts: beside a live writer that is what some later block's horizon covers.
// While somebody waits it looks again (look-pace.ts), onward from where the last look stopped (lane-looks.ts).

import { assert } from "../base/assert.js";
import { RingwallError } from "../base/errors.js";
import { PartitionTable, type PartitionState } from "../core/partition-table.js";
import { isNameLost } from "../core/own-names.js";
import type { SegmentIndex } from "../core/segment-index.js";
import type { Kernels } from "../format/kernels.js";
import type { Superblock } from "../format/superblock.js";
import { loadSegmentIndex } from "../recovery/load-segment-index.js";
import type { RecoveredLane } from "../recovery/recovered-lane.js";
import type { Storage } from "../storage/storage.js";
import type { LaneSnapshot } from "./backup/backup.js";
import { DurableWaiters } from "./durable-waiters.js";
import { IndexCache } from "./index-cache.js";
import type { LaneLooks, Look } from "./lane-looks.js";
import { LookPace } from "./look-pace.js";
import type { ReadSource } from "./read-source.js";
import { segmentFilesOf } from "./segment-files.js";
import { WeakNames } from "./weak-names.js";

/** What a look took, so many times, passes before the next: one that recovered the lane anew must not become a habit. */
const anewPauseShare = 8;
const onwardPauseShare = 1;

export interface ReadOnlyLaneOptions {
  readonly lane: number;
  readonly directory: string;
  readonly uuid: Uint8Array;
  readonly alignment: number;
  readonly kernels: Kernels;
  readonly storage: Storage;
  readonly looks: Pick<LaneLooks, "anew" | "onward" | "isUnchanged" | "close" | "superblock" | "lastBlock">;
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
  /** What readers wait for: it becomes the partition once there is one. */
  readonly unborn = new WeakNames<PartitionState>();
  /** How far drops in the table that is followed were taken over. */
  #dropsSeen: { readonly table: PartitionTable | null; readonly drops: number } = { table: null, drops: 0 };
  readonly #options: ReadOnlyLaneOptions;
  readonly #waiters = new DurableWaiters();
  /** Partitions that were listed under a stand-in for their name: whoever holds one reads on. */
  readonly #renamed = new Set<PartitionState>();
  #recovered: RecoveredLane;
  readonly #pace: LookPace;
  /** Of the current segment, which may grow. */
  #current: SegmentIndex | null = null;
  /** Of the others. */
  readonly #indexes = new IndexCache();
  #ids: readonly number[] = [];
  /** Looks and those who ask for one take turns. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: ReadOnlyLaneOptions) {
    const { lane, directory, uuid, alignment, kernels, storage } = options;
    this.lane = lane;
    this.directory = directory;
    this.uuid = uuid;
    this.alignment = alignment;
    this.kernels = kernels;
    this.files = storage.files;
    this.#options = options;
    this.#pace = new LookPace({
      clock: storage.clock,
      watch: (onChange) => storage.files.watch?.(directory, onChange) ?? null,
      isWanted: () => this.#waiters.size > 0,
      look: () => this.#inTurn(() => this.#lookOnward()),
      onFailure: (error) => { this.#waiters.fail(error); },
    });
    this.#recovered = options.recovered;
    this.#take(options.recovered);
  }

  get report(): RecoveredLane["report"] {
    return this.#recovered.report;
  }

  get segmentIds(): readonly number[] {
    return this.#ids;
  }

  get isDamaged(): boolean {
    return this.#recovered.report.verdict === "damaged";
  }

  async segmentIndex(segment: number): Promise<SegmentIndex> {
    const known = this.knownIndex(segment);
    if (known !== undefined) return known;
    const { directory, lane, uuid, alignment, kernels, files } = this;
    const index = await loadSegmentIndex({ files, directory, lane, uuid, alignment, kernels, segment });
    this.#indexes.add(index);
    return index;
  }

  knownIndex(segment: number): SegmentIndex | undefined {
    return segment === this.#current?.segment ? this.#current : this.#indexes.get(segment);
  }

  durableBeyond(state: PartitionState, sequence: number, signal: AbortSignal | undefined): Promise<void> {
    const wait = this.#waiters.wait(state, sequence, signal);
    if (this.#waiters.size > 0) this.#pace.wake();
    return wait;
  }

  async lookAgain(): Promise<boolean> {
    return this.#inTurn(async () => {
      // Else every loss of a damaged log would cost some recoveries.
      if (await this.#options.looks.isUnchanged()) return false;
      this.#take(await this.#options.looks.anew());
      // 1. what was looked for is trimmed, and its segment freed; 2. the lane is recovered as it was before the trim, for the superblock
      // was read before the segment went; 3. the record is still missing. What the superblock calls durable by now tells of the trim.
      await this.#lookOnward();
      this.#waiters.notify();
      return true;
    });
  }

  /** Looks at the files now. Rejects with RINGWALL_DAMAGED where recovery found damage. */
  async refresh(): Promise<void> {
    await this.#inTurn(() => this.#lookOnward());
    const { report } = this.#recovered;
    if (report.verdict !== "damaged") return;
    throw new RingwallError("RINGWALL_DAMAGED", "acknowledged records are lost: there is no whole state to copy", {
      place: { path: this.directory, lane: this.lane },
      details: report,
      remedy: "`ringwall verify` lists the damage, `ringwall repair` copies what is left.",
    });
  }

  /** What the last look showed. */
  view(): { readonly superblock: Superblock; readonly image: LaneSnapshot } {
    const { superblock, lastBlock } = this.#options.looks;
    const record = superblock?.lanes[this.lane];
    assert(superblock !== null && record !== undefined, "there was a look, and it found the lane");
    return { superblock, image: { directory: this.directory, record, segments: this.#ids, lastBlock } };
  }

  async close(): Promise<void> {
    this.#pace.close();
    this.#waiters.fail(new RingwallError("RINGWALL_CLOSED", "the log was closed while waiting", { place: { path: this.directory } }));
    await this.#turn;
    await this.#options.looks.close();
    await segmentFilesOf(this).close();
  }

  async #lookOnward(): Promise<{ readonly found: boolean; readonly pauseShare: number }> {
    const look = await this.#options.looks.onward();
    if (look.kind === "same") return { found: false, pauseShare: onwardPauseShare };
    const before = this.#recovered.nextBlock;
    if (look.kind === "advanced") this.#advance(look);
    else this.#take(look.recovered);
    this.#waiters.notify();
    if (look.kind === "advanced") return { found: true, pauseShare: onwardPauseShare };
    return { found: look.recovered.nextBlock !== before, pauseShare: anewPauseShare };
  }

  #inTurn<Result>(operation: () => Promise<Result>): Promise<Result> {
    const result = this.#turn.then(operation);
    this.#turn = result.catch(() => undefined);
    return result;
  }

  #advance({ begun, firstSegment }: Extract<Look, { kind: "advanced" }>): void {
    const { follow } = this.#recovered;
    if (follow !== null) this.#dropWhatIsGone(follow.replay.table);
    if (follow !== null) for (const fresh of newOnes(follow.replay.table, this.table)) this.#adopt(fresh, follow.replay.table);
    for (const index of begun) this.#enter(index);
    if (begun.length > 0 || (this.#ids[0] ?? firstSegment) < firstSegment) this.#keep([...this.#ids, ...begun.map(({ segment }) => segment)], firstSegment);
  }

  #enter(index: SegmentIndex): void {
    if (this.#current !== null) this.#indexes.add(this.#current);
    this.#indexes.delete(index.segment);
    this.#current = index;
  }

  #keep(ids: readonly number[], firstSegment: number): void {
    this.#ids = ids.filter((segment) => segment >= firstSegment);
    const kept = new Set(this.#ids);
    this.#indexes.keep(kept);
    for (const segment of ids) if (!kept.has(segment)) segmentFilesOf(this).forget(segment);
    this.#forgetTruncations();
  }

  /** Not before the segments are gone here: what is past hides nothing. */
  #forgetTruncations(): void {
    const [first] = this.#ids;
    if (first !== undefined) this.table.forgetTruncationsBefore(first);
  }

  /** States are updated in place: readers hold them. */
  #take(recovered: RecoveredLane): void {
    this.#recovered = recovered;
    const ids = recovered.segments.map(({ segment }) => segment);
    for (const segment of this.#ids) if (!ids.includes(segment)) segmentFilesOf(this).forget(segment);
    this.#ids = ids;
    this.#indexes.clear();
    this.#current = null;
    for (const { index } of recovered.segments) if (index !== null) this.#enter(index);
    this.#dropWhatIsGone(recovered.table);
    for (const fresh of recovered.table) this.#adopt(fresh, recovered.follow === null ? null : recovered.table);
    for (const state of this.#renamed) {
      const fresh = recovered.table.byId(state.id);
      if (fresh !== undefined) copyState(fresh, state);
    }
    this.#forgetTruncations();
  }

  /** Ids are never given out again: one that has no partition had one, and it was dropped. */
  #dropWhatIsGone(fresh: PartitionTable): void {
    if (fresh === this.#dropsSeen.table && fresh.drops === this.#dropsSeen.drops) return;
    this.#dropsSeen = { table: fresh, drops: fresh.drops };
    for (const state of this.table) if (state.id < fresh.nextId && fresh.byId(state.id) === undefined) this.table.drop(state);
  }

  /** `followed`: the table in which the follower goes on; it must go on with the objects that readers hold. */
  #adopt(fresh: PartitionState, followed: PartitionTable | null): void {
    const state = this.#stateOf(fresh);
    copyState(fresh, state);
    if (followed !== null && state.name === fresh.name) followed.substitute(state);
  }

  /**
   * By id: names can be lost, and found again.
   * 1. the definitions of partitions 1 and 2 are damaged, and stand-ins are listed for their names; 2. the writer rotates:
   * the checkpoint names both; 3. were "b", whose id is 2, taken for a new partition, it would be read as partition 3.
   */
  #stateOf(fresh: PartitionState): PartitionState {
    const known = this.table.byId(fresh.id);
    if (known !== undefined && (known.name === fresh.name || isNameLost(fresh.name))) return known;
    const state = this.table.byName(fresh.name) ?? this.table.reserve(fresh.name, this.unborn.get(fresh.name));
    this.unborn.delete(fresh.name);
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
  to.runSlot = from.runSlot;
  to.runSegment = from.runSegment;
}

/** Partitions of `followed` that came since `known` was brought up to it. */
function* newOnes(followed: PartitionTable, known: PartitionTable): IterableIterator<PartitionState> {
  for (let id = known.nextId; id < followed.nextId; id++) {
    const state = followed.byId(id);
    if (state !== undefined) yield state;
  }
}
