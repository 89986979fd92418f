// The first page of a segment file. It is written once, when the segment is prepared, before any block.
//
//   +0   u64  magic "RWSEGMNT"
//   +8   u32  checksum: CRC-32C of bytes 12-4095
//   +12  u32  format version
//   +16  16 B log uuid
//   +32  u32  lane
//   +36  u32  alignment: every block begins at a multiple of it; the first block begins at it
//   +40  u64  segment id
//   +48  u64  base time, milliseconds since 1970: frames count from here
//   +56  u64  segment bytes: the size up to which the file may grow
//   +64       zeros
//
// The header repeats what the file's name, the superblock and the blocks say: losing it loses no record. Pure.

import { crc32c } from "../base/crc32c.js";
import { countedNumberMax, readU64, writeU64 } from "../base/numbers.js";
import { isAlignment, pageBytes } from "./block.js";
import { formatVersion } from "./version.js";

const magic = Uint8Array.from(Buffer.from("RWSEGMNT", "latin1"));

export interface SegmentHeader {
  readonly uuid: Uint8Array;
  readonly lane: number;
  readonly alignment: number;
  readonly segment: number;
  readonly baseTime: number;
  readonly segmentBytes: number;
}

export function encodeSegmentHeader(header: SegmentHeader): Uint8Array {
  const page = new Uint8Array(pageBytes);
  const view = new DataView(page.buffer);
  page.set(magic, 0);
  view.setUint32(12, formatVersion, true);
  page.set(header.uuid, 16);
  view.setUint32(32, header.lane, true);
  view.setUint32(36, header.alignment, true);
  writeU64(view, 40, header.segment);
  writeU64(view, 48, header.baseTime);
  writeU64(view, 56, header.segmentBytes);
  view.setUint32(8, crc32c(page, 0, 12), true);
  return page;
}

/** The header in `page` (4096 bytes), or null when it is not valid. */
export function decodeSegmentHeader(page: Uint8Array): SegmentHeader | null {
  if (page.length < pageBytes) return null;
  const view = new DataView(page.buffer, page.byteOffset, pageBytes);
  if (!magic.every((byte, index) => page[index] === byte)) return null;
  if (view.getUint32(8, true) !== crc32c(page, 0, 12, pageBytes)) return null;
  if (view.getUint32(12, true) !== formatVersion) return null;
  const header: SegmentHeader = {
    uuid: page.slice(16, 32),
    lane: view.getUint32(32, true),
    alignment: view.getUint32(36, true),
    segment: readU64(view, 40),
    baseTime: readU64(view, 48),
    segmentBytes: readU64(view, 56),
  };
  return isPlausible(header) ? header : null;
}

/** A NaN (a damaged u64) fails every comparison. */
function isPlausible({ alignment, segment, baseTime, segmentBytes }: SegmentHeader): boolean {
  return isAlignment(alignment) && segment >= 1 && baseTime <= countedNumberMax && segmentBytes >= 0;
}
