// The superblock: four copies of one 4 KiB page in DIR/superblock, the root of the log.
//
//   +0    u64  magic "RINGWALL"
//   +8    u32  checksum: CRC-32C of bytes 12-4095
//   +12   u32  format version
//   +16   16 B log uuid
//   +32   u64  superblock sequence: the valid copy with the highest one counts
//   +40   u32  copy number, 0 to 3
//   +44   u32  lanes
//   +48   u32  alignment of blocks, bytes
//   +52   u32  flush method: 1 dsync, 2 linked, 3 separate
//   +56   u64  created, milliseconds since 1970
//   +64        zeros up to 128
//   +128       one lane record of 64 bytes per lane:
//     +0   u32  epoch: the latest that any writer began
//     +4   u32  state: 1 open, 2 closed
//     +8   u64  segment in which the epoch begins
//     +16  u64  offset in that segment at which the epoch begins
//     +24  u64  first block sequence of the epoch
//     +32  u64  horizon: every block up to it is durable
//     +40  u64  first segment that is kept; those below are free
//     +48  u32  blocks in flight at most during the epoch; 0xffffffff: without bound (durability "none")
//     +52       zeros
//
// Copies 0 and 1 are written and synced before copies 2 and 3: a crash at any byte leaves one whole generation. Pure.

import { crc32c } from "../base/crc32c.js";
import { assert } from "../base/assert.js";
import { readU64, writeU64 } from "../base/numbers.js";
import { isAlignment, pageBytes } from "./block.js";
import { formatVersion } from "./version.js";

const magic = Uint8Array.from(Buffer.from("RINGWALL", "latin1"));

export const superblockCopies = 4;
export const superblockBytes = superblockCopies * pageBytes;
export const lanesMax = 32;
export const blocksInFlightUnbounded = 0xffff_ffff;

const laneRecordsAt = 128;
const laneRecordBytes = 64;

export type FlushMethod = "dsync" | "linked" | "separate";
const flushMethods: readonly FlushMethod[] = ["dsync", "linked", "separate"];
const states = ["open", "closed"] as const;

export interface LaneRecord {
  readonly epoch: number;
  readonly state: "open" | "closed";
  readonly epochSegment: number;
  readonly epochOffset: number;
  readonly epochBlock: number;
  readonly horizon: number;
  readonly firstSegment: number;
  readonly blocksInFlightMax: number;
}

export interface Superblock {
  readonly uuid: Uint8Array;
  readonly sequence: number;
  readonly alignment: number;
  readonly flushMethod: FlushMethod;
  readonly created: number;
  readonly lanes: readonly LaneRecord[];
}

/** What the bytes of the superblock file are. */
export type SuperblockVerdict =
  /** `damagedCopies`: copies that did not verify. */
  | { readonly kind: "valid"; readonly superblock: Superblock; readonly damagedCopies: readonly number[] }
  | { readonly kind: "newer"; readonly version: number }
  /** No copy has the magic: not a log of ours. */
  | { readonly kind: "foreign" }
  /** Copies of ours, none valid. */
  | { readonly kind: "damaged" };

/** One 4 KiB copy. */
export function encodeSuperblock(superblock: Superblock, copy: number): Uint8Array {
  assert(superblock.lanes.length >= 1 && superblock.lanes.length <= lanesMax, "a log has 1 to 32 lanes");
  const page = new Uint8Array(pageBytes);
  const view = new DataView(page.buffer);
  page.set(magic, 0);
  view.setUint32(12, formatVersion, true);
  page.set(superblock.uuid, 16);
  writeU64(view, 32, superblock.sequence);
  view.setUint32(40, copy, true);
  view.setUint32(44, superblock.lanes.length, true);
  view.setUint32(48, superblock.alignment, true);
  view.setUint32(52, flushMethods.indexOf(superblock.flushMethod) + 1, true);
  writeU64(view, 56, superblock.created);
  superblock.lanes.forEach((lane, index) => {
    const at = laneRecordsAt + index * laneRecordBytes;
    view.setUint32(at, lane.epoch, true);
    view.setUint32(at + 4, states.indexOf(lane.state) + 1, true);
    writeU64(view, at + 8, lane.epochSegment);
    writeU64(view, at + 16, lane.epochOffset);
    writeU64(view, at + 24, lane.epochBlock);
    writeU64(view, at + 32, lane.horizon);
    writeU64(view, at + 40, lane.firstSegment);
    view.setUint32(at + 48, lane.blocksInFlightMax, true);
  });
  view.setUint32(8, crc32c(page, 0, 12), true);
  return page;
}

