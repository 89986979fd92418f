// The log as users see it: opened on a directory, many partitions, one durable order per lane.
//
// Owns the map of partitions and their lanes, and the life of everything that opening took. What happens to a record is
// the lane's.

import { RingwallError } from "../base/errors.js";
import { assert } from "../base/assert.js";
import type { PartitionTable } from "../core/partition-table.js";
import { formatVersion } from "../format/version.js";
import { chooseKernels } from "../format/kernels.js";
import type { FlushMethod } from "../format/superblock.js";
import type { RecoveryReport } from "../recovery/recovered-lane.js";
import { chooseStorage, type StorageChoiceOptions } from "../storage/choose.js";
import type { Storage } from "../storage/storage.js";
import type { Lane } from "./lane.js";
import type { LaneStatsSnapshot } from "./lane-stats.js";
import { openReader, openWriter, type OpenedReader, type OpenedWriter } from "./open-log.js";
import { resolveOptions, type LogOptions, type ResolvedOptions } from "./options.js";
import { checkPartitionName, Partition, readOnlyError } from "./partition.js";
import { checkData } from "./record-data.js";
import type { ReadOnlyLane } from "./read-only-lane.js";

/** What a log is and runs on. */
export interface LogInfo {
  readonly directory: string;
  /** 32 hexadecimal digits. */
  readonly uuid: string;
  readonly formatVersion: number;
  /** When it was created. */
  readonly created: Date;
  readonly readOnly: boolean;
  readonly backend: "uring" | "fs" | "sim";
  /** Why this backend. */
  readonly backendReason: string;
  /** What the backend uses here and why not more, one sentence each. */
  readonly backendNotes: readonly string[];
  /** How a block is made durable; measured when the log was created. */
  readonly flushMethod: FlushMethod;
  /** Every block begins at a multiple of this, bytes. */
  readonly alignment: number;
  /** Implementation of CRC-32C: "sse4.2", "arm64-crc", "table" or "javascript". */
  readonly checksumKernel: string;
  readonly durability: ResolvedOptions["durability"];
  readonly lanes: number;
  /** What recovery found when the log was opened, per lane. */
  readonly recovery: readonly RecoveryReport[];
}

export interface LogStats extends LaneStatsSnapshot {
  readonly lane: number;
  /** Highest block sequence known durable. */
  readonly horizon: number;
  readonly blocksInFlight: number;
  readonly partitions: number;
  readonly segmentsKept: number;
}

export interface PartitionOptions {
  /** The lane for a partition that does not exist yet, from 0. */
  readonly lane?: number;
  /** The lane of this partition, by name, for one that does not exist yet. */
  readonly with?: string;
}

export interface WriteItem {
  readonly partition: string;
  readonly data: Uint8Array | string;
}

/** What a log runs on instead of the backend that would be chosen: for tests on simulated storage. */
export interface LogEnvironment {
  readonly storage: Storage;
  readonly reason: string;
}

export class Log {
  readonly info: LogInfo;
  readonly #options: ResolvedOptions;
  readonly #storage: Storage;
  readonly #opened: OpenedWriter | OpenedReader;
  readonly #partitions = new Map<string, Partition>();
  /** Lanes of partitions that were placed but have no record yet. */
  readonly #placed = new Map<string, number>();
  #closing: Promise<void> | null = null;

