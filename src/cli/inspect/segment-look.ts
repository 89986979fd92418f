// One segment file as it is: every block that verifies, whatever epoch it is of, and the bytes between them.
//
// Owns: what inspect counts and lists of a segment. It judges single blocks and frames; the verdict on the log is recovery's.

import { blockFlag, blockHeaderBytes } from "../../format/block.js";
import { frameFlag, frameFlagsOf, frameHeaderBytes, frameKind, frameKindOf, framePartition, framePayloadBytes, frameBytes, frameSequence, frameTime } from "../../format/frame.js";
import type { EpochBoundary, FoundBlock, ScanSource, ScanVisitor, SegmentFile } from "../../recovery/scan.js";
import type { ByteRange } from "../../recovery/segment-reader.js";
import type { BlockItem, DamageItem, FrameItem } from "./inspect-item.js";

export interface SegmentLookOptions {
  readonly source: ScanSource;
  readonly boundary: EpochBoundary | null;
  /** How far blocks should reach, if something says so; else 0. */
  readonly dueEnd: number;
  readonly listsBlocks: boolean;
  readonly listsFrames: boolean;
  /** How many items may still be listed. */
  readonly room: number;
  readonly names: ReadonlyMap<number, string>;
}

export class SegmentLook implements ScanVisitor {
  readonly items: (BlockItem | FrameItem)[] = [];
  readonly damage: DamageItem[] = [];
  readonly epochs: number[] = [];
  /** Some items found no room. */
  isCut = false;
  headerValid = false;
  fileBytes = 0;
  blocks = 0;
  deadBlocks = 0;
  firstBlock = 0;
  lastBlock = 0;
  endOffset: number;
  records = 0;
  payloadBytes = 0;
  readonly #options: SegmentLookOptions;
  #segment = 0;
  #epochMax = 0;

  constructor(options: SegmentLookOptions) {
    this.#options = options;
    this.endOffset = options.source.alignment;
  }

  beginSegment(file: SegmentFile, headerValid: boolean): boolean {
    this.#segment = file.segment;
    this.headerValid = headerValid;
    return true;
  }

  visit(block: FoundBlock): "go on" {
    const { header, offset } = block;
    const isDead = this.#isDead(header.epoch, offset);
    if (isDead) this.deadBlocks++;
    else {
      if (offset > this.endOffset) this.damage.push({ from: this.endOffset, to: offset, what: "no block header verifies here, and a block follows" });
      if (this.blocks === 0) this.firstBlock = header.sequence;
      this.blocks++;
      this.lastBlock = header.sequence;
      this.endOffset = offset + header.blockBytes;
      // None is lower than the ones before: those are dead.
      if (header.epoch > this.#epochMax || this.epochs.length === 0) this.epochs.push(header.epoch);
      this.#epochMax = header.epoch;
    }
    this.#list(this.#blockItem(block, isDead), this.#options.listsBlocks);
    this.#walkFrames(block, isDead);
    return "go on";
  }

  endSegment(_file: SegmentFile, unreadable: readonly ByteRange[], size: number): void {
    this.fileBytes = size;
    const { dueEnd } = this.#options;
    // What lies behind the end was in flight at a crash, or still is: recovery tells about it, and it is no damage.
    const inFlight = dueEnd === 0 ? -1 : this.damage.findIndex((range) => range.from >= dueEnd);
    if (inFlight >= 0) this.damage.length = inFlight;
    if (this.endOffset < dueEnd) this.damage.push({ from: this.endOffset, to: dueEnd, what: "blocks should reach further than the last one that verifies" });
    for (const { from, to } of unreadable) this.damage.push({ from, to, what: "the device can't read this" });
  }

  missSegment(): void {
    this.damage.push({ from: 0, to: 0, what: "the file is gone" });
  }

  /** Of an older epoch, behind the place where a later one took over. */
  #isDead(epoch: number, offset: number): boolean {
    const { boundary } = this.#options;
    if (epoch < this.#epochMax) return true;
    if (boundary === null || epoch >= boundary.epoch) return false;
    return this.#segment > boundary.segment || (this.#segment === boundary.segment && offset >= boundary.offset);
  }

  #list(item: BlockItem | FrameItem, isWanted: boolean): void {
    if (!isWanted) return;
    if (this.items.length < this.#options.room) this.items.push(item);
    else this.isCut = true;
  }

  #blockItem({ header, offset, framesStart, framesEnd, validEnd }: FoundBlock, isDead: boolean): BlockItem {
    const damagedAt = validEnd === framesEnd ? null : offset + blockHeaderBytes + validEnd - framesStart;
    return {
      kind: "block",
      lane: this.#options.source.lane,
      segment: this.#segment,
      offset,
      sequence: header.sequence,
      horizon: header.horizon,
      epoch: header.epoch,
      flags: namesOf(header.flags, blockFlag),
      bytes: header.blockBytes,
      dataBytes: header.dataBytes,
      frames: header.frameCount,
      verdict: isDead ? "dead" : damagedAt === null ? "valid" : "damaged",
      damagedAt,
    };
  }

