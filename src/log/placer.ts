// Lays operations into the tail: single records, batches, records larger than a block, control records.
//
// Owns no state but what it is given: an operation carries its own progress, since space may run out in its middle.

import { assert } from "../base/assert.js";
import { roundUp8 } from "../base/numbers.js";
import type { PartitionState, PartitionTable } from "../core/partition-table.js";
import type { SegmentIndex } from "../core/segment-index.js";
import { truncationSince } from "../core/truncations.js";
import { frameFlag, frameHeaderBytes, frameKind, framePayloadBytesMax } from "../format/frame.js";
import type { BlockBuffer } from "./block-buffer.js";
import { beginFrame, copyBytes, copyRange, dataKind, kindBits } from "./frame-writer.js";
import type { LaneSegment } from "./lane-segment.js";
import type { LaneStats } from "./lane-stats.js";
import { payloadBytes, type ControlOperation, type DropOperation, type GroupEffect, type MovedItem, type MoveOperation, type PlacedItem, type PlacedRecord, type PlacedTruncation, type RecordsOperation, type TrimItem, type TrimsOperation } from "./operation.js";
import type { Tail } from "./tail.js";
import type { WordRange } from "./word-range.js";

/** A fragment is worth its header from this size on. */
const fragmentBytesMin = 512;
const emptyBytes = new Uint8Array(0);

export class Placer {
  readonly #tail: Tail;
  readonly #table: PartitionTable;
  readonly #stats: LaneStats;

  constructor(tail: Tail, table: PartitionTable, stats: LaneStats) {
    this.#tail = tail;
    this.#table = table;
    this.#stats = stats;
  }

  /**
   * One whole record as one frame, into a block that has room for it. `bytesAndFlags`: the flags of its place in a group, if any.
   * Hot: `ringwall bench append`.
   */
  placeRecord(block: BlockBuffer, state: PartitionState, sequence: number, data: Uint8Array | string | WordRange, bytesAndFlags: number): void {
    const bytes = bytesAndFlags & framePayloadBytesMax;
    const tail = this.#tail;
    const segment = block.segment as LaneSegment;
    const index = segment.index;
    const time = tail.time();
    const frameOffset = block.cursor - block.start;
    const place = beginFrame(block, bytesAndFlags | dataKind, state.id, sequence, time - index.baseTime);
    if (typeof data === "string") tail.memory.text.write(data, place, bytes, "utf8");
    // Asked the other way round, the whole chain of prototypes would be walked for each record.
    else if (data instanceof Uint8Array) copyBytes(block, place, data, bytes);
    else copyRange(block, place, data);
    segment.holdsData = true;
    const slot = slotOf(state, index);
    if (index.growing.note(slot, sequence, block.fileOffset + frameOffset, bytes, time)) index.growing.addEntry(slot, sequence, block.fileOffset, frameOffset);
    state.placedSequence = sequence;
    block.touch(state);
    block.recordCount++;
    this.#stats.records++;
    this.#stats.payloadBytes += bytes;
  }

