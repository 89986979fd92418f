// Brings the index of a sealed segment: from its index file, or by scanning the segment when that is missing or damaged.

import { RingwallError } from "../base/errors.js";
import { Replay } from "../core/replay.js";
import { SegmentIndex } from "../core/segment-index.js";
import { decodeIndexBody, decodeIndexHeader } from "../format/index-file.js";
import type { Kernels } from "../format/kernels.js";
import { indexName } from "../format/names.js";
import type { FileSystem } from "../storage/storage.js";
import { belongs, type IndexHeaderSource } from "./index-headers.js";
import { listLane, segmentPath } from "./lane-files.js";
import { LanePass } from "./lane-pass.js";
import { openIfThere, scanSegments, type ScanVisitor, type SegmentFile } from "./scan.js";
import { ReadBuffers } from "./segment-reader.js";

export interface LoadSegmentIndexOptions {
  readonly files: FileSystem;
  /** Of the lane. */
  readonly directory: string;
  readonly lane: number;
  readonly uuid: Uint8Array;
  readonly alignment: number;
  readonly kernels: Kernels;
  readonly segment: number;
}

/** Rejects with RINGWALL_TRIMMED when the segment is gone, with RINGWALL_DAMAGED when it can't be followed to its end. */
export async function loadSegmentIndex(options: LoadSegmentIndexOptions): Promise<SegmentIndex> {
  return (await readIndexFile(options, options.segment)) ?? (await rebuildIndex(options));
}

/** The index in the segment's index file; null when that is missing or not valid. */
export async function readIndexFile(source: IndexHeaderSource, segment: number): Promise<SegmentIndex | null> {
  const file = await openIfThere(source.files, `${source.directory}/${indexName(segment)}`);
  if (file === null) return null;
  try {
    const bytes = new Uint8Array(await file.size());
    const count = await file.readAt(bytes, 0).catch(() => 0);
    return decode(bytes.subarray(0, count), source, segment);
  } finally {
    await file.close();
  }
}

function decode(bytes: Uint8Array, source: IndexHeaderSource, segment: number): SegmentIndex | null {
  const header = decodeIndexHeader(bytes);
  if (header === null || !belongs(header, source, segment)) return null;
  const index = new SegmentIndex(segment, header.baseTime, header.firstOffset);
  index.endOffset = header.endOffset;
  index.firstBlock = header.firstBlock;
  index.lastBlock = header.lastBlock;
  index.lastChecksum = header.lastChecksum;
  if (!decodeIndexBody(bytes, header, index)) return null;
  index.pack();
  return index;
}

/** As `loadSegmentIndex`, without looking at the index file. */
export async function rebuildIndex(options: LoadSegmentIndexOptions): Promise<SegmentIndex> {
  const { segment, directory } = options;
  const { segments } = await listLane(options.files, directory);
  const place = { path: segmentPath(directory, segment), lane: options.lane, segment };
  if (!segments.some((file) => file.segment === segment)) {
    const trimmed = segments.every((file) => file.segment > segment);
    throw new RingwallError(trimmed ? "RINGWALL_TRIMMED" : "RINGWALL_DAMAGED", trimmed ? "the segment was trimmed" : "the segment's file is missing", { place });
  }
  // A group that begins further up must be seen from its beginning.
  const oldest = oldestBefore(segments, segment);
  for (let first = segment, tries = 1; ; first = Math.max(oldest, first - stepBack(tries)), tries++) {
    const rebuilt = await followFrom(options, segments, first);
    if (rebuilt.kind === "followed" && rebuilt.index !== null) return rebuilt.index;
    if (rebuilt.kind === "followed" || first === oldest) break;
  }
  throw new RingwallError("RINGWALL_DAMAGED", "the segment's blocks don't lead to those of the next segment", {
    place,
    remedy: "Run `ringwall verify` for the details, then `ringwall repair`.",
  });
}

/** The first of the segments that lead to `segment` without a hole. */
function oldestBefore(segments: readonly SegmentFile[], segment: number): number {
  const ids = new Set(segments.map((file) => file.segment));
  let oldest = segment;
  while (ids.has(oldest - 1)) oldest--;
  return oldest;
}

/**
 * How many segments to go back when `tries` scans began too late. One by one at first, so that nothing is needed that is not;
 * then in growing steps: many segments that all begin inside a group would cost the square of their number.
 */
export function stepBack(tries: number): number {
  return tries <= 8 ? 1 : 2 ** Math.min(tries - 8, 30);
}

type Rebuilt = { readonly kind: "begins earlier" } | { readonly kind: "followed"; readonly index: SegmentIndex | null };

/** Follows the chain from segment `first` until the wanted segment and every group with a frame in it are complete. */
async function followFrom(options: LoadSegmentIndexOptions, segments: readonly SegmentFile[], first: number): Promise<Rebuilt> {
  const replay = new Replay();
  const pass = new LanePass({
    chain: { nextBlock: 0, previousChecksum: 0, epoch: 0 },
    place: { segment: first, offset: options.alignment },
    alignment: options.alignment,
    replay,
    limit: null,
    seal: null,
    epochMax: null,
  });
  let at = first;
  const visitor: ScanVisitor = {
    beginSegment: (file, headerValid) => {
      at = file.segment;
      return pass.beginSegment(file, headerValid);
    },
    visit: (block) => {
      const decision = pass.visit(block);
      // The next segment's first block settles whether the chain reached it; a group may lead further.
      return at > options.segment && (pass.marks.length > 0 || !replay.groupOpen) ? "stop" : decision;
    },
    endSegment: (file, unreadable) => pass.endSegment(file, unreadable),
    missSegment: (file) => pass.missSegment(file),
  };
  const { files, lane, uuid, alignment, kernels } = options;
  const source = { files, lane, uuid, alignment, kernels, boundary: null, buffers: new ReadBuffers() };
  await scanSegments(source, segments, { segment: first, offset: alignment }, visitor);
  if (replay.beginsInsideGroup) return { kind: "begins earlier" };
  const followed = pass.segments.some((entry) => entry.file.segment > options.segment) && pass.marks.length === 0 && replay.contradictions.length === 0;
  replay.finish();
  const index = pass.segments.find((entry) => entry.file.segment === options.segment)?.index;
  return { kind: "followed", index: followed && index !== undefined ? index : null };
}
