// A log whose lanes run in this thread.
//
// Owns the map of partitions and their lanes, and the life of everything that opening took. What happens to a record is
// the lane's.

import { RingwallError } from "../base/errors.js";
import { assert } from "../base/assert.js";
import { cursorOf, cursorPartition, isHiddenName } from "../core/own-names.js";
import type { PartitionState } from "../core/partition-table.js";
import { formatVersion } from "../format/version.js";
import { chooseKernels } from "../format/kernels.js";
import { chooseStorage, chooseStorageAgain, type StorageChoiceOptions } from "../storage/choose.js";
import { noteOf } from "../storage/features.js";
import { runAll } from "../storage/run-all.js";
import type { Storage } from "../storage/storage.js";
import { systemThreadId } from "../storage/thread-id.js";
import { type Cursor, hasPosition, LogCursor } from "./cursor.js";
import type { GroupItem } from "./atomic-group.js";
import type { BackupOptions, BackupReport } from "./backup/backup.js";
import { backUpReader, backUpWriter } from "./backup/backup-sources.js";
import { RunningBackups } from "./backup/running-backups.js";
import type { Lane } from "./lane.js";
import { openReader, openWriter, type OpenedReader, type OpenedWriter } from "./open-log.js";
import { resolveOptions, type LogOptions, type ResolvedOptions } from "./options.js";
import { LanePartition, readOnlyError, unbornState, type PartitionHome } from "./lane-partition.js";
import type { Log, LogInfo, LogStats, PartitionOptions, WriteItem } from "./log.js";
import { checkCursorName, checkDirectory, checkedItems, checkPartitionName, checkPlacement, noPlacement, type NamedItem } from "./log-arguments.js";
import { appendGroup, LaneProducers } from "./lane-producers.js";
import { LogRetention } from "./retention.js";
import { noteMove } from "./trim-cursors.js";
import { WeakNames } from "./weak-names.js";

/** What a log runs on instead of the backend that would be chosen: for tests on simulated storage. */
export interface LogEnvironment {
  readonly storage: Storage;
  readonly reason: string;
}

export class LaneLog implements Log {
  readonly info: LogInfo;
  readonly #options: ResolvedOptions;
  readonly #storage: Storage;
  readonly #opened: OpenedWriter | OpenedReader;
  /** One per lane. */
  readonly #homes: readonly PartitionHome[];
  /** By lane: partitions that it had at opening, and that were placed on it since, with a record or not. */
  readonly #placed: number[];
  readonly #retention: LogRetention | null;
  readonly #backups: RunningBackups;
  #closing: Promise<void> | null = null;

  private constructor(environment: LogEnvironment, directory: string, options: ResolvedOptions, opened: OpenedWriter | OpenedReader) {
    const { storage, reason } = environment;
    this.#options = options;
    this.#storage = storage;
    this.#opened = opened;
    this.#backups = new RunningBackups(directory);
    this.#homes = homesOf(opened, options);
    this.#placed = this.#homes.map(({ table }) => table.size);
    const { retention, segmentBytes } = options;
    this.#retention = opened.kind === "reader" || retention === undefined ? null : new LogRetention({ retention, lanes: opened.lanes, clock: storage.clock, segmentBytes });
    this.#retention?.begin();
    const superblock = opened.kind === "writer" ? opened.superblock.current : opened.superblock;
    this.info = {
      directory,
      uuid: Buffer.from(superblock.uuid).toString("hex"),
      formatVersion,
      created: new Date(superblock.created),
      readOnly: options.readOnly,
      backend: storage.name,
      backendReason: reason,
      // Some are known only once there was something to do.
      get features() {
        return opened.kind === "writer" ? (opened.lanes[0] as Lane).features : [];
      },
      get backendNotes() {
        return [...this.features.map(noteOf), ...storage.notes];
      },
      flushMethod: superblock.flushMethod,
      alignment: superblock.alignment,
      checksumKernel: chooseKernels().name,
      durability: options.durability,
      lane: "inline",
      laneReason: options.readOnly ? "reading needs no lane" : "an append in the thread of its lane needs no way to another one",
      systemThreadId: systemThreadId(),
      lanes: superblock.lanes.length,
      recovery: opened.lanes.map((lane) => ("report" in lane ? lane.report : lane.settings.recovered.report)),
    };
  }