  /** Places what it can of the operation; its last block once it is through, else null. */
  placeRecords(operation: RecordsOperation): BlockBuffer | null {
    if (!operation.started) {
      if (!this.#defineAll(operation.items)) return null;
      if (this.#isGroup(operation)) this.#beginGroup(operation);
    }
    while (operation.itemIndex < operation.items.length) {
      const item = operation.items[operation.itemIndex] as PlacedItem;
      if (item.kind === "record" ? !this.#placeFragment(operation, item) : !this.#placeTruncation(operation, item)) return null;
    }
    const block = this.#tail.open;
    assert(block !== null, "the last frame of an operation lies in the open block");
    for (const effect of operation.effects ?? []) this.#takeEffect(effect);
    for (const item of operation.items) {
      block.touch(item.state);
      if (item.kind === "truncate") continue;
      item.state.placedSequence = item.sequence;
      block.recordCount++;
      this.#stats.records++;
    }
    return block;
  }

  /** Places what it can of it; true once it is through. */
  placeControl(operation: ControlOperation | TrimsOperation | DropOperation): boolean {
    if (operation.kind === "trims") return this.#placeTrims(operation);
    return operation.kind === "drop" ? this.#placeDrop(operation) : this.#placeTrimOrTruncation(operation);
  }

  #placeTrimOrTruncation({ kind, state, sequence, resolve }: ControlOperation): boolean {
    const block = this.#tail.blockWith(frameHeaderBytes, "control");
    if (block === null) return false;
    if (kind === "truncate") this.#truncate(state, (block.segment as LaneSegment).index, block.fileOffset + (block.cursor - block.start), sequence);
    else state.trim(sequence);
    this.#tail.putFrame(block, kindBits(frameKind[kind]), state.id, sequence, emptyBytes);
    block.touch(state);
    block.addWaiter(resolve, 0);
    return true;
  }

  #placeTrims(operation: TrimsOperation): boolean {
    const { items } = operation;
    for (; operation.itemIndex < items.length; operation.itemIndex++) {
      const { state, sequence } = items[operation.itemIndex] as TrimItem;
      const block = this.#tail.blockWith(frameHeaderBytes, "control");
      if (block === null) return false;
      state.trim(sequence);
      this.#tail.putFrame(block, kindBits(frameKind.trim), state.id, sequence, emptyBytes);
      block.touch(state);
      if (operation.itemIndex === items.length - 1) block.addWaiter(operation.resolve, 0);
    }
    return true;
  }

  #placeDrop({ state, resolve }: DropOperation): boolean {
    const block = this.#tail.blockWith(frameHeaderBytes, "control");
    if (block === null) return false;
    this.#tail.putFrame(block, kindBits(frameKind.drop), state.id, 0, emptyBytes);
    this.#table.drop(state);
    this.#tail.lowerTouched(state, 0);
    block.touch(state);
    block.addWaiter(resolve, 0);
    return true;
  }

  /** Places what it can of the copies that are still live; true when it is through. */
  placeMoved(operation: MoveOperation): boolean {
    const { items } = operation;
    while (operation.itemIndex < items.length) {
      const item = items[operation.itemIndex] as MovedItem;
      // 1. a record is read; 2. it is truncated, and its sequence is given out anew; 3. its copy is placed: two records of one sequence are live.
      if (operation.itemBytes === 0 && !this.#isLive(item)) operation.itemIndex++;
      else if (!this.#placeMovedFragment(operation, item)) return false;
    }
    return true;
  }

  /** Neither dropped, trimmed nor truncated since it was looked up. */
  #isLive({ state, sequence, truncations }: MovedItem): boolean {
    return this.#table.byId(state.id) === state && sequence >= state.firstSequence && truncationSince(state.truncations, truncations, sequence) === null;
  }

  #placeMovedFragment(operation: MoveOperation, { state, sequence, payload }: MovedItem): boolean {
    const rest = payload.length - operation.itemBytes;
    const whole = frameHeaderBytes + roundUp8(rest);
    if (operation.itemBytes === 0 && whole > this.#tail.frameBytesMax) this.#tail.keepTogether(this.#frameBytesOfRecord(rest));
    const block = this.#tail.blockWith(whole <= this.#tail.frameBytesMax ? whole : frameHeaderBytes + fragmentBytesMin);
    if (block === null) return false;
    const bytes = Math.min(rest, block.limit - block.cursor - frameHeaderBytes);
    let flags: number = kindBits(frameKind.moved);
    if (operation.itemBytes > 0) flags |= frameFlag.groupContinued | frameFlag.recordContinued;
    if (bytes < rest) flags |= frameFlag.groupGoesOn | frameFlag.recordGoesOn;
    const frameOffset = block.cursor - block.start;
    this.#tail.putFrame(block, flags, state.id, sequence, payload.subarray(operation.itemBytes, operation.itemBytes + bytes));
    if (operation.itemBytes === 0) {
      const { index } = block.segment as LaneSegment;
      index.movedStretch(state.id, sequence).note(sequence, block.fileOffset, frameOffset, payload.length, this.#tail.lastTime);
    }
    operation.placedBytes += bytes;
    this.#stats.bytesMoved += bytes;
    if (bytes === rest) {
      operation.itemBytes = 0;
      operation.itemIndex++;
      this.#tail.handleGroupEnd(block);
    } else {
      operation.itemBytes += bytes;
      this.#tail.groupIsOpen = true;
    }
    if (this.#tail.commit.isEager(block.cursor - block.start, block.waiterCount)) this.#tail.closeBlock();
    return true;
  }

  /** Definitions come before the group that uses them, each complete by itself: they stay if the group is dropped. */
  #defineAll(items: readonly PlacedItem[]): boolean {
    for (const { state } of items) {
      if (state.id !== 0) continue;
      const name = Buffer.from(state.name, "utf8");
      const block = this.#tail.blockWith(frameHeaderBytes + roundUp8(4 + name.length));
      if (block === null) return false;
      this.#table.assignId(state);
      const payload = Buffer.alloc(4 + name.length);
      payload.writeUInt32LE(state.id, 0);
      name.copy(payload, 4);
      this.#tail.putFrame(block, kindBits(frameKind.define), 0, 0, payload);
    }
    return true;
  }

  #isGroup({ items }: RecordsOperation): boolean {
    return items.length > 1 || frameHeaderBytes + roundUp8(payloadBytes(items[0] as PlacedItem)) > this.#tail.frameBytesMax;
  }

  /** Bytes of all frames of an operation, at most: the first fragment of a record is shorter than a block. */
  #frameBytesOf({ items }: RecordsOperation): number {
    let bytes = 0;
    for (const item of items) bytes += this.#frameBytesOfRecord(payloadBytes(item));
    return bytes;
  }

