// Follows the chain of a lane's blocks through a scan: which blocks continue it, where it ends, what lies behind the end.
//
// Owns: the end of the chain, the indexes of the segments that it runs through, the highest horizon, and the marks of
// blocks behind the cut. It applies what continues the chain and nothing else; the verdict is the recovery table's.

import { SegmentIndex } from "../core/segment-index.js";
import type { Contradiction, Replay } from "../core/replay.js";
import { blockFlag, type BlockHeader } from "../format/block.js";
import { collectNames } from "./collect-names.js";
import type { FoundBlock, ScanPlace, ScanVisitor, SegmentFile } from "./scan.js";
import type { ByteRange } from "./segment-reader.js";

/** What the next block of the lane must continue. */
export interface ChainEnd {
  /** Due next; 0: unknown, whatever the first kept segment begins with. */
  readonly nextBlock: number;
  readonly previousChecksum: number;
  /** Of the block before; 0 when there is none or it is unknown. */
  readonly epoch: number;
}

/** Whether a block with this header is the next one, if it stands where that is due. */
export function continuesChain(chain: ChainEnd, header: BlockHeader): boolean {
  if (header.sequence !== chain.nextBlock || header.previousChecksum !== chain.previousChecksum) return false;
  // An epoch begins with its flag, and never again.
  return header.epoch === chain.epoch ? (header.flags & blockFlag.epochStart) === 0 : header.epoch > chain.epoch && (header.flags & blockFlag.epochStart) !== 0;
}

/** A block behind the cut whose header is valid. */
export interface BlockMark {
  readonly segment: number;
  readonly offset: number;
  readonly blockBytes: number;
  readonly sequence: number;
  readonly epoch: number;
  readonly epochStart: boolean;
  readonly baseTime: number;
  readonly valid: boolean;
}

/** A block that continues the lane. */
export interface AcceptedBlock {
  readonly file: SegmentFile;
  readonly offset: number;
  readonly blockBytes: number;
  readonly sequence: number;
  readonly epoch: number;
  readonly checksum: number;
}

export interface LanePassOptions {
  readonly chain: ChainEnd;
  /** Where the first block is due. */
  readonly place: ScanPlace;
  readonly alignment: number;
  /** Null: look only. */
  readonly replay: Replay | null;
  /** Blocks above it are left alone; null: all count. */
  readonly limit: number | null;
  /** Sequence of the seal of a closed log; null: the log was not closed. Nothing is looked for behind it. */
  readonly seal: number | null;
  /** The superblock's epoch: a higher one is `laterEpoch`. Null: it is fine, since a writer may have opened the log meanwhile. */
  readonly epochMax: number | null;
}

export interface PassSegment {
  readonly file: SegmentFile;
  readonly index: SegmentIndex;
}

export class LanePass implements ScanVisitor {
  readonly segments: PassSegment[] = [];
  readonly marks: BlockMark[] = [];
  readonly names = new Map<number, string>();
  readonly notes: string[] = [];
  endsAtSeal = false;
  /** The first block of an epoch that the superblock does not know. */
  laterEpoch: Contradiction | null = null;
  readonly missing: SegmentFile[] = [];
  /** Segments of which neither the header nor any block is valid. */
  readonly blank: SegmentFile[] = [];
  /** Unreadable ranges at or behind the end of the chain. */
  readonly unreadable: { readonly file: SegmentFile; readonly range: ByteRange }[] = [];
  horizon = 0;
  chain: ChainEnd;
  #file: SegmentFile = { segment: 0, path: "" };
  #headerValid = true;
  #isBlank = false;
  #place: ScanPlace;
  readonly #uncovered: AcceptedBlock[] = [];
  readonly #options: LanePassOptions;

  constructor(options: LanePassOptions) {
    this.#options = options;
    this.chain = options.chain;
    this.#place = options.place;
  }

  /** Where the chain's next block is due, unless it begins the next segment. */
  get end(): ScanPlace {
    return this.#place;
  }

  /** Accepted blocks that no block's horizon has covered, in order: few, but where nothing was flushed. */
  get uncovered(): readonly AcceptedBlock[] {
    return this.#uncovered;
  }

  beginSegment(file: SegmentFile, headerValid: boolean): boolean {
    this.#file = file;
    this.#headerValid = headerValid;
    this.#isBlank = !headerValid;
    return true;
  }

