// The seed of every checksum inside a segment: CRC-32C of log uuid (16 bytes), lane u32, segment u64, epoch u32.
// With the file position that each checksum starts with, it makes zeros, stale bytes of a recycled file,
// bytes of another log, of an older epoch, and misplaced writes all fail.

import { crc32c, crc32cNumber } from "../base/crc32c.js";
import { highHalf, lowHalf } from "../base/numbers.js";

export interface SeedSource {
  readonly uuid: Uint8Array;
  readonly lane: number;
  readonly segment: number;
  readonly epoch: number;
}

export function blockSeed(source: SeedSource): number {
  let seed = crc32c(source.uuid, 0);
  seed = crc32cNumber(source.lane, seed);
  seed = crc32cNumber(lowHalf(source.segment), seed);
  seed = crc32cNumber(highHalf(source.segment), seed);
  return crc32cNumber(source.epoch, seed);
}