  /**
   * Opens the log in `directory`, creating it where there is none; its parent must exist. Recovers what a crash left.
   *
   * Rejects with RINGWALL_INVALID_OPTION, RINGWALL_NOT_FOUND, RINGWALL_NOT_A_LOG, RINGWALL_NEWER_FORMAT, RINGWALL_LOCKED, RINGWALL_DAMAGED
   * (`details` is the recovery report with every lost range), RINGWALL_UNAVAILABLE, RINGWALL_DISK_FULL, RINGWALL_READ_ONLY, RINGWALL_IO.
   */
  static async open(directory: string, options: LogOptions = {}): Promise<LaneLog> {
    const resolved = resolveOptions(options);
    const { backend, completion, sqpoll, iopoll, ringEntries, registeredBuffers, registeredFiles } = resolved;
    const sqPoll = sqpoll === undefined ? undefined : { idleMillis: sqpoll.idleMs, ...(sqpoll.cpu === undefined ? {} : { cpu: sqpoll.cpu }) };
    const uring: NonNullable<StorageChoiceOptions["uring"]> = {
      completion, ringEntries, registeredBuffers, registeredFiles, ...(sqPoll === undefined ? {} : { sqPoll }), ...(iopoll ? { ioPoll: { directory } } : {}),
    };
    const choice = chooseStorage({ backend, uring });
    try {
      return await LaneLog.openOn(choice, directory, resolved);
    } catch (error) {
      const other = backend === "auto" ? chooseStorageAgain(choice, error) : null;
      if (other === null) throw error;
      return await LaneLog.openOn(other, directory, resolved);
    }
  }

  /** As `open`, on a given storage. */
  static async openOn(environment: LogEnvironment, directory: string, options: ResolvedOptions): Promise<LaneLog> {
    checkDirectory(directory);
    const request = { directory, storage: environment.storage, options };
    try {
      if (options.lane === "thread") throw new RingwallError("RINGWALL_INVALID_OPTION", "a storage that is given can't go to another thread");
      const opened = options.readOnly ? await openReader(request) : await openWriter(request);
      return new LaneLog(environment, directory, options, opened);
    } catch (error) {
      // The first error is the one to tell.
      await environment.storage.close().catch(() => undefined);
      throw error;
    }
  }

  partition(name: string, options: PartitionOptions = noPlacement): LanePartition {
    if (options === noPlacement && typeof name === "string" && !isHiddenName(name)) {
      const known = this.#find(name);
      if (known !== undefined) return known;
    }
    checkPartitionName(name);
    return this.named(name, options);
  }

