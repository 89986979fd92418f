// Writes the index file of a sealed segment: whole and durable under its name, or not there.
//
// The caller writes it only when every block of the segment is durable and every group with a frame in it is complete
// or dropped for good: recovery trusts it without looking at the segment.

import { inOneGo } from "../base/slices.js";
import type { SegmentIndex } from "../core/segment-index.js";
import { encodeIndexFile } from "../format/index-file.js";
import { indexName } from "../format/names.js";
import type { RunSlices } from "../storage/in-turns.js";
import type { FileSystem } from "../storage/storage.js";
import { temporarySuffix } from "./lane-files.js";

export interface WriteSegmentIndexOptions {
  readonly files: FileSystem;
  /** Of the lane. */
  readonly directory: string;
  readonly index: SegmentIndex;
  readonly uuid: Uint8Array;
  readonly lane: number;
  /** Its runs are packed and laid into the file by it; at once where it is left out. */
  readonly run?: RunSlices;
}

export async function writeSegmentIndex({ files, directory, index, uuid, lane, run = inOneGo }: WriteSegmentIndexOptions): Promise<void> {
  await run(index.packing());
  const bytes = await run(encodeIndexFile(index, uuid, lane));
  const path = `${directory}/${indexName(index.segment)}`;
  const temporary = `${path}${temporarySuffix}`;
  await files.remove(temporary);
  const file = await files.open(temporary, "create");
  try {
    await file.writeAt(bytes, 0);
    await file.sync();
  } finally {
    await file.close();
  }
  await files.rename(temporary, path);
  await files.syncDirectory(directory);
}