  private constructor(environment: LogEnvironment, directory: string, options: ResolvedOptions, opened: OpenedWriter | OpenedReader) {
    const { storage, reason } = environment;
    this.#options = options;
    this.#storage = storage;
    this.#opened = opened;
    const superblock = opened.kind === "writer" ? opened.superblock.current : opened.superblock;
    this.info = {
      directory,
      uuid: Buffer.from(superblock.uuid).toString("hex"),
      formatVersion,
      created: new Date(superblock.created),
      readOnly: options.readOnly,
      backend: storage.name,
      backendReason: reason,
      backendNotes: opened.kind === "writer" ? (opened.lanes[0] as Lane).notes : [],
      flushMethod: superblock.flushMethod,
      alignment: superblock.alignment,
      checksumKernel: chooseKernels().name,
      durability: options.durability,
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
  static async open(directory: string, options: LogOptions = {}): Promise<Log> {
    const resolved = resolveOptions(options);
    const { backend, completion, sqpoll, ringEntries, registeredBuffers, registeredFiles } = resolved;
    const sqPoll = sqpoll === undefined ? undefined : { idleMillis: sqpoll.idleMs, ...(sqpoll.cpu === undefined ? {} : { cpu: sqpoll.cpu }) };
    const uring: NonNullable<StorageChoiceOptions["uring"]> = { completion, ringEntries, registeredBuffers, registeredFiles, ...(sqPoll === undefined ? {} : { sqPoll }) };
    return Log.openOn(chooseStorage({ backend, uring }), directory, resolved);
  }

  /** As `open`, on a given storage. */
  static async openOn(environment: LogEnvironment, directory: string, options: ResolvedOptions): Promise<Log> {
    if (typeof directory !== "string" || directory === "" || directory.includes("\0")) {
      throw new RingwallError("RINGWALL_INVALID_ARGUMENT", "the directory must be a path, a string that is not empty");
    }
    const request = { directory, storage: environment.storage, options };
    try {
      const opened = options.readOnly ? await openReader(request) : await openWriter(request);
      return new Log(environment, directory, options, opened);
    } catch (error) {
      await environment.storage.close();
      throw error;
    }
  }

  /**
   * The partition of that name. It need not exist: its first append creates it durably, on the lane that `options` name,
   * else on the one with the fewest partitions; there it stays for ever.
   */
  partition(name: string, options: PartitionOptions = noPlacement): Partition {
    const known = this.#partitions.get(name);
    if (known !== undefined && options === noPlacement) return known;
    checkPartitionName(name);
    checkPlacement(options);
    const lane = this.#laneOf(name, options);
    if (known !== undefined) return known;
    const home = this.#opened.lanes[lane] as Lane | ReadOnlyLane;
    const partition = new Partition(name, {
      source: "shelf" in home ? home.shelf : home,
      writer: "shelf" in home ? home : null,
      table: home.table,
      recordBytesMax: this.#options.recordBytesMax,
    });
    this.#partitions.set(name, partition);
    return partition;
  }

  /** Partitions that exist: those that ever had a record, in order of their creation within each lane. */
  partitions(): Partition[] {
    return this.#opened.lanes.flatMap((lane) => [...lane.table].map((state) => this.partition(state.name)));
  }

  /**
   * Appends records to several partitions that become durable together or not at all. Resolves to their sequences, in order.
   * Rejects with RINGWALL_CROSS_LANE when the partitions live on different lanes; else as `Partition.append`.
   */
  async write(items: readonly WriteItem[]): Promise<number[]> {
    if (!Array.isArray(items) || items.length === 0) throw new RingwallError("RINGWALL_INVALID_ARGUMENT", "write takes an array of one item at least");
    const named = (items as readonly WriteItem[]).map((item: WriteItem | null | undefined) => {
      if (typeof item !== "object" || item === null) throw new RingwallError("RINGWALL_INVALID_ARGUMENT", "an item of write must be { partition, data }");
      const { partition, data } = item;
      checkPartitionName(partition);
      checkData(data, this.#options.recordBytesMax, partition);
      return { name: partition, data };
    });
    // What the batch creates goes where the rest of it lives.
    const home = named.map(({ name }) => this.#knownLane(name)).find((lane) => lane !== undefined);
    const checked = named.map(({ name, data }) => ({ partition: this.#partitionNear(name, home), data }));
    const lane = (checked[0] as (typeof checked)[number]).partition.lane;
    for (const { partition } of checked) {
      if (partition.lane !== lane) throw crossLane(checked.map((item) => item.partition));
    }
    return this.#writerLane(lane).appendAtomic(checked.map(({ partition, data }) => ({ state: partition.stateForBatch(), data })));
  }

  /** Resolves when everything appended and enqueued so far is durable, whatever the durability mode. */
  async sync(): Promise<void> {
    await Promise.all(this.#writerLanes().map((lane) => lane.sync()));
  }

  /** Whether `enqueue` is about to run out of memory: await `drain()` before going on. */
  get needDrain(): boolean {
    return this.#opened.kind === "writer" && this.#opened.lanes.some((lane) => lane.needDrain);
  }

  /** Resolves when nothing waits for memory any longer. */
  async drain(): Promise<void> {
    await Promise.all(this.#writerLanes().map((lane) => lane.drain()));
  }

  /** Ends the current segments: the next record begins new ones. */
  rotate(): void {
    for (const lane of this.#writerLanes()) lane.requestRotation();
  }

  /** Counters since the log was opened, per lane. Empty for a read-only log. */
  stats(): LogStats[] {
    if (this.#opened.kind === "reader") return [];
    return this.#opened.lanes.map((lane, index) => ({
      lane: index,
      ...lane.stats.snapshot(),
      horizon: lane.horizon,
      blocksInFlight: lane.blocksInFlight,
      partitions: lane.table.size,
      segmentsKept: lane.shelf.segmentIds.length,
    }));
  }

  /**
   * Makes everything accepted durable and closes the log. Every pending append is acknowledged or rejected when it resolves.
   * Rejects with RINGWALL_POISONED when that was not possible. Calling it again returns the same promise.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    const opened = this.#opened;
    const failures: unknown[] = [];
    for (const lane of opened.lanes) await lane.close().catch((error: unknown) => failures.push(error));
    if (opened.kind === "writer") await opened.unlock().catch((error: unknown) => failures.push(error));
    await this.#storage.close().catch((error: unknown) => failures.push(error));
    if (failures.length > 0) throw failures[0];
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
    const chosen = asked ?? this.#emptiestLane();
    this.#placed.set(name, chosen);
    return chosen;
  }

  #partitionNear(name: string, lane: number | undefined): Partition {
    const lives = this.#knownLane(name);
    return lives !== undefined || lane === undefined ? this.partition(name) : this.partition(name, { lane });
  }

  /** The lane that the partition lives on, or was placed on before its first record. */
  #knownLane(name: string): number | undefined {
    const lane = this.#opened.lanes.findIndex((candidate) => candidate.table.byName(name) !== undefined);
    return lane === -1 ? this.#placed.get(name) : lane;
  }

  #emptiestLane(): number {
    const sizes = this.#opened.lanes.map((lane: { readonly table: PartitionTable }) => lane.table.size);
    return sizes.indexOf(Math.min(...sizes));
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

const noPlacement: PartitionOptions = {};

function checkPlacement(options: PartitionOptions | null): void {
  if (typeof options !== "object" || options === null) throw new RingwallError("RINGWALL_INVALID_OPTION", "a partition's options must be an object");
  const unknown = Object.keys(options).find((key) => key !== "lane" && key !== "with");
  if (unknown !== undefined) throw new RingwallError("RINGWALL_INVALID_OPTION", `there is no option \`${unknown}\``, { remedy: "Known are: lane, with." });
  if (options.lane !== undefined && options.with !== undefined) throw new RingwallError("RINGWALL_INVALID_OPTION", "`lane` and `with` exclude each other");
}

function crossLane(partitions: readonly Partition[]): RingwallError {
  const homes = [...new Set(partitions)].map((partition) => `${JSON.stringify(partition.name)} on lane ${String(partition.lane)}`);
  return new RingwallError("RINGWALL_CROSS_LANE", `an atomic write can't span lanes (${homes.join(", ")})`, {
    remedy: "Place partitions that are written together with log.partition(name, { with: other }).",
  });
}
