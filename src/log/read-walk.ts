// The walk of one reader through a lane: from segment to segment, window to window.
//
// Owns: the file on loan, the window being read and the one read ahead. `next` gives the records of one window at most.
// Invariant: between the last check of trim, truncation and durability and the return of records nothing is awaited,
// so what is returned holds at that moment. Not reentrant: RecordBatches calls one operation after the other.

import { RingwallError } from "../base/errors.js";
import type { PartitionState } from "../core/partition-table.js";
import { lastLive } from "../core/living-segment.js";
import type { SegmentIndex } from "../core/segment-index.js";
import { emptyRun, type PartitionRun } from "../core/segment-runs.js";
import { truncationSince } from "../core/truncations.js";
import type { Truncation } from "../format/checkpoint.js";
import { BlockCursor, type CursorOutcome, type LogRecord } from "./block-cursor.js";
import { damagedError, droppedError, trimmedError, truncatedError } from "./read-errors.js";
import { findMoved, findRecord, firstNamedAbove, type RecordHome } from "./read-place.js";
import { ReadPlan, type Stretch } from "./read-plan.js";
import type { ReadSource } from "./read-source.js";
import { loadWindow, type Window } from "./read-window.js";
import { segmentFilesOf, type SegmentFile } from "./segment-files.js";

/** Enough to hide the cost of a call, small enough to stay in the processor's cache. */
const looksMax = 3;
const windowBytesMax = 1024 * 1024;
/** Short reads should not pay for long ones: windows double from here. */
const windowBytesMin = 128 * 1024;
/** Records of a batch at most, so that small records don't hold the event loop for long. */
const batchRecordsMax = 4096;
/** Windows under way besides the one being read: one would leave this thread waiting whenever the read is slower than the parsing. */
const windowsAheadMax = 2;
/** Behind damage, a frame that the window cuts off is waited for this far. */
const damageBytesMax = 1024 * 1024;
/** Read further at least where a record goes on behind a window; and the room in front of one for what the last one left over, to begin with. */
const extensionBytesMin = 32 * 1024;

export interface WalkOptions {
  readonly from: number | undefined;
  /** Undefined: what is durable when the walk begins, or without end for a tail. */
  readonly to: number | undefined;
  readonly limit: number;
  readonly isTail: boolean;
}

/** Contiguous records that were durable and alive while `truncations` were the partition's. */
export interface SharedBatch {
  readonly records: readonly LogRecord[];
  readonly truncations: readonly Truncation[];
}

interface Loaded {
  readonly stretch: Stretch;
  readonly window: Window;
}

interface Visit {
  readonly index: SegmentIndex;
  readonly file: SegmentFile;
  readonly run: PartitionRun | undefined;
  /** Moved records are read here, those of `run`; else fresh ones. */
  readonly isMoved: boolean;
  /** No later record is to be read here. */
  readonly last: number;
  /** The record whose rest is looked for here; 0 for none. */
  readonly continued: number;
}

export class ReadWalk {
  readonly #source: ReadSource;
  readonly #state: PartitionState;
  readonly #options: WalkOptions;
  readonly #cursor: BlockCursor;
  #remaining: number;
  #isStarted = false;
  /** The next record is not where the cursor stands. */
  #isElsewhere = false;
  #to = 0;
  #truncations: readonly Truncation[];
  #visit: Visit | null = null;
  /** The kept segments when the visit was last known to be one of them. */
  #knownIds: readonly number[] = [];
  #plan: ReadPlan | null = null;
  /** Windows under way, in order. */
  readonly #ahead: Promise<Loaded>[] = [];
  #windowBytes = windowBytesMin;
  /** Fresh looks for the sequence that could not be had. */
  #looks = 0;
  #lookedFor = 0;
  #roomBytes: number;

  constructor(source: ReadSource, state: PartitionState, options: WalkOptions) {
    this.#source = source;
    this.#state = state;
    this.#options = options;
    this.#remaining = options.limit;
    this.#roomBytes = options.limit === 1 ? 0 : extensionBytesMin;
    this.#truncations = state.truncations;
    this.#cursor = new BlockCursor(source, state, options.from ?? 0);
  }

  /** The sequence of the next record. */
  get expected(): number {
    return this.#isStarted || this.#options.from !== undefined ? this.#cursor.expected : this.#state.firstSequence;
  }

  /** Those of the partition when the records of the last `next` were looked at. */
  get truncations(): readonly Truncation[] {
    return this.#truncations;
  }

  /** Whether the partition was truncated or dropped since the records of the last `next` were looked at. */
  get isOutdated(): boolean {
    return this.#state.truncations !== this.#truncations || this.#state.life === "dropped";
  }

