// The file DIR/superblock: reading it with a verdict, creating it, and changing it so that a crash leaves one whole generation.

import { RingwallError } from "../base/errors.js";
import { parseLaneDirectory, superblockName } from "../format/names.js";
import { pageBytes } from "../format/block.js";
import { decodeSuperblock, encodeSuperblock, superblockBytes, superblockCopies, type Superblock } from "../format/superblock.js";
import { formatVersion } from "../format/version.js";
import type { FileSystem, StorageFile } from "../storage/storage.js";
import { temporarySuffix } from "./lane-files.js";

export interface ReadSuperblock {
  readonly superblock: Superblock;
  /** Copies that did not verify, 0 to 3: the next change writes them anew. */
  readonly damagedCopies: readonly number[];
}

/** Rejects with RINGWALL_NOT_FOUND, _NOT_A_LOG, _NEWER_FORMAT or _DAMAGED. */
export async function readSuperblock(files: FileSystem, directory: string): Promise<ReadSuperblock> {
  const path = `${directory}/${superblockName}`;
  const { bytes, isUnreadable } = await readCopies(files, path);
  const verdict = decodeSuperblock(bytes);
  switch (verdict.kind) {
    case "valid":
      return verdict;
    case "newer":
      throw new RingwallError("RINGWALL_NEWER_FORMAT", `the log has format version ${String(verdict.version)}, this version knows up to ${String(formatVersion)}`, {
        place: { path },
        remedy: "Open it with a newer version of ringwall.",
      });
    case "foreign": {
      if (isUnreadable) throw damaged(path, "none of the four copies of the superblock can be read");
      const lane = await laneWithFiles(files, directory);
      if (lane !== null) throw damaged(path, `no copy of the superblock begins with RINGWALL, but ${lane.name} holds ${String(lane.files)} files`);
      throw new RingwallError("RINGWALL_NOT_A_LOG", "no copy of the superblock begins with RINGWALL", {
        place: { path },
        remedy: "Check the directory; if it did hold a log, bring its superblock back from a copy.",
      });
    }
    case "damaged":
      throw damaged(path, "none of the four copies of the superblock is valid");
  }
}

function damaged(path: string, what: string): RingwallError {
  return new RingwallError("RINGWALL_DAMAGED", what, { place: { path }, remedy: "Bring the superblock back from a copy, or run `ringwall repair`." });
}

/** The first lane directory that is not empty, with how many files it holds: what is left of a log, whatever its superblock says. */
export async function laneWithFiles(files: FileSystem, directory: string): Promise<{ readonly name: string; readonly files: number } | null> {
  for (const name of ((await files.list(directory)) ?? []).sort()) {
    if (parseLaneDirectory(name) === null) continue;
    const inside = (await files.list(`${directory}/${name}`)) ?? [];
    if (inside.length > 0) return { name, files: inside.length };
  }
  return null;
}

/** The file appears under its name with all four copies durable, or not at all. */
export async function createSuperblock(files: FileSystem, directory: string, superblock: Superblock): Promise<void> {
  const path = `${directory}/${superblockName}`;
  const temporary = `${path}${temporarySuffix}`;
  await files.remove(temporary);
  const file = await files.open(temporary, "create");
  try {
    await file.writeAt(joined(superblock, [0, 1, 2, 3]), 0);
    await file.sync();
  } finally {
    await file.close();
  }
  await files.rename(temporary, path);
  // A crash here would lose the name, and with it the log.
  await files.syncDirectory(directory);
}

/** Durable when it resolves. `superblock.sequence` is above that of every change before. */
export async function writeSuperblock(files: FileSystem, directory: string, superblock: Superblock): Promise<void> {
  const file = await files.open(`${directory}/${superblockName}`, "write");
  try {
    // 1. all four copies are written at once; 2. power fails half-way; 3. none of them verifies, and the log is gone.
    // So one pair is durable before the other is touched. The pair that does not hold the newest valid generation goes
    // first: after a crash between the pairs, and damage to the newer pair, nothing but the older one is left to read.
    for (const pair of await pairOrder(file)) {
      await file.writeAt(joined(superblock, pair), (pair[0] as number) * pageBytes);
      await file.sync();
    }
  } finally {
    await file.close();
  }
}

/**
 * What was read is durable when it resolves, in the pair that the next change writes last. Called before anything builds on it:
 * 1. a release is written to the superblock, the flush fails, and the kernel takes the pages for clean; 2. the log is opened
 * again, reads the release and renames a freed segment; 3. power fails: the superblock on media still counts that segment.
 */
export async function confirmSuperblock(files: FileSystem, directory: string, superblock: Superblock): Promise<void> {
  const file = await files.open(`${directory}/${superblockName}`, "write");
  try {
    const [, pair] = await pairOrder(file);
    await file.writeAt(joined(superblock, pair), (pair[0] as number) * pageBytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

const pairs = [[0, 1], [2, 3]] as const;

/** First pair to write first, unless it alone is valid or holds the newer generation. */
async function pairOrder(file: StorageFile): Promise<readonly [readonly number[], readonly number[]]> {
  const bytes = new Uint8Array(superblockBytes);
  const count = await file.readAt(bytes, 0).catch(() => 0);
  const [first, second] = pairs.map((pair) => generationOf(bytes.subarray(0, count), pair)) as [number, number];
  return first > second ? [pairs[1], pairs[0]] : pairs;
}

/** The highest sequence of a valid copy in the pair; 0 without one. */
function generationOf(bytes: Uint8Array, pair: readonly number[]): number {
  const alone = new Uint8Array(superblockBytes);
  for (const copy of pair) alone.set(bytes.subarray(copy * pageBytes, (copy + 1) * pageBytes), copy * pageBytes);
  const verdict = decodeSuperblock(alone);
  return verdict.kind === "valid" ? verdict.superblock.sequence : 0;
}

function joined(superblock: Superblock, copies: readonly number[]): Uint8Array {
  return Buffer.concat(copies.map((copy) => encodeSuperblock(superblock, copy)));
}

/** What can't be read is zeros. `isUnreadable`: no copy can be. */
async function readCopies(files: FileSystem, path: string): Promise<{ readonly bytes: Uint8Array; readonly isUnreadable: boolean }> {
  const file = await files.open(path, "read");
  try {
    const bytes = new Uint8Array(superblockBytes);
    const count = await file.readAt(bytes, 0).catch(() => -1);
    if (count >= 0) return { bytes: bytes.subarray(0, count), isUnreadable: false };
    let unreadable = 0;
    // One bad sector must not cost the other copies.
    for (let copy = 0; copy < superblockCopies; copy++) {
      const page = bytes.subarray(copy * pageBytes, (copy + 1) * pageBytes);
      await file.readAt(page, copy * pageBytes).catch(() => {
        unreadable++;
        page.fill(0);
      });
    }
    return { bytes, isUnreadable: unreadable === superblockCopies };
  } finally {
    await file.close();
  }
}
