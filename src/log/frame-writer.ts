// Writes frames into the open block. The checksum comes later, for the whole block at once (Kernels.sealFrames).
//
// Hot: both functions run once per record and allocate nothing. See `ringwall bench append`.

import { assert } from "../base/assert.js";
import { frameHeaderBytes, frameKind, framePayloadBytesMax, frameWord } from "../format/frame.js";
import { roundUp8 } from "../base/numbers.js";
import type { BlockBuffer } from "./block-buffer.js";

const twoTo32 = 4294967296;

/**
 * Header of a frame, and zeros under its padding. Moves the cursor; returns where the payload goes.
 * `lengthAndKind`: payload bytes, kind and flags as the format packs them.
 */
export function beginFrame(block: BlockBuffer, lengthAndKind: number, partition: number, sequence: number, time: number): number {
  assert(time >= 0 && time < twoTo32, "a frame's time has 32 bits");
  const at = block.cursor;
  const words = block.memory.words;
  const word = at >>> 2;
  const payloadBytes = lengthAndKind & framePayloadBytesMax;
  words[word + frameWord.lengthAndKind] = lengthAndKind;
  words[word + frameWord.partition] = partition;
  words[word + frameWord.time] = time;
  words[word + frameWord.sequenceLow] = sequence >>> 0;
  words[word + frameWord.sequenceHigh] = sequence / twoTo32;
  const end = at + frameHeaderBytes + roundUp8(payloadBytes);
  if ((payloadBytes & 7) !== 0) {
    words[(end >>> 2) - 2] = 0;
    words[(end >>> 2) - 1] = 0;
  }
  block.cursor = end;
  return at + frameHeaderBytes;
}

export const dataKind = frameKind.data << 24;

export function kindBits(kind: number): number {
  return kind << 24;
}

/** Below this a loop beats the call into `set`. */
const shortBytes = 24;

/**
 * The payload of a frame begun with that `length`. Shared memory may have grown since: then `set` copies more, into what the
 * block has not used yet, and never beyond the block, for blocks behind it may be on their way to the disk.
 */
export function copyBytes(block: BlockBuffer, to: number, data: Uint8Array, length: number): void {
  if (length > shortBytes) {
    try {
      block.bytes.set(data, to);
    } catch {
      block.bytes.set(data.subarray(0, length), to);
    }
  } else for (let index = 0; index < length; index++) block.bytes[to + index] = data[index] as number;
}
