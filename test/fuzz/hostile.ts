// Hostile inputs: bytes that look right, with checksums that fit, and numbers that no writer would write.

import { blockHeaderBytes, encodeBlockHeader } from "#src/format/block.js";
import { crc32c } from "#src/base/crc32c.js";
import { frameBytes, frameHeaderBytes } from "#src/format/frame.js";
import { portableKernels } from "#src/format/kernels.js";
import { Memory } from "#src/format/memory.js";
import type { Random } from "./random.js";

const edges = [0, 1, 2, 7, 8, 63, 64, 127, 128, 255, 4095, 4096, 65_535, 65_536, 0xff_ffff, 0x7fff_ffff, 0x8000_0000, 0xffff_fff8, 0xffff_ffff];

/** Overwrites some fields, bits and runs of `bytes` in [from, to). */
export function mutate(bytes: Uint8Array, random: Random, from = 0, to = bytes.length): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let changes = 1 + random.below(6); changes > 0; changes--) {
    const at = from + random.below(Math.max(1, to - from));
    switch (random.below(5)) {
      case 0: bytes[at] = bytes[at]! ^ (1 << random.below(8)); break;
      case 1: bytes[at] = random.below(256); break;
      case 2: if (at + 4 <= to) view.setUint32(at, random.pick(edges), true); break;
      case 3: if (at + 8 <= to) { view.setUint32(at, random.pick(edges), true); view.setUint32(at + 4, random.pick(edges), true); } break;
      default: bytes.fill(random.pick([0, 0x7f, 0x80, 0xff]), at, Math.min(to, at + random.below(16)));
    }
  }
}

/** CRC-32C of bytes 12 to the end of the page, as superblock and segment header have it at +8. */
export function sealPage(page: Uint8Array, end = page.length): void {
  new DataView(page.buffer, page.byteOffset).setUint32(8, crc32c(page, 0, 12, end), true);
}

export interface HostileFrame {
  readonly kindAndFlags: number;
  readonly partition: number;
  readonly time: number;
  readonly low: number;
  readonly high: number;
  readonly payload: Uint8Array;
}

export interface HostileBlock {
  readonly sequence: number;
  readonly horizon: number;
  readonly epoch: number;
  readonly previousChecksum: number;
  readonly flags: number;
  readonly baseTime: number;
  readonly frames: readonly HostileFrame[];
  /** What the header says instead of what is there. */
  readonly lies?: { readonly blockBytes: number; readonly dataBytes: number; readonly frameCount: number } | undefined;
}

/** A block whose header and frames verify at `position` under `seed`, and its checksum. */
export function sealedBlock(block: HostileBlock, seed: number, position: number): { readonly bytes: Uint8Array; readonly checksum: number } {
  const dataBytes = block.frames.reduce((sum, { payload }) => sum + frameBytes(payload.length), 0);
  const blockBytes = Math.ceil((blockHeaderBytes + dataBytes) / 4096) * 4096;
  const memory = new Memory(new ArrayBuffer(blockBytes));
  let at = blockHeaderBytes;
  for (const { kindAndFlags, partition, time, low, high, payload } of block.frames) {
    memory.words.set([0, payload.length | kindAndFlags, partition, time, low, high], at >>> 2);
    memory.bytes.set(payload, at + frameHeaderBytes);
    at += frameBytes(payload.length);
  }
  portableKernels.sealFrames(memory, blockHeaderBytes, at, seed, position + blockHeaderBytes);
  const { sequence, horizon, epoch, previousChecksum, flags, baseTime } = block;
  const checksum = encodeBlockHeader(memory, 0, { sequence, horizon, epoch, blockBytes, dataBytes, frameCount: block.frames.length, baseTime, previousChecksum, flags, ...block.lies }, seed, position);
  return { bytes: memory.bytes, checksum };
}

/** Numbers as an index file's body has them, also those that no writer writes. */
export function varints(numbers: readonly number[]): Uint8Array {
  const bytes: number[] = [];
  for (const number of numbers) {
    let rest = BigInt(number);
    for (; rest >= 0x80n && bytes.length < 1 << 20; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
    bytes.push(Number(rest));
  }
  return Uint8Array.from(bytes);
}
