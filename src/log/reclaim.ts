// Moves live records out of the oldest segments, so that segments go although something in them is never trimmed.
//
//   due? → choose segments at the head → tell the owner → read their live records → place copies at the tail → release
//
// Owns when that happens, how much at a time and how fast, and how much writers may append meanwhile: while more is used than is promised
// they wait. It reads as any reader does, and so never moves a byte that it has not
// verified; copies go through the lane's queue; a segment is freed by the lane's release and by nothing else, once the copies are durable.
// It must never run beside itself.

import { RingwallError } from "../base/errors.js";
import { LiveBytes, runsOf } from "../core/live-bytes.js";
import { lastLive } from "../core/living-segment.js";
import { isHiddenName } from "../core/own-names.js";
import type { PartitionState, PartitionTable } from "../core/partition-table.js";
import type { SegmentIndex } from "../core/segment-index.js";
import { merged, without, type SequenceRange } from "../core/sequence-ranges.js";
import { truncationSince } from "../core/truncations.js";
import type { Truncation } from "../format/checkpoint.js";
import { inTurns } from "../storage/in-turns.js";
import type { LogRecord } from "./block-cursor.js";
import type { LaneSettings } from "./lane-settings.js";
import { LiveSweep, movedPayload, type SweptRecord } from "./live-sweep.js";
import type { MovedItem } from "./operation.js";
import type { ReclaimEvent } from "./options.js";
import type { LostRecords } from "./read-errors.js";
import { ReadWalk } from "./read-walk.js";
import { askOwner, tellOwner } from "./reclaim-owner.js";
import type { SegmentShelf } from "./segment-shelf.js";
import { WriterAllowance, type HeldLane } from "./writer-allowance.js";

/** What it needs of its lane. */
export interface ReclaimLane extends HeldLane {
  readonly settings: LaneSettings;
  readonly shelf: SegmentShelf;
  readonly table: PartitionTable;
  readonly state: { readonly kind: string };
  /** Resolves once all of them are placed, or were found dead, with the bytes that were placed. */
  moveOn(items: readonly MovedItem[]): Promise<number>;
  /** Frees what is dead at the head. */
  releaseDead(): Promise<void>;
  handleFailure(error: unknown): void;
}

/** Kept besides what the factor allows: a log of a few segments is not worth moving. */
const segmentsBeside = 2;
/**
 * Beyond so many, besides what the factor allows, nothing but copies is written: two by the rule, the one that fills, and two for what
 * writers append until the first segments go.
 */
const segmentsBesideMax = 5;
/** One fills, and one waits to be sealed: that is as it should be. */
const uncountedMax = 2;
/** Moved in a second where writers append less than brings as much to move, unless something else was asked for. */
const idleBytesPerSecond = 64 * 1024 * 1024;
/** Copies are placed so many bytes at a time: writers come in between. */
const chunkBytes = 256 * 1024;

/** What of a partition is to be moved, and the truncations that were known when that was looked up. */
interface Portion {
  ranges: SequenceRange[];
  readonly truncations: readonly Truncation[];
}

interface Round {
  readonly segments: readonly number[];
  readonly portions: ReadonlyMap<PartitionState, Portion>;
}

/** Records that can't be read, and the truncations that were known when that was found out. */
interface InTheWay {
  readonly state: PartitionState;
  readonly lost: LostRecords;
  readonly truncations: readonly Truncation[];
}

export class Reclaim {
  readonly #lane: ReclaimLane;
  readonly #bytes = new LiveBytes();
  #isLoaded: boolean;
  #running: Promise<void> | null = null;
  /** Something happened while it ran. */
  #isAskedAgain = false;
  #isStopping = false;
  /** The head segment that can't be moved, and the records in the way; null: its index. */
  #stopped: { readonly segment: number; readonly inTheWay: InTheWay | null } | null = null;
  readonly #allowance: WriterAllowance;
  /**
   * While records are moved: of segments up to `last`, so many bytes by now. And what lived when that began, for a copy and its original
   * count both.
   */
  #moving: { readonly last: number; readonly live: number; moved: number } | null = null;
  /** When writers were last told what they may append. */
  #segmentsKept = 0;
  /** Writers have had their time since copies were placed last. Never rejects. */
  #left: Promise<void> = Promise.resolve();
  /** Each ends a wait under way: writers may still have their time from a round that failed while the owner of the next one is asked. */
  readonly #wakes = new Set<() => void>();
  /** What a round has just met. */
  #inTheWay: InTheWay | null = null;

