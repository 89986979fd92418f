// The damaged log as repair sees it: which log it is, its lanes, and files in its directories that are not its own.
//
// The superblock says it where a copy is valid and the segments agree; else the headers of segments and index files do,
// each of which repeats the log's uuid. Reads only.

import { RingwallError } from "../base/errors.js";
import { pageBytes } from "../format/block.js";
import { decodeIndexHeader, indexHeaderBytes } from "../format/index-file.js";
import { indexName, laneDirectoryName, parseLaneDirectory, superblockName } from "../format/names.js";
import { decodeSegmentHeader, type SegmentHeader } from "../format/segment-header.js";
import { lanesMax, superblockCopies, type Superblock } from "../format/superblock.js";
import { demandNoBackupMark } from "../recovery/backup-mark.js";
import { listLane, type LaneFiles } from "../recovery/lane-files.js";
import { openIfThere } from "../recovery/scan.js";
import { readSuperblock } from "../recovery/superblock-file.js";
import type { FileSystem } from "../storage/storage.js";
import type { DamagedPlace } from "./repair-report.js";

export interface SourceLane {
  readonly lane: number;
  readonly directory: string;
  readonly files: LaneFiles;
}

export interface SourceLog {
  readonly uuid: Uint8Array;
  readonly alignment: number;
  readonly lanes: readonly SourceLane[];
  /** Null when the blocks must say what it would. */
  readonly superblock: Superblock | null;
  /** Size of its segments where a header tells; else null. */
  readonly segmentBytes: number | null;
  readonly damaged: readonly DamagedPlace[];
}

interface Witness {
  readonly path: string;
  readonly lane: number;
  readonly segment: number;
  readonly kind: "segment" | "index";
  /** Null: the header does not verify. */
  readonly uuid: Uint8Array | null;
  readonly alignment: number;
  readonly segmentBytes: number | null;
}

/** Rejects with RINGWALL_NOT_FOUND, _NOT_A_LOG, _NEWER_FORMAT, or RINGWALL_DAMAGED when nothing says which log this is. */
export async function identifyLog(files: FileSystem, directory: string): Promise<SourceLog> {
  const names = await files.list(directory);
  if (names === null) throw new RingwallError("RINGWALL_NOT_FOUND", "there is no log here", { place: { path: directory }, remedy: "Check the path." });
  demandNoBackupMark(directory, names);
  const damaged: DamagedPlace[] = [];
  const stated = await readStated(files, directory, damaged);
  const laneNumbers = names.map(parseLaneDirectory).filter((lane) => lane !== null).filter((lane) => lane < lanesMax);
  if (stated === null && laneNumbers.length === 0) {
    throw new RingwallError("RINGWALL_NOT_A_LOG", "the directory holds neither a superblock nor a lane", { place: { path: directory }, remedy: "Check the path." });
  }
  const lanes = await listLanes(files, directory, Math.max(stated?.lanes.length ?? 0, ...laneNumbers.map((lane) => lane + 1)));
  const witnesses = (await Promise.all(lanes.map((lane) => questionLane(files, lane)))).flat();
  const elected = electUuid(stated, witnesses, directory);
  const superblock = stated !== null && isSame(stated.uuid, elected) ? stated : null;
  if (stated !== null && superblock === null) damaged.push(wholeFile(`${directory}/${superblockName}`, "it is of another log than the segments"));
  const own = witnesses.filter(({ uuid }) => uuid !== null && isSame(uuid, elected));
  const segmentBytes = own.find((witness) => witness.segmentBytes !== null)?.segmentBytes ?? null;
  await judgeWitnesses(files, witnesses, elected, damaged);
  return {
    uuid: elected,
    alignment: superblock?.alignment ?? own[0]?.alignment ?? pageBytes,
    lanes: superblock === null ? lanes : lanes.slice(0, superblock.lanes.length),
    superblock,
    segmentBytes,
    damaged,
  };
}

async function readStated(files: FileSystem, directory: string, damaged: DamagedPlace[]): Promise<Superblock | null> {
  const path = `${directory}/${superblockName}`;
  try {
    const { superblock, damagedCopies } = await readSuperblock(files, directory);
    for (const copy of damagedCopies) {
      damaged.push({ path, lane: null, segment: null, from: copy * pageBytes, to: (copy + 1) * pageBytes, reason: `copy ${String(copy)} of the superblock does not verify` });
    }
    return superblock;
  } catch (error) {
    if (!(error instanceof RingwallError) || error.code === "RINGWALL_NEWER_FORMAT") throw error;
    const reason = error.code === "RINGWALL_NOT_FOUND" ? "the superblock is missing" : `none of its ${String(superblockCopies)} copies is valid`;
    damaged.push(wholeFile(path, reason));
    return null;
  }
}