  /** No object is kept for a partition that exists: a hundred thousand would cost as much as the partitions. */
  #find(name: string): LanePartition | undefined {
    const home = this.#homeOf(name);
    return home === undefined ? undefined : new LanePartition(name, home);
  }

  /** As `partition`, also the log's own. */
  named(name: string, options: PartitionOptions = noPlacement): LanePartition {
    const found = options === noPlacement ? this.#find(name) : undefined;
    if (found !== undefined) return found;
    checkPlacement(options);
    const lane = this.#laneOf(name, options);
    const home = this.#homes[lane] as PartitionHome;
    if (home.writer !== null && this.#homeOf(name) === undefined) {
      unbornState(home, name);
      this.#placed[lane] = (this.#placed[lane] as number) + 1;
    }
    return new LanePartition(name, home);
  }

  partitions(): LanePartition[] {
    return this.allNamed().filter(({ name }) => !isHiddenName(name));
  }

  /** As `partitions`, with the log's own. */
  allNamed(): LanePartition[] {
    return this.#opened.lanes.flatMap((lane) => [...lane.table].map((state) => this.named(state.name)));
  }

  cursor(name: string, options: PartitionOptions = noPlacement): Cursor {
    checkCursorName(name);
    const partition = cursorPartition(name);
    // Without options its lane is left open: that of what it is first written with.
    if (options !== noPlacement) this.named(partition, options);
    return new LogCursor(name, { find: () => (this.#knownLane(partition) === undefined ? null : this.named(partition)), move: (seq) => this.write([{ cursor: name, seq }]) });
  }

  cursors(): Cursor[] {
    const hidden = this.#opened.lanes.flatMap((lane) => [...lane.table.hidden].map(({ name }) => this.named(name)).filter(hasPosition));
    return hidden.flatMap(({ name }) => cursorOf(name) ?? []).map((name) => this.cursor(name));
  }

  async write(items: readonly WriteItem[]): Promise<number[]> {
    const checked = checkedItems(items, this.#options.recordBytesMax);
    const sequences = await this.writeNamed(checked);
    return checked.map(({ position }, index) => position ?? (sequences[index] as number));
  }

  /** As `write`, of items that are checked: to their sequences in partitions, also the log's own. */
  async writeNamed(named: readonly NamedItem[]): Promise<number[]> {
    // What the batch creates goes where the rest of it lives.
    const home = named.map(({ name }) => this.#knownLane(name)).find((lane) => lane !== undefined);
    const checked = named.map((item) => ({ partition: this.#partitionNear(item.name, home), item }));
    const lane = (checked[0] as (typeof checked)[number]).partition.lane;
    for (const { partition } of checked) {
      if (partition.lane !== lane) throw crossLane(checked.map((item) => item.partition));
    }
    const writer = this.#writerLane(lane);
    const group = checked.map(({ partition, item: { data, truncate } }): GroupItem => {
      const state = partition.stateForBatch();
      return truncate === undefined ? { state, data } : { state, truncate };
    });
    const sequences = await appendGroup(writer, group, (this.#homes[lane] as PartitionHome).producers);
    for (const { state } of group) if (cursorOf(state.name) !== null) noteMove(writer, state);
    return sequences;
  }

  /** The polling ring of the first lane, where every lane has one: see `BlockWriter.pollingRing`. */
  get pollingRing(): number | undefined {
    if (this.#opened.kind === "reader") return undefined;
    const rings = this.#opened.lanes.map((lane) => lane.pollingRing);
    return rings.includes(undefined) ? undefined : rings[0];
  }

  /** As of the storage. */
  get isReading(): boolean {
    return this.#storage.isReading ?? false;
  }

  /** Takes what has completed in any lane; whether there was anything. Hot. */
  reap(): boolean {
    let found = false;
    for (const lane of this.#writerLanes()) if (lane.reap()) found = true;
    return found;
  }

  async sync(): Promise<void> {
    await Promise.all(this.#writerLanes().map((lane) => lane.sync()));
  }

  get needDrain(): boolean {
    return this.#opened.kind === "writer" && this.#opened.lanes.some((lane) => lane.needDrain);
  }

  async drain(): Promise<void> {
    await Promise.all(this.#writerLanes().map((lane) => lane.drain()));
  }

  rotate(): void {
    for (const lane of this.#writerLanes()) lane.requestRotation();
  }

  stats(): LogStats[] {
    if (this.#opened.kind === "reader") return [];
    return this.#opened.lanes.map((lane, index) => ({
      lane: index,
      ...lane.stats.snapshot(),
      horizon: lane.horizon,
      blocksInFlight: lane.blocksInFlight,
      partitions: lane.table.size - lane.table.hidden.size,
      segmentsKept: lane.shelf.segmentIds.length,
    }));
  }

  /** `listener` gets the names of partitions that retention has trimmed. */
  watchRetention(listener: (names: readonly string[]) => void): void {
    if (this.#retention !== null) this.#retention.onTrimmed = listener;
  }

  backup(directory: string, options: BackupOptions = {}): Promise<BackupReport> {
    const opened = this.#opened;
    const log = { directory: this.info.directory, storage: this.#storage };
    return this.#backups.run(options, (given) => {
      const to = { directory, options: given };
      return opened.kind === "writer" ? backUpWriter(log, opened.lanes, () => opened.superblock.current, to) : backUpReader(log, opened.lanes, to);
    });
  }

  share(): never {
    throw new RingwallError("RINGWALL_INVALID_OPTION", "the lane runs in the thread that opened the log, and no other can append to it", {
      place: { path: this.info.directory },
      remedy: 'Open the log with { lane: "thread" }.',
    });
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    // From this call on nothing is accepted: the lanes close while running backups end.
    const backups = this.#backups.end();
    backups.catch(() => undefined);
    const opened = this.#opened;
    const retention = this.#retention;
    const unlock = opened.kind === "writer" ? [opened.unlock] : [];
    const settled = async (): Promise<void> => {
      for (const { producers } of this.#homes) await producers.settled();
    };
    // It waits for the lanes when the disk is full: they end that when they close.
    retention?.stop();
    const idle = async (): Promise<void> => { await retention?.idle(); };
    await runAll([...opened.lanes.map((lane) => () => lane.close()), () => backups, settled, idle, ...unlock, () => this.#storage.close()]);
  }

  #laneOf(name: string, { lane, with: companion }: PartitionOptions): number {
    const existing = this.#knownLane(name);
    const asked = companion === undefined ? lane : this.partition(companion).lane;
    if (asked !== undefined && (!Number.isInteger(asked) || asked < 0 || asked >= this.#opened.lanes.length)) {
      throw new RingwallError("RINGWALL_INVALID_OPTION", `\`lane\` must be an integer from 0 to ${String(this.#opened.lanes.length - 1)}; it is ${String(asked)}`);
    }
    if (existing !== undefined) {
      if (asked === undefined || asked === existing) return existing;
      throw new RingwallError("RINGWALL_CROSS_LANE", `the partition lives on lane ${String(existing)} and can't move to lane ${String(asked)}`, { place: { partition: name } });
    }
    return asked ?? this.#emptiestLane();
  }

  #partitionNear(name: string, lane: number | undefined): LanePartition {
    const lives = this.#knownLane(name);
    return lives !== undefined || lane === undefined ? this.named(name) : this.named(name, { lane });
  }

  /** The lane that the partition lives on, or was placed on before its first record. */
  #knownLane(name: string): number | undefined {
    return this.#homeOf(name)?.source.lane;
  }

  #homeOf(name: string): PartitionHome | undefined {
    return this.#homes.find(({ table }) => table.byName(name) !== undefined) ?? this.#homes.find(({ unborn }) => unborn.get(name) !== undefined);
  }

  #emptiestLane(): number {
    return this.#placed.indexOf(Math.min(...this.#placed));
  }

  #writerLanes(): readonly Lane[] {
    if (this.#opened.kind === "reader") throw readOnlyError();
    return this.#opened.lanes;
  }

  #writerLane(lane: number): Lane {
    const found = this.#writerLanes()[lane];
    assert(found !== undefined, "a partition's lane exists");
    return found;
  }
}

function homesOf(opened: OpenedWriter | OpenedReader, { recordBytesMax }: ResolvedOptions): readonly PartitionHome[] {
  const homes: PartitionHome[] = [];
  for (const lane of opened.lanes) {
    const producers = new LaneProducers(lane.table);
    if (!("shelf" in lane)) {
      homes.push({ source: lane, writer: null, table: lane.table, recordBytesMax, unborn: lane.unborn, candidates: homes, producers });
      continue;
    }
    // Of several lanes the one that a partition was placed on is remembered, also once nobody holds it any longer.
    const unborn = opened.lanes.length === 1 ? new WeakNames<PartitionState>() : new Map<string, PartitionState>();
    const candidates: PartitionHome[] = [];
    candidates.push({ source: lane.shelf, writer: lane, table: lane.table, recordBytesMax, unborn, candidates, producers });
    homes.push(...candidates);
  }
  return homes;
}

function crossLane(partitions: readonly LanePartition[]): RingwallError {
  const homes = new Set(partitions.map(({ name, lane }) => {
    const cursor = cursorOf(name);
    return `${cursor === null ? JSON.stringify(name) : `cursor ${JSON.stringify(cursor)}`} on lane ${String(lane)}`;
  }));
  return new RingwallError("RINGWALL_CROSS_LANE", `an atomic write can't span lanes (${[...homes].join(", ")})`, {
    remedy: "Place partitions that are written together with log.partition(name, { with: other }).",
  });
}
