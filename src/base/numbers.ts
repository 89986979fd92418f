// Numbers of the domain, branded so that a sequence can't be passed where an offset is meant.
// u64 on disk, safe integers in memory: `readU64` and `isStorable` check at the border.

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

/**
 * The largest number that a u64 on disk may hold: 142 years of a million a second. So sums of a few of them, and times
 * with their 32 bits added, are safe integers and dates.
 */
export const storedNumberMax = 2 ** 52;

/**
 * Where a number is counted on from: leaves as much again. Milliseconds since 1970 up to it are the first 71 000 years, and
 * dates; a time is a base time, up to this, and 32 bits.
 */
export const countedNumberMax = 2 ** 51;

/** Whether a number that was joined from two halves may stand on disk. */
export function isStorable(value: number): boolean {
  return value <= storedNumberMax;
}

export function lowHalf(value: number): number {
  return value >>> 0;
}

export function highHalf(value: number): number {
  return (value / twoTo32) >>> 0;
}

/** Joins two unsigned halves; the result may exceed what is allowed, and be inexact, when the bytes are damaged: see `isStorable`. */
export function joinHalves(low: number, high: number): number {
  // A sum of floating point numbers would stay one in every field that it is kept in: 16 bytes more for each.
  return high === 0 ? low : high * twoTo32 + low;
}

export function alignUp(value: number, alignment: number): number {
  assert(alignment > 0, "alignment is positive");
  return Math.ceil(value / alignment) * alignment;
}

/** `value` rounded up to 8, for values below 2^31. */
export function roundUp8(value: number): number {
  return (value + 7) & ~7;
}

/** Reads a u64; NaN when it is above `storedNumberMax`, so that damaged numbers fail every comparison. */
export function readU64(view: DataView, at: number): number {
  const value = joinHalves(view.getUint32(at, true), view.getUint32(at + 4, true));
  return isStorable(value) ? value : Number.NaN;
}

export function writeU64(view: DataView, at: number, value: number): void {
  assert(Number.isInteger(value) && value >= 0 && isStorable(value), "a u64 on disk is an integer up to 2^52");
  view.setUint32(at, lowHalf(value), true);
  view.setUint32(at + 4, highHalf(value), true);
}
