// The tail of a lane: the block that fills, the blocks on their way, the segment they go into.
//
//   open → closed (its bytes are final) → submitted (sealed, written) → durable → acknowledged, all in order
//
// Owns buffers, block sequences and positions, rotation, checkpoints. It knows no queue and no time: the lane
// (log/lane.ts) says when to close a block. It must never acknowledge beyond the horizon, and never rewrite a block.

import { assert } from "../base/assert.js";
import { roundUp8 } from "../base/numbers.js";
import { CheckpointDraft } from "../core/checkpoint-draft.js";
import { GroupCommit } from "../core/group-commit.js";
import type { PartitionState } from "../core/partition-table.js";
import { SegmentIndex } from "../core/segment-index.js";
import { blockFlag, blockHeaderBytes, encodeBlockHeader } from "../format/block.js";
import { checkpointPayloads } from "../format/checkpoint.js";
import { frameFlag, frameHeaderBytes, frameKind } from "../format/frame.js";
import type { Memory } from "../format/memory.js";
import { blockSeed } from "../format/seed.js";
import { inTurns } from "../storage/in-turns.js";
import type { BlockWriter } from "../storage/storage.js";
import { newAcknowledgement, resolveOfLast } from "./acknowledgement.js";
import { BlockBuffer, type Resolve } from "./block-buffer.js";
import { beginFrame, copyBytes, kindBits } from "./frame-writer.js";
import { checkpointPayloadBytesMax } from "./lane-limits.js";
import type { LaneSegment } from "./lane-segment.js";
import type { LaneSettings } from "./lane-settings.js";
import type { LaneStats } from "./lane-stats.js";
import type { ReadySegment, SegmentSupply } from "./segment-supply.js";

export interface TailOptions {
  readonly settings: LaneSettings;
  readonly stats: LaneStats;
  readonly writer: BlockWriter;
  readonly supply: SegmentSupply;
  /** The lane goes on in this segment. */
  readonly onSegment: (index: SegmentIndex) => void;
  /** A block takes no more. */
  readonly onBlock: () => void;
  /** A segment that the lane left behind is durable, and every group that begins in it. */
  readonly onSegmentDone: (segment: LaneSegment) => void;
  /** Of the first `count` partitions more is durable, or something is gone. Hot: once per block. */
  readonly onChanged: (states: readonly (PartitionState | undefined)[], count: number) => void;
  /** Something that must not happen. */
  readonly onFailure: (error: unknown) => void;
}

/** Who asks for a block: records leave the last of the prepared space to control records, beacons and seals. */
export type BlockUse = "records" | "control";

const windowSize = 32;
const emptyBytes = new Uint8Array(0);
/**
 * A segment whose last group goes on is done when the group's last block is: 1. its index says that the group's records
 * are there; 2. power fails before the group is whole; 3. recovery drops the group, and trusts the index.
 */
const untilGroupEnds = Number.POSITIVE_INFINITY;
const controlReserveBytes = 64 * 1024;
/** A frame's time has 32 bits of milliseconds: long before they end, the lane goes on in a new segment. */
const segmentMillisMax = 0x7fff_ffff;
/** What fits into a frame, behind the base time of its segment. */
const frameMillisMax = 0xffff_ffff;
/** When so much of a segment is full, the next one's checkpoint is made ahead. */
const draftShare = 3 / 4;

export class Tail {
  readonly memory: Memory;
  readonly commit: GroupCommit;
  /** Longest frame that an empty block takes. */
  readonly frameBytesMax: number;
  /** The block that takes frames now. */
  open: BlockBuffer | null = null;
  /** Why the last block could not be opened: no room in the files. Waiting for a buffer is nothing to worry about. */
  lacksSpace = false;
  /** Whether the last frame placed belongs to a group that goes on. */
  groupIsOpen = false;
  /** Whether the last submitted block holds something that no later block's horizon covers. */
  uncovered = false;
  /** Under durability "none": what the last explicit sync covered. */
  syncedBlock: number;

