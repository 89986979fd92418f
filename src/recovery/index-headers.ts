// The headers of a lane's index files: what lets recovery pass over sealed segments.

import { decodeIndexHeader, indexHeaderBytes, type IndexHeader } from "../format/index-file.js";
import { indexName } from "../format/names.js";
import type { FileSystem } from "../storage/storage.js";
import { openIfThere } from "./scan.js";

export interface IndexHeaderSource {
  readonly files: FileSystem;
  /** Of the lane. */
  readonly directory: string;
  readonly lane: number;
  readonly uuid: Uint8Array;
}

const readsAtOnce = 16;

/** The valid headers of the index files of `segments`, by segment. */
export async function readIndexHeaders(source: IndexHeaderSource, segments: readonly number[]): Promise<Map<number, IndexHeader>> {
  const headers = new Map<number, IndexHeader>();
  for (let at = 0; at < segments.length; at += readsAtOnce) {
    const some = segments.slice(at, at + readsAtOnce);
    const read = await Promise.all(some.map((segment) => readHeader(source, segment)));
    for (const [index, header] of read.entries()) if (header !== null) headers.set(some[index] as number, header);
  }
  return headers;
}

/** Whether the header speaks of this segment of this lane of this log. */
export function belongs(header: IndexHeader, source: IndexHeaderSource, segment: number): boolean {
  return header.segment === segment && header.lane === source.lane && source.uuid.every((byte, at) => header.uuid[at] === byte);
}

async function readHeader(source: IndexHeaderSource, segment: number): Promise<IndexHeader | null> {
  const file = await openIfThere(source.files, `${source.directory}/${indexName(segment)}`);
  if (file === null) return null;
  try {
    const bytes = new Uint8Array(indexHeaderBytes);
    // An unreadable index is no index: the segment is scanned.
    const count = await file.readAt(bytes, 0).catch(() => 0);
    const header = decodeIndexHeader(bytes.subarray(0, count));
    return header !== null && belongs(header, source, segment) ? header : null;
  } finally {
    await file.close();
  }
}