/** Judges the superblock file: `bytes` are its first 16 KiB, or fewer when it is shorter. */
export function decodeSuperblock(bytes: Uint8Array): SuperblockVerdict {
  let best: Superblock | null = null;
  let newer = 0;
  let ours = false;
  const damagedCopies: number[] = [];
  for (let copy = 0; copy < superblockCopies; copy++) {
    const verdict = decodeCopy(bytes.subarray(copy * pageBytes, (copy + 1) * pageBytes), copy);
    if (verdict.kind === "valid") {
      if (best === null || verdict.superblock.sequence > best.sequence) best = verdict.superblock;
    } else damagedCopies.push(copy);
    if (verdict.kind === "newer") newer = Math.max(newer, verdict.version);
    if (verdict.kind !== "foreign") ours = true;
  }
  if (newer > formatVersion) return { kind: "newer", version: newer };
  if (best !== null) return { kind: "valid", superblock: best, damagedCopies };
  return ours ? { kind: "damaged" } : { kind: "foreign" };
}

type CopyVerdict =
  | { readonly kind: "valid"; readonly superblock: Superblock }
  | { readonly kind: "newer"; readonly version: number }
  | { readonly kind: "foreign" | "damaged" };

function decodeCopy(page: Uint8Array, copy: number): CopyVerdict {
  if (page.length < pageBytes || !magic.every((byte, index) => page[index] === byte)) return { kind: "foreign" };
  const view = new DataView(page.buffer, page.byteOffset, pageBytes);
  if (view.getUint32(8, true) !== crc32c(page, 0, 12, pageBytes)) return { kind: "damaged" };
  const version = view.getUint32(12, true);
  if (version > formatVersion) return { kind: "newer", version };
  const laneCount = view.getUint32(44, true);
  const flushMethod = flushMethods[view.getUint32(52, true) - 1];
  if (view.getUint32(40, true) !== copy || laneCount < 1 || laneCount > lanesMax || flushMethod === undefined) return { kind: "damaged" };
  const lanes: LaneRecord[] = [];
  for (let at = laneRecordsAt; lanes.length < laneCount; at += laneRecordBytes) {
    const lane = decodeLane(view, at);
    if (lane === null) return { kind: "damaged" };
    lanes.push(lane);
  }
  const superblock: Superblock = {
    uuid: page.slice(16, 32), sequence: readU64(view, 32), alignment: view.getUint32(48, true), flushMethod, created: readU64(view, 56), lanes,
  };
  // A NaN (a damaged u64) fails every comparison.
  const isPlausible = superblock.sequence >= 0 && superblock.created >= 0 && isAlignment(superblock.alignment);
  return isPlausible ? { kind: "valid", superblock } : { kind: "damaged" };
}

/** Null when it can't be a lane's. */
function decodeLane(view: DataView, at: number): LaneRecord | null {
  const state = states[view.getUint32(at + 4, true) - 1];
  if (state === undefined) return null;
  const record: LaneRecord = {
    epoch: view.getUint32(at, true),
    state,
    epochSegment: readU64(view, at + 8),
    epochOffset: readU64(view, at + 16),
    epochBlock: readU64(view, at + 24),
    horizon: readU64(view, at + 32),
    firstSegment: readU64(view, at + 40),
    blocksInFlightMax: view.getUint32(at + 48, true),
  };
  const { epochSegment, epochOffset, epochBlock, horizon, firstSegment, blocksInFlightMax } = record;
  const isPlausible = epochSegment >= 1 && epochOffset >= 0 && epochBlock >= 1 && horizon >= 0 && firstSegment >= 1 && blocksInFlightMax >= 1;
  return isPlausible ? record : null;
}