  #walkFrames(block: FoundBlock, isDead: boolean): void {
    const { memory, framesStart, framesEnd, offset, seed } = block;
    const { kernels } = this.#options.source;
    const positionOf = (at: number): number => offset + blockHeaderBytes + at - framesStart;
    let at = framesStart;
    let validEnd = block.validEnd;
    while (at < framesEnd) {
      if (at < validEnd) {
        this.#frame(block, at, positionOf(at), isDead);
        at += frameBytes(framePayloadBytes(memory, at));
        continue;
      }
      const next = Math.min(framesEnd, kernels.findFrame(memory, at + 8, framesEnd, seed, positionOf(at + 8)));
      if (!isDead) this.damage.push({ from: positionOf(at), to: positionOf(next), what: `frames of block ${String(block.header.sequence)} whose checksum does not fit` });
      this.#list(this.#damagedFrame(positionOf(at)), this.#options.listsFrames);
      at = next;
      validEnd = at < framesEnd ? kernels.verifyFrames(memory, at, framesEnd, seed, positionOf(at)) : at;
    }
  }

  #frame({ memory, header }: FoundBlock, at: number, offset: number, isDead: boolean): void {
    const kind = frameKindOf(memory, at);
    const flags = frameFlagsOf(memory, at);
    const payloadBytes = framePayloadBytes(memory, at);
    if (kind === frameKind.data && !isDead) {
      if ((flags & frameFlag.recordContinued) === 0) this.records++;
      this.payloadBytes += payloadBytes;
    }
    if (!this.#options.listsFrames) return;
    const partition = kind === frameKind.define && payloadBytes >= 4 ? memory.text.readUInt32LE(at + frameHeaderBytes) : framePartition(memory, at);
    this.#list({
      kind: "frame",
      lane: this.#options.source.lane,
      segment: this.#segment,
      offset,
      verdict: "valid",
      type: namesOf(kind, frameKind, true)[0] ?? `kind ${String(kind)}`,
      flags: namesOf(flags, frameFlag),
      partition,
      name: this.#options.names.get(partition) ?? null,
      sequence: frameSequence(memory, at),
      time: header.baseTime + frameTime(memory, at),
      payloadBytes,
    }, true);
  }

  #damagedFrame(offset: number): FrameItem {
    return {
      kind: "frame", lane: this.#options.source.lane, segment: this.#segment, offset, verdict: "damaged",
      type: null, flags: [], partition: null, name: null, sequence: null, time: null, payloadBytes: null,
    };
  }
}

/** Names of the flags that are set, or of the one value. */
function namesOf(bits: number, names: Readonly<Record<string, number>>, isValue = false): string[] {
  return Object.entries(names).filter(([, bit]) => (isValue ? bit === bits : (bits & bit) !== 0)).map(([name]) => name);
}
