// A partition in its lane's own thread: arguments are checked here, the lane does the rest.

import { RingwallError } from "../base/errors.js";
import { checkpointEntryBytesMax } from "../format/checkpoint.js";
import { producersPartition } from "../core/own-names.js";
import { PartitionState, type PartitionTable } from "../core/partition-table.js";
import type { Resolve } from "./block-buffer.js";
import type { Lane } from "./lane.js";
import { demandTruncationRoom, type GroupItem } from "./atomic-group.js";
import { hasTableRoom } from "./lane-limits.js";
import { checkedAfter, checkedBatch, checkProducer, namesCall, outsideError } from "./log-arguments.js";
import type { AppendBatchOptions, Partition, ProducerOptions } from "./partition.js";
import { appendGroup, type LaneProducers } from "./lane-producers.js";
import type { CallPlace, PartitionProducers } from "./partition-producers.js";
import { LateBatches } from "./late-batches.js";
import { Records } from "./read-batches.js";
import type { ReadSource } from "./read-source.js";
import { times, type PartitionTimes } from "./read-times.js";
import { checkedTail, get, read, readBatches, tail, tailBatches, type LogRecord, type ReadOptions, type TailOptions } from "./reader.js";
import { checkData } from "./record-data.js";
import type { WordRange } from "./word-range.js";
import { trimCursors } from "./trim-cursors.js";

/** States of partitions without a record, by name: all that wait for the first record wait on one. */
export interface UnbornStates {
  get(name: string): PartitionState | undefined;
  set(name: string, state: PartitionState): unknown;
  delete(name: string): unknown;
}

/** What a partition needs of its log; a lane that writes, or only a source to read from. */
export interface PartitionHome {
  readonly source: ReadSource;
  /** Null when the log is open read-only. */
  readonly writer: Lane | null;
  readonly recordBytesMax: number;
  readonly table: PartitionTable;
  readonly unborn: UnbornStates;
  /** Where the partition may turn up: the lane that it is placed on; a reader does not choose, so every one. */
  readonly candidates: readonly PartitionHome[];
  readonly producers: LaneProducers;
}

export class LanePartition implements Partition {
  readonly name: string;
  #home: PartitionHome;
  #state: PartitionState | null;
  #producers: PartitionProducers | null = null;

  /** Use `log.partition(name)`. */
  constructor(name: string, home: PartitionHome) {
    this.name = name;
    this.#home = home;
    this.#state = this.#known();
  }

  /** -1: a reader does not know where it will be made. */
  get lane(): number {
    return this.#isMade() ? this.#home.source.lane : -1;
  }

  get firstSeq(): number {
    return this.#found()?.firstSequence ?? 1;
  }

  get lastSeq(): number {
    return this.#found()?.lastSequence ?? 0;
  }

  get durableSeq(): number {
    return this.#found()?.durableSequence ?? 0;
  }

  /** Whether it is one of `log.partitions()`, or about to be. */
  get exists(): boolean {
    const state = this.#found();
    return state !== null && (state.id !== 0 || state.lastSequence > 0);
  }