  constructor(lane: ReclaimLane) {
    this.#lane = lane;
    this.#allowance = new WriterAllowance(lane);
    this.#isLoaded = lane.shelf.sealedUpTo === 0;
  }

  /** Others have turns meanwhile, until it `isUrgent`. */
  async handleSealed(index: SegmentIndex, isUrgent: () => boolean): Promise<void> {
    await inTurns(this.#lane.settings.storage.clock, isUrgent)(this.#bytes.add(index, this.#lane.table));
    this.#allow();
    this.check();
  }

  handleTrim(state: PartitionState): void {
    this.#bytes.handleTrim(state);
  }

  handleTruncate(state: PartitionState): void {
    this.#bytes.handleTruncate(state);
    this.check();
  }

  handleDrop(state: PartitionState): void {
    this.#bytes.handleDrop(state);
    this.check();
  }

  handleFreed(index: SegmentIndex): void {
    this.#bytes.forget(index);
  }

  /** A block of the lane takes no more. Hot: once a block. */
  handleBlock(): void {
    if (this.#lane.shelf.segmentIds.length === this.#segmentsKept) this.#allowance.look();
    else this.#allow();
  }

  /** Begins when it is due. */
  check(): void {
    if (this.#running !== null) {
      this.#isAskedAgain = true;
      return;
    }
    if (!this.#isPossible() || (this.#isLoaded && !this.#isDue())) return;
    this.#running = this.#run().finally(() => {
      this.#running = null;
      if (!this.#isAskedAgain) return;
      this.#isAskedAgain = false;
      this.check();
    });
  }

  /** Begins nothing more; resolves when nothing is under way. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#allow();
    for (const wake of this.#wakes) wake();
    await this.#running;
  }

  /** Cheap, and false for most logs: nothing is counted before there is something to gain. */
  #isPossible(): boolean {
    const { shelf, state } = this.#lane;
    if (state.kind !== "open" || this.#isStopping || this.#isStopped()) return false;
    // A backup keeps all segments until it ends, and then has the lane look.
    return !shelf.keepsSegments && shelf.segmentIds.length > segmentsBeside + 1;
  }

  /** What is damaged can't be moved, and is never freed: nothing behind it can go before the owner trims it. */
  #isStopped(): boolean {
    const stopped = this.#stopped;
    if (stopped === null) return false;
    const { shelf, stats } = this.#lane;
    const { segment, inTheWay } = stopped;
    const isLive = inTheWay === null || isInTheWay(inTheWay);
    if (isLive && (shelf.segmentIds[0] ?? 0) <= segment) return true;
    this.#stopped = null;
    stats.reclaimStoppedAt = 0;
    return false;
  }

  #isDue(): boolean {
    return this.#surplusBytes() > 0;
  }

