// Numbers of the domain, branded so that a sequence can't be passed where an offset is meant.
// u64 on disk, safe integers in memory: `readU64` checks at the border.

import { assert } from "./assert.js";

declare const brand: unique symbol;
type Branded<Name extends string> = number & { readonly [brand]?: Name };

/** Position of a record in its partition: 1, 2, 3, … without holes. 0 means "none". */
export type Sequence = Branded<"Sequence">;
/** Position of a block in its lane: 1, 2, 3, … across segments and epochs. 0 means "none". */
export type BlockSequence = Branded<"BlockSequence">;
/** Number of a segment in its lane, from 1. */
export type SegmentId = Branded<"SegmentId">;
/** Number of a partition in its lane, from 1. 0 stands for the lane itself. */
export type PartitionId = Branded<"PartitionId">;
/** Byte position in a file. */
export type FileOffset = Branded<"FileOffset">;
/** A count of bytes. */
export type ByteCount = Branded<"ByteCount">;
/** Number of a writer's opening of the log, from 1. Never reused. */
export type Epoch = Branded<"Epoch">;

const twoTo32 = 4294967296;

export function lowHalf(value: number): number {
  return value >>> 0;
}

export function highHalf(value: number): number {
  return (value / twoTo32) >>> 0;
}

/** Joins two unsigned halves; the result may exceed the safe range when the bytes are damaged: see `isSafe`. */
export function joinHalves(low: number, high: number): number {
  return high * twoTo32 + low;
}

export function alignUp(value: number, alignment: number): number {
  assert(alignment > 0, "alignment is positive");
  return Math.ceil(value / alignment) * alignment;
}

/** `value` rounded up to 8, for values below 2^31. */
export function roundUp8(value: number): number {
  return (value + 7) & ~7;
}

/** Reads a u64; NaN when it is not a safe integer, so that damaged numbers fail every comparison. */
export function readU64(view: DataView, at: number): number {
  const value = joinHalves(view.getUint32(at, true), view.getUint32(at + 4, true));
  return Number.isSafeInteger(value) ? value : Number.NaN;
}

export function writeU64(view: DataView, at: number, value: number): void {
  assert(Number.isSafeInteger(value) && value >= 0, "a u64 on disk is a safe integer in memory");
  view.setUint32(at, lowHalf(value), true);
  view.setUint32(at + 4, highHalf(value), true);
}
