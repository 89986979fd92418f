// Where a block ends in its segment file: found by walking the headers, for indexes know the first and the last block only.

import { blockEpochUnverified, blockHeaderBytes, decodeBlockHeader, hasBlockMagic } from "../../format/block.js";
import { blockSeed } from "../../format/seed.js";
import type { LaneRecord } from "../../format/superblock.js";
import { FollowWindow } from "../../recovery/follow-window.js";
import { isLive } from "../../recovery/scan.js";
import type { FileSystem } from "../../storage/storage.js";

export interface BlockPlace {
  readonly files: FileSystem;
  /** Of the lane. */
  readonly directory: string;
  readonly lane: number;
  readonly uuid: Uint8Array;
  readonly alignment: number;
  readonly record: LaneRecord;
  readonly segment: number;
}

const readBytesMax = 1024 * 1024;

/** The offset behind block `sequence`, which lies in the segment; null when the headers don't lead to it. */
export async function endOfBlock(place: BlockPlace, sequence: number): Promise<number | null> {
  const { files, directory, lane, uuid, alignment, record, segment } = place;
  const window = new FollowWindow(files, directory, readBytesMax);
  const boundary = { epoch: record.epoch, segment: record.epochSegment, offset: record.epochOffset };
  try {
    for (let offset = alignment; ; ) {
      if (!window.holds(segment, offset, blockHeaderBytes) && !(await window.load(segment, offset, blockHeaderBytes))) return null;
      const at = window.startOf(offset);
      if (!hasBlockMagic(window.memory, at)) return null;
      const epoch = blockEpochUnverified(window.memory, at);
      const header = decodeBlockHeader(window.memory, at, blockSeed({ uuid, lane, segment, epoch }), offset);
      if (header === null || header.sequence > sequence || !isLive(boundary, epoch, { segment, offset })) return null;
      offset += header.blockBytes;
      if (header.sequence === sequence) return offset;
    }
  } finally {
    await window.close();
  }
}
