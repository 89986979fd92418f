// Whether a closed lane goes on behind its seal: then the superblock that calls it closed is a former one, put back.
//
// An opening of a closed log does not read what lies behind the seal, which may be a hundred megabytes of zeros. So only
// those pages are looked at on which blocks of a later epoch begin: right behind the seal, and at the head of each segment.

import { blockEpochUnverified, decodeBlockHeader, hasBlockMagic, pageBytes } from "../format/block.js";
import { Memory } from "../format/memory.js";
import { blockSeed } from "../format/seed.js";
import { openIfThere, type ScanPlace, type ScanSource, type SegmentFile } from "./scan.js";

export async function goesOnBehindSeal(source: ScanSource, kept: readonly SegmentFile[], end: ScanPlace, epoch: number): Promise<boolean> {
  for (const file of kept) {
    if (file.segment < end.segment) continue;
    const offset = file.segment === end.segment ? end.offset : source.alignment;
    if ((await epochAt(source, file, offset)) > epoch) return true;
  }
  return false;
}

/** The epoch of the block that begins there; 0 without one. */
async function epochAt({ files, uuid, lane }: ScanSource, { segment, path }: SegmentFile, offset: number): Promise<number> {
  const file = await openIfThere(files, path);
  if (file === null) return 0;
  try {
    const memory = new Memory(new ArrayBuffer(pageBytes));
    const count = await file.readAt(memory.bytes, offset).catch(() => 0);
    if (count < pageBytes || !hasBlockMagic(memory, 0)) return 0;
    const epoch = blockEpochUnverified(memory, 0);
    return decodeBlockHeader(memory, 0, blockSeed({ uuid, lane, segment, epoch }), offset) === null ? 0 : epoch;
  } finally {
    await file.close();
  }
}
