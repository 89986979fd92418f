// Goes on along a lane's chain of blocks beside a live writer, from where recovery or the look before stopped: reads what
// is new, and nothing else.
//
// It shows what recovery beside a writer shows: the blocks that continue the chain up to the highest horizon that any of
// them, or the superblock, states. Owns the end of what is shown and the end of what is known. It follows one epoch;
// whatever else it meets is "astray", never an end and never damage: the caller then recovers anew, and that decides.

import { assert } from "../base/assert.js";
import type { Replay } from "../core/replay.js";
import { SegmentIndex } from "../core/segment-index.js";
import { blockChecksum, blockEpochUnverified, blockHeaderBytes, decodeBlockHeader, hasBlockMagic, pageBytes, type BlockHeader } from "../format/block.js";
import type { Kernels } from "../format/kernels.js";
import { blockSeed } from "../format/seed.js";
import type { LaneRecord } from "../format/superblock.js";
import type { FileSystem } from "../storage/storage.js";
import { FollowWindow } from "./follow-window.js";
import { continuesChain, type ChainEnd } from "./lane-pass.js";
import type { FollowStart } from "./recovered-lane.js";
import { isLive, type ScanPlace } from "./scan.js";

/** Of one read. */
const followBytesMax = 1024 * 1024;

export interface LaneFollowerOptions {
  readonly files: FileSystem;
  /** Of the lane. */
  readonly directory: string;
  readonly lane: number;
  readonly uuid: Uint8Array;
  readonly alignment: number;
  readonly kernels: Kernels;
  readonly start: FollowStart;
}

export type FollowStep =
  | { readonly kind: "same" }
  /** `begun`: segments that the lane went over to, in order. Earlier indexes grow in place. */
  | { readonly kind: "advanced"; readonly begun: readonly SegmentIndex[] }
  /** The chain can't be followed from here: another epoch, a released segment, bytes that do not verify. */
  | { readonly kind: "astray" };

/** Behind a block that continues the chain. */
interface End {
  readonly chain: ChainEnd;
  readonly place: ScanPlace;
}

interface FoundHeader {
  readonly header: BlockHeader;
  readonly checksum: number;
  readonly seed: number;
  readonly place: ScanPlace;
}

export class LaneFollower {
  readonly replay: Replay;
  readonly #options: LaneFollowerOptions;
  readonly #record: LaneRecord;
  readonly #window: FollowWindow;
  /** For the head of the next segment, which a look asks for whenever it finds nothing more: the window stays as it is. */
  readonly #probe: FollowWindow;
  /** Everything before it is shown. */
  #shown: End;
  /** Every header before it is known; the frames behind `#shown` are not looked at yet. */
  #known: End;
  #horizon: number;
  #index: SegmentIndex | null;

  constructor(options: LaneFollowerOptions) {
    const { start, files, directory } = options;
    this.#options = options;
    this.#record = start.record;
    this.replay = start.replay;
    this.#window = new FollowWindow(files, directory, followBytesMax);
    this.#probe = new FollowWindow(files, directory, pageBytes);
    this.#shown = { chain: start.chain, place: start.place };
    this.#known = this.#shown;
    this.#horizon = start.record.horizon;
    this.#index = start.index;
  }

  /** Where the next block is due that is not shown yet, unless it begins the next segment. */
  get end(): ScanPlace {
    return this.#shown.place;
  }

  /** The last block that is shown. */
  get lastBlock(): number {
    return this.#shown.chain.nextBlock - 1;
  }

