// Every record of a recovered lane that is provably right, in the order in which the lane took them, moved ones by their times.
//
// Recovery has judged the lane: what it calls lost, dead, trimmed or part of an incomplete group is passed over here, and
// every frame is verified again as it is read. Memory: some chunks of a segment, and one record.

import { alignUp } from "../base/numbers.js";
import { blockBytesMax, blockHeaderBytes, decodeBlockHeader, hasBlockMagic, pageBytes, type BlockHeader } from "../format/block.js";
import { frameBytes, frameFlag, frameFlagsOf, frameHeaderBytes, frameKind, frameKindOf, framePartition, framePayloadBytes, frameSequence, frameTime } from "../format/frame.js";
import type { Memory } from "../format/memory.js";
import { blockSeed } from "../format/seed.js";
import { decodeSegmentHeader } from "../format/segment-header.js";
import type { PartitionState } from "../core/partition-table.js";
import type { SegmentIndex } from "../core/segment-index.js";
import { rangesByPartition, type SequenceRange } from "../core/sequence-ranges.js";
import type { DamagedRange, KnownSegment, RecoveredLane } from "../recovery/recovered-lane.js";
import { openIfThere, type ScanSource } from "../recovery/scan.js";
import { SegmentReader } from "../recovery/segment-reader.js";
import { MovedSurvivors } from "./moved-survivors.js";

export interface SurvivingRecord {
  readonly state: PartitionState;
  readonly sequence: number;
  /** Milliseconds since 1970. */
  readonly time: number;
  /** Good until the promise that `take` returned resolves, or until it returned. */
  readonly data: Uint8Array;
}

/** What to do with a record: nothing to wait for, or a promise. */
export type TakeRecord = (record: SurvivingRecord) => Promise<void> | undefined;

export interface WalkOptions {
  readonly source: ScanSource;
  readonly recovered: RecoveredLane;
  /** The index of a sealed segment that recovery trusted without reading the segment. */
  readonly loadIndex: (segment: number) => Promise<SegmentIndex>;
  readonly take: TakeRecord;
  /** Bytes that don't verify in a segment that recovery did not read. */
  readonly onDamage: (range: DamagedRange) => void;
}

export async function walkRecords(options: WalkOptions): Promise<void> {
  await new LaneWalk(options).run();
}

interface OpenRecord {
  readonly state: PartitionState;
  readonly sequence: number;
  readonly time: number;
  readonly parts: Uint8Array[];
}

/** Verified frames [from, to) of a memory; `position` is that of `from` in the segment's file. */
interface Frames {
  readonly memory: Memory;
  readonly from: number;
  readonly to: number;
  readonly position: number;
}

interface SegmentAtHand {
  readonly reader: SegmentReader;
  readonly path: string;
  /** Recovery did not read it: nobody has reported its damage yet. */
  readonly isTrusted: boolean;
  readonly index: SegmentIndex;
  readonly baseTime: number;
}

/** In a gap, frames that begin in this many bytes are looked for at once; any frame ends in as many again. */
const gapStepBytes = blockBytesMax;

class LaneWalk {
  readonly #options: WalkOptions;
  readonly #source: ScanSource;
  readonly #recovered: RecoveredLane;
  /** Of each partition ascending. */
  readonly #lost: ReadonlyMap<number, readonly SequenceRange[]>;
  /** Last sequence taken, by partition. */
  readonly #last = new Map<number, number>();
  #open: OpenRecord | null = null;
  #moved: MovedSurvivors | null = null;

  constructor(options: WalkOptions) {
    const { source, recovered } = options;
    this.#options = options;
    this.#source = source;
    this.#recovered = recovered;
    this.#lost = rangesByPartition(recovered.report.lost);
  }

  async run(): Promise<void> {
    const { recovered, source, loadIndex } = this.#options;
    const indexes: SegmentIndex[] = [];
    for (const { segment, index } of recovered.segments) indexes.push(index ?? (await loadIndex(segment)));
    const moved = await MovedSurvivors.find({ source, recovered, indexes });
    this.#moved = moved;
    try {
      for (const [id, sequence] of moved.lastSequences()) this.#last.set(id, sequence);
      for (const [at, known] of recovered.segments.entries()) await this.#walkSegment(known, indexes[at] as SegmentIndex);
      await this.#takeMoved(moved, () => true);
    } finally {
      await moved.close();
    }
  }

