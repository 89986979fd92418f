// The frame: how one record, or one fragment of a record, or one control record lies in a block.
//
//   +0   u32  checksum: CRC-32C of the frame's file position (u64), then of bytes 4 to the end of its padding,
//             continued from the block seed (format/seed.ts)
//   +4   u32  bits 0-23: payload bytes L; bits 24-27: kind, never 0; bits 28-31: flags
//   +8   u32  partition (0: the lane itself)
//   +12  u32  time, milliseconds after the segment's base time
//   +16  u64  sequence
//   +24       L bytes of payload, padded with zeros to a multiple of 8
//
// Pure. The portable kernels here are the reference for the native ones; docs/FORMAT.md is normative.

import { crc32c, crc32cNumber } from "../base/crc32c.js";
import { highHalf, isStorable, joinHalves, lowHalf, readU64, roundUp8 } from "../base/numbers.js";
import type { Memory } from "./memory.js";

export const frameHeaderBytes = 24;
/** A payload's length has 24 bits. */
export const framePayloadBytesMax = 0xff_ffff;

export const frameKind = {
  /** A record, or a fragment of one. */
  data: 1,
  /** Payload: u32 partition id, then its name in UTF-8. */
  define: 2,
  /** The sequence field is the first that stays. */
  trim: 3,
  /** The sequence field is the last that stays. */
  truncate: 4,
  /** State of the partition table, at the start of a segment (format/checkpoint.ts). The sequence field is the highest id given out so far. */
  checkpoint: 5,
  /** A record of an older segment, written again so that the segment can go. Payload: u64 time of the record, then its bytes, or a fragment of both. */
  moved: 6,
  /** The partition is gone, with all its records; its id is never given out again. */
  drop: 7,
} as const;

/** Frames of a group at most: whoever scans keeps what it needs of each of them until the last one comes. */
export const groupFramesMax = 1_048_576;

/** In front of a moved record's bytes: when the record was appended, milliseconds since 1970. */
export const movedTimeBytes = 8;

/** Null when the payload is too short for it, or no number that a log writes stands there. */
export function movedTimeOf(payload: Uint8Array): number | null {
  if (payload.length < movedTimeBytes) return null;
  const time = readU64(new DataView(payload.buffer, payload.byteOffset, movedTimeBytes), 0);
  return isStorable(time) ? time : null;
}

export type FrameKind = (typeof frameKind)[keyof typeof frameKind];

/**
 * A group is atomic: it counts only when every frame from its first to its last is valid.
 * A record in several fragments is a group, and so is a batch.
 */
export const frameFlag = {
  /** The record goes on in the next frame. */
  recordGoesOn: 1 << 28,
  /** This frame continues the record of the frame before. */
  recordContinued: 1 << 29,
  /** The group goes on in the next frame. */
  groupGoesOn: 1 << 30,
  /** This frame continues the group of the frame before. */
  groupContinued: 0x8000_0000,
} as const;

export function frameBytes(payloadBytes: number): number {
  return frameHeaderBytes + roundUp8(payloadBytes);
}

/** Index in `Memory.words` of each field, relative to the frame's first word. */
export const frameWord = { checksum: 0, lengthAndKind: 1, partition: 2, time: 3, sequenceLow: 4, sequenceHigh: 5 } as const;

export function framePayloadBytes(memory: Memory, start: number): number {
  return (memory.words[(start >>> 2) + frameWord.lengthAndKind] as number) & framePayloadBytesMax;
}

export function frameKindOf(memory: Memory, start: number): number {
  return ((memory.words[(start >>> 2) + frameWord.lengthAndKind] as number) >>> 24) & 0xf;
}

export function frameFlagsOf(memory: Memory, start: number): number {
  return ((memory.words[(start >>> 2) + frameWord.lengthAndKind] as number) & 0xf000_0000) >>> 0;
}

export function framePartition(memory: Memory, start: number): number {
  return memory.words[(start >>> 2) + frameWord.partition] as number;
}

export function frameTime(memory: Memory, start: number): number {
  return memory.words[(start >>> 2) + frameWord.time] as number;
}

export function frameSequence(memory: Memory, start: number): number {
  const word = start >>> 2;
  return joinHalves(memory.words[word + frameWord.sequenceLow] as number, memory.words[word + frameWord.sequenceHigh] as number);
}

/** Portable twin of the native kernel: see `Kernels.sealFrames`. */
export function sealFramesPortable(memory: Memory, start: number, end: number, seed: number, position: number): number {
  let count = 0;
  let at = start;
  while (at + frameHeaderBytes <= end) {
    const next = at + frameBytes(framePayloadBytes(memory, at));
    if (next > end) return -1;
    memory.words[at >>> 2] = frameChecksum(memory, at, next, seed, position + (at - start));
    at = next;
    count++;
  }
  return at === end ? count : -1;
}

/** Portable twin of the native kernel: see `Kernels.verifyFrames`. */
export function verifyFramesPortable(memory: Memory, start: number, end: number, seed: number, position: number): number {
  let at = start;
  while (at < end) {
    const next = frameEndIfValid(memory, at, end, seed, position + (at - start));
    if (next === 0) return at;
    at = next;
  }
  return end;
}

/** Portable twin of the native kernel: see `Kernels.findFrame`. */
export function findFramePortable(memory: Memory, start: number, end: number, seed: number, position: number): number {
  for (let at = start; at + frameHeaderBytes <= end; at += 8) {
    if (frameEndIfValid(memory, at, end, seed, position + (at - start)) !== 0) return at;
  }
  return end;
}

/** The offset behind the frame, or 0 when it is not valid. */
function frameEndIfValid(memory: Memory, at: number, end: number, seed: number, position: number): number {
  if (at + frameHeaderBytes > end || frameKindOf(memory, at) === 0) return 0;
  const next = at + frameBytes(framePayloadBytes(memory, at));
  if (next > end) return 0;
  return memory.words[at >>> 2] === frameChecksum(memory, at, next, seed, position) ? next : 0;
}

function frameChecksum(memory: Memory, at: number, end: number, seed: number, position: number): number {
  const placed = crc32cNumber(highHalf(position), crc32cNumber(lowHalf(position), seed));
  return crc32c(memory.bytes, placed, at + 4, end);
}
