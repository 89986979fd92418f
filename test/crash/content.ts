// What a record holds: derived from who wrote it and where it stands, so that nothing but the seed need be kept.
//
// Records of 24 bytes and more begin with six numbers that name their origin; the rest, and shorter records, are noise
// that depends on all of them: a record at another's place, of another generation or of half a length never compares equal.

import { hashOf, Random } from "./random.js";

export interface Origin {
  readonly seed: number;
  /** How many writers this log had before. */
  readonly generation: number;
  /** Number of the operation within its generation. */
  readonly operation: number;
  readonly partition: number;
  readonly sequence: number;
  readonly bytes: number;
}

export const headerBytes = 24;
export const recordBytesMax = 1024 * 1024;
const magic = 0x52574352;
const noise = makeNoise();

export function contentOf({ seed, generation, operation, partition, sequence, bytes }: Origin): Buffer {
  const start = hashOf(seed, generation, operation, partition, sequence, bytes) % recordBytesMax;
  const content = Buffer.from(noise.subarray(start, start + bytes));
  if (bytes < headerBytes) return content;
  const header = [magic, seed >>> 0, generation, operation, partition, sequence];
  for (const [index, value] of header.entries()) content.writeUInt32LE(value, index * 4);
  return content;
}

/** Generation and operation that a record names, or null when it is too short to. */
export function originOf(content: Uint8Array): { readonly generation: number; readonly operation: number } | null {
  if (content.length < headerBytes) return null;
  const view = new DataView(content.buffer, content.byteOffset, content.byteLength);
  return view.getUint32(0, true) === magic ? { generation: view.getUint32(8, true), operation: view.getUint32(12, true) } : null;
}

function makeNoise(): Buffer {
  const random = new Random(1);
  const bytes = Buffer.alloc(2 * recordBytesMax);
  for (let at = 0; at < bytes.length; at += 4) bytes.writeInt32LE(random.below(2 ** 31), at);
  return bytes;
}