  async #takeMoved(moved: MovedSurvivors, isWanted: () => boolean): Promise<void> {
    for await (const record of moved.take(isWanted)) {
      const waits = this.#options.take(record);
      if (waits !== undefined) await waits;
    }
  }

  async #takeBehind(moved: MovedSurvivors, record: SurvivingRecord): Promise<void> {
    await this.#takeMoved(moved, () => moved.isDue(record.state, record.time));
    const waits = this.#options.take(record);
    if (waits !== undefined) await waits;
  }

  async #walkSegment({ path, index: known }: KnownSegment, index: SegmentIndex): Promise<void> {
    const file = await openIfThere(this.#source.files, path);
    if (file === null) {
      this.#open = null;
      if (known === null) this.#options.onDamage({ segment: index.segment, path, from: 0, to: 0, reason: "the file is missing" });
      return;
    }
    // Frames are verified one by one: those of a page that was cut off in its middle count, too. What is not there is zeros.
    const reader = new SegmentReader(file, alignUp(Math.min(await file.size(), index.endOffset), pageBytes), this.#source.buffers);
    try {
      const segment = { reader, path, isTrusted: known === null, index, baseTime: await this.#baseTime(reader, index) };
      for (const [at, { offset, epoch }] of index.epochs.entries()) {
        const { uuid, lane } = this.#source;
        await this.#walkEpoch(segment, offset, index.epochs[at + 1]?.offset ?? index.endOffset, blockSeed({ uuid, lane, segment: index.segment, epoch }));
      }
    } finally {
      await reader.close();
    }
  }

  /** Where no block header survives, the segment's own header tells from when its times count. */
  async #baseTime(reader: SegmentReader, index: SegmentIndex): Promise<number> {
    if (index.baseTime !== 0 || reader.size < pageBytes) return index.baseTime;
    await reader.load(0, pageBytes);
    return decodeSegmentHeader(reader.memory.bytes.subarray(reader.start, reader.start + pageBytes))?.baseTime ?? 0;
  }

  async #walkEpoch(segment: SegmentAtHand, from: number, to: number, seed: number): Promise<void> {
    const { reader } = segment;
    const end = Math.min(to, reader.size);
    let at = from;
    while (at < end) {
      const header = await this.#headerAt(reader, at, end, seed);
      if (header === null) {
        const gapEnd = await this.#nextHeader(reader, at + this.#source.alignment, end, seed);
        this.#noteDamage(segment, at, gapEnd, "no block header verifies here");
        await this.#walkGap(segment, at, gapEnd, seed);
        at = gapEnd;
        continue;
      }
      await reader.load(at, header.blockBytes);
      const framesFrom = reader.start + blockHeaderBytes;
      await this.#walkBlock(segment, { memory: reader.memory, from: framesFrom, to: framesFrom + header.dataBytes, position: at + blockHeaderBytes }, seed);
      at += header.blockBytes;
    }
    if (end >= to) return;
    this.#open = null;
    this.#noteDamage(segment, Math.max(end, from), to, "the file ends before its blocks do");
  }

  #noteDamage({ isTrusted, path, index: { segment } }: SegmentAtHand, from: number, to: number, reason: string): void {
    if (isTrusted) this.#options.onDamage({ segment, path, from, to, reason });
  }

  async #headerAt(reader: SegmentReader, at: number, end: number, seed: number): Promise<BlockHeader | null> {
    if (at + pageBytes > end) return null;
    await reader.load(at, pageBytes);
    if (!hasBlockMagic(reader.memory, reader.start)) return null;
    const header = decodeBlockHeader(reader.memory, reader.start, seed, at);
    return header !== null && at + header.blockBytes <= end ? header : null;
  }

  async #nextHeader(reader: SegmentReader, from: number, end: number, seed: number): Promise<number> {
    for (let at = from; at < end; at += this.#source.alignment) if ((await this.#headerAt(reader, at, end, seed)) !== null) return at;
    return end;
  }

  async #walkBlock(segment: SegmentAtHand, frames: Frames, seed: number): Promise<void> {
    const { kernels } = this.#source;
    const { memory, from, to, position } = frames;
    let at = from;
    while (at < to) {
      const end = kernels.verifyFrames(memory, at, to, seed, position + at - from);
      await this.#takeFrames(segment, { memory, from: at, to: end, position: position + at - from });
      if (end >= to) return;
      this.#open = null;
      at = end + 8 >= to ? to : kernels.findFrame(memory, end + 8, to, seed, position + end + 8 - from);
      this.#noteDamage(segment, position + end - from, position + at - from, "frames whose checksum does not fit");
    }
  }

  /** Frames in [from, to), where no block header stands. */
  async #walkGap(segment: SegmentAtHand, from: number, to: number, seed: number): Promise<void> {
    const { kernels } = this.#source;
    this.#open = null;
    let at = from;
    while (at < to) {
      const length = Math.min(2 * gapStepBytes, to - at);
      await segment.reader.load(at, length);
      const { memory, start } = segment.reader;
      const end = start + length;
      const limit = at + length >= to ? end : start + gapStepBytes;
      let cursor = start;
      while (cursor < limit) {
        const found = kernels.findFrame(memory, cursor, end, seed, at + cursor - start);
        if (found !== cursor && !(found === end && at + length >= to && this.#isPadding(memory, cursor, end))) this.#open = null;
        if (found >= limit) break;
        cursor = kernels.verifyFrames(memory, found, end, seed, at + found - start);
        await this.#takeFrames(segment, { memory, from: found, to: cursor, position: at + found - start });
      }
      at += Math.max(cursor, limit) - start;
    }
  }

  /** Whether [from, to) is what stands behind the last frame of a block: a record that began in the block goes on in the next. */
  #isPadding(memory: Memory, from: number, to: number): boolean {
    return to - from < this.#source.alignment && memory.bytes.subarray(from, to).every((byte) => byte === 0);
  }

  async #takeFrames(segment: SegmentAtHand, { memory, from, to, position }: Frames): Promise<void> {
    for (let at = from; at < to; at += frameBytes(framePayloadBytes(memory, at))) {
      const kind = frameKindOf(memory, at);
      if (kind === frameKind.data) {
        const waits = this.#takeData(segment, memory, at, position + at - from);
        if (waits !== undefined) await waits;
      }
    }
  }

  #takeData({ index, baseTime }: SegmentAtHand, memory: Memory, at: number, position: number): Promise<void> | undefined {
    const open = this.#open;
    this.#open = null;
    const state = this.#recovered.table.byId(framePartition(memory, at));
    const sequence = frameSequence(memory, at);
    if (state === undefined || !this.#isLive(state, sequence, index, position)) return undefined;
    const flags = frameFlagsOf(memory, at);
    const part = memory.bytes.subarray(at + frameHeaderBytes, at + frameHeaderBytes + framePayloadBytes(memory, at));
    const isContinued = (flags & frameFlag.recordContinued) !== 0;
    const isOwn = open !== null && open.state === state && open.sequence === sequence;
    if (isContinued && !isOwn) return undefined;
    const record: OpenRecord = isContinued && isOwn ? open : { state, sequence, time: baseTime + frameTime(memory, at), parts: [] };
    const goesOn = (flags & frameFlag.recordGoesOn) !== 0;
    // The memory is read into again before the record's next part comes.
    record.parts.push(goesOn ? part.slice() : part);
    if (goesOn) {
      this.#open = record;
      return undefined;
    }
    this.#last.set(state.id, sequence);
    const data = record.parts.length === 1 ? part : Buffer.concat(record.parts);
    const survivor = { state, sequence, time: record.time, data };
    return this.#moved?.isDue(state, record.time) === true ? this.#takeBehind(this.#moved, survivor) : this.#options.take(survivor);
  }

  #isLive(state: PartitionState, sequence: number, index: SegmentIndex, position: number): boolean {
    if (sequence < state.firstSequence || sequence > state.lastSequence || sequence <= (this.#last.get(state.id) ?? 0)) return false;
    if (state.truncations.length > 0 && state.isTruncated(sequence, index.segment, position)) return false;
    if (index.voids.length > 0 && index.isVoid(position)) return false;
    const lost = this.#lost.get(state.id);
    return lost === undefined || !isWithin(lost, sequence);
  }
}

/** Whether one of the ranges, which ascend, holds the sequence. */
function isWithin(ranges: readonly SequenceRange[], sequence: number): boolean {
  let low = 0;
  let high = ranges.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ranges[middle] as SequenceRange).last < sequence) low = middle + 1;
    else high = middle;
  }
  return low < ranges.length && (ranges[low] as SequenceRange).first <= sequence;
}
