// Repair: reads a damaged log and writes everything in it that is provably right into a new one. It never destroys.
//
//   identify → recover each lane → walk it, planning → (not for a dry run) walk it again, copying → publish
//
// Owns the order of these steps and the report. The damaged log is read through a view that can't write; its lock is
// looked at, never taken. Memory: the lanes' indexes, some chunks, one record.

import path from "node:path";
import { RingwallError } from "../base/errors.js";
import { chooseKernels, type Kernels } from "../format/kernels.js";
import { recoverLane } from "../recovery/recover-lane.js";
import { loadSegmentIndex } from "../recovery/load-segment-index.js";
import type { DamagedRange, RecoveredLane } from "../recovery/recovered-lane.js";
import type { SegmentIndex } from "../core/segment-index.js";
import { superblockName } from "../format/names.js";
import type { LaneRecord, Superblock } from "../format/superblock.js";
import type { ScanSource } from "../recovery/scan.js";
import { ReadBuffers } from "../recovery/segment-reader.js";
import { chooseStorage } from "../storage/choose.js";
import type { FileSystem, Storage } from "../storage/storage.js";
import { gatherEvidence, hasLaterEpoch } from "./lane-evidence.js";
import { LaneCopy } from "./lane-copy.js";
import { readOnlyFiles } from "./read-only-files.js";
import type { DamagedPlace, RepairReport, RepairedPartition } from "./repair-report.js";
import { LaneSurvivors, NamePool, type NamesTo } from "./salvage-plan.js";
import { hex, identifyLog, type SourceLane, type SourceLog } from "./source-log.js";
import { walkRecords, type TakeRecord } from "./surviving-records.js";
import { demandEmpty, TargetLog } from "./target-log.js";

export type { RepairReport } from "./repair-report.js";

export interface RepairProgress {
  readonly step: "judging" | "copying";
  /** Read so far. */
  readonly bytes: number;
  readonly bytesTotal: number;
  /** Copied so far. */
  readonly records: number;
}

export interface RepairOptions {
  /** Only report: nothing is written, and the target is not looked at. */
  readonly dryRun?: boolean | undefined;
  /**
   * Which part of a partition keeps its name where records are lost in its middle; the others are called after it and
   * their first sequence, "orders@700". "first", the default: readers from the beginning find what they always found.
   * "last": new records get sequences behind all that ever were acknowledged, none is given out twice.
   */
  readonly namesTo?: NamesTo | undefined;
  /** Of the new log; those of the old one when left out. */
  readonly segmentBytes?: number | undefined;
  readonly backend?: "auto" | "uring" | "fs" | undefined;
  readonly onProgress?: ((progress: RepairProgress) => void) | undefined;
  /** Ends the repair with RINGWALL_ABORTED; nothing is left at the target. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Copies what is provably right of the log in `directory` into a new log at `target`, which must not exist or be empty.
 * The damaged log is only read. Resolves to what was salvaged, what is missing and where it was damaged, also when much is missing.
 *
 * Rejects with RINGWALL_LOCKED while a writer has the log open, RINGWALL_NOT_FOUND, RINGWALL_NOT_A_LOG, RINGWALL_NEWER_FORMAT,
 * RINGWALL_DAMAGED when nothing says which log it is, RINGWALL_INVALID_ARGUMENT for a target that is not empty, RINGWALL_DISK_FULL,
 * RINGWALL_ABORTED, RINGWALL_IO.
 */
export async function repairLog(directory: string, target: string, options: RepairOptions = {}): Promise<RepairReport> {
  const { storage } = chooseStorage({ backend: options.backend ?? "auto" });
  try {
    if (options.dryRun !== true) {
      demandApart(directory, target);
      await demandEmpty(storage, target);
    }
    return await new Repair(storage, directory, target, options).run();
  } finally {
    await storage.close();
  }
}

function demandApart(directory: string, target: string): void {
  if (typeof target !== "string" || target === "") throw new RingwallError("RINGWALL_INVALID_ARGUMENT", "the target must be a path, a string that is not empty");
  const inside = path.relative(path.resolve(directory), path.resolve(target));
  if (inside !== "" && (inside.startsWith("..") || path.isAbsolute(inside))) return;
  throw new RingwallError("RINGWALL_INVALID_ARGUMENT", "the target lies in the damaged log, which must not change", {
    place: { path: target },
    remedy: "Name a directory outside of it.",
  });
}

interface RecoveredBy {
  readonly recovered: RecoveredLane;
  readonly notes: readonly string[];
  readonly damaged: readonly DamagedPlace[];
  readonly isEndUnknown: boolean;
}

interface JudgedLane {
  readonly source: ScanSource;
  readonly place: SourceLane;
  readonly recovered: RecoveredLane;
  readonly survivors: LaneSurvivors;
  /** The log did not end there, or nothing tells whether it did. */
  readonly isEndUnknown: boolean;
}

class Repair {
  readonly #storage: Storage;
  readonly #directory: string;
  readonly #target: string;
  readonly #options: RepairOptions;
  readonly #files: FileSystem;
  readonly #kernels: Kernels = chooseKernels();
  readonly #notes: string[] = [];
  readonly #damaged: DamagedPlace[] = [];
  readonly #started = performance.now();
  #step: RepairProgress["step"] = "judging";
  #bytes = 0;
  #bytesTotal = 0;
  #records = 0;

