// Wanted records of a sealed segment in the order in which they lie there: one pass over its blocks, whoever they belong to.
//
// For reclaim: a reader of one partition passes everything between its records, so a thousand of them would pass everything a thousand
// times. It takes what verifies and is whole in one frame. What it passes over, damage and records in fragments, is left to readers.

import { RingwallError } from "../base/errors.js";
import { writeU64 } from "../base/numbers.js";
import { lastLive } from "../core/living-segment.js";
import type { PartitionState } from "../core/partition-table.js";
import type { SegmentIndex } from "../core/segment-index.js";
import { merged, without, type SequenceRange } from "../core/sequence-ranges.js";
import { blockHeaderBytes, decodeBlockHeader } from "../format/block.js";
import { frameBytes, frameFlag, frameFlagsOf, frameHeaderBytes, frameKind, frameKindOf, framePartition, framePayloadBytes, frameSequence, frameTime, movedTimeBytes, movedTimeOf } from "../format/frame.js";
import type { Memory } from "../format/memory.js";
import { blockSeed } from "../format/seed.js";
import type { ReadSource } from "./read-source.js";
import { loadWindow } from "./read-window.js";
import { segmentFilesOf, type SegmentFile } from "./segment-files.js";

export interface SweptRecord {
  readonly state: PartitionState;
  readonly sequence: number;
  /** As it stands in frames of kind moved: its time, then its bytes. */
  readonly payload: Uint8Array;
}

const windowBytes = 1024 * 1024;
const fragmentFlags = frameFlag.recordGoesOn | frameFlag.recordContinued;

/** Sequences of one partition that are looked for, and those that were found. */
class Wanted {
  readonly state: PartitionState;
  left: readonly SequenceRange[];
  readonly #found: SequenceRange[] = [];
  /** The range that the last look was at: sequences mostly ascend. */
  #at = 0;

  constructor(state: PartitionState, ranges: readonly SequenceRange[]) {
    this.state = state;
    this.left = ranges;
  }

