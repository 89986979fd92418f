// Retention in a running log: trims by itself what the limits give up, in the background.
//
// Owns: one pass at a time, over the segments that the schedule (core/retention.ts) names, and the timer up to the next.
// Trims are ordinary ones, many to a block: after a crash some of them are there, and the next pass does the rest. It only
// ever trims what a sealed segment holds, and decides that at the moment at which the trim takes its place in the lane's
// queue. It never keeps a writer waiting for more than the placing of `trimsAtOnce` frames, nor the process alive.

import { RingwallError } from "../base/errors.js";
import type { PartitionState } from "../core/partition-table.js";
import { RetentionRules, RetentionSchedule, type Look, type PartitionRule, type RetentionOption, type SealedSegment } from "../core/retention.js";
import type { SegmentIndex } from "../core/segment-index.js";
import { segmentName } from "../format/names.js";
import { readIndexHeaders } from "../recovery/index-headers.js";
import type { Clock } from "../storage/storage.js";
import type { Lane } from "./lane.js";
import { lastLiveOf, RetentionTotals } from "./retention-totals.js";
import { trimCursors } from "./trim-cursors.js";

export interface LogRetentionOptions {
  readonly retention: RetentionOption;
  readonly lanes: readonly Lane[];
  readonly clock: Clock;
  readonly segmentBytes: number;
}

interface Trim {
  readonly state: PartitionState;
  /** The first that stays. */
  readonly sequence: number;
}

/** Runs of a segment that are looked at, or trims that are placed, before others have their turn. */
const trimsAtOnce = 1024;
/** A clock may leap: it is looked at again by then. */
const sleepMillisMax = 3_600_000;
/** A trim that found no space on a full disk is tried again. */
const retryMillis = 1000;

export class LogRetention {
  /** Names of partitions that were trimmed. */
  onTrimmed: ((names: readonly string[]) => void) | null = null;
  readonly #options: LogRetentionOptions;
  readonly #rules: RetentionRules;
  readonly #schedule: RetentionSchedule;
  readonly #totals: readonly RetentionTotals[];
  /** By partition id, of each lane: names are looked up once. */
  readonly #ruleOf: readonly (PartitionRule | undefined)[][];
  /** Sealed, and not yet known to the schedule. */
  readonly #sealed: { readonly lane: number; readonly index: SegmentIndex }[] = [];
  /** Sealed before the log was opened, and not yet known to the schedule. */
  #old: readonly number[][] = [];
  /** The last of them, of each lane. */
  readonly #lastOld: number[] = [];
  /** Lanes in which something was trimmed since segments were released. */
  readonly #trimmed = new Set<number>();
  #hasBegun = false;
  #failure: Error | null = null;
  #isStopped = false;
  #isDue = false;
  #isWorking = false;
  #work: Promise<void> = Promise.resolve();
  #retryAt = Number.POSITIVE_INFINITY;
  #cancelTimer: (() => void) | null = null;

