// Writes frames into the open block. The checksum comes later, for the whole block at once (Kernels.sealFrames).
//
// Hot: `putBytes` and `putText` run once per record and allocate nothing. See `ringwall bench append`.

import { frameHeaderBytes, frameKind } from "../format/frame.js";
import type { Memory } from "../format/memory.js";
import { roundUp8 } from "../base/numbers.js";
import type { BlockBuffer } from "./block-buffer.js";

const twoTo32 = 4294967296;

/** Header of a frame of `payloadBytes`, and zeros under its padding. Moves the cursor; returns where the payload goes. */
export function beginFrame(
  memory: Memory,
  block: BlockBuffer,
  kindAndFlags: number,
  partition: number,
  sequence: number,
  time: number,
  payloadBytes: number,
): number {
  const at = block.cursor;
  const words = memory.words;
  const word = at >>> 2;
  words[word + 1] = payloadBytes | kindAndFlags;
  words[word + 2] = partition;
  words[word + 3] = time;
  words[word + 4] = sequence >>> 0;
  words[word + 5] = sequence / twoTo32;
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
