// Walks the segment files of a lane from a place on to their end, and hands over every block that it finds.
//
// Owns: which bytes are a block of this lane: magic, header, place, epoch, then frames. Not: whether a block continues
// the lane, and what follows from that. It never stops at bytes that are no block: it goes on page by page.
// Hot: one turn of `#walk` per block. See `ringwall bench recovery`.

import { RingwallError } from "../base/errors.js";
import { decodeSegmentHeader } from "../format/segment-header.js";
import { blockChecksum, blockEpochUnverified, blockHeaderBytes, decodeBlockHeader, hasBlockMagic, pageBytes, type BlockHeader } from "../format/block.js";
import type { Kernels } from "../format/kernels.js";
import type { Memory } from "../format/memory.js";
import { blockSeed } from "../format/seed.js";
import type { FileSystem, StorageFile } from "../storage/storage.js";
import { SegmentReader, type ByteRange, type ReadBuffers } from "./segment-reader.js";

/** Where the current epoch begins: blocks of older epochs from there on are dead. */
export interface EpochBoundary {
  readonly epoch: number;
  readonly segment: number;
  readonly offset: number;
}

/** Whether a block of `epoch` at that place is not one that the boundary made dead. */
export function isLive(boundary: EpochBoundary, epoch: number, { segment, offset }: ScanPlace): boolean {
  if (epoch >= boundary.epoch) return true;
  return segment < boundary.segment || (segment === boundary.segment && offset < boundary.offset);
}

export interface ScanSource {
  readonly files: FileSystem;
  readonly lane: number;
  readonly uuid: Uint8Array;
  readonly alignment: number;
  readonly kernels: Kernels;
  /** Null: every epoch counts; the chain alone decides. */
  readonly boundary: EpochBoundary | null;
  readonly buffers: ReadBuffers;
}

export interface SegmentFile {
  readonly segment: number;
  readonly path: string;
}

/** A block whose header is valid. One object is reused for all blocks of a scan. */
export interface FoundBlock {
  header: BlockHeader;
  checksum: number;
  /** Of the block in its segment file. */
  offset: number;
  seed: number;
  /** The block's bytes: `memory` from `start` on. */
  memory: Memory;
  start: number;
  framesStart: number;
  framesEnd: number;
  /** Offset in `memory` of the first frame that is not valid; `framesEnd` when the block is valid. */
  validEnd: number;
}

export interface ScanVisitor {
  /** False: don't scan this segment. `headerValid`: its first page is this segment's header. */
  beginSegment(file: SegmentFile, headerValid: boolean): boolean;
  /** "end segment": go on with the next one; "stop": the scan ends. */
  visit(block: FoundBlock): "go on" | "end segment" | "stop";
  /** The segment was scanned to its end, or the scan stopped in it. */
  endSegment(file: SegmentFile, unreadable: readonly ByteRange[], size: number): void;
  /** Called instead when the file can't be opened. */
  missSegment(file: SegmentFile): void;
}

export interface ScanPlace {
  readonly segment: number;
  readonly offset: number;
}

export interface ScanTotals {
  bytes: number;
}

/** Scans `segments` (ascending), the one of `from` from its offset on, those below it not at all. */
export async function scanSegments(source: ScanSource, segments: readonly SegmentFile[], from: ScanPlace, visitor: ScanVisitor): Promise<ScanTotals> {
  const totals: ScanTotals = { bytes: 0 };
  for (const file of segments) {
    if (file.segment < from.segment) continue;
    const start = file.segment === from.segment ? from.offset : source.alignment;
    if ((await scanSegment(source, file, start, visitor, totals)) === "stop") break;
  }
  return totals;
}

