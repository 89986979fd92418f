// Walks all there is of a log, whole or not, and yields what it finds. Reads only; damage is an item, never an exception.

import type { PartitionTable } from "../../core/partition-table.js";
import { pageBytes } from "../../format/block.js";
import { chooseKernels } from "../../format/kernels.js";
import { laneDirectoryName, parseLaneDirectory } from "../../format/names.js";
import { decodeSegmentHeader, type SegmentHeader } from "../../format/segment-header.js";
import type { LaneRecord, Superblock } from "../../format/superblock.js";
import { interruptedBackup, isInterruptedBackup } from "../../recovery/backup-mark.js";
import { listLane, type LaneFiles } from "../../recovery/lane-files.js";
import { readIndexFile } from "../../recovery/load-segment-index.js";
import { recoverLane } from "../../recovery/recover-lane.js";
import type { RecoveredLane } from "../../recovery/recovered-lane.js";
import { scanSegments, type ScanSource, type SegmentFile } from "../../recovery/scan.js";
import { ReadBuffers } from "../../recovery/segment-reader.js";
import type { Storage } from "../../storage/storage.js";
import type { InspectItem, LaneItem, SegmentItem } from "./inspect-item.js";
import { SegmentLook } from "./segment-look.js";
import { lookAtSuperblock } from "./superblock-look.js";

export interface InspectRequest {
  readonly storage: Storage;
  readonly directory: string;
  readonly segment: number | undefined;
  readonly listsBlocks: boolean;
  readonly listsFrames: boolean;
  readonly limit: number;
}

interface LaneContext {
  readonly source: ScanSource;
  readonly directory: string;
  readonly files: LaneFiles;
  readonly record: LaneRecord | null;
  readonly recovered: RecoveredLane | null;
  readonly names: ReadonlyMap<number, string>;
}

export async function* inspectLog(request: InspectRequest): AsyncGenerator<InspectItem, undefined> {
  const { storage, directory } = request;
  if (isInterruptedBackup((await storage.files.list(directory)) ?? [])) yield { kind: "note", text: `${interruptedBackup}. No opening takes it for a log; what has come of it so far follows` };
  const { item, superblock } = await lookAtSuperblock(storage, directory);
  yield item;
  let room = request.limit;
  for (const lane of await laneNumbers(storage, directory, superblock)) {
    const laneDirectory = `${directory}/${laneDirectoryName(lane)}`;
    const files = await listLane(storage.files, laneDirectory);
    const identity = superblock ?? (await identityFromSegments(storage, files));
    const { recovered, problem } = await tryRecovery(request, superblock, lane);
    const record = superblock?.lanes[lane] ?? null;
    const laneItem: LaneItem = { kind: "lane", lane, directory: laneDirectory, record, recovery: recovered?.report ?? null, problem };
    yield laneItem;
    if (identity === null) {
      yield { kind: "note", text: `lane ${String(lane)}: neither the superblock nor a segment says which log this is, so no block can be verified` };
      continue;
    }
    const source: ScanSource = { files: storage.files, lane, uuid: identity.uuid, alignment: identity.alignment, kernels: chooseKernels(), boundary: null, buffers: new ReadBuffers() };
    const context: LaneContext = { source, directory: laneDirectory, files, record, recovered, names: namesOf(recovered?.table) };
    for (const file of files.segments) {
      if (request.segment !== undefined && file.segment !== request.segment) continue;
      const { look, item: segmentItem } = await lookAtSegment(request, context, file, room);
      yield segmentItem;
      yield* look.items;
      room -= look.items.length;
      if (look.isCut) yield { kind: "note", text: `segment ${String(file.segment)} has more: --limit is ${String(request.limit)}` };
    }
  }
}

async function lookAtSegment(request: InspectRequest, context: LaneContext, file: SegmentFile, room: number): Promise<{ readonly look: SegmentLook; readonly item: SegmentItem }> {
  const { source, record, directory, files, recovered } = context;
  const { segment, path } = file;
  const hasIndex = files.indexes.includes(segment);
  const stored = hasIndex ? await readIndexFile({ files: source.files, directory, lane: source.lane, uuid: source.uuid }, segment).catch(() => null) : null;
  const boundary = record === null ? null : { epoch: record.epoch, segment: record.epochSegment, offset: record.epochOffset };
  const dueEnd = stored?.endOffset ?? recovered?.segments.find((known) => known.segment === segment)?.index?.endOffset ?? 0;
  const { listsBlocks, listsFrames } = request;
  const look = new SegmentLook({ source, boundary, dueEnd, listsBlocks, listsFrames, room, names: context.names });
  await scanSegments(source, [file], { segment, offset: source.alignment }, look);
  const isKept = recovered === null ? look.blocks > 0 : recovered.segments.some((known) => known.segment === segment);
  const { headerValid, fileBytes, blocks, deadBlocks, firstBlock, lastBlock, endOffset, epochs, records, payloadBytes, damage } = look;
  const item: SegmentItem = {
    kind: "segment", lane: source.lane, segment, path, fileBytes,
    header: headerValid ? "valid" : "damaged",
    index: !hasIndex ? "none" : stored === null ? "damaged" : "valid",
    state: isKept ? "kept" : "free",
    blocks, deadBlocks, firstBlock, lastBlock, endOffset, epochs, records, payloadBytes, damage,
  };
  return { look, item };
}

async function tryRecovery({ storage, directory }: InspectRequest, superblock: Superblock | null, lane: number): Promise<{ readonly recovered: RecoveredLane | null; readonly problem: string | null }> {
  if (superblock === null) return { recovered: null, problem: "no copy of the superblock is valid" };
  try {
    const liveWriter = await storage.isLocked(directory);
    const laneDirectory = `${directory}/${laneDirectoryName(lane)}`;
    return { recovered: await recoverLane({ files: storage.files, directory: laneDirectory, lane, superblock, kernels: chooseKernels(), readOnly: true, liveWriter }), problem: null };
  } catch (error) {
    return { recovered: null, problem: error instanceof Error ? error.message : String(error) };
  }
}

async function laneNumbers(storage: Storage, directory: string, superblock: Superblock | null): Promise<number[]> {
  if (superblock !== null) return superblock.lanes.map((_, lane) => lane);
  const names = (await storage.files.list(directory)) ?? [];
  return names.map(parseLaneDirectory).filter((lane) => lane !== null).sort((a, b) => a - b);
}

/** Segment headers repeat what the superblock says of the log. */
async function identityFromSegments(storage: Storage, files: LaneFiles): Promise<SegmentHeader | null> {
  for (const { path } of files.segments) {
    const page = new Uint8Array(pageBytes);
    const file = await storage.files.open(path, "read").catch(() => null);
    if (file === null) continue;
    await file.readAt(page, 0).catch(() => page.fill(0));
    await file.close();
    const header = decodeSegmentHeader(page);
    if (header !== null) return header;
  }
  return null;
}

function namesOf(table: PartitionTable | undefined): ReadonlyMap<number, string> {
  return new Map([...(table ?? [])].map((state) => [state.id, state.name]));
}
