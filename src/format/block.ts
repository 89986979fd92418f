// The block: what one device write carries. A 64-byte header, then frames back to back, then zeros up to the alignment.
//
//   +0   u32  magic "RWBK"
//   +4   u32  checksum: CRC-32C of the block's file position (u64), then of bytes 8-63, continued from the block seed
//   +8   u64  block sequence
//   +16  u64  horizon: highest block sequence known durable before this block was submitted
//   +24  u32  epoch
//   +28  u32  block bytes, a multiple of the log's alignment
//   +32  u32  data bytes: the frames behind the header
//   +36  u32  frame count
//   +40  u64  base time of the segment, milliseconds since 1970
//   +48  u32  checksum field of the block before (0 for the lane's first)
//   +52  u32  flags
//   +56  u64  zero
//
// A block is valid if its header is and every frame in its data bytes is. Pure.

import { crc32c, crc32cNumber } from "../base/crc32c.js";
import { countedNumberMax, highHalf, isStorable, joinHalves, lowHalf } from "../base/numbers.js";
import { frameHeaderBytes } from "./frame.js";
import type { Memory } from "./memory.js";

export const blockHeaderBytes = 64;
/** "RWBK" as a little-endian u32. */
export const blockMagic = 0x4b42_5752;
/** Blocks begin at multiples of this, at least. */
export const pageBytes = 4096;
export const blockBytesMax = 16 * 1024 * 1024;

/** Whether blocks can be aligned to it. */
export function isAlignment(bytes: number): boolean {
  return bytes > 0 && bytes <= blockBytesMax && bytes % pageBytes === 0;
}

export const blockFlag = {
  /** First block that its epoch wrote. */
  epochStart: 1,
  /** Carries no record: written on an idle log to move the horizon over the last acknowledged block. */
  beacon: 2,
  /** Last block of a clean close. */
  seal: 4,
  /** Holds part of the checkpoint with which its segment begins. */
  checkpoint: 8,
} as const;

export interface BlockHeader {
  readonly sequence: number;
  readonly horizon: number;
  readonly epoch: number;
  readonly blockBytes: number;
  readonly dataBytes: number;
  readonly frameCount: number;
  readonly baseTime: number;
  readonly previousChecksum: number;
  readonly flags: number;
}

/** Writes the header at `start` (a multiple of 8) and returns its checksum. */
export function encodeBlockHeader(memory: Memory, start: number, header: BlockHeader, seed: number, position: number): number {
  const words = memory.words;
  const word = start >>> 2;
  words[word] = blockMagic;
  words[word + 2] = lowHalf(header.sequence);
  words[word + 3] = highHalf(header.sequence);
  words[word + 4] = lowHalf(header.horizon);
  words[word + 5] = highHalf(header.horizon);
  words[word + 6] = header.epoch;
  words[word + 7] = header.blockBytes;
  words[word + 8] = header.dataBytes;
  words[word + 9] = header.frameCount;
  words[word + 10] = lowHalf(header.baseTime);
  words[word + 11] = highHalf(header.baseTime);
  words[word + 12] = header.previousChecksum;
  words[word + 13] = header.flags;
  words[word + 14] = 0;
  words[word + 15] = 0;
  const checksum = headerChecksum(memory, start, seed, position);
  words[word + 1] = checksum;
  return checksum;
}

/** Whether a block header may stand here; nothing of it is trusted before `decodeBlockHeader`. */
export function hasBlockMagic(memory: Memory, start: number): boolean {
  return memory.words[start >>> 2] === blockMagic;
}

/** The epoch that the bytes name: what is needed to compute the seed, not yet verified. */
export function blockEpochUnverified(memory: Memory, start: number): number {
  return memory.words[(start >>> 2) + 6] as number;
}

/** The header at `start`, or null when it is not valid for this seed and position. `start + 64` must lie inside the memory. */
export function decodeBlockHeader(memory: Memory, start: number, seed: number, position: number): BlockHeader | null {
  const words = memory.words;
  const word = start >>> 2;
  if (words[word] !== blockMagic || words[word + 1] !== headerChecksum(memory, start, seed, position)) return null;
  const header: BlockHeader = {
    sequence: joinHalves(words[word + 2] as number, words[word + 3] as number),
    horizon: joinHalves(words[word + 4] as number, words[word + 5] as number),
    epoch: words[word + 6] as number,
    blockBytes: words[word + 7] as number,
    dataBytes: words[word + 8] as number,
    frameCount: words[word + 9] as number,
    baseTime: joinHalves(words[word + 10] as number, words[word + 11] as number),
    previousChecksum: words[word + 12] as number,
    flags: words[word + 13] as number,
  };
  return isPlausible(header) ? header : null;
}

/** The checksum field of the header at `start`: what the next block names as its previous checksum. */
export function blockChecksum(memory: Memory, start: number): number {
  return memory.words[(start >>> 2) + 1] as number;
}

function isPlausible(header: BlockHeader): boolean {
  return (
    isStorable(header.sequence) &&
    header.sequence > 0 &&
    header.horizon < header.sequence &&
    header.baseTime <= countedNumberMax &&
    isAlignment(header.blockBytes) &&
    header.dataBytes % 8 === 0 &&
    blockHeaderBytes + header.dataBytes <= header.blockBytes &&
    header.frameCount * frameHeaderBytes <= header.dataBytes
  );
}

function headerChecksum(memory: Memory, start: number, seed: number, position: number): number {
  const placed = crc32cNumber(highHalf(position), crc32cNumber(lowHalf(position), seed));
  return crc32c(memory.bytes, placed, start + 8, start + blockHeaderBytes);
}