  constructor(options: LogRetentionOptions) {
    const { retention, lanes, segmentBytes } = options;
    this.#options = options;
    this.#rules = new RetentionRules(retention);
    this.#totals = lanes.map(({ shelf }) => new RetentionTotals(shelf));
    this.#ruleOf = lanes.map(() => []);
    this.#schedule = new RetentionSchedule({
      lanes: lanes.length,
      maxBytes: retention.maxBytes ?? Number.POSITIVE_INFINITY,
      reservedBytes: lanes.length * segmentBytes,
      ages: this.#rules.ages,
      looksAtGrown: this.#rules.limitsPartitions,
    });
  }

  /** The lanes take work from now on. */
  begin(): void {
    this.#old = this.#options.lanes.map(({ shelf }) => shelf.segmentIds.slice(0, -1));
    for (const [lane, its] of this.#options.lanes.entries()) {
      its.onSealed = (index) => {
        this.#sealed.push({ lane, index });
        this.#wake();
      };
    }
    this.#wake();
  }

  /** Begins nothing more. */
  stop(): void {
    this.#isStopped = true;
    this.#cancelTimer?.();
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    await this.#work;
    if (this.#failure !== null) throw this.#failure;
  }

  #wake(): void {
    this.#isDue = true;
    if (this.#isWorking || this.#isStopped) return;
    this.#isWorking = true;
    this.#work = this.#passes();
  }

  /** Never rejects: what stops it for good has stopped the lane, which tells. */
  async #passes(): Promise<void> {
    while (this.#isDue && !this.#isStopped) {
      this.#isDue = false;
      this.#retryAt = Number.POSITIVE_INFINITY;
      await this.#pass().catch((error: unknown) => { this.#handleFailure(error); });
    }
    this.#isWorking = false;
    this.#arm();
  }

  #handleFailure(error: unknown): void {
    if (error instanceof RingwallError && error.code === "RINGWALL_DISK_FULL") {
      this.#retryAt = this.#options.clock.now() + retryMillis;
      return;
    }
    this.stop();
    if (!(error instanceof RingwallError)) this.#failure = error as Error;
  }

  #arm(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    const { clock } = this.#options;
    const due = Math.min(this.#schedule.dueAt, this.#retryAt);
    if (this.#isStopped || due === Number.POSITIVE_INFINITY) return;
    this.#cancelTimer = clock.after(Math.min(sleepMillisMax, Math.max(1, due - clock.now() + 1)), () => { this.#wake(); });
  }

  async #pass(): Promise<void> {
    if (!this.#hasBegun) await this.#begin();
    const touched = new Set<number>();
    for (;;) {
      await this.#takeSealed();
      const look = this.#isStopped ? null : this.#schedule.poll(this.#options.clock.now());
      if (look === null) break;
      await this.#look(look);
      this.#schedule.handleLooked(look);
      touched.add(look.lane);
    }
    for (const lane of touched) if (!this.#isStopped) await this.#release(lane);
  }

  /** What was there when the log was opened: limits may have changed since. */
  async #begin(): Promise<void> {
    for (const [lane, old] of this.#old.entries()) {
      const { shelf, table } = this.#lane(lane);
      const headers = await readIndexHeaders(shelf, old);
      for (let segment = old[0]; segment !== undefined; segment = old[0]) {
        const index = headers.has(segment) ? null : await this.#index(lane, segment);
        const lastTime = headers.get(segment)?.lastTime ?? (index === null ? 0 : newestTime(index));
        this.#schedule.handleSealed(lane, await this.#measured(lane, segment, lastTime), true);
        this.#lastOld[lane] = segment;
        old.shift();
      }
      if (this.#rules.limitsPartitions) await this.#lookAtGrown(lane, table, this.#lastOld[lane] ?? 0);
    }
    this.#hasBegun = true;
  }

  async #takeSealed(): Promise<void> {
    for (let next = this.#sealed.shift(); next !== undefined; next = this.#sealed.shift()) {
      const { lane, index } = next;
      this.#schedule.handleSealed(lane, await this.#measured(lane, index.segment, newestTime(index)), false);
    }
  }

  /** With what its file takes, which is more than it holds where it was left early. A file that is gone takes nothing. */
  async #measured(lane: number, segment: number, lastTime: number): Promise<SealedSegment> {
    const { files, directory } = this.#lane(lane).shelf;
    try {
      const file = await files.open(`${directory}/${segmentName(segment)}`, "read");
      try {
        return { segment, bytes: await file.size(), lastTime };
      } finally {
        await file.close();
      }
    } catch (error) {
      if (error instanceof RingwallError) return { segment, bytes: 0, lastTime };
      throw error;
    }
  }

  async #look({ lane, segment, reason }: Look): Promise<void> {
    const index = await this.#index(lane, segment);
    if (index === null) return;
    if (reason.kind === "grown") {
      await this.#lookAtGrown(lane, statesOf(this.#lane(lane), index), segment, index);
      return;
    }
    await this.#trim(lane, statesOf(this.#lane(lane), index), (state) => {
      const rule = this.#rule(lane, state);
      if (rule.isKept || (reason.kind === "age" && rule.maxAgeMs !== reason.maxAgeMs)) return 0;
      const sequence = lastLiveOf(index, state) + 1;
      this.#totals[lane]?.handleTrim(state, index, sequence);
      return sequence;
    });
  }

  /** Partitions have records in the segments up to `last` that were not looked at: in `index` alone, or where that is left out in any. */
  async #lookAtGrown(lane: number, states: Iterable<PartitionState>, last: number, index?: SegmentIndex): Promise<void> {
    const totals = this.#totals[lane] as RetentionTotals;
    const limited: PartitionState[] = [];
    const uncounted: PartitionState[] = [];
    await this.#trim(lane, states, (state) => {
      const rule = this.#rule(lane, state);
      if (Number.isFinite(rule.maxBytes)) {
        limited.push(state);
        if (index === undefined || !totals.handleGrown(state, index)) uncounted.push(state);
      }
      return state.durableSequence - rule.maxRecords + 1;
    });
    await totals.count(uncounted, last);
    const surplus = new Map<PartitionState, number>();
    for (const state of limited) {
      if (this.#isStopped) return;
      const newest = await totals.takeSurplus(state, this.#rule(lane, state).maxBytes, last);
      if (newest !== null) surplus.set(state, newest);
      if (surplus.size === trimsAtOnce) await this.#trimSurplus(lane, surplus);
    }
    await this.#trimSurplus(lane, surplus);
  }

  /** Of each partition the segments up to that one, in one commit. */
  async #trimSurplus(lane: number, surplus: Map<PartitionState, number>): Promise<void> {
    await this.#trim(lane, surplus.keys(), (state) => (surplus.get(state) as number) + 1);
    surplus.clear();
  }

  /** Trims each partition to what `sequenceOf` says at that moment; less than it has trimmed already: nothing. */
  async #trim(lane: number, states: Iterable<PartitionState>, sequenceOf: (state: PartitionState) => number): Promise<void> {
    await this.#placedTruncations(lane);
    let trims: Trim[] = [];
    let looked = 0;
    for (const state of states) {
      const sequence = Math.min(sequenceOf(state), state.durableSequence + 1);
      if (sequence > state.firstAsked) trims.push({ state, sequence });
      if (++looked % trimsAtOnce !== 0) continue;
      await this.#place(lane, trims);
      trims = [];
      await this.#breath();
      if (this.#isStopped) return;
      await this.#placedTruncations(lane);
    }
    await this.#place(lane, trims);
  }

  /** 1. records 5 to 10 are truncated away, and it waits for space; 2. retention finds 10 in a segment; 3. new records 5 to 10 are trimmed. */
  async #placedTruncations(lane: number): Promise<void> {
    while (this.#lane(lane).truncationWaits) await this.#lane(lane).drain();
  }

  /** Nothing is awaited between the decision and `trimAll`. */
  async #place(lane: number, trims: readonly Trim[]): Promise<void> {
    if (trims.length === 0 || this.#isStopped) return;
    const its = this.#lane(lane);
    const records = trims.reduce((sum, { state, sequence }) => sum + sequence - state.firstAsked, 0);
    await its.trimAll(trims);
    its.stats.retentionRecords += records;
    its.stats.retentionTrims += trims.length;
    this.#trimmed.add(lane);
    this.onTrimmed?.(trims.map(({ state }) => state.name));
  }

  async #release(lane: number): Promise<void> {
    const its = this.#lane(lane);
    // Not where nothing was trimmed: what a cursor writes anew comes of age too, and an idle log would go on for ever.
    if (this.#trimmed.delete(lane)) await trimCursors(its);
    // Where an index is damaged nothing is freed; trimmed it is all the same.
    await its.release().catch((error: unknown) => { if (!(error instanceof RingwallError) || error.code !== "RINGWALL_DAMAGED") throw error; });
    this.#schedule.handleKept(lane, its.shelf.segmentIds[0] ?? 0);
  }

  /** Null: it is gone, or can't be read. */
  async #index(lane: number, segment: number): Promise<SegmentIndex | null> {
    const { shelf } = this.#lane(lane);
    try {
      return shelf.segmentIds.includes(segment) ? await shelf.segmentIndex(segment) : null;
    } catch (error) {
      if (error instanceof RingwallError) return null;
      throw error;
    }
  }

  #rule(lane: number, state: PartitionState): PartitionRule {
    const rules = this.#ruleOf[lane] as (PartitionRule | undefined)[];
    return (rules[state.id] ??= this.#rules.of(state.name));
  }

  #lane(lane: number): Lane {
    return this.#options.lanes[lane] as Lane;
  }

  #breath(): Promise<void> {
    return new Promise((resolve) => { this.#options.clock.after(0, resolve, true); });
  }
}

function* statesOf({ table }: Lane, { runs, moved }: SegmentIndex): Generator<PartitionState> {
  for (const id of runs.keys()) {
    const state = table.byId(id);
    if (state !== undefined) yield state;
  }
  for (const id of moved.keys()) {
    const state = runs.get(id) === undefined ? table.byId(id) : undefined;
    if (state !== undefined) yield state;
  }
}

function newestTime({ baseTime, runs }: SegmentIndex): number {
  let newest = baseTime;
  for (const run of runs.values()) newest = Math.max(newest, run.lastTime);
  return newest;
}
