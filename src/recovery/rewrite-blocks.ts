// Makes accepted blocks that no horizon covers durable: writes them again where they stand, the same bytes, then syncs.
//
// A sync alone is not enough. Without a loss of power what recovery read may be in the page cache only:
// 1. a block is written, its flush fails, and the kernel takes the page for clean; 2. the log is opened again: the block
// verifies and is accepted; 3. a sync finds nothing to write and succeeds; 4. records behind it are acknowledged;
// 5. power fails: the block was never on media, and everything behind it is unreachable.
// The same bytes in the same place are harmless under a reader, and under a crash or a torn write in the middle of it.

import { RingwallError } from "../base/errors.js";
import { blockChecksum, blockHeaderBytes, decodeBlockHeader } from "../format/block.js";
import { Memory } from "../format/memory.js";
import { blockSeed } from "../format/seed.js";
import type { AcceptedBlock } from "./lane-pass.js";
import type { ScanSource } from "./scan.js";
import type { StorageFile } from "../storage/storage.js";

/** `blocks` in the order of the lane. Rejects when one does not verify any more, or can't be written; nothing is made worse. */
export async function rewriteBlocks(source: ScanSource, blocks: readonly AcceptedBlock[]): Promise<void> {
  const memory = new Memory(new ArrayBuffer(blocks.reduce((most, { blockBytes }) => Math.max(most, blockBytes), 0)));
  for (let from = 0; from < blocks.length; ) {
    const { path } = (blocks[from] as AcceptedBlock).file;
    let to = from + 1;
    while (blocks[to]?.file.path === path) to++;
    const file = await source.files.open(path, "write");
    try {
      for (const block of blocks.slice(from, to)) await rewriteBlock(source, file, block, memory);
      await file.sync();
    } finally {
      await file.close();
    }
    from = to;
  }
}

/** What is written is what verified in this memory, not what the file may hold by now. */
async function rewriteBlock(source: ScanSource, file: StorageFile, block: AcceptedBlock, memory: Memory): Promise<void> {
  const bytes = memory.bytes.subarray(0, block.blockBytes);
  const count = await file.readAt(bytes, block.offset);
  if (count < bytes.length || !isBlock(source, block, memory)) {
    throw new RingwallError("RINGWALL_IO", `block ${String(block.sequence)} was valid a moment ago and is not any more`, {
      place: { path: block.file.path, lane: source.lane, segment: block.file.segment, offset: block.offset },
      remedy: "Look for another program that writes to the log's files, and at the disk; then open the log again.",
    });
  }
  await file.writeAt(bytes, block.offset);
}

function isBlock({ uuid, lane, kernels }: ScanSource, block: AcceptedBlock, memory: Memory): boolean {
  const seed = blockSeed({ uuid, lane, segment: block.file.segment, epoch: block.epoch });
  const header = decodeBlockHeader(memory, 0, seed, block.offset);
  if (header === null || header.blockBytes !== block.blockBytes || blockChecksum(memory, 0) !== block.checksum) return false;
  const framesEnd = blockHeaderBytes + header.dataBytes;
  return kernels.verifyFrames(memory, blockHeaderBytes, framesEnd, seed, block.offset + blockHeaderBytes) === framesEnd;
}
