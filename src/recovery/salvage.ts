// What is left of a damaged lane: goes on behind the first invalid block and takes every frame that still verifies.
//
// Runs only when the recovery table said "damaged". It works off the marks that the scan left behind the cut: blocks
// with a valid header, and between them gaps. In a gap frames are looked for one by one, so that a damaged page costs
// its own records only. Nothing is written.

import type { LostSequences } from "../core/loss-ledger.js";
import type { Replay } from "../core/replay.js";
import { SegmentIndex } from "../core/segment-index.js";
import { blockBytesMax, blockChecksum, blockHeaderBytes, decodeBlockHeader, pageBytes } from "../format/block.js";
import { frameBytes, frameHeaderBytes, frameKind, frameKindOf, framePartition, framePayloadBytes, frameSequence } from "../format/frame.js";
import { portableKernels } from "../format/kernels.js";
import type { Memory } from "../format/memory.js";
import { blockSeed } from "../format/seed.js";
import { decodeSegmentHeader } from "../format/segment-header.js";
import type { LaneRecord } from "../format/superblock.js";
import { segmentPath } from "./lane-files.js";
import type { BlockMark, LanePass, PassSegment } from "./lane-pass.js";
import type { DamagedRange } from "./recovered-lane.js";
import { openIfThere, type ScanPlace, type ScanSource, type SegmentFile } from "./scan.js";
import { SegmentReader } from "./segment-reader.js";

export interface SalvageOptions {
  readonly source: ScanSource;
  readonly record: LaneRecord;
  readonly kept: readonly SegmentFile[];
  readonly directory: string;
  /** Ended at the cut; `replay` holds the state there. */
  readonly pass: LanePass;
  readonly replay: Replay;
  readonly horizon: number;
  /** Files of which nothing is left, where no gap will be found. */
  readonly blank: readonly SegmentFile[];
}

export interface Salvage {
  readonly segments: readonly PassSegment[];
  /** Highest block that counts. */
  readonly lastBlock: number;
  readonly damaged: readonly DamagedRange[];
  /** As far as the fresh records tell. */
  readonly lost: readonly LostSequences[];
}

export async function salvageLane(options: SalvageOptions): Promise<Salvage> {
  return new LaneSalvage(options).run();
}

/** A stretch of memory in which frames of one block, or of unknown blocks, lie. */
interface Stretch {
  readonly memory: Memory;
  readonly from: number;
  readonly to: number;
  /** Position in the segment file of `from`. */
  readonly position: number;
  /** In memory and in the file: where the block begins, as far as known. */
  readonly blockStart: number;
  readonly blockOffset: number;
  readonly seed: number;
}

/** A search for frames goes on by so much at a time, and sees so much further, for the frame at the end. */
const windowBytes = 4 * 1024 * 1024;
const aheadBytes = blockBytesMax;
/**
 * The portable search takes time with the third power of what it sees: 4 s for 1.5 MiB of noise, 40 ms for 256 KiB. It sees less
 * ahead, and so may take a surviving frame above 256 KiB for lost.
 */
const portableWindowBytes = 128 * 1024;
const portableAheadBytes = 256 * 1024;

const damagedMax = 100_000;

class LaneSalvage {
  readonly #options: SalvageOptions;
  readonly #segments: PassSegment[];
  readonly #damaged: DamagedRange[] = [];
  /** Of the segment that was read last. */
  #reader: { readonly segment: number; readonly reader: SegmentReader } | null = null;
  #place: ScanPlace;
  #nextBlock: number;
  #epoch: number;

  constructor(options: SalvageOptions) {
    this.#options = options;
    this.#segments = [...options.pass.segments];
    this.#place = options.pass.end;
    this.#nextBlock = options.pass.chain.nextBlock;
    this.#epoch = options.pass.chain.epoch;
    options.replay.lostDefinitions.names = options.pass.names;
  }

  async run(): Promise<Salvage> {
    try {
      return await this.#salvage();
    } finally {
      await this.#reader?.reader.close();
    }
  }