  #frameBytesOfRecord(payloadBytes: number): number {
    return roundUp8(payloadBytes) + frameHeaderBytes * (2 + Math.ceil(payloadBytes / this.#tail.frameBytesMax));
  }

  /** The truncation whose frame stands at `offset` of the segment. */
  #truncate(state: PartitionState, index: SegmentIndex, offset: number, after: number): void {
    const last = state.lastSequence;
    const truncationsBefore = state.truncations.length;
    state.truncate({ segment: index.segment, offset, after });
    // Appends that came after the truncation have their sequences already; they are placed behind it.
    state.lastSequence = last;
    this.#table.noteTruncations(state.truncations.length - truncationsBefore);
    index.growing.truncate(slotOf(state, index), after);
    this.#tail.lowerTouched(state, after);
  }

  /**
   * Of a group with a truncation nothing takes effect before its last frame is placed. 1. the truncation's frame is placed, and the
   * rest of the group waits for the next segment; 2. that one's checkpoint says that the old records are gone; 3. power fails;
   * 4. recovery drops the group, and neither the old records are there nor the new ones.
   */
  #takeEffect({ item, index, blockOffset, frameOffset, time }: GroupEffect): void {
    if (item.kind === "truncate") this.#truncate(item.state, index, blockOffset + frameOffset, item.after);
    else noteRecord(item, { index, blockOffset, frameOffset, time });
  }

  #placeTruncation(operation: RecordsOperation, item: PlacedTruncation): boolean {
    const block = this.#tail.blockWith(frameHeaderBytes);
    if (block === null) return false;
    const isLast = operation.itemIndex === operation.items.length - 1;
    const frameOffset = block.cursor - block.start;
    this.#tail.putFrame(block, kindBits(frameKind.truncate) | groupFlags(operation, isLast), item.state.id, item.after, emptyBytes);
    this.#note(operation, block, item, frameOffset);
    operation.itemIndex++;
    this.#handlePlaced(operation, block, isLast);
    return true;
  }

  /** The next frame of an operation: the rest of a record, or as much of it as the block takes. */
  #placeFragment(operation: RecordsOperation, item: PlacedRecord): boolean {
    const rest = item.data.length - operation.itemBytes;
    const whole = frameHeaderBytes + roundUp8(rest);
    // What fits into an empty block is not cut in two; what doesn't is cut where the block ends.
    const block = this.#tail.blockWith(whole <= this.#tail.frameBytesMax ? whole : frameHeaderBytes + fragmentBytesMin);
    if (block === null) return false;
    const bytes = Math.min(rest, block.limit - block.cursor - frameHeaderBytes);
    const endsRecord = bytes === rest;
    const isLast = endsRecord && operation.itemIndex === operation.items.length - 1;
    let flags: number = dataKind | groupFlags(operation, isLast);
    if (operation.itemBytes > 0) flags |= frameFlag.recordContinued;
    if (!endsRecord) flags |= frameFlag.recordGoesOn;
    const frameOffset = block.cursor - block.start;
    this.#tail.putFrame(block, flags, item.state.id, item.sequence, item.data.subarray(operation.itemBytes, operation.itemBytes + bytes));
    if (operation.itemBytes === 0) this.#note(operation, block, item, frameOffset);
    this.#stats.payloadBytes += bytes;
    operation.itemBytes = endsRecord ? 0 : operation.itemBytes + bytes;
    if (endsRecord) operation.itemIndex++;
    this.#handlePlaced(operation, block, isLast);
    return true;
  }

  #handlePlaced(operation: RecordsOperation, block: BlockBuffer, isLast: boolean): void {
    operation.started = true;
    if (isLast) {
      this.#tail.handleGroupEnd(block);
      return;
    }
    this.#tail.groupIsOpen = true;
    if (this.#tail.commit.isEager((block.cursor - block.start) / groupShare, block.waiterCount)) this.#tail.closeBlock();
  }

  #beginGroup(operation: RecordsOperation): void {
    const { open, commit } = this.#tail;
    // What is complete does not wait for all of the group.
    if (open !== null && commit.isEager(open.cursor - open.start, open.waiterCount)) this.#tail.closeBlock();
    this.#tail.keepTogether(this.#frameBytesOf(operation));
  }

  /** What the item's first frame, which was just placed, changes: at once, or with its group. The index has the time that the frame has. */
  #note({ effects }: RecordsOperation, block: BlockBuffer, item: PlacedItem, frameOffset: number): void {
    const { index } = block.segment as LaneSegment;
    const time = this.#tail.lastTime;
    if (effects !== null) effects.push({ item, index, blockOffset: block.fileOffset, frameOffset, time });
    else if (item.kind === "record") noteRecord(item, { index, blockOffset: block.fileOffset, frameOffset, time });
  }
}

/**
 * How much later a block is cut in the middle of a group. Nobody waits for a part of one, and two writes under way take longer than
 * one of their size: docs/BENCHMARKS.md, "When a block is cut early".
 */
const groupShare = 4;

function noteRecord({ state, sequence, data }: PlacedRecord, { index, blockOffset, frameOffset, time }: Omit<GroupEffect, "item">): void {
  const { growing } = index;
  const slot = slotOf(state, index);
  if (growing.note(slot, sequence, blockOffset + frameOffset, data.length, time)) growing.addEntry(slot, sequence, blockOffset, frameOffset);
}

/** Of the operation's next frame. */
function groupFlags({ started }: RecordsOperation, isLast: boolean): number {
  return (started ? frameFlag.groupContinued : 0) | (isLast ? 0 : frameFlag.groupGoesOn);
}

/** The slot of the partition's run in the segment. Hot. */
function slotOf(state: PartitionState, index: SegmentIndex): number {
  if (state.runSegment !== index.segment) {
    state.runSlot = index.isResumed ? index.growing.open(state.id) : index.growing.begin(state.id);
    state.runSegment = index.segment;
  }
  return state.runSlot;
}