  /** `record`: of the superblock, read before this call. Not reentrant. */
  async look(record: LaneRecord): Promise<FollowStep> {
    if (record.epoch !== this.#record.epoch || record.firstSegment > this.#shown.place.segment) return { kind: "astray" };
    this.#window.beginLook();
    this.#horizon = Math.max(this.#horizon, record.horizon);
    await this.#learn();
    const limit = Math.min(this.#horizon, this.#known.chain.nextBlock - 1);
    // What the superblock calls durable was there before it was read.
    if (limit < record.horizon) return { kind: "astray" };
    return this.#show(limit);
  }

  async close(): Promise<void> {
    await this.#window.close();
  }

  /** Follows the headers as far as they go. */
  async #learn(): Promise<void> {
    for (let found = await this.#headerBehind(this.#known); found !== null; found = await this.#headerBehind(this.#known)) {
      this.#horizon = Math.max(this.#horizon, found.header.horizon);
      this.#known = endOf(found);
    }
  }

  async #show(limit: number): Promise<FollowStep> {
    const begun: SegmentIndex[] = [];
    if (this.#shown.chain.nextBlock > limit) return { kind: "same" };
    while (this.#shown.chain.nextBlock <= limit) {
      const found = await this.#verifiedBehind(this.#shown);
      if (found === null) return { kind: "astray" };
      const { place, header, checksum } = found;
      if (header.epoch !== this.#shown.chain.epoch) this.replay.handleEpochStart();
      if (this.#index?.segment !== place.segment) {
        this.#index = new SegmentIndex(place.segment, header.baseTime, this.#options.alignment);
        this.replay.beginSegment(this.#index);
        begun.push(this.#index);
      }
      this.#index.noteBlock(place.offset, header.blockBytes, header.sequence, header.epoch, checksum);
      this.#shown = endOf(found);
      this.#apply(found);
      if (this.replay.contradictions.length > 0) return { kind: "astray" };
    }
    this.replay.pause();
    return { kind: "advanced", begun };
  }

  #apply({ header, place }: FoundHeader): void {
    const { memory } = this.#window;
    const start = this.#window.startOf(place.offset);
    const from = start + blockHeaderBytes;
    this.replay.handleFrames({ memory, from, to: from + header.dataBytes, blockStart: start, blockOffset: place.offset });
  }

  /** The next block, whole in the window, with its frames verified. */
  async #verifiedBehind(end: End): Promise<FoundHeader | null> {
    for (let isFresh = false; ; isFresh = true) {
      const found = await this.#headerBehind(end);
      if (found !== null && (await this.#holdsFrames(found))) return found;
      if (isFresh) return null;
      // A block and the header that covers it may have been written between the reads of their pages: the bytes that
      // are there now hold everything that was durable then.
      this.#window.drop();
    }
  }

  async #holdsFrames({ header, place, seed }: FoundHeader): Promise<boolean> {
    const { segment, offset } = place;
    if (!this.#window.holds(segment, offset, header.blockBytes) && !(await this.#window.load(segment, offset, header.blockBytes))) return false;
    const from = this.#window.startOf(offset) + blockHeaderBytes;
    const to = from + header.dataBytes;
    return this.#options.kernels.verifyFrames(this.#window.memory, from, to, seed, offset + blockHeaderBytes) === to;
  }

  /** The header of the block that continues the chain: behind it, or at the head of the next segment. */
  async #headerBehind({ chain, place }: End): Promise<FoundHeader | null> {
    const found = await this.#headerIn(this.#window, chain, place);
    if (found !== null) return found;
    this.#probe.drop();
    const following = await this.#headerIn(this.#probe, chain, { segment: place.segment + 1, offset: this.#options.alignment });
    await this.#probe.close();
    return following;
  }

  async #headerIn(window: FollowWindow, chain: ChainEnd, place: ScanPlace): Promise<FoundHeader | null> {
    const { segment, offset } = place;
    if (!window.holds(segment, offset, blockHeaderBytes) && !(await window.load(segment, offset, blockHeaderBytes))) return null;
    const { memory } = window;
    const at = window.startOf(offset);
    if (!hasBlockMagic(memory, at)) return null;
    const epoch = blockEpochUnverified(memory, at);
    const { lane, uuid, alignment } = this.#options;
    const { epochSegment, epochOffset } = this.#record;
    if (epoch > this.#record.epoch || !isLive({ epoch: this.#record.epoch, segment: epochSegment, offset: epochOffset }, epoch, place)) return null;
    const seed = blockSeed({ uuid, lane, segment, epoch });
    const header = decodeBlockHeader(memory, at, seed, offset);
    if (header === null || header.blockBytes % alignment !== 0 || !continuesChain(chain, header)) return null;
    return { header, checksum: blockChecksum(memory, at), seed, place };
  }
}

function endOf({ header, checksum, place }: FoundHeader): End {
  assert(header.blockBytes > 0, "a block takes space");
  return {
    chain: { nextBlock: header.sequence + 1, previousChecksum: checksum, epoch: header.epoch },
    place: { segment: place.segment, offset: place.offset + header.blockBytes },
  };
}