  async #salvage(): Promise<Salvage> {
    const { pass, replay, horizon, blank } = this.#options;
    for (const file of blank) this.#report(file.segment, 0, 0, "neither its header nor any block of it is valid");
    for (const file of pass.missing) this.#report(file.segment, 0, 0, "the file is missing");
    for (const mark of withoutOvertaken(pass.marks)) {
      // Epochs never go back: a block of an older one is what it left behind its end.
      if (mark.sequence < this.#nextBlock || mark.epoch < this.#epoch || behind(mark, this.#place)) continue;
      // From the first block on that was in flight when the writer stopped, nothing counts.
      if (this.#nextBlock > horizon && (mark.sequence > this.#nextBlock || !mark.valid)) break;
      if (mark.sequence > this.#nextBlock) await this.#crossGap(mark);
      await this.#takeBlock(mark);
    }
    if (this.#nextBlock <= horizon) await this.#crossGap(null);
    // Nothing tells what stood in a file behind the last block.
    else if ([...pass.missing, ...blank].some(({ segment }) => segment >= this.#place.segment)) this.#miss(0, Number.POSITIVE_INFINITY);
    replay.finish();
    return { segments: this.#segments, lastBlock: this.#nextBlock - 1, damaged: this.#damaged, lost: replay.losses.ranges(replay.table) };
  }

  async #takeBlock(mark: BlockMark): Promise<void> {
    const { replay } = this.#options;
    const bytes = await this.#read(mark.segment, mark.offset, mark.blockBytes);
    const seed = this.#seed(mark.segment, mark.epoch);
    const header = bytes === null ? null : decodeBlockHeader(bytes.memory, bytes.start, seed, mark.offset);
    if (bytes === null || header === null) {
      // It was there a moment ago.
      this.#report(mark.segment, mark.offset, mark.offset + mark.blockBytes, "the block can't be read any more");
      this.#miss(mark.blockBytes, Number.POSITIVE_INFINITY);
      return;
    }
    if (mark.epochStart) replay.handleEpochStart();
    const index = this.#indexFor(mark.segment, mark.baseTime);
    index.endOffset = mark.offset;
    index.noteBlock(mark.offset, mark.blockBytes, mark.sequence, mark.epoch, blockChecksum(bytes.memory, bytes.start));
    const framesStart = bytes.start + blockHeaderBytes;
    const taken = this.#takeFrames({
      memory: bytes.memory, from: framesStart, to: framesStart + header.dataBytes, position: mark.offset + blockHeaderBytes, blockStart: bytes.start, blockOffset: mark.offset, seed,
    });
    if (taken < header.frameCount) replay.losses.missFrames(header.frameCount - taken);
    this.#place = { segment: mark.segment, offset: mark.offset + mark.blockBytes };
    this.#nextBlock = mark.sequence + 1;
    this.#epoch = mark.epoch;
  }

  /** Looks for frames between the last block and `next`, or to the end of the segment when nothing follows. */
  async #crossGap(next: BlockMark | null): Promise<void> {
    const { source, kept, horizon, pass } = this.#options;
    const from = this.#place;
    const last = next?.segment ?? from.segment;
    const reason = `blocks ${String(this.#nextBlock)} to ${String((next?.sequence ?? horizon + 1) - 1)} are not valid`;
    const regions: (DamagedRange & { readonly frames: number })[] = [];
    const isUnmeasured = pass.missing.some(({ segment }) => segment >= from.segment && segment <= last);
    this.#miss(isUnmeasured ? Number.POSITIVE_INFINITY : 0, Number.POSITIVE_INFINITY);
    for (const file of kept) {
      if (file.segment < from.segment || file.segment > last) continue;
      const start = file.segment === from.segment ? from.offset : source.alignment;
      const end = next !== null && file.segment === next.segment ? next.offset : await this.#size(file);
      if (end > start) regions.push({ segment: file.segment, path: file.path, from: start, to: end, reason, frames: await this.#searchRegion(file, start, end, next) });
    }
    // What was found last may lack what stood behind it: a group must not go on over the rest of the gap.
    this.#miss(0, 0);
    for (const { frames, ...region } of regions) {
      // The unused rest of a segment that ended early is no damage.
      const unused = frames === 0 && region.segment === from.segment && regions.length > 1;
      if (!unused) this.#damaged.push(region);
    }
    const isReported = regions.length > 0 || this.#options.pass.missing.some(({ segment }) => segment >= from.segment && segment <= last);
    if (!isReported) this.#report(from.segment, from.offset, from.offset, `${reason}: the file ends here`);
    this.#nextBlock = next?.sequence ?? horizon + 1;
  }

  /** Takes the frames that verify in [from, to) of the file; returns how many. */
  async #searchRegion(file: SegmentFile, from: number, to: number, next: BlockMark | null): Promise<number> {
    const epoch = this.#epochInGap(file.segment, from, next);
    const seed = this.#seed(file.segment, epoch);
    const baseTime = await this.#baseTimeOf(file.segment, next);
    let frames = 0;
    for (let at = from; at < to; ) {
      const length = Math.min(windowBytes + aheadBytes, to - at);
      const bytes = await this.#read(file.segment, at, length);
      if (bytes === null) {
        this.#miss(Number.POSITIVE_INFINITY, 0);
        break;
      }
      const { memory, start } = bytes;
      const stretch = { memory, from: start, to: start + length, position: at, blockStart: start, blockOffset: at, seed };
      const result = this.#searchFrames(stretch, start + (at + length >= to ? length : windowBytes), () => this.#indexFor(file.segment, baseTime));
      frames += result.frames;
      at += result.end - start;
    }
    if (frames > 0) {
      const index = this.#indexFor(file.segment, 0);
      if (index.epochs[index.epochs.length - 1]?.epoch !== epoch) index.epochs.push({ offset: from, epoch });
      index.endOffset = to;
    }
    return frames;
  }

  /** Frames in the stretch that begin before `limit`; `end`: where the search is to go on. */
  #searchFrames(stretch: Stretch, limit: number, onFound: () => void): { readonly frames: number; readonly end: number } {
    const { kernels } = this.#options.source;
    const { memory, from, to, position, seed } = stretch;
    let frames = 0;
    let at = from;
    while (at < limit) {
      const found = this.#find(memory, at, to, seed, position + at - from);
      if (found >= limit) {
        this.#miss(limit - at, 0);
        return { frames, end: limit };
      }
      onFound();
      this.#miss(found - at, 0);
      const end = kernels.verifyFrames(memory, found, to, seed, position + found - from);
      frames += this.#apply(stretch, found, end);
      at = end;
    }
    return { frames, end: at };
  }

  /** Takes the frames of a block, passing over those that don't verify; returns how many it took. */
  #takeFrames(stretch: Stretch): number {
    const { kernels } = this.#options.source;
    const { memory, from, to, position, seed } = stretch;
    let frames = 0;
    let at = from;
    while (at < to) {
      const end = kernels.verifyFrames(memory, at, to, seed, position + at - from);
      frames += this.#apply(stretch, at, end);
      if (end >= to) break;
      const next = Math.min(to, this.#find(memory, end + 8, to, seed, position + end + 8 - from));
      this.#suspect(memory, end, next);
      this.#report(this.#currentSegment(), position + end - from, position + next - from, "frames whose checksum does not fit");
      this.#miss(next - end, 0);
      at = next;
    }
    return frames;
  }

  /** As `Kernels.findFrame`, in bounded time whatever the bytes are. */
  #find(memory: Memory, from: number, to: number, seed: number, position: number): number {
    const { kernels } = this.#options.source;
    if (from >= to) return to;
    if (kernels !== portableKernels) return kernels.findFrame(memory, from, to, seed, position);
    for (let at = from; at < to; at += portableWindowBytes) {
      const limit = Math.min(to, at + portableWindowBytes);
      const found = kernels.findFrame(memory, at, Math.min(to, limit + portableAheadBytes), seed, position + at - from);
      if (found < limit) return found;
    }
    return to;
  }

  #apply(stretch: Stretch, from: number, to: number): number {
    if (to <= from) return 0;
    const { memory, blockStart, blockOffset } = stretch;
    this.#options.replay.handleFrames({ memory, from, to, blockStart, blockOffset });
    let count = 0;
    for (let at = from; at < to; at += frameBytes(framePayloadBytes(memory, at))) count++;
    return count;
  }

