// Wanted records of a sealed segment in the order in which they lie there: one pass over the blocks that hold any, whoever they belong to.
//
// For reclaim: a reader of one partition passes everything between its records, so a thousand of them would pass everything a thousand
// times. It takes what verifies and is whole in one frame. What it passes over, damage and records in fragments, is left to readers.

import { alignUp, writeU64 } from "../base/numbers.js";
import { runsOf } from "../core/live-bytes.js";
import { lastLive } from "../core/living-segment.js";
import type { PartitionState } from "../core/partition-table.js";
import type { SegmentIndex } from "../core/segment-index.js";
import { countUpTo, entryDistanceBytes, exactPosition } from "../core/segment-runs.js";
import { merged, without, type SequenceRange } from "../core/sequence-ranges.js";
import { blockHeaderBytes, decodeBlockHeader, pageBytes } from "../format/block.js";
import { frameBytes, frameFlag, frameFlagsOf, frameHeaderBytes, frameKind, frameKindOf, framePartition, framePayloadBytes, frameSequence, frameTime, movedTimeBytes, movedTimeOf } from "../format/frame.js";
import { Memory } from "../format/memory.js";
import { segmentName } from "../format/names.js";
import { blockSeed } from "../format/seed.js";
import { openIfThere } from "../recovery/scan.js";
import { pageMemory } from "../storage/page-memory.js";
import type { StorageFile } from "../storage/storage.js";
import type { ReadSource } from "./read-source.js";
import { loadWindow } from "./read-window.js";

export interface SweptRecord {
  readonly state: PartitionState;
  readonly sequence: number;
  /** As it stands in frames of kind moved: its time, then its bytes. */
  readonly payload: Uint8Array;
}

const windowBytes = 1024 * 1024;
/** Read behind a stretch, for the block in which it ends. */
const blockBytesUsual = 128 * 1024;
/** Reading on is cheaper than another read up to here. */
const gapBytesMax = 256 * 1024;
const fragmentFlags = frameFlag.recordGoesOn | frameFlag.recordContinued;

/** Of a segment's file. */
interface Stretch {
  readonly from: number;
  to: number;
}

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

  /** Whether any of [first, last] is looked for. */
  overlaps(first: number, last: number): boolean {
    const next = this.left[countUpTo(this.left.length, (at) => (this.left[at] as SequenceRange).last < first)];
    return next !== undefined && next.first <= last;
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
  readonly #scratch = new Memory(pageMemory(windowBytes));

  /** `ranges` are as `merged` leaves them. */
  constructor(source: ReadSource, portions: Iterable<readonly [PartitionState, { readonly ranges: readonly SequenceRange[] }]>) {
    this.#source = source;
    for (const [state, { ranges }] of portions) this.#wanted.set(state.id, new Wanted(state, ranges));
  }

  /** What of its ranges was not found. */
  left(state: PartitionState): readonly SequenceRange[] {
    return this.#wanted.get(state.id)?.left ?? [];
  }

  /** Window by window. Ends early where a block's header does not verify, where the segment was freed meanwhile, or nothing `isLive` there any more. */
  async *recordsOf(index: SegmentIndex, isLive: () => boolean): AsyncGenerator<readonly SweptRecord[], void> {
    const { files, directory } = this.#source;
    // Past the page cache: nobody reads it again, and what is cached of a file slows the writes into it once it is recycled.
    const file = await openIfThere(files, `${directory}/${segmentName(index.segment)}`);
    if (file === null) return;
    try {
      for (const { from, to } of this.#stretchesOf(index)) yield* this.#recordsBetween(index, file, { from, to, isLive });
    } finally {
      await file.close();
      // The same record may lie in another segment once more, as a copy.
      for (const wanted of this.#wanted.values()) wanted.forgetFound();
    }
  }

  async *#recordsBetween(index: SegmentIndex, file: StorageFile, stretch: Stretch & { readonly isLive: () => boolean }): AsyncGenerator<readonly SweptRecord[], void> {
    const { from, to, isLive } = stretch;
    let at = from;
    for (let needed = 0; at < to && isLive(); ) {
      const start = at;
      const end = Math.min(index.endOffset, Math.max(start + needed, Math.min(start + windowBytes, to + blockBytesUsual)));
      const { memory } = await loadWindow(file, { start, end, limit: 0, roomBytes: 0, scratch: this.#scratch });
      // 1. a window is read; 2. the segment is freed, and with it the truncation that hides some of its records; 3. they are moved.
      if (!this.#source.segmentIds.includes(index.segment)) return;
      const records: SweptRecord[] = [];
      let isAstray = false;
      while (at < Math.min(to, end)) {
        const place = { index, memory, at: at - start, offset: at, seed: this.#seedAt(index, at) };
        const header = decodeBlockHeader(memory, place.at, place.seed, at);
        isAstray = header === null || at + header.blockBytes > index.endOffset;
        if (header === null || isAstray) break;
        if (at + header.blockBytes > end) {
          needed = header.blockBytes;
          break;
        }
        this.#takeBlock(place, header.dataBytes, records);
        at += header.blockBytes;
      }
      if (records.length > 0) yield records;
      if (isAstray) return;
    }
  }

  /** Where wanted records begin, in whole blocks. */
  #stretchesOf(index: SegmentIndex): Stretch[] {
    const stretches: Stretch[] = [];
    for (const { id, run } of runsOf(index)) {
      const wanted = this.#wanted.get(id);
      for (let at = 0; wanted !== undefined && at < run.entryCount; at++) {
        const place = run.entry(at);
        const last = at + 1 < run.entryCount ? run.entry(at + 1).sequence - 1 : run.lastSequence;
        if (!wanted.overlaps(place.sequence, last)) continue;
        const lastPosition = exactPosition(place, last) ?? place.blockOffset + place.frameOffset + entryDistanceBytes;
        stretches.push({ from: place.blockOffset, to: Math.min(index.endOffset, alignUp(lastPosition + 1, pageBytes)) });
      }
    }
    stretches.sort((a, b) => a.from - b.from);
    const joined: Stretch[] = [];
    for (const { from, to } of stretches) {
      const before = joined[joined.length - 1];
      if (before === undefined || from > before.to + gapBytesMax) joined.push({ from, to });
      else before.to = Math.max(before.to, to);
    }
    return joined;
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
      if (payload === null || !isKept(wanted.state, { sequence, isMoved: frameKindOf(memory, frame) === frameKind.moved, index, position: offset + frame - at })) continue;
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

function isKept(state: PartitionState, { sequence, isMoved, index, position }: FramePlace): boolean {
  if (sequence < state.firstSequence || state.life === "dropped" || (index.voids.length > 0 && index.isVoid(position))) return false;
  if (state.truncations.length === 0) return true;
  return !state.isTruncated(sequence, index.segment, position) && (!isMoved || lastLive(state, index.segment, sequence, true) === sequence);
}