  has(sequence: number): boolean {
    if (sequence < (this.left[this.#at]?.first ?? Number.POSITIVE_INFINITY)) this.#at = 0;
    while ((this.left[this.#at]?.last ?? Number.POSITIVE_INFINITY) < sequence) this.#at++;
    return (this.left[this.#at]?.first ?? Number.POSITIVE_INFINITY) <= sequence;
  }

  noteFound(sequence: number): void {
    const last = this.#found[this.#found.length - 1];
    if (last !== undefined && last.last + 1 === sequence) last.last = sequence;
    else this.#found.push({ first: sequence, last: sequence });
  }

  forgetFound(): void {
    if (this.#found.length === 0) return;
    this.left = without(this.left, merged(this.#found.splice(0)));
    this.#at = 0;
  }
}

export class LiveSweep {
  readonly #source: ReadSource;
  readonly #wanted = new Map<number, Wanted>();
  #scratch: Memory | null = null;

  /** `ranges` are as `merged` leaves them. */
  constructor(source: ReadSource, portions: Iterable<readonly [PartitionState, { readonly ranges: readonly SequenceRange[] }]>) {
    this.#source = source;
    for (const [state, { ranges }] of portions) this.#wanted.set(state.id, new Wanted(state, ranges));
  }

  /** What of its ranges was not found. */
  left(state: PartitionState): readonly SequenceRange[] {
    return this.#wanted.get(state.id)?.left ?? [];
  }

  /** Window by window. Ends early where the segment was freed meanwhile, or a block's header does not verify. */
  async *recordsOf(index: SegmentIndex): AsyncGenerator<readonly SweptRecord[], void> {
    const file = await this.#open(index.segment);
    if (file === null) return;
    try {
      let at = index.firstOffset;
      for (let bytes = windowBytes; at < index.endOffset; ) {
        const start = at;
        const { memory, end } = await loadWindow(file, { start, end: Math.min(index.endOffset, start + bytes), limit: 0, roomBytes: 0, scratch: this.#scratch });
        this.#scratch = memory;
        // 1. a window is read; 2. the segment is freed, and with it the truncation that hides some of its records; 3. they are moved.
        if (!this.#source.segmentIds.includes(index.segment)) return;
        const records: SweptRecord[] = [];
        let isAstray = false;
        while (at < end) {
          const place = { index, memory, at: at - start, offset: at, seed: this.#seedAt(index, at) };
          const header = decodeBlockHeader(memory, place.at, place.seed, at);
          isAstray = header === null || at + header.blockBytes > index.endOffset;
          if (header === null || isAstray) break;
          bytes = Math.max(windowBytes, header.blockBytes);
          if (at + header.blockBytes > end) break;
          this.#takeBlock(place, header.dataBytes, records);
          at += header.blockBytes;
        }
        if (records.length > 0) yield records;
        if (isAstray) return;
      }
    } finally {
      file.release();
      // The same record may lie in another segment once more, as a copy.
      for (const wanted of this.#wanted.values()) wanted.forgetFound();
    }
  }

  async #open(segment: number): Promise<SegmentFile | null> {
    try {
      return await segmentFilesOf(this.#source).acquire(segment);
    } catch (error) {
      if (error instanceof RingwallError && error.code === "RINGWALL_NOT_FOUND") return null;
      throw error;
    }
  }

  #seedAt(index: SegmentIndex, offset: number): number {
    const { uuid, lane } = this.#source;
    return blockSeed({ uuid, lane, segment: index.segment, epoch: index.epochAt(offset) });
  }

  /** Hot: one turn per frame. */
  #takeBlock({ index, memory, at, offset, seed }: BlockPlace, dataBytes: number, records: SweptRecord[]): void {
    const from = at + blockHeaderBytes;
    const to = this.#source.kernels.verifyFrames(memory, from, from + dataBytes, seed, offset + blockHeaderBytes);
    for (let frame = from; frame < to; frame += frameBytes(framePayloadBytes(memory, frame))) {
      const wanted = this.#wanted.get(framePartition(memory, frame));
      const sequence = frameSequence(memory, frame);
      if (wanted?.has(sequence) !== true) continue;
      const payload = payloadIn(memory, frame, index.baseTime);
      if (payload === null || !isLive(wanted.state, { sequence, isMoved: frameKindOf(memory, frame) === frameKind.moved, index, position: offset + frame - at })) continue;
      wanted.noteFound(sequence);
      records.push({ state: wanted.state, sequence, payload });
    }
  }
}

interface BlockPlace {
  readonly index: SegmentIndex;
  readonly memory: Memory;
  /** Of the block's header in the memory, and in the segment's file. */
  readonly at: number;
  readonly offset: number;
  readonly seed: number;
}

/** Of a record that is whole in this frame, in memory of its own; null where there is none. */
function payloadIn(memory: Memory, frame: number, baseTime: number): Uint8Array | null {
  if ((frameFlagsOf(memory, frame) & fragmentFlags) !== 0) return null;
  const data = memory.bytes.subarray(frame + frameHeaderBytes, frame + frameHeaderBytes + framePayloadBytes(memory, frame));
  const kind = frameKindOf(memory, frame);
  if (kind === frameKind.moved) return movedTimeOf(data) === null ? null : data.slice();
  return kind === frameKind.data ? movedPayload(baseTime + frameTime(memory, frame), data) : null;
}

/** As it stands in frames of kind moved. */
export function movedPayload(time: number, data: Uint8Array): Uint8Array {
  const payload = new Uint8Array(movedTimeBytes + data.length);
  writeU64(new DataView(payload.buffer), 0, time);
  payload.set(data, movedTimeBytes);
  return payload;
}

interface FramePlace {
  readonly sequence: number;
  readonly isMoved: boolean;
  readonly index: SegmentIndex;
  readonly position: number;
}

function isLive(state: PartitionState, { sequence, isMoved, index, position }: FramePlace): boolean {
  if (sequence < state.firstSequence || state.life === "dropped" || (index.voids.length > 0 && index.isVoid(position))) return false;
  if (state.truncations.length === 0) return true;
  return !state.isTruncated(sequence, index.segment, position) && (!isMoved || lastLive(state, index.segment, sequence, true) === sequence);
}
