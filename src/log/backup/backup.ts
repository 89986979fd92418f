// A copy of a log beside its writer: sealed segments whole, the segment of the last block that counts up to that block's end.
//
// What counts is fixed before the first byte is copied: one block per lane, all at one moment. Durable blocks never change,
// so the copy may take its time; only freeing a segment ends it. A writer keeps its segments meanwhile. A reader can't ask
// for that: what it copied counts only if the superblock still keeps those segments afterwards, else it begins anew with
// what is left. The superblock of the copy states the block as its horizon, so that nothing behind it is ever missed.

import { RingwallError } from "../../base/errors.js";
import { decodeIndexHeader } from "../../format/index-file.js";
import { indexName, segmentName } from "../../format/names.js";
import type { LaneRecord, Superblock } from "../../format/superblock.js";
import { openIfThere } from "../../recovery/scan.js";
import type { Storage } from "../../storage/storage.js";
import { demandKnown } from "../known-options.js";
import { BackupTarget } from "./backup-target.js";
import { endOfBlock } from "./block-end.js";
import { FileCopier } from "./copy-file.js";

export interface BackupProgress {
  /** Copied or cloned so far. */
  readonly bytes: number;
  /** Of the copy, as far as is known now. */
  readonly bytesTotal: number;
  readonly segments: number;
  readonly segmentsTotal: number;
}

export interface BackupOptions {
  /** Ends the backup with RINGWALL_ABORTED; nothing is left at the target. */
  readonly signal?: AbortSignal | undefined;
  /** Called after each piece, a MiB at most, and awaited. What it throws ends the backup with just that; nothing is left at the target. */
  readonly onProgress?: ((progress: BackupProgress) => void | Promise<void>) | undefined;
  /** What is read and written at most. Without it as fast as it goes. */
  readonly bytesPerSecond?: number | undefined;
}

export interface BackupReport {
  readonly directory: string;
  readonly segments: number;
  /** Read and written, and shared with the original by the filesystem. */
  readonly copiedBytes: number;
  readonly clonedBytes: number;
  /** The last block of each lane. */
  readonly lastBlocks: readonly number[];
  /** How often the writer freed what was being copied; always 0 on the writer's own log. */
  readonly restarts: number;
}

/** What counts of one lane. */
export interface LaneSnapshot {
  /** Of the original. */
  readonly directory: string;
  readonly record: LaneRecord;
  /** Ascending; the block lies in the last. Empty: the lane has none. */
  readonly segments: readonly number[];
  readonly lastBlock: number;
}

export interface LogSnapshot {
  readonly superblock: Superblock;
  readonly lanes: readonly LaneSnapshot[];
}

export interface BackupSource {
  readonly directory: string;
  readonly storage: Storage;
  snapshot: () => Promise<LogSnapshot>;
  /** The first segment that each lane keeps by now. */
  keptFrom: () => Promise<readonly number[]>;
}

const attemptsMax = 10;
const backupKeys: ReadonlySet<string> = new Set(["signal", "onProgress", "bytesPerSecond"]);

/** Rejects with RINGWALL_INVALID_ARGUMENT, _ABORTED, _TRIMMED, _DAMAGED, _DISK_FULL, _IO; then nothing is left at the target. */
export async function backUp(source: BackupSource, directory: string, options: BackupOptions): Promise<BackupReport> {
  checkBackup(directory, options);
  const target = new BackupTarget(source.storage.files, directory);
  const backup = new Backup(source, target, options);
  try {
    return await backup.run();
  } catch (error) {
    // The first error is the one to tell; what could not be removed is marked as incomplete.
    await target.discard().catch(() => undefined);
    throw error;
  }
}

class Backup {
  readonly #source: BackupSource;
  readonly #target: BackupTarget;
  readonly #options: BackupOptions;
  readonly #copier: FileCopier;
  /** By lane: segments that are copied whole. */
  #whole: Set<number>[] = [];
  #bytes = 0;
  #bytesTotal = 0;
  #segmentsTotal = 0;

