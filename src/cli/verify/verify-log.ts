// Reads all of a log that is kept and collects what is wrong. Writes nothing, takes no lock.
//
// Recovery does the judging, with no index trusted, so that every block of every segment is read; what recovery does not
// need (copies of the superblock, index files, header pages) is looked at here, and of a damaged log what readers can't
// read. Memory: some megabytes and the indexes.

import { RingwallError } from "../../base/errors.js";
import type { SegmentIndex } from "../../core/segment-index.js";
import { chooseKernels } from "../../format/kernels.js";
import { indexName, laneDirectoryName, superblockName } from "../../format/names.js";
import { superblockCopies, type Superblock } from "../../format/superblock.js";
import { listLane } from "../../recovery/lane-files.js";
import { readIndexFile } from "../../recovery/load-segment-index.js";
import { recoverLane } from "../../recovery/recover-lane.js";
import type { RecoveredLane, RecoveryReport } from "../../recovery/recovered-lane.js";
import { readSuperblock } from "../../recovery/superblock-file.js";
import { chooseStorage } from "../../storage/choose.js";
import type { Storage } from "../../storage/storage.js";
import { demandLog } from "../demand-log.js";
import { startProgress } from "../progress.js";
import { countingFiles } from "./counting-files.js";
import { lostCount, lostFinding, type Finding } from "./finding.js";
import { LossesByReading } from "./losses-by-reading.js";

export interface VerifyRequest {
  readonly directory: string;
  readonly backend: "auto" | "uring" | "fs";
  readonly isProgressWanted: boolean | undefined;
}

export interface Verdict {
  readonly findings: readonly Finding[];
  /** What is worth knowing and no damage: a torn tail, a writer at work. */
  readonly notes: readonly string[];
  readonly lanes: number;
  readonly segments: number;
  readonly records: number;
  readonly recordsLost: number;
  /** More may be lost than `recordsLost`: nothing that survives speaks of it. */
  readonly isLossUnknown: boolean;
  /** Bytes read. */
  readonly bytes: number;
  readonly seconds: number;
  readonly reports: readonly RecoveryReport[];
}

export async function verifyLog({ directory, backend, isProgressWanted }: VerifyRequest): Promise<Verdict> {
  const { storage } = chooseStorage({ backend });
  const started = performance.now();
  try {
    await demandLog(storage.files, directory);
    const { superblock, damagedCopies } = await readSuperblock(storage.files, directory);
    const bytesTotal = await bytesOf(storage, directory, superblock);
    const progress = await startProgress({ label: "verify", bytesTotal, noun: "lanes done", isWanted: isProgressWanted });
    const lossesByReading = new LossesByReading(directory, backend);
    const pass = new VerifyPass({ storage, directory, superblock, lossesByReading, onBytes: (bytes, lanes) => progress.update(bytes, lanes) });
    try {
      pass.noteSuperblock(damagedCopies);
      for (let lane = 0; lane < superblock.lanes.length; lane++) await pass.verifyLane(lane);
    } finally {
      progress.stop();
    }
    return pass.verdict((performance.now() - started) / 1000);
  } finally {
    await storage.close();
  }
}

interface VerifyPassOptions {
  readonly storage: Storage;
  readonly directory: string;
  readonly superblock: Superblock;
  readonly lossesByReading: LossesByReading;
  readonly onBytes: (bytes: number, lanes: number) => void;
}

class VerifyPass {
  readonly #findings: Finding[] = [];
  readonly #notes: string[] = [];
  readonly #reports: RecoveryReport[] = [];
  readonly #storage: Storage;
  readonly #directory: string;
  readonly #superblock: Superblock;
  readonly #lossesByReading: LossesByReading;
  readonly #files: Storage["files"];
  #bytes = 0;