  readonly #options: TailOptions;
  readonly #settings: LaneSettings;
  readonly #buffers: BlockBuffer[];
  readonly #free: BlockBuffer[];
  /** Closed blocks that wait for room in flight, in order. */
  readonly #closed: BlockBuffer[] = [];
  /** Blocks submitted and not acknowledged, by sequence modulo its size. */
  readonly #window: (BlockBuffer | undefined)[] = new Array<BlockBuffer | undefined>(windowSize).fill(undefined);
  /** Segments left behind, until their last block is durable. */
  readonly #leaving: { readonly segment: LaneSegment; lastBlock: number }[] = [];
  #current: LaneSegment | null = null;
  /** What is left of the segment's checkpoint. Until all of it is placed nothing else is, so the table stays as it is. */
  #checkpoint: { payload: Uint8Array; readonly rest: Iterator<Uint8Array, undefined, undefined>; readonly highestId: number; isFirst: boolean } | null = null;
  /** The next segment's, made ahead. */
  #draft: CheckpointDraft | null = null;
  #nextBlock: number;
  #previousChecksum: number;
  #lastTime: number;
  /** The last time that a frame of the current segment can have. */
  #timeMax = Number.POSITIVE_INFINITY;
  #timeIsFresh = false;
  #epochBegun = false;
  #rotationRequested = false;
  #asksSupply = true;

  constructor(options: TailOptions) {
    const { settings, writer } = options;
    const { recovered, bufferBytes, bufferCount } = settings;
    this.#options = options;
    this.#settings = settings;
    this.memory = writer.memory;
    this.frameBytesMax = bufferBytes - blockHeaderBytes;
    this.#nextBlock = recovered.nextBlock;
    this.#previousChecksum = recovered.previousChecksum;
    this.#lastTime = recovered.lastTime;
    this.syncedBlock = recovered.nextBlock - 1;
    this.commit = new GroupCommit({
      inFlightMax: settings.blocksInFlight,
      eagerBytes: settings.durability.mode === "interval" ? Number.POSITIVE_INFINITY : settings.eagerBytes,
      eagerWaiters: settings.durability.mode === "interval" ? Number.POSITIVE_INFINITY : settings.eagerWaiters,
      horizon: recovered.nextBlock - 1,
    });
    this.#buffers = Array.from({ length: bufferCount }, (_, index) => new BlockBuffer(index, index * bufferBytes, bufferBytes, writer.memory));
    this.#free = [...this.#buffers].reverse();
  }

  /** Goes on behind the last accepted block of a recovered segment. */
  adopt(ready: ReadySegment, index: SegmentIndex): void {
    this.#beginTimes(ready);
    this.#rotationRequested = this.#lastTime > this.#timeMax;
    index.isResumed = true;
    this.#current = { ready, index, seed: this.#seed(ready), nextOffset: index.endOffset, holdsData: true };
    this.#options.onSegment(index);
  }

  get current(): LaneSegment | null {
    return this.#current;
  }

  /** Segments left behind of which something is not durable yet. */
  get leaving(): readonly LaneSegment[] {
    return this.#leaving.map(({ segment }) => segment);
  }

  /** Block sequences begin at 1: whether any was given out. */
  get isUntouched(): boolean {
    return this.#nextBlock === 1;
  }

  /** Whether the open block holds a frame. */
  get holdsFrames(): boolean {
    return this.open !== null && this.open.cursor > this.open.start + blockHeaderBytes;
  }

  /** The last block that holds something, or was closed. */
  get placedUpTo(): number {
    return this.#nextBlock - (this.open === null || this.holdsFrames ? 1 : 2);
  }

  /** Nothing is open with frames, closed or in flight. */
  get isQuiet(): boolean {
    return this.#closed.length === 0 && this.commit.inFlight === 0 && !this.holdsFrames;
  }