async function listLanes(files: FileSystem, directory: string, count: number): Promise<SourceLane[]> {
  const lanes: SourceLane[] = [];
  for (let lane = 0; lane < count; lane++) {
    const laneDirectory = `${directory}/${laneDirectoryName(lane)}`;
    lanes.push({ lane, directory: laneDirectory, files: await listLane(files, laneDirectory) });
  }
  return lanes;
}

async function questionLane(files: FileSystem, { lane, directory, files: { segments, indexes } }: SourceLane): Promise<Witness[]> {
  const witnesses: Witness[] = [];
  for (const { segment, path } of segments) {
    const header = decodeSegmentHeader(await firstBytes(files, path, pageBytes));
    witnesses.push({ path, lane, segment, kind: "segment", ...identityOf(header), segmentBytes: header?.segmentBytes ?? null });
  }
  for (const segment of indexes) {
    const path = `${directory}/${indexName(segment)}`;
    const header = decodeIndexHeader(await firstBytes(files, path, indexHeaderBytes));
    witnesses.push({ path, lane, segment, kind: "index", uuid: header?.uuid ?? null, alignment: header?.firstOffset ?? pageBytes, segmentBytes: null });
  }
  return witnesses;
}

function identityOf(header: SegmentHeader | null): Pick<Witness, "uuid" | "alignment"> {
  const isPlausible = header !== null && header.alignment > 0 && header.alignment % pageBytes === 0;
  return { uuid: isPlausible ? header.uuid : null, alignment: isPlausible ? header.alignment : pageBytes };
}

/** What can't be read is as good as not there. */
async function firstBytes(files: FileSystem, path: string, bytes: number): Promise<Uint8Array> {
  const file = await openIfThere(files, path);
  if (file === null) return new Uint8Array(0);
  try {
    const into = new Uint8Array(bytes);
    return into.subarray(0, await file.readAt(into, 0).catch(() => 0));
  } finally {
    await file.close();
  }
}

/** The superblock's, if any header agrees or none says anything; else the one that most headers name. */
function electUuid(stated: Superblock | null, witnesses: readonly Witness[], directory: string): Uint8Array {
  const votes = new Map<string, number>();
  for (const { uuid } of witnesses) if (uuid !== null) votes.set(hex(uuid), (votes.get(hex(uuid)) ?? 0) + 1);
  if (stated !== null && (votes.size === 0 || votes.has(hex(stated.uuid)))) return stated.uuid;
  const [winner] = [...votes].sort(([, a], [, b]) => b - a)[0] ?? [];
  if (winner !== undefined) return Uint8Array.from(Buffer.from(winner, "hex"));
  throw new RingwallError("RINGWALL_DAMAGED", "neither the superblock nor any segment or index file says which log this is, so no block can be verified", {
    place: { path: directory },
    remedy: "Bring the superblock or one segment's first page back from a copy.",
  });
}

/** Index files repeat what the segments say, and header pages what everything else says: damage to them costs nothing. */
async function judgeWitnesses(files: FileSystem, witnesses: readonly Witness[], elected: Uint8Array, damaged: DamagedPlace[]): Promise<void> {
  for (const { path, lane, segment, kind, uuid } of witnesses) {
    if (uuid !== null && !isSame(uuid, elected)) {
      damaged.push({ path, lane, segment, from: 0, to: 0, reason: `the ${kind === "index" ? "index file" : "segment"} is of another log, ${hex(uuid)}` });
    } else if (uuid === null) {
      const size = (await firstBytes(files, path, 1)).length;
      const to = kind === "segment" ? pageBytes : indexHeaderBytes;
      const what = kind === "segment" ? "its header page does not verify; its blocks are judged by themselves" : "the index file does not verify; it is not needed";
      damaged.push({ path, lane, segment, from: 0, to: size === 0 ? 0 : to, reason: size === 0 ? "the file is empty or can't be read" : what });
    }
  }
}

function wholeFile(path: string, reason: string): DamagedPlace {
  return { path, lane: null, segment: null, from: 0, to: 0, reason };
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.every((byte, at) => b[at] === byte);
}

export function hex(uuid: Uint8Array): string {
  return Buffer.from(uuid).toString("hex");
}
