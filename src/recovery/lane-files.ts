// What lies in a lane's directory: segment files in order, index files, and what an interrupted write left.

import { parseLaneFile, segmentName } from "../format/names.js";
import type { FileSystem } from "../storage/storage.js";
import type { SegmentFile } from "./scan.js";

export interface LaneFiles {
  /** Ascending. */
  readonly segments: readonly SegmentFile[];
  /** Segments that have an index file, ascending. */
  readonly indexes: readonly number[];
  /** Paths of half-written index files. */
  readonly leftovers: readonly string[];
}

export const temporarySuffix = ".new";

export function segmentPath(directory: string, segment: number): string {
  return `${directory}/${segmentName(segment)}`;
}

export async function listLane(files: FileSystem, directory: string): Promise<LaneFiles> {
  const segments: SegmentFile[] = [];
  const indexes: number[] = [];
  const leftovers: string[] = [];
  for (const name of (await files.list(directory)) ?? []) {
    const parsed = parseLaneFile(name);
    if (parsed.kind === "segment") segments.push({ segment: parsed.segment, path: `${directory}/${name}` });
    else if (parsed.kind === "index") indexes.push(parsed.segment);
    else if (name.endsWith(`.index${temporarySuffix}`)) leftovers.push(`${directory}/${name}`);
  }
  segments.sort((a, b) => a.segment - b.segment);
  indexes.sort((a, b) => a - b);
  return { segments, indexes, leftovers };
}