  constructor(storage: Storage, directory: string, target: string, options: RepairOptions) {
    this.#storage = storage;
    this.#directory = directory;
    this.#target = target;
    this.#options = options;
    this.#files = readOnlyFiles(storage.files, (bytes) => {
      this.#bytes += bytes;
      this.#tell();
    });
  }

  async run(): Promise<RepairReport> {
    await this.#demandNoWriter();
    const log = await identifyLog(this.#files, this.#directory);
    this.#damaged.push(...log.damaged);
    this.#bytesTotal = (await this.#sizeOf(log)) * (this.#options.dryRun === true ? 1 : 2);
    const lanes: JudgedLane[] = [];
    for (const lane of log.lanes) lanes.push(await this.#judge(log, lane));
    const names = new NamePool(lanes.flatMap(({ survivors }) => survivors.names));
    const partitions = lanes.flatMap(({ survivors }) => survivors.plan(this.#options.namesTo ?? "first", names));
    const targetUuid = this.#options.dryRun === true ? null : await this.#copy(log, lanes, partitions);
    return this.#report(log, { lanes, partitions, targetUuid });
  }

  async #demandNoWriter(): Promise<void> {
    if (!(await this.#storage.isLocked(this.#directory))) return;
    throw new RingwallError("RINGWALL_LOCKED", "a writer has the log open, or nobody can tell whether it has", {
      place: { path: this.#directory },
      remedy: "Close it first: what changes meanwhile can't be copied.",
    });
  }

  /**
   * First with the view of readers: sealed segments are what their index files say, so that damage in them costs the
   * damaged records alone, and exactly those are missed. Where an index can't be had, by all that the blocks say.
   */
  async #judge(log: SourceLog, lane: SourceLane): Promise<JudgedLane> {
    try {
      return await this.#judgeBy(log, lane, true);
    } catch (error) {
      if (!(error instanceof RingwallError) || (error.code !== "RINGWALL_DAMAGED" && error.code !== "RINGWALL_TRIMMED")) throw error;
      return this.#judgeBy(log, lane, false);
    }
  }

  async #judgeBy(log: SourceLog, lane: SourceLane, trustIndexes: boolean): Promise<JudgedLane> {
    const { uuid, alignment } = log;
    const source: ScanSource = { files: this.#files, lane: lane.lane, uuid, alignment, kernels: this.#kernels, boundary: null, buffers: new ReadBuffers() };
    const { recovered, notes, damaged, isEndUnknown } = await this.#recover(log, lane, source, trustIndexes);
    const { report } = recovered;
    const survivors = new LaneSurvivors(lane.lane, recovered.table);
    const ranges: DamagedRange[] = [...report.damaged];
    await walkRecords({
      source,
      recovered,
      loadIndex: (segment) => this.#loadIndex(source, lane, segment),
      take: this.#checked((record) => { survivors.note(record); return undefined; }),
      onDamage: (range) => { ranges.push(range); },
    });
    // One by one: there may be more than a call can have arguments.
    for (const place of damaged) this.#damaged.push(place);
    for (const { segment, path: file, from, to, reason } of ranges) this.#damaged.push({ path: file, lane: lane.lane, segment, from, to, reason });
    for (const note of [...notes, ...report.notes]) this.#notes.push(`lane ${String(lane.lane)}: ${note}`);
    return { source, place: lane, recovered, survivors, isEndUnknown };
  }

  #loadIndex({ uuid, alignment, kernels }: ScanSource, { lane, directory }: SourceLane, segment: number): Promise<SegmentIndex> {
    return loadSegmentIndex({ files: this.#files, directory, lane, uuid, alignment, kernels, segment });
  }

  /** By the superblock, unless it is lost or the blocks show that it is older than they are. */
  async #recover(log: SourceLog, lane: SourceLane, source: ScanSource, trustIndexes: boolean): Promise<RecoveredBy> {
    const { superblock } = log;
    const damaged: DamagedPlace[] = [];
    if (superblock !== null) {
      const recovered = await this.#recoverBy(superblock, lane, trustIndexes);
      const last = recovered.segments[recovered.segments.length - 1];
      const place = { segment: last?.segment ?? 1, offset: last?.index?.endOffset ?? log.alignment };
      const { epoch } = superblock.lanes[lane.lane] as LaneRecord;
      const isOlder = recovered.report.row === "older superblock" || (await hasLaterEpoch(source, lane.files.segments, place, epoch));
      if (!isOlder) return { recovered, notes: [], damaged, isEndUnknown: false };
      damaged.push({ path: `${this.#directory}/${superblockName}`, lane: lane.lane, segment: null, from: 0, to: 0, reason: "it is older than the blocks: a former one was put back" });
    }
    const { record, isSealed } = await gatherEvidence(source, lane.directory, lane.files);
    const lanes = Array.from({ length: log.lanes.length }, () => record);
    const recovered = await this.#recoverBy({ uuid: log.uuid, sequence: 1, alignment: log.alignment, flushMethod: "dsync", created: 0, lanes }, lane, trustIndexes);
    const notes = isSealed ? [] : ["the superblock can't tell where the lane ended, and its last block is no seal; what may have followed can't be known"];
    return { recovered, notes, damaged, isEndUnknown: !isSealed };
  }

  #recoverBy(superblock: Superblock, { lane, directory }: SourceLane, trustIndexes: boolean): Promise<RecoveredLane> {
    return recoverLane({ files: this.#files, directory, lane, superblock, kernels: this.#kernels, readOnly: true, liveWriter: false, trustIndexes });
  }

  /** Returns the new log's uuid. */
  async #copy(log: SourceLog, lanes: readonly JudgedLane[], partitions: readonly RepairedPartition[]): Promise<string> {
    this.#step = "copying";
    const times = lanes.flatMap(({ survivors }) => survivors.firstTime ?? []);
    const segmentBytes = this.#options.segmentBytes ?? log.segmentBytes;
    const firstTime = times.length === 0 ? this.#storage.clock.now() : Math.min(...times);
    const target = new TargetLog({ storage: this.#storage, target: this.#target, lanes: lanes.length, segmentBytes, firstTime });
    try {
      await target.open();
      for (const [lane, { source, place, recovered }] of lanes.entries()) {
        const copy = new LaneCopy(target, lane, partitions.filter((partition) => partition.lane === lane));
        await walkRecords({
          source,
          recovered,
          loadIndex: (segment) => this.#loadIndex(source, place, segment),
          take: this.#checked((record) => {
            this.#records++;
            return copy.take(record);
          }),
          // The first walk has noted it.
          onDamage: () => undefined,
        });
        await copy.finish();
      }
      await this.#demandNoWriter();
      const uuid = hex(target.uuid);
      await target.publish();
      return uuid;
    } catch (error) {
      await target.abandon();
      throw error;
    }
  }

  #checked(take: TakeRecord): TakeRecord {
    const { signal } = this.#options;
    if (signal === undefined) return take;
    return (record) => {
      if (signal.aborted) throw new RingwallError("RINGWALL_ABORTED", "the repair was aborted", { place: { path: this.#directory }, cause: signal.reason });
      return take(record);
    };
  }

  async #sizeOf(log: SourceLog): Promise<number> {
    let total = 0;
    for (const { path: file } of log.lanes.flatMap(({ files }) => files.segments)) {
      const opened = await this.#files.open(file, "read").catch(() => null);
      total += (await opened?.size().catch(() => 0)) ?? 0;
      await opened?.close();
    }
    return total;
  }

  #tell(): void {
    const { onProgress } = this.#options;
    onProgress?.({ step: this.#step, bytes: this.#bytes, bytesTotal: Math.max(this.#bytes, this.#bytesTotal), records: this.#records });
  }

  #report(log: SourceLog, found: { readonly lanes: readonly JudgedLane[]; readonly partitions: readonly RepairedPartition[]; readonly targetUuid: string | null }): RepairReport {
    const { lanes, partitions, targetUuid } = found;
    const parts = partitions.flatMap(({ salvaged }) => salvaged);
    const recordsMissing = partitions.flatMap(({ missing }) => missing).reduce((sum, { firstSequence, lastSequence }) => sum + lastSequence - firstSequence + 1, 0);
    const isLossUnknown = lanes.some(({ recovered, isEndUnknown }) => isEndUnknown || !recovered.report.lostExact);
    return {
      directory: this.#directory,
      target: targetUuid === null ? null : this.#target,
      uuid: hex(log.uuid),
      targetUuid,
      complete: recordsMissing === 0 && !isLossUnknown,
      partitions,
      damaged: this.#damaged,
      notes: this.#notes,
      records: parts.reduce((sum, part) => sum + part.records, 0),
      payloadBytes: parts.reduce((sum, part) => sum + part.payloadBytes, 0),
      recordsMissing,
      isLossUnknown,
      bytesRead: this.#bytes,
      seconds: (performance.now() - this.#started) / 1000,
    };
  }
}