  append(data: Uint8Array | string, options?: ProducerOptions): Promise<number> {
    try {
      checkData(data, this.#home.recordBytesMax, this.name);
      if (options !== undefined) return this.appendOne(options, data);
      return this.#writer().append(this.#stateToWrite(), data);
    } catch (error) {
      return Promise.reject(error as Error);
    }
  }

  /** As `Lane.appendFor`, for the thread that serves others: what they append, they have checked. Hot. */
  appendFor(data: WordRange, resolve: Resolve, value: number): number {
    return this.#writer().appendFor(this.#stateToWrite(), data, resolve, value);
  }

  async appendBatch(batch: readonly (Uint8Array | string)[], options: AppendBatchOptions | ProducerOptions = {}): Promise<{ readonly first: number; readonly last: number }> {
    const records = checkedBatch(batch, this.#home.recordBytesMax, this.name);
    if (namesCall(options)) {
      const { first, count } = await this.appendCall(options, records);
      return { first, last: first + count - 1 };
    }
    const after = checkedAfter(options, this.name);
    const lane = this.#writer();
    const state = this.#stateToWrite();
    const group: GroupItem[] = records.map((data) => ({ state, data }));
    if (after !== undefined) {
      if (after < state.firstAsked - 1 || after > state.lastSequence) throw outsideError("after", after, state.firstAsked - 1, state.lastSequence, this.name);
      group.unshift({ state, truncate: after });
    }
    const numbers = await appendGroup(lane, group, this.#home.producers);
    const last = numbers[numbers.length - 1] as number;
    return { first: last - records.length + 1, last };
  }

  enqueue(data: Uint8Array | string): number {
    checkData(data, this.#home.recordBytesMax, this.name);
    return this.#writer().enqueue(this.#stateToWrite(), data);
  }

  readBatches(options: ReadOptions = {}): AsyncGenerator<readonly LogRecord[], undefined, undefined> {
    return readBatches(this.#home.source, this.#stateToRead(), options);
  }

  read(options: ReadOptions = {}): AsyncGenerator<LogRecord, undefined, undefined> {
    return read(this.#home.source, this.#stateToRead(), options);
  }

  tail(options: TailOptions = {}): AsyncGenerator<LogRecord, undefined, undefined> {
    return this.#isMade() ? tail(this.#home.source, this.#stateToRead(), options) : new Records(this.#lateTail(options));
  }

  tailBatches(options: TailOptions = {}): AsyncGenerator<readonly LogRecord[], undefined, undefined> {
    return this.#isMade() ? tailBatches(this.#home.source, this.#stateToRead(), options) : this.#lateTail(options);
  }

  /** One record; undefined when it is not durable yet. Rejects with RINGWALL_TRIMMED when it is gone. */
  get(seq: number): Promise<LogRecord | undefined> {
    return get(this.#home.source, this.#stateToRead(), seq);
  }

  async times(): Promise<PartitionTimes | undefined> {
    return times(this.#home.source, this.#stateToRead());
  }

  async trim(before: number): Promise<void> {
    const lane = this.#writer();
    const last = this.lastSeq;
    if (!Number.isSafeInteger(before) || before < 1 || before > last + 1) throw outsideError("before", before, 1, last + 1, this.name);
    const state = this.#found();
    if (state === null) return;
    if (before <= state.firstAsked) {
      // The trim that asked for it may still be on its way.
      if (state.firstAsked > state.firstSequence || state.touchedBlock > lane.horizon) await lane.sync();
      return;
    }
    await Promise.all([lane.control("trim", state, before), trimCursors(lane)]);
    await lane.release();
  }

  async truncate(after: number): Promise<void> {
    const lane = this.#writer();
    const state = this.#found();
    const first = state?.firstAsked ?? 1;
    if (!Number.isSafeInteger(after) || after < first - 1) throw outsideError("after", after, first - 1, this.lastSeq, this.name);
    if (state === null) return;
    if (after >= state.lastSequence) {
      // One that took them away may still be on its way.
      await lane.sync();
      return;
    }
    demandTruncationRoom(state, lane.table, lane.settings);
    if (!this.#home.producers.areKnown(this.name)) {
      await lane.control("truncate", state, after);
      return;
    }
    // Its caller waits for the media in every mode.
    await Promise.all([appendGroup(lane, [{ state, truncate: after }], this.#home.producers), lane.sync()]);
  }

  async drop(): Promise<void> {
    const lane = this.#writer();
    const state = this.#found();
    // What was never appended to has nothing to drop; an earlier drop may be on its way.
    if (state === null || (state.id === 0 && state.lastSequence === 0)) return lane.sync();
    // Whoever uses the name next, while this log is open, gets this lane: one that waits for its first record may not be on two.
    this.#home.unborn.set(this.name, new PartitionState(0, this.name));
    // What is known of its producers first: a call that is repeated to the next partition of that name is a new one.
    const hidden = lane.table.byName(producersPartition(this.name));
    this.#home.producers.forget(this.name);
    try {
      await Promise.all([...(hidden === undefined || hidden.id === 0 ? [] : [lane.drop(hidden)]), lane.drop(state)]);
    } catch (error) {
      this.#forgetUnborn();
      throw error;
    }
    await lane.release();
  }

  /** The partition has its name back: who waits for another of that name waits for nothing. */
  #forgetUnborn(): void {
    const { unborn, writer } = this.#home;
    const waited = unborn.get(this.name);
    unborn.delete(this.name);
    waited?.drop();
    writer?.shelf.handleChanged([waited], 1);
  }

  /** The lane's view of the partition, for `log.write`. */
  stateForBatch(): PartitionState {
    return this.#stateToWrite();
  }

  /** A producer's call: to where its records are, now or from before. */
  appendCall(options: ProducerOptions, records: readonly (Uint8Array | string)[]): Promise<CallPlace> {
    checkProducer(options, this.name);
    return this.#producersToCall().append(options, records);
  }

  /** As `appendCall`, of one record: to its sequence. Hot: `ringwall bench atomic`. */
  appendOne(options: ProducerOptions, data: Uint8Array | string): Promise<number> {
    checkProducer(options, this.name);
    return this.#producersToCall().appendOne(options, data);
  }

  #producersToCall(): PartitionProducers {
    const lane = this.#writer();
    const state = this.#stateToWrite();
    // One that stands in for another state of the same name was forgotten when that one was dropped.
    if (this.#producers?.isCurrent === true && this.#producers.hidden.life === "kept") return this.#producers;
    this.#reserved(producersPartition(this.name));
    this.#producers = this.#home.producers.of(lane, state);
    return this.#producers;
  }

  #found(): PartitionState | null {
    const state = this.#state;
    // Without a record it may have been made, or a drop before it refused, through another object.
    if (state === null || state.life !== "kept" || state.id === 0) this.#state = this.#known();
    return this.#state;
  }

  /** Whether its lane is known. */
  #isMade(): boolean {
    return this.#home.candidates.length === 1 || (this.#found()?.id ?? 0) !== 0;
  }

  #known(): PartitionState | null {
    for (const home of this.#home.candidates) {
      const state = home.table.byName(this.name);
      if (state === undefined) continue;
      this.#home = home;
      return state;
    }
    return this.#home.unborn.get(this.name) ?? null;
  }

  #writer(): Lane {
    const { writer } = this.#home;
    if (writer === null) throw readOnlyError();
    return writer;
  }

  /** Defined durably by its first append. Hot. */
  #stateToWrite(): PartitionState {
    const state = this.#found();
    return state !== null && state.id !== 0 ? state : this.#reserve();
  }

  #reserve(): PartitionState {
    this.#state = this.#reserved(this.name);
    return this.#state;
  }

  #reserved(name: string): PartitionState {
    const { table, writer } = this.#home;
    const reserved = table.byName(name);
    if (reserved !== undefined) return reserved;
    // Each segment begins with the whole table and must have room for records behind it.
    if (writer !== null && !hasTableRoom(table, writer.settings, checkpointEntryBytesMax(name.length * 3, 0))) {
      throw new RingwallError("RINGWALL_INVALID_ARGUMENT", `the lane's ${String(table.size)} partitions are all that its segments can describe`, {
        place: { partition: this.name },
        remedy: "Open the log with a larger segmentBytes, or with more lanes.",
      });
    }
    const state = table.reserve(name, this.#home.unborn.get(name));
    this.#home.unborn.delete(name);
    return state;
  }

  /** Reading a partition that does not exist finds nothing; a tail of it waits. A writer's table does not learn of it. */
  #stateToRead(): PartitionState {
    this.#state = this.#found() ?? unbornState(this.#home, this.name);
    return this.#state;
  }

  #lateTail(options: TailOptions): AsyncGenerator<readonly LogRecord[], undefined, undefined> {
    const { signal } = checkedTail(options);
    const { candidates } = this.#home;
    return new LateBatches({
      signal,
      begin: () => this.tailBatches(options),
      made: (signal) => Promise.race(candidates.map((home) => home.source.durableBeyond(unbornState(home, this.name), 0, signal))),
    });
  }
}

/** What all wait on that wait for the partition's first record. */
export function unbornState(home: PartitionHome, name: string): PartitionState {
  const known = home.table.byName(name) ?? home.unborn.get(name);
  if (known !== undefined) return known;
  const state = new PartitionState(0, name);
  home.unborn.set(name, state);
  return state;
}

export function readOnlyError(): RingwallError {
  return new RingwallError("RINGWALL_READ_ONLY", "the log is open read-only", { remedy: "Open it without { readOnly: true }." });
}