  /** Whether `to` or `limit` is reached. */
  get isComplete(): boolean {
    return this.#remaining === 0 || (this.#isStarted && this.#cursor.expected > this.#to);
  }

  /** The next records; none when there is nothing durable to read at the moment. */
  async next(): Promise<LogRecord[]> {
    const out: LogRecord[] = [];
    const countMax = Math.min(batchRecordsMax, this.#remaining);
    for (;;) {
      this.#checkState();
      if (this.#isElsewhere) {
        if (out.length > 0) break;
        this.#isElsewhere = false;
        await this.#leave();
        continue;
      }
      const last = Math.min(this.#to, this.#state.durableSequence);
      if (this.#cursor.expected > last || out.length >= countMax) break;
      const visit = this.#visit;
      // 1. a window of a segment is read; 2. the segment is freed, and with it the truncation that hides some of its records; 3. the window shows them.
      if (visit !== null && this.#isGone(visit)) {
        if (out.length > 0) break;
        await this.#leave();
        continue;
      }
      if (visit === null || this.#cursor.expected > this.#segmentLast(visit)) {
        if (out.length > 0) break;
        await this.#enterSegment();
        continue;
      }
      const windowLast = Math.min(last, this.#segmentLast(visit), this.#cursor.window?.limit ?? last);
      const outcome = this.#cursor.collect(out, windowLast, countMax);
      if (outcome.kind === "done" && this.#isWindowGoodFor(last, visit)) continue;
      if (out.length > 0) break;
      if (outcome.kind === "gap") await this.#lose(Math.min(outcome.found - 1, this.#segmentLast(visit)), undefined);
      else await this.#advance(visit, outcome, Math.min(last, this.#segmentLast(visit)));
    }
    this.#remaining -= out.length;
    return out;
  }

  /** Takes the records of the batch from `index` on instead of reading them; null when it does not hold for this walk now. */
  take({ records, truncations }: SharedBatch, index: number): readonly LogRecord[] | null {
    this.#checkState();
    const taken = index === 0 && records.length <= this.#remaining ? records : records.slice(index, index + this.#remaining);
    const last = taken[taken.length - 1]?.seq ?? 0;
    if (this.#state.truncations !== truncations || last < this.#cursor.expected || last > Math.min(this.#to, this.#state.durableSequence)) return null;
    this.#cursor.expected = last + 1;
    this.#remaining -= taken.length;
    this.#isElsewhere = true;
    return taken;
  }

  /** Nothing more is there for now: the window was read to its end, and thousands of tails may wait. */
  rest(): void {
    this.#cursor.dropWindow();
  }

  /** Waits for what is under way and gives the file back. */
  async close(): Promise<void> {
    await this.#leave();
  }

  #checkState(): void {
    const cursor = this.#cursor;
    const state = this.#state;
    if (state.life === "dropped") throw droppedError(this.#source, state);
    if (!this.#isStarted) {
      this.#isStarted = true;
      if (this.#options.from === undefined) cursor.expected = state.firstSequence;
      this.#to = this.#options.to ?? (this.#options.isTail ? Number.MAX_SAFE_INTEGER : state.durableSequence);
    }
    // First of all: who is told of a trim alone goes on behind it with what it has, and some of that may have been truncated.
    const cut = this.takeTruncation();
    if (cut !== null) throw cut;
    if (cursor.expected < state.firstSequence) throw trimmedError(this.#source, state, cursor.expected);
  }

  /** What the caller must be told of truncations that came since this was asked last: they took away what it has; null if they did not. */
  takeTruncation(): RingwallError | null {
    const state = this.#state;
    const cursor = this.#cursor;
    if (state.truncations === this.#truncations) return null;
    const cut = truncationSince(state.truncations, this.#truncations, cursor.expected - 1);
    this.#truncations = state.truncations;
    // What was planned, read and begun may be dead; what was written instead lies elsewhere.
    this.#isElsewhere = true;
    if (cut === null) return null;
    const error = truncatedError(this.#source, state, cursor.expected, cut.after);
    cursor.expected = cut.after + 1;
    return error;
  }

  #isGone(visit: Visit): boolean {
    const { segmentIds } = this.#source;
    if (segmentIds === this.#knownIds) return false;
    this.#knownIds = segmentIds;
    return !segmentIds.includes(visit.index.segment);
  }

  /** Whether `expected` is behind the segment or the end, and not behind what was durable when the window was read. */
  #isWindowGoodFor(last: number, visit: Visit): boolean {
    return this.#cursor.expected > Math.min(last, this.#segmentLast(visit)) || this.#cursor.expected <= (this.#cursor.window?.limit ?? 0);
  }

  /** The last sequence whose live record begins in the segment. */
  #segmentLast(visit: Visit): number {
    if (visit.continued > 0) return visit.continued;
    return visit.run === undefined ? 0 : Math.min(visit.last, lastLive(this.#state, visit.index.segment, visit.run.lastSequence, visit.isMoved));
  }

  async #enterSegment(): Promise<void> {
    const ids = this.#source.segmentIds;
    const truncations = this.#truncations;
    let home: RecordHome | null;
    try {
      home = await findRecord(this.#source, this.#state, this.#cursor.expected);
    } catch (error) {
      this.#checkState();
      // A segment that was freed while it was looked into; the search begins anew without it.
      if (this.#source.segmentIds !== ids || (await this.#looksAgain())) return;
      throw error;
    }
    if (home === null) {
      await this.#leave();
      // Nothing is checked yet since the search began: the record may have been trimmed or truncated meanwhile.
      this.#checkState();
      // 1. the search has passed the last segment; 2. the record is truncated and written anew there; 3. the search ends, and nothing names it.
      if (this.#truncations !== truncations || this.#source.segmentIds !== ids || this.#cursor.expected > this.#state.durableSequence) return;
      const above = await firstNamedAbove(this.#source, this.#state, this.#cursor.expected);
      await this.#lose((above ?? this.#state.durableSequence + 1) - 1, undefined);
      return;
    }
    await this.#enter(home, 0);
  }

  async #enter({ index, run, isMoved, last }: Omit<Visit, "file" | "continued">, continued: number): Promise<void> {
    await this.#dropAhead();
    const previous = this.#visit;
    try {
      const file = await segmentFilesOf(this.#source).acquire(index.segment);
      this.#visit = { index, file, run, isMoved, last, continued };
    } catch (error) {
      if (!(error instanceof RingwallError) || error.code !== "RINGWALL_NOT_FOUND") throw error;
      await this.#leave();
      if (this.#source.segmentIds.includes(index.segment)) {
        await this.#lose(Math.max(this.#cursor.expected, Math.min(run?.lastSequence ?? 0, this.#state.durableSequence)), error);
      }
      return;
    }
    previous?.file.release();
    this.#plan = null;
    this.#cursor.enter(index, isMoved, continued > 0);
  }

  /** Brings the next window, or the next segment when the record goes on there. */
  async #advance(visit: Visit, outcome: CursorOutcome, last: number): Promise<void> {
    const cursor = this.#cursor;
    if (this.#plan === null || outcome.kind === "done" || cursor.expected > this.#plan.last) {
      await this.#dropAhead();
      this.#makePlan(visit, last);
    }
    const next = await this.#nextLoaded(visit);
    const window = cursor.window;
    if (next !== null && (next.stretch.jump === null || next.stretch.start === window?.end)) {
      if (outcome.kind === "partial" && !outcome.isSure && window !== null && window.end - cursor.position > damageBytesMax) cursor.skipWindow();
      this.#take(visit, next);
      return;
    }
    if (this.#mustExtend(outcome, next, visit)) {
      if (next !== null) this.#ahead.unshift(Promise.resolve(next));
      await this.#extend(visit, outcome, next);
    } else if (next !== null) this.#take(visit, next);
    else if (cursor.isInsideRecord) await this.#enterFollowing(visit);
    else await this.#lose(last, undefined);
  }

  /** Its first stretch is to be taken in the same turn: a truncation may take away the entry at which that begins. */
  #makePlan(visit: Visit, last: number): void {
    this.#cursor.dropWindow();
    const { position, expected } = this.#cursor;
    // Where only the rest of a record lies there is no entry for it: the walk extends from the first block on.
    const run = visit.continued > 0 || visit.run === undefined ? emptyRun : visit.run;
    this.#plan = new ReadPlan({ run, position, first: expected, last, endOffset: visit.index.endOffset, isDamaged: this.#source.isDamaged });
  }

  /** Whether to read on behind the window although the plan jumps, or is at its end. */
  #mustExtend(outcome: CursorOutcome, next: Loaded | null, visit: Visit): boolean {
    const cursor = this.#cursor;
    if ((cursor.window?.end ?? cursor.position) >= visit.index.endOffset) return false;
    if (cursor.isInsideRecord) return true;
    if (outcome.kind !== "partial" || cursor.window === null) return false;
    if (next !== null && cursor.expected >= (next.stretch.jump?.sequence ?? 0)) return false;
    return outcome.isSure || cursor.window.end - cursor.position <= damageBytesMax;
  }

  async #extend(visit: Visit, outcome: CursorOutcome, next: Loaded | null): Promise<void> {
    const cursor = this.#cursor;
    const start = cursor.window?.end ?? cursor.position;
    const wanted = Math.max(outcome.kind === "partial" ? outcome.end : 0, start + (cursor.isInsideRecord ? this.#windowBytes : extensionBytesMin));
    const end = Math.min(wanted, visit.index.endOffset, next === null ? Number.POSITIVE_INFINITY : next.stretch.start);
    cursor.take(await this.#load(visit, start, end), false);
  }

  async #enterFollowing(visit: Visit): Promise<void> {
    const following = this.#source.segmentIds.find((segment) => segment > visit.index.segment);
    if (following === undefined) await this.#lose(this.#cursor.expected, undefined);
    else await this.#enter({ index: await this.#source.segmentIndex(following), run: undefined, isMoved: visit.isMoved, last: visit.last }, this.#cursor.expected);
  }

  #take(visit: Visit, next: Loaded): void {
    const isJoined = next.stretch.jump === null || next.stretch.start === this.#cursor.window?.end;
    const leftBytes = isJoined && this.#cursor.window !== null ? this.#cursor.window.end - this.#cursor.position : 0;
    this.#roomBytes = Math.max(this.#roomBytes, Math.min(windowBytesMax, 2 * leftBytes));
    this.#cursor.take(next.window, !isJoined);
    // Someone who wants a few records should not pay for many: ahead only from the second window on.
    const aheadMax = this.#windowBytes > windowBytesMin ? windowsAheadMax : 0;
    this.#windowBytes = Math.min(windowBytesMax, 2 * this.#windowBytes);
    while (this.#ahead.length < aheadMax) {
      const ahead = this.#loadNext(visit, this.#windowBytes);
      if (ahead === null) break;
      // Whoever takes it meets its error; until then it must not count as unhandled.
      ahead.catch(() => undefined);
      this.#ahead.push(ahead);
    }
  }

  async #nextLoaded(visit: Visit): Promise<Loaded | null> {
    const ahead = this.#ahead.shift();
    if (ahead !== undefined) return ahead;
    return this.#loadNext(visit, this.#windowBytes);
  }

  #loadNext(visit: Visit, bytesMax: number): Promise<Loaded> | null {
    const stretch = this.#plan?.next(bytesMax) ?? null;
    return stretch === null ? null : this.#load(visit, stretch.start, stretch.end).then((window) => ({ stretch, window }));
  }

  #load(visit: Visit, start: number, end: number): Promise<Window> {
    // The first window has nothing in front of it.
    const roomBytes = this.#cursor.window === null ? 0 : this.#roomBytes;
    return loadWindow(visit.file, { start, end, limit: this.#state.durableSequence, roomBytes });
  }

  /** Records from `expected` to `last` are not to be had: says why. Returns only when looking again may find them elsewhere. */
  async #lose(last: number, cause: unknown): Promise<void> {
    const truncations = this.#truncations;
    this.#checkState();
    // What was looked for was truncated meanwhile, and written anew elsewhere.
    if (this.#truncations !== truncations) return;
    const segment = this.#visit?.index.segment;
    if (segment !== undefined && !this.#source.segmentIds.includes(segment)) {
      await this.#leave();
      return;
    }
    const { expected, stumble } = this.#cursor;
    if (expected > this.#state.durableSequence) return;
    if (await this.#looksAgain()) {
      await this.#leave();
      return;
    }
    if (this.#visit?.isMoved === false && !this.#source.isDamaged) {
      // A record that is damaged where it was appended may have a copy: a crash came before its segment was freed.
      const copy = await findMoved(this.#source, this.#state, expected);
      if (copy !== null) {
        await this.#enter({ ...copy, last: expected }, 0);
        return;
      }
    }
    throw damagedError(this.#source, this.#state, { segment, first: expected, last: Math.max(expected, last), stumble, cause });
  }

  /** A writer in another process may have trimmed and recycled under the read: a few fresh looks tell it from damage. */
  async #looksAgain(): Promise<boolean> {
    const { expected } = this.#cursor;
    if (this.#lookedFor !== expected) this.#looks = 0;
    this.#lookedFor = expected;
    this.#looks++;
    if (this.#looks > looksMax) return false;
    const ids = this.#source.segmentIds;
    // Or somebody else's look has come meanwhile: since then nothing has changed, but since this walk lost its way all may have.
    const isFresh = (await this.#source.lookAgain()) || this.#source.segmentIds !== ids;
    // What a writer has just freed is no sign of damage, however often it does so.
    if (isFresh && this.#source.segmentIds[0] !== ids[0]) this.#looks = 0;
    return isFresh;
  }

  async #dropAhead(): Promise<void> {
    // What they would have brought is not wanted any more, so neither are their errors.
    await Promise.allSettled(this.#ahead.splice(0));
  }

  async #leave(): Promise<void> {
    await this.#dropAhead();
    this.#plan = null;
    this.#visit?.file.release();
    this.#visit = null;
  }
}