  /** A frame that does not verify may still say whose it was; so may those behind it, as long as lengths lead on. */
  #suspect(memory: Memory, from: number, to: number): void {
    let at = from;
    while (at + frameHeaderBytes <= to) {
      if (frameKindOf(memory, at) === frameKind.data) this.#options.replay.losses.suspectUnverified(framePartition(memory, at), frameSequence(memory, at));
      at += frameBytes(framePayloadBytes(memory, at));
    }
  }

  #miss(bytes: number, frames: number): void {
    this.#options.replay.handleGap(bytes);
    this.#options.replay.losses.missFrames(frames);
  }

  /**
   * The epoch of frames in a gap. Where an epoch may begin inside the gap only the later one counts: frames of the
   * earlier one may be what it left behind its end.
   */
  #epochInGap(segment: number, offset: number, next: BlockMark | null): number {
    const { record } = this.#options;
    if (segment > record.epochSegment || (segment === record.epochSegment && offset >= record.epochOffset)) return record.epoch;
    if (next === null) return this.#epoch === 0 ? record.epoch : this.#epoch;
    return next.epochStart && this.#epoch > 0 ? this.#epoch : next.epoch;
  }

  #indexFor(segment: number, baseTime: number): SegmentIndex {
    const last = this.#segments[this.#segments.length - 1];
    if (last !== undefined && last.file.segment === segment) return last.index;
    const { source, directory, replay, kept } = this.#options;
    const index = new SegmentIndex(segment, baseTime, source.alignment);
    const file = kept.find((other) => other.segment === segment) ?? { segment, path: segmentPath(directory, segment) };
    this.#segments.push({ file, index });
    replay.beginSegment(index);
    return index;
  }

  /** Every block of a segment tells it, and so does the segment's header. */
  async #baseTimeOf(segment: number, next: BlockMark | null): Promise<number> {
    const known = this.#segments.find((entry) => entry.file.segment === segment)?.index.baseTime;
    if (known !== undefined) return known;
    if (next !== null && next.segment === segment) return next.baseTime;
    const page = await this.#read(segment, 0, pageBytes);
    const header = page === null ? null : decodeSegmentHeader(page.memory.bytes.subarray(page.start, page.start + pageBytes));
    return header !== null && header.segment === segment ? header.baseTime : 0;
  }

  #currentSegment(): number {
    return this.#segments[this.#segments.length - 1]?.file.segment ?? 0;
  }

  #seed(segment: number, epoch: number): number {
    const { uuid, lane } = this.#options.source;
    return blockSeed({ uuid, lane, segment, epoch });
  }

  #report(segment: number, from: number, to: number, reason: string): void {
    const last = this.#damaged[this.#damaged.length - 1];
    // So many that nobody looks at each: the last one grows instead of the list.
    if (last?.segment === segment && this.#damaged.length >= damagedMax) this.#damaged[this.#damaged.length - 1] = { ...last, to: Math.max(last.to, to) };
    else this.#damaged.push({ segment, path: segmentPath(this.#options.directory, segment), from, to, reason });
  }

  async #size(file: SegmentFile): Promise<number> {
    const opened = await openIfThere(this.#options.source.files, file.path);
    if (opened === null) return 0;
    try {
      const size = await opened.size();
      return size - (size % pageBytes);
    } finally {
      await opened.close();
    }
  }

  /** Bytes of the segment file, until the next call; unreadable ones are zeros. Null when the file does not hold them. */
  async #read(segment: number, from: number, bytes: number): Promise<{ readonly memory: Memory; readonly start: number } | null> {
    if (this.#reader?.segment !== segment) {
      await this.#reader?.reader.close();
      this.#reader = null;
      const reader = await this.#open(segment);
      if (reader === null) return null;
      this.#reader = { segment, reader };
    }
    const { reader } = this.#reader;
    if (from + bytes > reader.size) return null;
    await reader.load(from, bytes);
    return { memory: reader.memory, start: reader.start };
  }

  async #open(segment: number): Promise<SegmentReader | null> {
    const { source, kept } = this.#options;
    const path = kept.find((file) => file.segment === segment)?.path;
    const file = path === undefined ? null : await openIfThere(source.files, path);
    if (file === null) return null;
    const size = await file.size();
    return new SegmentReader(file, size - (size % pageBytes), source.buffers);
  }
}

/** Without blocks in whose place a later epoch wrote others: its block of the same sequence, or a lower one, stands further on. */
function withoutOvertaken(marks: readonly BlockMark[]): BlockMark[] {
  const kept: BlockMark[] = [];
  let epoch = Number.POSITIVE_INFINITY;
  /** Lowest sequence of the marks behind, of epochs above `epoch`, and of `epoch` itself. */
  let above = Number.POSITIVE_INFINITY;
  let lowest = Number.POSITIVE_INFINITY;
  for (const mark of [...marks].reverse()) {
    if (mark.epoch < epoch) {
      above = Math.min(above, lowest);
      lowest = Number.POSITIVE_INFINITY;
      epoch = mark.epoch;
    }
    if (mark.sequence >= above) continue;
    lowest = Math.min(lowest, mark.sequence);
    kept.push(mark);
  }
  return kept.reverse();
}

function behind(mark: BlockMark, place: ScanPlace): boolean {
  return mark.segment < place.segment || (mark.segment === place.segment && mark.offset < place.offset);
}
