// Writes frames into the open block. The checksum comes later, for the whole block at once (Kernels.sealFrames).
//
// Hot: both functions run once per record and allocate nothing. See `ringwall bench append`.

import { assert } from "../base/assert.js";
import { frameHeaderBytes, frameKind, framePayloadBytesMax, frameWord } from "../format/frame.js";
import type { Memory } from "../format/memory.js";
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

export function copyBytes(memory: Memory, to: number, data: Uint8Array): void {
  const length = data.length;
  if (length > shortBytes) memory.bytes.set(data, to);
  else for (let index = 0; index < length; index++) memory.bytes[to + index] = data[index] as number;
}