  visit(block: FoundBlock): "go on" | "end segment" | "stop" {
    const { header } = block;
    this.#isBlank = false;
    if (this.#options.limit !== null && header.sequence > this.#options.limit) return this.#fits(block) ? "stop" : "go on";
    // Epochs never go back along the chain: what an older one left behind the chain's end is dead.
    if (header.epoch < this.chain.epoch) return "go on";
    this.#compareEpoch(block);
    if (header.horizon > this.horizon) this.horizon = header.horizon;
    if (this.#fits(block) && this.#overtakes(header.epoch)) {
      this.marks.length = 0;
      this.names.clear();
      this.#accept(block);
      if (header.sequence === this.#options.seal && (header.flags & blockFlag.seal) !== 0) {
        this.endsAtSeal = true;
        return "stop";
      }
      return "go on";
    }
    this.#mark(block);
    return "go on";
  }

  endSegment(file: SegmentFile, unreadable: readonly ByteRange[]): void {
    if (this.#isBlank) this.blank.push(file);
    for (const range of unreadable) {
      this.notes.push(`segment ${String(file.segment)}: bytes ${String(range.from)} to ${String(range.to)} can't be read`);
      const behindEnd = file.segment > this.#place.segment || (file.segment === this.#place.segment && range.to > this.#place.offset);
      if (behindEnd) this.unreadable.push({ file, range });
    }
  }

  missSegment(file: SegmentFile): void {
    this.missing.push(file);
  }

  #fits(block: FoundBlock): boolean {
    const { header, offset } = block;
    const { chain } = this;
    if (block.validEnd !== block.framesEnd) return false;
    const { segment } = this.#file;
    const due = segment === this.#place.segment ? this.#place.offset : this.#options.alignment;
    if (offset !== due) return false;
    if (chain.nextBlock === 0) return segment === this.#place.segment;
    return continuesChain(chain, header);
  }

  /**
   * Whether blocks found since the chain's end are dead if a block of `epoch` continues it. A new epoch may begin in the
   * next segment, when its first block does not fit behind the cut; then what the old one had in flight there stays:
   * 1. blocks 8 and 9 are in flight at a segment's end; 2. power fails, 8 is lost, 9 is not; 3. epoch 2 writes its block 8
   * into the next segment; 4. block 9 of epoch 1 still stands in the segment before, and is neither tail nor damage.
   */
  #overtakes(epoch: number): boolean {
    return this.marks.every((mark) => mark.epoch < epoch);
  }

  #accept(block: FoundBlock): void {
    const { header, offset, checksum } = block;
    const { replay } = this.#options;
    if ((header.flags & blockFlag.epochStart) !== 0) replay?.handleEpochStart();
    const index = this.#indexFor(header.baseTime);
    index.noteBlock(offset, header.blockBytes, header.sequence, header.epoch, checksum);
    this.#noteUncovered({ file: this.#file, offset, blockBytes: header.blockBytes, sequence: header.sequence, epoch: header.epoch, checksum });
    this.chain = { nextBlock: header.sequence + 1, previousChecksum: checksum, epoch: header.epoch };
    this.#place = { segment: this.#file.segment, offset: index.endOffset };
    replay?.handleFrames({ memory: block.memory, from: block.framesStart, to: block.framesEnd, blockStart: block.start, blockOffset: offset });
  }

  #noteUncovered(block: AcceptedBlock): void {
    const covered = this.#uncovered.findIndex(({ sequence }) => sequence > this.horizon);
    this.#uncovered.splice(0, covered === -1 ? this.#uncovered.length : covered);
    this.#uncovered.push(block);
  }

  /** The index of the segment at hand. */
  #indexFor(baseTime: number): SegmentIndex {
    const last = this.segments[this.segments.length - 1];
    if (last !== undefined && last.file.segment === this.#file.segment) return last.index;
    const index = new SegmentIndex(this.#file.segment, baseTime, this.#options.alignment);
    this.segments.push({ file: this.#file, index });
    this.#options.replay?.beginSegment(index);
    if (!this.#headerValid) this.notes.push(`segment ${String(this.#file.segment)}: its header page is damaged; its blocks are not`);
    return index;
  }

  #mark(block: FoundBlock): void {
    const { header } = block;
    const valid = block.validEnd === block.framesEnd;
    this.marks.push({
      segment: this.#file.segment,
      offset: block.offset,
      blockBytes: header.blockBytes,
      sequence: header.sequence,
      epoch: header.epoch,
      epochStart: (header.flags & blockFlag.epochStart) !== 0,
      baseTime: header.baseTime,
      valid,
    });
    if (valid) collectNames(block, this.names);
  }

  #compareEpoch({ header, offset }: FoundBlock): void {
    const { epochMax } = this.#options;
    if (epochMax === null || header.epoch <= epochMax || this.laterEpoch !== null) return;
    const reason = `block ${String(header.sequence)} is of epoch ${String(header.epoch)}, the superblock knows none above ${String(epochMax)}`;
    this.laterEpoch = { segment: this.#file.segment, offset, reason };
  }
}