async function scanSegment(source: ScanSource, file: SegmentFile, from: number, visitor: ScanVisitor, totals: ScanTotals): Promise<"go on" | "stop"> {
  const opened = await openIfThere(source.files, file.path);
  if (opened === null) {
    visitor.missSegment(file);
    return "go on";
  }
  const size = await opened.size();
  const reader = new SegmentReader(opened, size - (size % pageBytes), source.buffers);
  try {
    const scan = new SegmentScan(source, file, reader);
    if (!visitor.beginSegment(file, await scan.readHeader())) return "go on";
    const outcome = await scan.walk(from, visitor);
    totals.bytes += reader.readBytes;
    visitor.endSegment(file, reader.unreadable, reader.size);
    return outcome;
  } finally {
    await reader.close();
  }
}

/** Null when there is no such file. */
export async function openIfThere(files: FileSystem, path: string, mode: "scan" | "read" = "scan"): Promise<StorageFile | null> {
  try {
    return await files.open(path, mode);
  } catch (error) {
    if (error instanceof RingwallError && error.code === "RINGWALL_NOT_FOUND") return null;
    throw error;
  }
}

class SegmentScan {
  readonly #source: ScanSource;
  readonly #file: SegmentFile;
  readonly #reader: SegmentReader;
  #seedEpoch = -1;
  #seed = 0;

  constructor(source: ScanSource, file: SegmentFile, reader: SegmentReader) {
    this.#source = source;
    this.#file = file;
    this.#reader = reader;
  }

  async readHeader(): Promise<boolean> {
    const reader = this.#reader;
    if (reader.size < pageBytes) return false;
    await reader.load(0, pageBytes);
    const header = decodeSegmentHeader(reader.memory.bytes.subarray(reader.start, reader.start + pageBytes));
    const { uuid, lane } = this.#source;
    return header !== null && header.segment === this.#file.segment && header.lane === lane && uuid.every((byte, at) => header.uuid[at] === byte);
  }

  async walk(from: number, visitor: ScanVisitor): Promise<"go on" | "stop"> {
    const reader = this.#reader;
    const { alignment } = this.#source;
    let position = from;
    while (position + pageBytes <= reader.size) {
      if (!reader.locate(position, pageBytes)) await reader.load(position, pageBytes);
      const header = hasBlockMagic(reader.memory, reader.start) ? this.#header(position) : null;
      if (header === null || position + header.blockBytes > reader.size) {
        position += alignment;
        continue;
      }
      if (!reader.locate(position, header.blockBytes)) await reader.load(position, header.blockBytes);
      const decision = visitor.visit(this.#found(header, position));
      if (decision === "stop") return "stop";
      if (decision === "end segment") return "go on";
      position += header.blockBytes;
    }
    return "go on";
  }

  /** The header of a live block at the reader's place, or null. */
  #header(position: number): BlockHeader | null {
    const { memory, start } = this.#reader;
    const epoch = blockEpochUnverified(memory, start);
    if (!this.#isLive(epoch, position)) return null;
    if (epoch !== this.#seedEpoch) {
      const { uuid, lane } = this.#source;
      this.#seed = blockSeed({ uuid, lane, segment: this.#file.segment, epoch });
      this.#seedEpoch = epoch;
    }
    const header = decodeBlockHeader(memory, start, this.#seed, position);
    return header !== null && header.blockBytes % this.#source.alignment === 0 ? header : null;
  }

  #isLive(epoch: number, position: number): boolean {
    const { boundary } = this.#source;
    return boundary === null || isLive(boundary, epoch, { segment: this.#file.segment, offset: position });
  }

  #found(header: BlockHeader, offset: number): FoundBlock {
    const { memory, start } = this.#reader;
    const framesStart = start + blockHeaderBytes;
    const framesEnd = framesStart + header.dataBytes;
    const validEnd = this.#source.kernels.verifyFrames(memory, framesStart, framesEnd, this.#seed, offset + blockHeaderBytes);
    return { header, checksum: blockChecksum(memory, start), offset, seed: this.#seed, memory, start, framesStart, framesEnd, validEnd };
  }
}
