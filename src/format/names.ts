// Names of the files of a log.

import { isStorable } from "../base/numbers.js";

export const superblockName = "superblock";
export const lockName = "lock";
/** In the directory of a backup until all of it is there. */
export const backupMarkName = "backup-incomplete";

export function laneDirectoryName(lane: number): string {
  return `lane-${String(lane).padStart(2, "0")}`;
}

/** The lane whose directory has this name; null: it is no lane's. */
export function parseLaneDirectory(name: string): number | null {
  return /^lane-\d{2}$/.test(name) ? Number(name.slice(5)) : null;
}

export function segmentName(segment: number): string {
  return `${String(segment).padStart(8, "0")}.segment`;
}

/** The index file of a sealed segment. It can always be rebuilt from the segment. */
export function indexName(segment: number): string {
  return `${String(segment).padStart(8, "0")}.index`;
}

export type LaneFile = { readonly kind: "segment" | "index"; readonly segment: number } | { readonly kind: "other" };

export function parseLaneFile(name: string): LaneFile {
  const match = /^(\d{8,})\.(segment|index)$/.exec(name);
  if (match === null) return { kind: "other" };
  const segment = Number(match[1]);
  const kind = match[2] === "index" ? "index" : "segment";
  // One name for one segment: not two files for one number.
  if (!isStorable(segment) || segment < 1 || name !== (kind === "index" ? indexName(segment) : segmentName(segment))) return { kind: "other" };
  return { kind, segment };
}