  /** Milliseconds since 1970, never backwards: neither here nor after recovery. Hot: the clock is read once per block, unless blocks stay open. */
  time(): number {
    if (this.#timeIsFresh) return this.#lastTime;
    const { storage, durability } = this.#settings;
    // 1. a block is open; 2. a clock that began in 1970 is set right; 3. its frames have no room for that time. The next block's have, in the next segment.
    const now = Math.min(storage.clock.now(), this.#timeMax);
    if (now > this.#lastTime) this.#lastTime = now;
    this.#timeIsFresh = durability.mode !== "interval";
    return this.#lastTime;
  }

  /** The time of the frame that was placed last. */
  get lastTime(): number {
    return this.#lastTime;
  }

  /** The highest block known to be on stable media, with all before it. */
  get stableBlock(): number {
    return this.#settings.flush === "never" ? this.syncedBlock : this.commit.horizon;
  }

  requestRotation(): void {
    this.#rotationRequested = true;
  }

  /**
   * A group of so many bytes of frames begins next. Where the rest of the segment can't hold it, it begins in the next one:
   * 1. one batch after the other goes over the end of a segment; 2. each of those segments needs the one before to be
   * understood; 3. however much is trimmed, none can be freed. So no segment is linked to both its neighbours.
   */
  keepTogether(frameBytes: number): void {
    const segment = this.#current;
    if (segment === null) return;
    const { alignment, bufferBytes, eagerBytes, segmentBytes } = this.#settings;
    const open = this.open;
    const position = segment.nextOffset + (open === null ? 0 : open.cursor - open.start);
    // Of two blocks in a row, one holds half a buffer at least, or was cut early.
    const blocks = 3 + Math.ceil(frameBytes / Math.min(eagerBytes, bufferBytes / 2));
    if (position + frameBytes + blocks * (blockHeaderBytes + alignment) <= segmentBytes) return;
    this.requestRotation();
    if (this.holdsFrames && segment.holdsData) this.closeBlock();
  }

  /** The open block with room for a frame of that size, closing and opening as needed. Null: no space now, or it fits no block. Hot. */
  blockWith(frameBytes: number, use: BlockUse = "records"): BlockBuffer | null {
    const block = this.open;
    if (block !== null && block.cursor + frameBytes <= block.limit) return block;
    return this.#nextBlockWith(frameBytes, use);
  }

  #nextBlockWith(frameBytes: number, use: BlockUse): BlockBuffer | null {
    if (frameBytes > this.frameBytesMax) return null;
    for (;;) {
      // A checkpoint takes room, and may take blocks: look at the one that is open now.
      const block = this.open;
      if (block !== null && block.cursor + frameBytes <= (use === "control" ? block.controlLimit : block.limit)) return block;
      if (block !== null) this.closeBlock();
      if (this.#openBlock(frameBytes, use) === null || !this.#placeCheckpoint()) return null;
    }
  }

  /** Whoever is told that there is no space, and tries to place something else, must not be told so again for that: it would never end. */
  withoutAsking(place: () => boolean): boolean {
    this.#asksSupply = false;
    const isPlaced = place();
    this.#asksSupply = true;
    return isPlaced;
  }

  /** A block without records, flagged, on its way. False when there is no space for it now. */
  writeEmptyBlock(flag: number): boolean {
    const block = this.blockWith(0, "control");
    if (block === null) return false;
    block.flags |= flag;
    this.closeBlock();
    return true;
  }

  /** The open block takes no more; it goes out as soon as there is room in flight. */
  closeBlock(): void {
    const block = this.open;
    assert(block !== null, "there is an open block to close");
    const { alignment } = this.#settings;
    block.blockBytes = Math.ceil((block.cursor - block.start) / alignment) * alignment;
    this.memory.bytes.fill(0, block.cursor, block.start + block.blockBytes);
    block.freezeTouched();
    const segment = block.segment as LaneSegment;
    segment.nextOffset += block.blockBytes;
    this.open = null;
    this.#timeIsFresh = false;
    this.#closed.push(block);
    this.#options.onBlock();
    if (this.#draft !== null) noteChanges(this.#draft, block);
    this.submitClosed();
    if (this.#draft === null && segment.nextOffset > this.#settings.segmentBytes * draftShare) this.#beginDraft();
  }

  /** Beside what the lane does: a slice in each turn. */
  #beginDraft(): void {
    const { storage, recovered } = this.#settings;
    const draft = new CheckpointDraft(recovered.table, checkpointPayloadBytesMax(this.#settings));
    this.#draft = draft;
    inTurns(storage.clock, () => false)(draft.making()).catch(this.#options.onFailure);
  }

  /** Up to `gatherBytes` of blocks that waited together go out as one write. Each of them counts as in flight. */
  submitClosed(): void {
    const { gatherBytes } = this.#settings;
    while (this.#closed.length > 0 && this.commit.hasRoom) {
      const first = this.#closed.shift() as BlockBuffer;
      this.#sealBlock(first);
      const gathered = [first];
      let bytes = first.blockBytes;
      for (;;) {
        const next = this.#closed[0];
        if (next === undefined || !this.commit.hasRoom || next.segment !== first.segment || bytes + next.blockBytes > gatherBytes) break;
        this.#closed.shift();
        this.#sealBlock(next);
        gathered.push(next);
        bytes += next.blockBytes;
      }
      this.#write(gathered);
    }
  }

  /** One frame into a block that has room for it. */
  putFrame(block: BlockBuffer, kindAndFlags: number, partition: number, sequence: number, payload: Uint8Array): void {
    const segment = block.segment as LaneSegment;
    assert(block.cursor + frameHeaderBytes + roundUp8(payload.length) <= block.controlLimit, "a frame stays inside its block");
    const place = beginFrame(block, payload.length | kindAndFlags, partition, sequence, this.time() - segment.index.baseTime);
    copyBytes(block, place, payload, payload.length);
    segment.holdsData = true;
  }

  /** The frame just placed ends its group. */
  handleGroupEnd(block: BlockBuffer): void {
    this.groupIsOpen = false;
    for (const leaving of this.#leaving) if (leaving.lastBlock === untilGroupEnds) leaving.lastBlock = block.sequence;
  }

  /** A write is through. Acknowledges every block that the horizon passes; true when it moved. */
  handleWritten(token: number): boolean {
    const block = this.#buffers[token] as BlockBuffer;
    this.#options.stats.handleWritten(performance.now() - block.submittedAt);
    const before = this.commit.horizon;
    const after = this.commit.handleWritten(block.sequence);
    for (let sequence = before + 1; sequence <= after; sequence++) this.#acknowledge(sequence);
    while (this.#leaving.length > 0 && (this.#leaving[0] as { lastBlock: number }).lastBlock <= after) {
      this.#options.onSegmentDone((this.#leaving.shift() as { segment: LaneSegment }).segment);
    }
    return after > before;
  }

  /** Hangs a waiter on the last block on its way, sending the open one out. False when there is none: all is durable. */
  addWaiterForAll(resolve: Resolve): boolean {
    if (this.open !== null && this.holdsFrames) {
      this.open.addWaiter(resolve, 0);
      this.closeBlock();
      return true;
    }
    const last = this.#closed[this.#closed.length - 1] ?? this.#window[this.commit.submitted % windowSize];
    if (last === undefined) return false;
    last.addWaiter(resolve, 0);
    return true;
  }

  /** Resolves when everything placed by now is written, rejects when that fails. Of a poisoned lane it would never. */
  written(): Promise<unknown> {
    const promise = newAcknowledgement();
    const resolve = resolveOfLast();
    if (!this.addWaiterForAll(resolve)) resolve(0);
    return promise;
  }

  /** Blocks on their way must not make durable what was truncated meanwhile. */
  lowerTouched(state: PartitionState, after: number): void {
    for (const block of this.#buffers) {
      for (let index = 0; index < block.touchedCount; index++) {
        if (block.touched[index] === state) block.touchedSequences[index] = Math.min(block.touchedSequences[index] ?? 0, after);
      }
    }
  }

  failWaiters(error: Error): void {
    for (const block of this.#buffers) block.failWaiters(error);
  }

  /** Opens a block that takes a frame of that size, in the next segment where this one has no room for it. */
  #openBlock(frameBytes: number, use: BlockUse): BlockBuffer | null {
    assert(this.open === null, "one block is open at a time");
    if (this.#free.length === 0) return null;
    const { alignment, bufferBytes } = this.#settings;
    const needed = Math.max(alignment, blockHeaderBytes + frameBytes);
    this.lacksSpace = true;
    if ((this.#current === null || this.#mustRotate(this.#current, needed)) && !this.#rotate()) return null;
    const segment = this.#current as LaneSegment;
    const room = segment.ready.readyEnd - segment.nextOffset;
    // On a full disk a trim must still find room, or no room would ever come back: records don't even go into the rest of a trim's block.
    const roomForRecords = Math.max(0, room - (this.#options.supply.hasReady ? 0 : controlReserveBytes));
    if ((use === "control" ? room : roomForRecords) < needed) {
      this.#options.stats.stalls++;
      if (this.#asksSupply) this.#options.supply.handleStall(segment.ready);
      return null;
    }
    this.lacksSpace = false;
    const block = this.#free.pop() as BlockBuffer;
    block.cursor = block.start + blockHeaderBytes;
    block.limit = block.start + Math.min(bufferBytes, roomForRecords);
    block.controlLimit = block.start + Math.min(bufferBytes, room);
    block.sequence = this.#nextBlock++;
    block.segment = segment;
    block.fileOffset = segment.nextOffset;
    block.flags = (this.#epochBegun ? 0 : blockFlag.epochStart) | (this.#checkpoint === null ? 0 : blockFlag.checkpoint);
    this.#epochBegun = true;
    this.open = block;
    return block;
  }

  /** The current segment has its checkpoint, in blocks that may still be on their way. */
  get isCheckpointPlaced(): boolean {
    return this.#checkpoint === null;
  }

  #mustRotate(segment: LaneSegment, needed: number): boolean {
    const { segmentBytes, storage } = this.#settings;
    if (segment.nextOffset + needed > segmentBytes) {
      assert(this.#checkpoint === null, "a segment has room for its checkpoint");
      return true;
    }
    if (this.#checkpoint !== null) return false;
    if (segment.ready.isFinal && segment.nextOffset + needed > segment.ready.readyEnd) return true;
    return (this.#rotationRequested && segment.holdsData) || storage.clock.now() - segment.index.baseTime > segmentMillisMax;
  }

  /** Goes over to the next segment and prepares its checkpoint. False when none is ready. */
  #rotate(): boolean {
    const { supply, stats, onSegment } = this.#options;
    const ready = this.#asksSupply || supply.hasReady ? supply.take() : null;
    if (ready === null) {
      stats.stalls++;
      return false;
    }
    // Who wrote into the last segment writes into the next.
    const index = new SegmentIndex(ready.id, ready.baseTime, this.#settings.alignment, this.#current?.index.runs.size);
    if (this.#current !== null) {
      this.#current.index.goesOn = this.groupIsOpen;
      this.#leaving.push({ segment: this.#current, lastBlock: this.groupIsOpen ? untilGroupEnds : this.#nextBlock - 1 });
    }
    this.#beginTimes(ready);
    this.#current = { ready, index, seed: this.#seed(ready), nextOffset: this.#settings.alignment, holdsData: false };
    this.#rotationRequested = false;
    stats.segments++;
    const { table } = this.#settings.recovered;
    const rest = this.#draft?.finish() ?? checkpointPayloads(table.checkpoint(), checkpointPayloadBytesMax(this.#settings));
    this.#draft = null;
    this.#checkpoint = { payload: rest.next().value ?? emptyBytes, rest, highestId: table.nextId - 1, isFirst: true };
    onSegment(index);
    return true;
  }

  #beginTimes({ baseTime }: ReadySegment): void {
    // The clock may have gone back since the segment was prepared.
    this.#lastTime = Math.max(this.#lastTime, baseTime);
    this.#timeMax = baseTime + frameMillisMax;
  }

  /** Writes what is left of a new segment's checkpoint; true when nothing is. */
  #placeCheckpoint(): boolean {
    const checkpoint = this.#checkpoint;
    if (checkpoint === null) return true;
    for (let isLast = false; !isLast; ) {
      const { payload, rest, isFirst } = checkpoint;
      const frameBytes = frameHeaderBytes + roundUp8(payload.length);
      if (this.open !== null && this.open.cursor + frameBytes > this.open.controlLimit) this.closeBlock();
      const block = this.open ?? this.#openBlock(frameBytes, "control");
      if (block === null) return false;
      const following = rest.next().value;
      isLast = following === undefined;
      let flags = kindBits(frameKind.checkpoint);
      if (!isFirst) flags |= frameFlag.groupContinued;
      if (!isLast) flags |= frameFlag.groupGoesOn;
      this.putFrame(block, flags, 0, checkpoint.highestId, payload);
      checkpoint.isFirst = false;
      checkpoint.payload = following ?? emptyBytes;
    }
    (this.#current as LaneSegment).holdsData = false;
    this.#checkpoint = null;
    return true;
  }

  #sealBlock(block: BlockBuffer): void {
    const { kernels, epoch } = this.#settings;
    const { stats } = this.#options;
    const { index, seed } = block.segment as LaneSegment;
    const dataStart = block.start + blockHeaderBytes;
    const frameCount = kernels.sealFrames(this.memory, dataStart, block.cursor, seed, block.fileOffset + blockHeaderBytes);
    assert(frameCount >= 0, "frames fill a block exactly");
    const header = {
      sequence: block.sequence,
      // Read before the submission: what it names was durable before this block was on its way.
      horizon: this.stableBlock,
      epoch,
      blockBytes: block.blockBytes,
      dataBytes: block.cursor - dataStart,
      frameCount,
      baseTime: index.baseTime,
      previousChecksum: this.#previousChecksum,
      flags: block.flags,
    };
    this.#previousChecksum = encodeBlockHeader(this.memory, block.start, header, seed, block.fileOffset);
    index.noteBlock(block.fileOffset, block.blockBytes, block.sequence, epoch, this.#previousChecksum);
    this.commit.handleSubmitted(block.sequence, block.blockBytes, block.waiterCount);
    this.#window[block.sequence % windowSize] = block;
    this.uncovered = (block.flags & (blockFlag.beacon | blockFlag.seal)) === 0;
    stats.handleSubmitted(block.blockBytes, block.recordCount);
    block.submittedAt = performance.now();
  }

  #write(blocks: readonly BlockBuffer[]): void {
    const { writer, supply } = this.#options;
    const first = blocks[0] as BlockBuffer;
    const last = blocks[blocks.length - 1] as BlockBuffer;
    const { ready } = first.segment as LaneSegment;
    if (blocks.length === 1) writer.write(ready.writerFile, first.fileOffset, first.start, first.blockBytes, first.buffer);
    else writer.writeTogether(ready.writerFile, first.fileOffset, blocks.map(({ start, blockBytes, buffer }) => ({ start, bytes: blockBytes, token: buffer })));
    supply.handleTail(ready, last.fileOffset + last.blockBytes);
  }

  #acknowledge(sequence: number): void {
    const slot = sequence % windowSize;
    const block = this.#window[slot] as BlockBuffer;
    this.#window[slot] = undefined;
    for (let index = 0; index < block.touchedCount; index++) {
      (block.touched[index] as PartitionState).durableSequence = block.touchedSequences[index] as number;
    }
    block.releaseWaiters();
    this.#options.onChanged(block.touched, block.touchedCount);
    block.clear();
    this.#free.push(block);
  }

  #seed(ready: ReadySegment): number {
    const { uuid, lane, epoch } = this.#settings;
    return blockSeed({ uuid, lane, segment: ready.id, epoch });
  }
}

/** What the block's partitions placed there is not in entries made before. */
function noteChanges(draft: CheckpointDraft, { touched, touchedCount }: BlockBuffer): void {
  for (let index = 0; index < touchedCount; index++) draft.handleChange((touched[index] as PartitionState).id);
}