  /** What is used beyond what the factor allows. */
  #surplusBytes(): number {
    const { used, live } = this.#bytes;
    const { reclaim, segmentBytes } = this.#lane.settings;
    return used - (reclaim?.factor ?? 0) * live - segmentsBeside * segmentBytes;
  }

  /** What may be used until writers have to wait: of all segments, those that fill or wait to be sealed too. */
  #roomBytes(): number {
    const { used } = this.#bytes;
    const { reclaim, segmentBytes } = this.#lane.settings;
    const live = Math.min(this.#bytes.live, this.#moving?.live ?? this.#bytes.live);
    return (reclaim?.factor ?? 0) * live + (segmentsBesideMax - this.#uncounted) * segmentBytes - used;
  }

  /** The segment that fills, and those that wait to be sealed. */
  get #uncounted(): number {
    return this.#lane.shelf.segmentIds.length - this.#bytes.count;
  }

  /**
   * What writers may append until the next chunk is placed: with what it takes for all that has to be moved, they never use more than is
   * promised. `bytesPerSecond` holds up to there, not beyond. They wait for sealing, too, but not for what may never come: damage to be
   * trimmed, a backup to end, the owner to answer.
   */
  #allow(): void {
    const { settings: { reclaim }, shelf } = this.#lane;
    this.#segmentsKept = shelf.segmentIds.length;
    const room = this.#roomBytes();
    if (!this.#isLoaded || !this.#isPossible()) this.#allowance.lift();
    else if (room <= 0) {
      // One that runs is not asked to begin again at once: what it can't move now it would not move then either.
      if (this.#running === null) this.check();
      if (this.#moving !== null || this.#uncounted > uncountedMax) this.#allowance.give(0);
      else this.#allowance.lift();
    } else if (this.#moving === null || reclaim?.bytesPerSecond !== undefined) this.#allowance.lift();
    else this.#allowance.give(Math.min(room, this.#bytes.pace(room, this.#moving) * chunkBytes));
  }

  async #run(): Promise<void> {
    try {
      await this.#load();
      while (this.#isPossible() && this.#isDue()) {
        const segments = this.#chooseSegments();
        if (segments.length === 0) return;
        if (this.#lane.settings.reclaim?.onReclaim !== undefined) {
          // It may append, and wait for that.
          this.#moving = null;
          this.#allowance.lift();
          await this.#announce(await this.#roundOf(segments));
          // The owner may have trimmed: then there may be less to move, or nothing.
          if (!this.#isPossible() || !this.#isDue() || this.#lane.shelf.segmentIds[0] !== segments[0]) continue;
        }
        const last = segments[segments.length - 1] as number;
        this.#moving = { last, live: this.#bytes.live, moved: 0 };
        this.#allow();
        if (!(await this.#move(await this.#roundOf(segments)))) return;
        this.#lane.shelf.handleMoved(last);
        await this.#lane.releaseDead();
        // A backup has begun, and keeps them for now. The copies count at the next look.
        if (this.#lane.shelf.segmentIds[0] === segments[0]) return;
      }
    } catch (error) {
      this.#handleFailure(error);
    } finally {
      // What could not be moved now is not tried again at once: the next segment that fills or is sealed looks.
      this.#moving = null;
      this.#allowance.lift();
    }
  }

  /** Damage stops it at the head segment; whatever else there is the lane knows, and the next check tries again. */
  #handleFailure(error: unknown): void {
    if (!(error instanceof RingwallError)) return this.#lane.handleFailure(error);
    if (error.code !== "RINGWALL_DAMAGED") return;
    const { stats, shelf, settings } = this.#lane;
    const inTheWay = this.#inTheWay;
    this.#inTheWay = null;
    const at = error.place.segment;
    // What was placed meanwhile may have taken it away, or its segment is freed.
    if (inTheWay === null ? at !== undefined && !shelf.segmentIds.includes(at) : !isInTheWay(inTheWay)) return;
    const segment = shelf.segmentIds[0] ?? 0;
    stats.reclaimStoppedAt = segment;
    this.#stopped = { segment, inTheWay };
    tellOwner(settings.reclaim?.onStopped, error);
  }

  /** Segments that were there when the log was opened are counted when it is first asked for. */
  async #load(): Promise<void> {
    if (this.#isLoaded) return;
    const { shelf, table, settings } = this.#lane;
    const run = inTurns(settings.storage.clock, () => this.#isStopping);
    for (const segment of shelf.segmentIds) {
      if (segment > shelf.sealedUpTo) break;
      if (!shelf.segmentIds.includes(segment)) continue;
      const index = await shelf.segmentIndex(segment);
      // It may have been freed meanwhile.
      if (shelf.segmentIds.includes(segment)) await run(this.#bytes.add(index, table));
    }
    this.#isLoaded = true;
  }

  /**
   * Segments from the head on that bring back what is used too much, with about one segment of live records at most. No more than that:
   * of what is not read and moved now, some dies by itself.
   */
  #chooseSegments(): number[] {
    const { shelf, settings } = this.#lane;
    const chosen: number[] = [];
    let count = 0;
    let live = 0;
    let freed = 0;
    const surplus = this.#surplusBytes();
    for (const segment of shelf.segmentIds) {
      const bytes = this.#bytes.segment(segment);
      if (segment > shelf.sealedUpTo || bytes === undefined) break;
      live += bytes.live;
      if (count > 0 && (live > settings.segmentBytes || freed >= surplus)) break;
      freed += bytes.used - bytes.live;
      chosen.push(segment);
      // A group that goes on in the next segment goes with it.
      if (!bytes.goesOn) count = chosen.length;
    }
    return chosen.slice(0, count);
  }

  /** The live records of the segments that have no copy behind them. */
  async #roundOf(segments: readonly number[]): Promise<Round> {
    const { shelf, table } = this.#lane;
    const last = segments[segments.length - 1] as number;
    const portions = new Map<PartitionState, Portion>();
    for (const segment of segments) {
      if (!shelf.segmentIds.includes(segment)) continue;
      const index = await shelf.segmentIndex(segment);
      for (const { id, run, isMoved } of runsOf(index)) {
        const state = table.byId(id);
        if (state === undefined || run.firstSequence === 0) continue;
        const range = { first: Math.max(run.firstSequence, state.firstSequence), last: lastLive(state, segment, run.lastSequence, isMoved) };
        if (range.first > range.last) continue;
        const known = portions.get(state);
        if (known === undefined) portions.set(state, { ranges: [range], truncations: state.truncations });
        else known.ranges.push(range);
      }
    }
    const copied = await this.#copiesBehind(last);
    for (const [state, portion] of portions) portion.ranges = without(merged(portion.ranges), merged(copied.get(state.id) ?? []));
    return { segments, portions };
  }

  /**
   * Copies behind the chosen segments, from a round that a crash or a full disk ended: they count, or each crash would leave more of them.
   */
  async #copiesBehind(last: number): Promise<Map<number, SequenceRange[]>> {
    const { shelf, table } = this.#lane;
    const copied = new Map<number, SequenceRange[]>();
    for (const segment of shelf.segmentIds) {
      if (segment <= last) continue;
      const index = await shelf.segmentIndex(segment);
      for (const [id, stretches] of index.moved) {
        const state = table.byId(id);
        if (state === undefined) continue;
        const known = copied.get(id) ?? [];
        for (const run of stretches) known.push({ first: run.firstSequence, last: lastLive(state, segment, run.lastSequence, true) });
        copied.set(id, known);
      }
    }
    return copied;
  }

  /** Lets the owner trim first. */
  async #announce({ segments, portions }: Round): Promise<void> {
    const { settings } = this.#lane;
    const onReclaim = settings.reclaim?.onReclaim;
    const partitions: ReclaimEvent["partitions"][number][] = [];
    for (const [state, { ranges }] of portions) {
      const [first] = ranges;
      const last = ranges[ranges.length - 1];
      // Hidden partitions are the log's own to trim.
      if (first === undefined || last === undefined || isHiddenName(state.name)) continue;
      const bytes = this.#bytes.bytesOf(state.id, segments);
      partitions.push({ name: state.name, firstSeq: first.first, lastSeq: last.last, bytes: Math.ceil(bytes) });
    }
    if (partitions.length === 0 || onReclaim === undefined) return;
    // Whatever becomes of the call, the records are moved.
    const answered = askOwner(onReclaim, { lane: settings.lane, partitions });
    await this.#wait((end) => { void answered.then(end); });
    if (!this.#isStopping) await this.#lane.releaseDead();
  }

  /** Places copies of the records that are live when their turn comes. False when the lane ended meanwhile. */
  async #move({ segments, portions }: Round): Promise<boolean> {
    let items: MovedItem[] = [];
    let bytes = 0;
    for await (const records of this.#wantedRecords({ segments, portions })) {
      if (this.#isStopping) return false;
      for (const { state, sequence, payload } of records) {
        items.push({ state, sequence, payload, truncations: (portions.get(state) as Portion).truncations });
        bytes += payload.length;
        if (bytes < chunkBytes) continue;
        if (!(await this.#place(items))) return false;
        items = [];
        bytes = 0;
      }
    }
    if (items.length > 0) await this.#place(items);
    await this.#left;
    return !this.#isStopping;
  }

  /** First what a sweep over the segments finds; then, by readers, what it left: they find it, or say what is damaged. */
  async *#wantedRecords({ segments, portions }: Round): AsyncGenerator<readonly SweptRecord[], void> {
    const { shelf } = this.#lane;
    const sweep = new LiveSweep(shelf, portions);
    for (const segment of segments) {
      // What dies meanwhile need not be read.
      if (shelf.segmentIds.includes(segment)) yield* sweep.recordsOf(await shelf.segmentIndex(segment), () => (this.#bytes.segment(segment)?.live ?? 0) >= 1);
    }
    for (const state of portions.keys()) {
      for (const range of sweep.left(state)) {
        for await (const records of this.#recordsOf(state, range)) {
          yield records.map(({ seq, time, data }) => ({ state, sequence: seq, payload: movedPayload(time, data) }));
        }
      }
    }
  }

  async #place(items: readonly MovedItem[]): Promise<boolean> {
    await this.#left;
    if (this.#isStopping) return false;
    const bytes = await this.#lane.moveOn(items);
    if (this.#moving !== null) this.#moving.moved += bytes;
    this.#allow();
    // More is read meanwhile.
    this.#left = this.#leaveTo(bytes);
    return !this.#isStopping;
  }

  /** Writers come first: for as long as `bytesPerSecond` says or an idle disk takes, but once they have appended what they may. */
  async #leaveTo(bytesMoved: number): Promise<void> {
    const { clock } = this.#lane.settings.storage;
    const millis = (bytesMoved * 1000) / (this.#lane.settings.reclaim?.bytesPerSecond ?? idleBytesPerSecond);
    let cancel = (): void => undefined;
    await this.#wait((end) => {
      cancel = clock.after(millis, end);
      this.#allowance.whenUsedUp(end);
    });
    cancel();
  }

  /** What is left of the range, in order. */
  async *#recordsOf(state: PartitionState, range: SequenceRange): AsyncGenerator<readonly LogRecord[], void> {
    let first = range.first;
    while (first <= range.last) {
      first = Math.max(first, state.firstSequence);
      if (first > range.last) return;
      const walk = new ReadWalk(this.#lane.shelf, state, { from: first, to: range.last, limit: range.last - first + 1, isTail: false });
      try {
        for (;;) {
          const records = await walk.next();
          if (records.length === 0) return;
          yield records;
          first = walk.expected;
        }
      } catch (error) {
        if (error instanceof RingwallError && error.code === "RINGWALL_DROPPED") return;
        // Truncated below: what is written there anew lies further on. Trimmed: the rest may be there.
        if (error instanceof RingwallError && error.code === "RINGWALL_NOT_FOUND") return;
        if (error instanceof RingwallError && error.code === "RINGWALL_TRIMMED") continue;
        const lost = error instanceof RingwallError ? lostOf(error) : undefined;
        // Not by its name, which another partition may have by now; nor with truncations that came since it was read.
        if (lost !== undefined) this.#inTheWay = { state, lost, truncations: walk.truncations };
        throw error;
      } finally {
        await walk.close();
      }
    }
  }

  /** Until what is begun ends, or `stop` is called. */
  async #wait(begin: (end: () => void) => void): Promise<void> {
    if (this.#isStopping) return;
    let wake = (): void => undefined;
    await new Promise<void>((resolve) => {
      wake = resolve;
      this.#wakes.add(wake);
      begin(wake);
    });
    this.#wakes.delete(wake);
  }
}

/** Whether nothing that is placed has taken the records away. What only waits for space has not, and may have to wait for a check's end. */
function isInTheWay({ state, lost, truncations }: InTheWay): boolean {
  return state.life !== "dropped" && state.firstSequence <= lost.lastSequence && truncationSince(state.truncations, truncations, lost.firstSequence) === null;
}

function lostOf({ details }: RingwallError): LostRecords | undefined {
  return typeof details === "object" && details !== null && "lastSequence" in details ? (details as LostRecords) : undefined;
}