  constructor(source: BackupSource, target: BackupTarget, options: BackupOptions) {
    this.#source = source;
    this.#target = target;
    this.#options = options;
    const { files, clock } = source.storage;
    this.#copier = new FileCopier({
      files, clock, signal: options.signal, bytesPerSecond: options.bytesPerSecond ?? Number.POSITIVE_INFINITY, onBytes: (bytes) => this.#tell(bytes),
    });
  }

  async run(): Promise<BackupReport> {
    let snapshot = await this.#source.snapshot();
    await this.#target.begin(this.#source.directory, snapshot.lanes.length);
    this.#whole = snapshot.lanes.map(() => new Set());
    for (let restarts = 0; ; restarts++) {
      if (await this.#copyAll(snapshot)) {
        this.#copier.demandWanted();
        await this.#target.complete(superblockOf(snapshot));
        const { copiedBytes, clonedBytes } = this.#copier;
        const segments = snapshot.lanes.reduce((sum, lane) => sum + lane.segments.length, 0);
        return { directory: this.#target.directory, segments, copiedBytes, clonedBytes, lastBlocks: snapshot.lanes.map(({ lastBlock }) => lastBlock), restarts };
      }
      if (restarts >= attemptsMax) throw overtaken(this.#source.directory);
      snapshot = await this.#source.snapshot();
      await this.#forgetFreed(snapshot);
    }
  }

  /** False when the writer freed some of it meanwhile. */
  async #copyAll(snapshot: LogSnapshot): Promise<boolean> {
    await this.#measure(snapshot);
    for (const [lane, image] of snapshot.lanes.entries()) {
      for (const segment of image.segments) {
        if (this.#whole[lane]?.has(segment) === true) continue;
        if (!(await this.#copySegment(snapshot, lane, segment))) return false;
      }
      if (image.segments.length === 0 && image.record.epoch > 0 && !(await this.#copyEmpty(snapshot.superblock, lane, image))) return false;
    }
    const kept = await this.#source.keptFrom();
    return snapshot.lanes.every(({ segments }, lane) => (kept[lane] ?? 0) <= (segments[0] ?? kept[lane] ?? 0));
  }

  async #copySegment(snapshot: LogSnapshot, lane: number, segment: number): Promise<boolean> {
    const { directory, record, lastBlock, segments } = snapshot.lanes[lane] as LaneSnapshot;
    const [from, to] = [`${directory}/${segmentName(segment)}`, `${this.#target.laneDirectory(lane)}/${segmentName(segment)}`];
    try {
      if (segment !== segments[segments.length - 1]) {
        await this.#source.storage.files.remove(to);
        await this.#copier.copy(from, to);
        await this.#copyIndex(snapshot, lane, segment);
        // Whether it was still the segment's is asked behind all; one that was freed is not in the next snapshot.
        this.#whole[lane]?.add(segment);
        return true;
      }
      const { files } = this.#source.storage;
      const { uuid, alignment } = snapshot.superblock;
      const end = await endOfBlock({ files, directory, lane, uuid, alignment, record, segment }, lastBlock);
      if (end === null) {
        const kept = await this.#source.keptFrom();
        if ((kept[lane] ?? 0) > segment) return false;
        throw new RingwallError("RINGWALL_DAMAGED", `the blocks don't lead to block ${String(lastBlock)}`, {
          place: { path: from, lane, segment },
          remedy: "Run `ringwall verify` for the details, then `ringwall repair`.",
        });
      }
      await this.#copier.copyRange(from, to, end);
      return true;
    } catch (error) {
      if (error instanceof RingwallError && error.code === "RINGWALL_NOT_FOUND") return false;
      throw error;
    }
  }

  /**
   * Only one whose last group ends in its segment:
   * 1. a batch begins in segment 1 and goes on in 2, behind the last block of this copy; 2. the index of 1, written when the
   * batch was whole, counts it; 3. the copy would hold a part of a batch. Without an index the segment is scanned.
   */
  async #copyIndex(snapshot: LogSnapshot, lane: number, segment: number): Promise<void> {
    const { directory, lastBlock } = snapshot.lanes[lane] as LaneSnapshot;
    const { files } = this.#source.storage;
    const name = indexName(segment);
    const file = await openIfThere(files, `${directory}/${name}`, "read");
    if (file === null) return;
    try {
      const bytes = new Uint8Array(await file.size());
      const header = decodeIndexHeader(bytes.subarray(0, await file.readAt(bytes, 0)));
      if (header === null || header.goesOn || header.lastBlock > lastBlock) return;
      const path = `${this.#target.laneDirectory(lane)}/${name}`;
      await files.remove(path);
      const copy = await files.open(path, "create");
      try {
        await copy.writeAt(bytes, 0);
        await copy.sync();
      } finally {
        await copy.close();
      }
    } finally {
      await file.close();
    }
  }

  /** A lane without a block has its first segment's file all the same. */
  async #copyEmpty({ alignment }: Superblock, lane: number, { directory, record }: LaneSnapshot): Promise<boolean> {
    const name = segmentName(record.epochSegment);
    try {
      await this.#copier.copyRange(`${directory}/${name}`, `${this.#target.laneDirectory(lane)}/${name}`, alignment);
      return true;
    } catch (error) {
      if (error instanceof RingwallError && error.code === "RINGWALL_NOT_FOUND") return false;
      throw error;
    }
  }

  /** What the new snapshot does not hold goes from the target. */
  async #forgetFreed(snapshot: LogSnapshot): Promise<void> {
    const { files } = this.#source.storage;
    for (const [lane, whole] of this.#whole.entries()) {
      const kept = new Set(snapshot.lanes[lane]?.segments);
      for (const segment of whole) if (!kept.has(segment)) whole.delete(segment);
      const directory = this.#target.laneDirectory(lane);
      const wanted = new Set([...whole].flatMap((segment) => [segmentName(segment), indexName(segment)]));
      for (const name of (await files.list(directory)) ?? []) if (!wanted.has(name)) await files.remove(`${directory}/${name}`);
    }
  }

  async #measure(snapshot: LogSnapshot): Promise<void> {
    this.#segmentsTotal = 0;
    this.#bytesTotal = this.#bytes;
    for (const [lane, { directory, segments }] of snapshot.lanes.entries()) {
      this.#segmentsTotal += segments.length;
      for (const segment of segments) {
        if (this.#whole[lane]?.has(segment) === true) continue;
        const file = await openIfThere(this.#source.storage.files, `${directory}/${segmentName(segment)}`, "read");
        if (file === null) continue;
        this.#bytesTotal += await file.size().finally(() => file.close());
      }
    }
  }

  async #tell(bytes: number): Promise<void> {
    this.#bytes += bytes;
    const segments = this.#whole.reduce((sum, whole) => sum + whole.size, 0);
    await this.#options.onProgress?.({ bytes: this.#bytes, bytesTotal: Math.max(this.#bytes, this.#bytesTotal), segments, segmentsTotal: this.#segmentsTotal });
  }
}

/** That of a log which stopped right behind those blocks. */
function superblockOf({ superblock, lanes }: LogSnapshot): Superblock {
  return {
    ...superblock,
    lanes: lanes.map(({ record, segments, lastBlock }): LaneRecord => {
      const isSealed = record.state === "closed" && record.horizon === lastBlock;
      return { ...record, state: isSealed ? "closed" : "open", horizon: lastBlock, firstSegment: segments[0] ?? record.firstSegment };
    }),
  };
}

/** Throws RINGWALL_INVALID_ARGUMENT. */
export function checkBackup(directory: unknown, options: BackupOptions): void {
  if (typeof directory !== "string" || directory === "") throw invalid("directory", "the path of a directory", directory);
  demandKnown("a backup's options", options, backupKeys);
  const { signal, onProgress, bytesPerSecond } = options;
  if (signal !== undefined && !(signal instanceof AbortSignal)) throw invalid("signal", "an AbortSignal", signal);
  if (onProgress !== undefined && typeof onProgress !== "function") throw invalid("onProgress", "a function", onProgress);
  if (bytesPerSecond !== undefined && !(typeof bytesPerSecond === "number" && bytesPerSecond > 0)) throw invalid("bytesPerSecond", "a number above 0", bytesPerSecond);
}

function invalid(name: string, wanted: string, given: unknown): RingwallError {
  return new RingwallError("RINGWALL_INVALID_ARGUMENT", `\`${name}\` must be ${wanted}; it is ${String(given)}`);
}

function overtaken(directory: string): RingwallError {
  return new RingwallError("RINGWALL_TRIMMED", "the writer frees segments faster than they can be copied", {
    place: { path: directory },
    remedy: "Back it up in the writer's process, with log.backup(), which keeps the segments meanwhile; or again when less is trimmed.",
  });
}