  constructor({ storage, directory, superblock, lossesByReading, onBytes }: VerifyPassOptions) {
    this.#lossesByReading = lossesByReading;
    this.#storage = storage;
    this.#directory = directory;
    this.#superblock = superblock;
    this.#files = countingFiles(storage.files, (bytes) => {
      this.#bytes += bytes;
      onBytes(this.#bytes, this.#reports.length);
    });
  }

  noteSuperblock(damagedCopies: readonly number[]): void {
    if (damagedCopies.length === 0) return;
    this.#findings.push({
      costsRecords: false,
      path: `${this.#directory}/${superblockName}`,
      what: `${String(damagedCopies.length)} of its ${String(superblockCopies)} copies ${damagedCopies.length === 1 ? "does" : "do"} not verify (${damagedCopies.join(", ")})`,
      meaning: "No record is lost; the next opening for writing writes all copies anew.",
    });
  }

  async verifyLane(lane: number): Promise<void> {
    const directory = `${this.#directory}/${laneDirectoryName(lane)}`;
    const liveWriter = await this.#storage.isLocked(this.#directory);
    // A writer moves on: what it has done since the superblock was read would pass for damage.
    const superblock = liveWriter ? (await readSuperblock(this.#storage.files, this.#directory)).superblock : this.#superblock;
    if (liveWriter && lane === 0) this.#notes.push("a writer is at work: what it has not declared durable yet is not looked at");
    const recovered = await recoverLane({ files: this.#files, directory, lane, superblock, kernels: chooseKernels(), readOnly: true, liveWriter, trustIndexes: false });
    const report = recovered.report.verdict === "damaged" && !liveWriter ? await this.#lossesByReading.correct(recovered.report, superblock) : recovered.report;
    this.#judge(directory, report);
    await this.#compareIndexes(directory, recovered, superblock);
    this.#reports.push(report);
  }

  #judge(directory: string, report: RecoveryReport): void {
    const { lane, verdict, damaged, lost, lostExact, discardedBlocks, notes } = report;
    const costsRecords = lost.length > 0 || !lostExact;
    for (const { segment, path, from, to, reason } of damaged) {
      this.#findings.push({ costsRecords, path, lane, segment, from, to, what: reason, meaning: meaningOf(report) });
    }
    for (const range of lost) this.#findings.push(lostFinding(directory, lane, range));
    if (verdict === "damaged" && damaged.length === 0 && lost.length === 0) {
      this.#findings.push({ costsRecords, path: directory, lane, what: notes.join("; "), meaning: "The lane can be opened read-only; `ringwall repair` makes it writable again." });
    }
    if (verdict === "torn tail") {
      const blocks = discardedBlocks.length === 1 ? "1 block" : `${String(discardedBlocks.length)} blocks`;
      this.#notes.push(`lane ${String(lane)} ends in a torn tail: ${blocks} that no one was told are durable. A crash leaves that; the next writer goes on before it`);
    }
    for (const note of notes) {
      if (/header page is damaged/.test(note)) this.#findings.push({ costsRecords: false, path: directory, lane, what: note, meaning: "No record is lost: the page repeats what the blocks and the superblock say." });
      else if (verdict !== "damaged" || damaged.length > 0) this.#notes.push(`lane ${String(lane)}: ${note}`);
    }
  }

  /** Index files spare a scan when a log is opened; a wrong one would mislead it. */
  async #compareIndexes(directory: string, recovered: RecoveredLane, { uuid }: Superblock): Promise<void> {
    const { lane } = recovered.report;
    const { indexes } = await listLane(this.#files, directory);
    for (const { segment, index } of recovered.segments) {
      if (index === null || !indexes.includes(segment)) continue;
      const stored = await readIndexFile({ files: this.#files, directory, lane, uuid }, segment).catch(nullIfGone);
      // A damaged segment can't contradict its index: the index still tells what was there.
      const isWhole = recovered.report.verdict !== "damaged";
      const reason = stored === null ? "the index file does not verify" : isWhole ? disagreement(stored, index) : null;
      if (reason === null) continue;
      this.#findings.push({
        costsRecords: false,
        path: `${directory}/${indexName(segment)}`,
        lane,
        segment,
        what: reason,
        meaning: stored === null ? "No record is lost: whoever needs it rebuilds it from its segment." : "No record is lost, but readers may miss some: the segment is whole, so remove this index file while nobody has the log open, and it is rebuilt.",
      });
    }
  }

  verdict(seconds: number): Verdict {
    const lost = this.#reports.flatMap((report) => report.lost);
    return {
      findings: this.#findings,
      notes: this.#notes,
      lanes: this.#reports.length,
      segments: this.#reports.reduce((sum, report) => sum + report.segments, 0),
      records: this.#reports.reduce((sum, report) => sum + report.scannedRecords, 0),
      recordsLost: lost.reduce((sum, range) => sum + lostCount(range), 0),
      isLossUnknown: this.#reports.some((report) => !report.lostExact),
      bytes: this.#bytes,
      seconds,
      reports: this.#reports,
    };
  }
}

function meaningOf({ lost, lostExact }: RecoveryReport): string {
  if (lost.length > 0) return lostExact ? "The records that it cost are named below." : "Some of the records that it cost are named below; nothing that survives names the others.";
  return lostExact ? "No acknowledged record is lost, but the log can't be opened for writing before `ringwall repair`." : "Which records were there can't be told: nothing that survives names them.";
}

function disagreement(stored: SegmentIndex, found: SegmentIndex): string | null {
  const differ = (["firstBlock", "lastBlock", "endOffset", "lastChecksum"] as const).find((field) => stored[field] !== found[field]);
  if (differ !== undefined) return `the index says ${differ} ${String(stored[differ])}, the segment says ${String(found[differ])}`;
  for (const [partition, run] of found.runs) {
    const other = stored.runs.get(partition);
    if (other === undefined || other.records !== run.records || other.lastSequence !== run.lastSequence) return `the index and the segment disagree on partition number ${String(partition)}`;
  }
  for (const [partition, stretches] of found.moved) {
    const others = stored.moved.get(partition) ?? [];
    const isSame = others.length === stretches.length && stretches.every((stretch, at) => others[at]?.firstSequence === stretch.firstSequence && others[at]?.lastSequence === stretch.lastSequence);
    if (!isSame) return `the index and the segment disagree on moved records of partition number ${String(partition)}`;
  }
  return null;
}

function nullIfGone(error: unknown): null {
  if (error instanceof RingwallError) return null;
  throw error;
}

async function bytesOf(storage: Storage, directory: string, superblock: Superblock): Promise<number> {
  let total = 0;
  for (let lane = 0; lane < superblock.lanes.length; lane++) {
    const { segments } = await listLane(storage.files, `${directory}/${laneDirectoryName(lane)}`);
    const { firstSegment } = superblock.lanes[lane] as Superblock["lanes"][number];
    for (const { segment, path } of segments) {
      if (segment < firstSegment) continue;
      const file = await storage.files.open(path, "read").catch(nullIfGone);
      if (file === null) continue;
      total += await file.size();
      await file.close();
    }
  }
  return Math.max(1, total);
}
