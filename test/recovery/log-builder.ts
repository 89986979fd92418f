// Builds one lane of a log byte by byte, with format/* alone and control over every field: what a writer leaves, and what
// a crash or a bad disk makes of it. It keeps no rule of its own; a test says what is written.

import { mkdirSync, mkdtempSync, writeFileSync, openSync, writeSync, closeSync, rmSync, existsSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { blockHeaderBytes, encodeBlockHeader, blockFlag } from "#src/format/block.js";
import { checkpointPayloads, type CheckpointEntry, type Truncation } from "#src/format/checkpoint.js";
import { frameBytes, frameFlag, frameHeaderBytes, frameKind } from "#src/format/frame.js";
import { portableKernels } from "#src/format/kernels.js";
import { Memory } from "#src/format/memory.js";
import { segmentName } from "#src/format/names.js";
import { blockSeed } from "#src/format/seed.js";
import { encodeSegmentHeader } from "#src/format/segment-header.js";
import type { LaneRecord, Superblock } from "#src/format/superblock.js";

export interface TestFrame {
  readonly kind: number;
  readonly flags?: number;
  readonly partition: number;
  readonly sequence: number;
  readonly time?: number;
  readonly payload: Uint8Array;
}

export interface BlockChange {
  readonly sequence?: number;
  readonly horizon?: number;
  readonly epoch?: number;
  readonly previousChecksum?: number;
  readonly flags?: number;
  readonly blockBytes?: number;
  /** Where it is written; `seedSegment` and `seedOffset` say what its checksums believe. */
  readonly seedSegment?: number;
  readonly seedOffset?: number;
  /** Counted and chained, but never reaches the disk. */
  readonly lost?: boolean;
  /** Written, but the chain does not know: the builder's state stays as it was. */
  readonly unchained?: boolean;
}

export interface BuiltBlock {
  readonly segment: number;
  readonly offset: number;
  readonly bytes: number;
  readonly sequence: number;
  readonly checksum: number;
  /** Offsets of its frames in the segment file, and of the end of the last. */
  readonly frames: readonly number[];
  readonly framesEnd: number;
}

export const alignment = 4096;
export const baseTime = 1_700_000_000_000;

export function record(partition: number, sequence: number, payload: string | Uint8Array, flags = 0): TestFrame {
  return { kind: frameKind.data, flags, partition, sequence, payload: typeof payload === "string" ? Buffer.from(payload) : payload };
}

export function define(id: number, name: string, flags = 0): TestFrame {
  const payload = Buffer.alloc(4 + Buffer.byteLength(name));
  payload.writeUInt32LE(id, 0);
  payload.write(name, 4);
  return { kind: frameKind.define, flags, partition: 0, sequence: 0, payload };
}

export function trim(partition: number, first: number): TestFrame {
  return { kind: frameKind.trim, partition, sequence: first, payload: new Uint8Array(0) };
}

export function drop(partition: number): TestFrame {
  return { kind: frameKind.drop, partition, sequence: 0, payload: new Uint8Array(0) };
}

/** A copy of a record, of time 1000. */
export function moved(partition: number, sequence: number, text: string, flags = 0): TestFrame {
  const payload = Buffer.alloc(8 + Buffer.byteLength(text));
  payload.writeBigUInt64LE(1000n, 0);
  payload.write(text, 8);
  return { kind: frameKind.moved, flags, partition, sequence, payload };
}

export function truncate(partition: number, last: number): TestFrame {
  return { kind: frameKind.truncate, partition, sequence: last, payload: new Uint8Array(0) };
}

export function entry(id: number, name: string, last: number, first = 1, truncations: readonly Truncation[] = []): CheckpointEntry {
  return { id, name, firstSequence: first, lastSequence: last, truncations };
}

export function checkpoint(entries: readonly CheckpointEntry[], payloadBytesMax = 1 << 20): TestFrame[] {
  const payloads = [...checkpointPayloads(entries, payloadBytesMax)];
  return payloads.map((payload, index) => ({
    kind: frameKind.checkpoint,
    flags: (index > 0 ? frameFlag.groupContinued : 0) + (index < payloads.length - 1 ? frameFlag.groupGoesOn : 0),
    partition: 0,
    sequence: 0,
    payload,
  }));
}

/** The frames as one group. */
export function group(...frames: readonly TestFrame[]): TestFrame[] {
  return frames.map((frame, index) => ({
    ...frame,
    flags: (frame.flags ?? 0) + (index > 0 ? frameFlag.groupContinued : 0) + (index < frames.length - 1 ? frameFlag.groupGoesOn : 0),
  }));
}

/** One record in several fragments. */
export function fragments(partition: number, sequence: number, ...parts: readonly string[]): TestFrame[] {
  return group(
    ...parts.map((part, index) =>
      record(partition, sequence, part, (index > 0 ? frameFlag.recordContinued : 0) + (index < parts.length - 1 ? frameFlag.recordGoesOn : 0)),
    ),
  );
}

export class LogBuilder {
  readonly root: string;
  readonly directory: string;
  readonly uuid = Uint8Array.from({ length: 16 }, (_, index) => index + 1);
  readonly lane = 0;
  readonly segmentBytes: number;
  readonly blocks: BuiltBlock[] = [];
  segment = 0;
  offset = alignment;
  nextBlock = 1;
  previousChecksum = 0;
  epoch = 1;
  epochStart = true;
  /** The superblock's record of the lane; `horizon` of blocks defaults to the block before. */
  laneRecord: LaneRecord = {
    epoch: 1, state: "open", epochSegment: 1, epochOffset: alignment, epochBlock: 1, horizon: 0, firstSegment: 1, blocksInFlightMax: 4,
  };

  constructor(segmentBytes = 64 * 1024) {
    this.segmentBytes = segmentBytes;
    this.root = mkdtempSync(path.join(tmpdir(), "ringwall-recovery-"));
    this.directory = path.join(this.root, "lane-00");
    mkdirSync(this.directory);
  }

  get superblock(): Superblock {
    return { uuid: this.uuid, sequence: 1, alignment, flushMethod: "dsync", created: baseTime, lanes: [this.laneRecord] };
  }

  path(segment = this.segment): string {
    return path.join(this.directory, segmentName(segment));
  }

  /** Creates a segment file of zeros with its header; `header: false` leaves its first page as zeros. */
  prepare(segment: number, header = true): void {
    writeFileSync(this.path(segment), new Uint8Array(this.segmentBytes));
    if (header) this.write(segment, 0, encodeSegmentHeader({ uuid: this.uuid, lane: this.lane, alignment, segment, baseTime, segmentBytes: this.segmentBytes }));
  }

  /** Goes over to the next segment and writes its checkpoint. */
  rotate(entries: readonly CheckpointEntry[] = [], change: BlockChange = {}): BuiltBlock {
    this.enter(this.segment + 1);
    return this.block(checkpoint(entries), { flags: blockFlag.checkpoint, ...change });
  }

  enter(segment: number): void {
    this.segment = segment;
    this.offset = alignment;
    if (!existsSync(this.path(segment))) this.prepare(segment);
  }

  /** Begins a new epoch at the builder's place, as a writer does that opens the log. */
  reopen(horizon = this.nextBlock - 1): void {
    this.epoch++;
    this.epochStart = true;
    this.laneRecord = {
      ...this.laneRecord, epoch: this.epoch, state: "open", epochSegment: this.segment, epochOffset: this.offset, epochBlock: this.nextBlock, horizon,
    };
  }

  block(frames: readonly TestFrame[], change: BlockChange = {}): BuiltBlock {
    const dataBytes = frames.reduce((sum, frame) => sum + frameBytes(frame.payload.length), 0);
    const bytes = change.blockBytes ?? Math.ceil((blockHeaderBytes + dataBytes) / alignment) * alignment;
    const memory = new Memory(new ArrayBuffer(bytes));
    const segment = change.seedSegment ?? this.segment;
    const position = change.seedOffset ?? this.offset;
    const epoch = change.epoch ?? this.epoch;
    const seed = blockSeed({ uuid: this.uuid, lane: this.lane, segment, epoch });
    const offsets = putFrames(memory, frames);
    portableKernels.sealFrames(memory, blockHeaderBytes, blockHeaderBytes + dataBytes, seed, position + blockHeaderBytes);
    const sequence = change.sequence ?? this.nextBlock;
    const checksum = encodeBlockHeader(
      memory, 0,
      {
        sequence, horizon: change.horizon ?? sequence - 1, epoch, blockBytes: bytes, dataBytes, frameCount: frames.length, baseTime,
        previousChecksum: change.previousChecksum ?? this.previousChecksum,
        flags: (change.flags ?? 0) | (this.epochStart && change.unchained !== true ? blockFlag.epochStart : 0),
      },
      seed, position,
    );
    if (change.lost !== true) this.write(this.segment, this.offset, memory.bytes);
    const built: BuiltBlock = {
      segment: this.segment, offset: this.offset, bytes, sequence, checksum,
      frames: offsets.map((at) => this.offset + at), framesEnd: this.offset + blockHeaderBytes + dataBytes,
    };
    if (change.unchained === true) return built;
    this.blocks.push(built);
    this.offset += bytes;
    this.nextBlock = sequence + 1;
    this.previousChecksum = checksum;
    this.epochStart = false;
    return built;
  }

  /** A clean close. */
  seal(): BuiltBlock {
    const block = this.block([], { flags: blockFlag.seal });
    this.laneRecord = { ...this.laneRecord, state: "closed", horizon: block.sequence };
    return block;
  }

  write(segment: number, offset: number, bytes: Uint8Array): void {
    const file = openSync(this.path(segment), "r+");
    try {
      writeSync(file, bytes, 0, bytes.length, offset);
    } finally {
      closeSync(file);
    }
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** Puts the frames behind the header; returns their offsets. */
function putFrames(memory: Memory, frames: readonly TestFrame[]): number[] {
  let at = blockHeaderBytes;
  return frames.map((frame) => {
    const word = at >>> 2;
    memory.words[word + 1] = (frame.payload.length | (frame.kind << 24)) + (frame.flags ?? 0);
    memory.words[word + 2] = frame.partition;
    memory.words[word + 3] = frame.time ?? frame.sequence;
    memory.words[word + 4] = frame.sequence;
    memory.words[word + 5] = Math.floor(frame.sequence / 2 ** 32);
    memory.bytes.set(frame.payload, at + frameHeaderBytes);
    const start = at;
    at += frameBytes(frame.payload.length);
    return start;
  });
}
