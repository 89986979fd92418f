// Replays verified frames, in the order of the lane, into the partition table and the segments' indexes.
//
// Owns: the table, the group that is open, the checkpoint that is open, and what did not follow from what was before.
// It never reads: whoever scans hands it runs of verified frames. The same class replays a sound lane, where any
// misfit is a contradiction, and what survives around a gap, where a misfit is a loss. Pure.
// Hot: `#records`, once per record. See `ringwall bench recovery`.

import { isStorable, joinHalves, roundUp8, storedNumberMax } from "../base/numbers.js";
import { decodeCheckpoint, decodePartitionName, storedTruncationsMax, type CheckpointEntry } from "../format/checkpoint.js";
import { frameFlag, frameHeaderBytes, frameKind, framePayloadBytesMax, groupFramesMax, movedTimeBytes } from "../format/frame.js";
import type { Memory } from "../format/memory.js";
import { LostDefinitions } from "./lost-definitions.js";
import { LossLedger } from "./loss-ledger.js";
import type { MovedStretch } from "./moved-stretch.js";
import { PartitionTable, type PartitionState } from "./partition-table.js";
import { PendingGroup, type FrameFacts } from "./pending-group.js";
import { settleCheckpoint } from "./settle-checkpoint.js";
import { SegmentIndex } from "./segment-index.js";

/** Verified frames that lie back to back in one block. */
export interface FrameRun {
  readonly memory: Memory;
  /** In `memory`; `blockStart` is where the block's first byte would stand. */
  readonly from: number;
  readonly to: number;
  readonly blockStart: number;
  /** Of the block in the segment file. */
  readonly blockOffset: number;
}

/** A place where valid bytes contradict what was before them. */
export interface Contradiction {
  readonly segment: number;
  readonly offset: number;
  readonly reason: string;
}

type GroupState =
  | { readonly kind: "none" }
  | { readonly kind: "open"; readonly group: PendingGroup }
  /** A group whose beginning is not here: its frames are passed over. */
  | { readonly kind: "headless" };

/** The record whose fragments are being applied. */
interface OpenRecord {
  readonly isMoved: boolean;
  readonly partition: number;
  readonly sequence: number;
  readonly blockOffset: number;
  readonly frameOffset: number;
  readonly index: SegmentIndex;
  payloadBytes: number;
}

const none: GroupState = { kind: "none" };
const contradictionsMax = 100;
const partitionIdMax = 0xffff_fffe;
const dataOnly = frameKind.data;
const definitionBits = frameKind.define << 24;

export class Replay {
  readonly table = new PartitionTable();
  readonly losses = new LossLedger();
  readonly contradictions: Contradiction[] = [];
  readonly lostDefinitions = new LostDefinitions(this.table, this.losses);
  records = 0;
  lastTime = 0;
  /** Frames of groups that never were completed. */
  discardedFrames = 0;
  /** The first segment begins inside a group of the segment before. */
  beginsInsideGroup = false;
  #index: SegmentIndex = new SegmentIndex(0, 0, 0);
  /** Of the segment before. */
  #before: SegmentIndex = this.#index;
  /** What `runSegment` of partitions is that go on with their run: the segment, or below 0 behind a gap, each gap its own. */
  #runKey = 0;
  #group: GroupState = none;
  #record: OpenRecord | null = null;
  /** Entries of the checkpoint that is open. */
  #checkpoint: CheckpointEntry[] | null = null;
  /** Given out so far, as its frames say. */
  #highestId = 0;
  /** The segment has not shown its checkpoint yet. */
  #checkpointDue = false;
  /** A checkpoint has defined the table. */
  #defined = false;
  /** Something is missing between the last checkpoint and here. */
  #gap = false;
  #gapBytes = 0;
  #gaps = 0;
  /** Stretches of moved records that have an entry behind the last gap. */
  #stretches = new Set<MovedStretch>();
  /** A truncation was taken to lie in a gap. */
  #hasGuessed = false;
  readonly #frame: FrameFacts = {
    kindAndFlags: 0, partition: 0, time: 0, sequence: 0, payloadBytes: 0, blockOffset: 0, frameOffset: 0, index: this.#index, name: null,
  };

  /** Whether a checkpoint is due or has begun and not ended: a cut here leaves the segment without one. */
  get checkpointIncomplete(): boolean {
    return this.#checkpointDue;
  }

  get groupOpen(): boolean {
    return this.#group.kind === "open";
  }

  beginSegment(index: SegmentIndex): void {
    if (this.#group.kind !== "none") this.#index.goesOn = true;
    this.#before = this.#index;
    this.#index = index;
    this.#runKey = index.segment;
    this.#checkpointDue = true;
    this.#checkpoint = null;
  }

  /** A new epoch begins: a group that its predecessor left open never was acknowledged. */
  handleEpochStart(): void {
    this.#dropGroup();
    this.#checkpoint = null;
  }

  /** About `bytes` of frames are missing before the next; infinity when nobody knows how many. */
  handleGap(bytes: number): void {
    this.#gap = true;
    this.#countMissing(bytes);
    this.#record = null;
    this.#checkpoint = null;
    if (this.#group.kind === "open") {
      const { group } = this.#group;
      this.#countMissing(group.bytes);
      group.replay(this.#frame, isDefinition, () => this.#suspect());
      group.markVoid();
      this.#group = none;
    }
    // A search for what comes next must never start before the gap: every run that goes on begins with an entry.
    this.#gaps++;
    this.#runKey = -this.#gaps;
    this.#stretches = new Set();
  }

  #countMissing(bytes: number): void {
    this.#gapBytes += bytes;
    this.lostDefinitions.handleMissing(bytes);
  }

  handleFrames(run: FrameRun): void {
    const { memory, to } = run;
    let at = run.from;
    while (at < to) {
      const bits = (memory.words[(at >>> 2) + 1] as number) >>> 24;
      at = bits === dataOnly && this.#group === none && !this.#checkpointDue ? this.#records(run, at) : this.#special(run, at);
    }
  }

  /** Nothing follows: an open group is dropped, and every partition is durable as far as it goes. */
  finish(): void {
    this.#dropGroup();
    this.losses.settle(this.table);
    this.pause();
  }

  /** More may follow: every partition is durable as far as it goes, and an open group waits for its end. */
  pause(): void {
    for (const state of this.table) {
      state.placedSequence = state.lastSequence;
      state.durableSequence = state.lastSequence;
    }
  }

  /** Applies plain records from `at` on, up to the first frame that is anything else. */
  #records(run: FrameRun, from: number): number {
    const { memory, to, blockStart, blockOffset } = run;
    const words = memory.words;
    const index = this.#index;
    const runKey = this.#runKey;
    const { baseTime, growing } = index;
    let at = from;
    while (at < to) {
      const word = at >>> 2;
      const lengthAndKind = words[word + 1] as number;
      if (lengthAndKind >>> 24 !== dataOnly) break;
      const payloadBytes = lengthAndKind & framePayloadBytesMax;
      const sequence = joinHalves(words[word + 4] as number, words[word + 5] as number);
      const state = this.table.byId(words[word + 2] as number);
      if (state === undefined || sequence !== state.lastSequence + 1 || sequence > storedNumberMax) {
        this.#read(run, at);
        this.#record = null;
        this.#apply();
      } else {
        state.lastSequence = sequence;
        if (state.runSegment !== runKey) openRun(state, index, runKey);
        const time = baseTime + (words[word + 3] as number);
        const frameOffset = at - blockStart;
        if (growing.note(state.runSlot, sequence, blockOffset + frameOffset, payloadBytes, time)) growing.addEntry(state.runSlot, sequence, blockOffset, frameOffset);
        if (time > this.lastTime) this.lastTime = time;
        this.records++;
      }
      at += frameHeaderBytes + roundUp8(payloadBytes);
    }
    return at;
  }

  /** Handles the frame at `at`, and those that belong to it when its group ends in this block. */
  #special(run: FrameRun, at: number): number {
    const next = this.#read(run, at);
    const frame = this.#frame;
    const kind = kindOf(frame.kindAndFlags);
    if (kind === frameKind.checkpoint) {
      this.#takeCheckpoint(run, at);
      return next;
    }
    if (this.#checkpointDue) this.#missCheckpoint();
    const continued = hasFlag(frame.kindAndFlags, frameFlag.groupContinued);
    const goesOn = hasFlag(frame.kindAndFlags, frameFlag.groupGoesOn);
    if (this.#group.kind === "open" && (!continued || this.#group.group.isFull)) {
      this.#contradict(continued ? `a group has more than ${String(groupFramesMax)} frames` : "a group breaks off without a new epoch");
      this.handleGap(0);
      // Giving the group up went through its frames: `#frame` is the last of them.
      this.#read(run, at);
    }
    if (this.#group.kind === "open") {
      this.#group.group.add(frame, this.#position(), this.#position() + next - at);
      if (!goesOn) this.#completeGroup(this.#group.group);
      return next;
    }
    if (continued) {
      this.#passHeadless(goesOn, next - at);
      return next;
    }
    this.#group = none;
    if (!goesOn) {
      this.#apply();
      return next;
    }
    return this.#beginGroup(run, at);
  }

  /** A group that ends in this block is applied at once; another is kept aside. */
  #beginGroup(run: FrameRun, from: number): number {
    const words = run.memory.words;
    let end = from;
    for (let complete = false; !complete; ) {
      if (end >= run.to) {
        this.#openGroup(run, from, run.to);
        return run.to;
      }
      const lengthAndKind = words[(end >>> 2) + 1] as number;
      // The next group, or a record of its own: this group breaks off. `#special` sees to it.
      if (end > from && !hasFlag(lengthAndKind, frameFlag.groupContinued)) {
        this.#contradict("a group breaks off inside a block");
        this.#openGroup(run, from, end);
        this.handleGap(0);
        return end;
      }
      complete = !hasFlag(lengthAndKind, frameFlag.groupGoesOn);
      end += frameHeaderBytes + roundUp8(lengthAndKind & framePayloadBytesMax);
    }
    for (let at = from; at < end; ) {
      at = this.#read(run, at);
      this.#apply();
    }
    return end;
  }

  #openGroup(run: FrameRun, from: number, to: number): void {
    const group = new PendingGroup();
    for (let at = from; at < to; ) {
      const next = this.#read(run, at);
      group.add(this.#frame, this.#position(), this.#position() + next - at);
      at = next;
    }
    this.#group = { kind: "open", group };
  }

  #completeGroup(group: PendingGroup): void {
    this.#group = none;
    group.replay(this.#frame, isDefinition, () => this.#apply());
  }

  #dropGroup(): void {
    this.#record = null;
    if (this.#group.kind === "open") {
      this.discardedFrames += this.#group.group.frameCount;
      this.#group.group.markVoid();
    }
    this.#group = none;
  }

  #passHeadless(goesOn: boolean, bytes: number): void {
    if (!this.#gap) {
      if (this.records === 0 && this.#group.kind === "none") this.beginsInsideGroup = true;
      this.#contradict("a group goes on that never began");
    }
    // 1. a group begins with a truncation; 2. a checkpoint comes, of the state before the group; 3. the group ends. Its beginning is lost, and
    // the checkpoint does not tell what it did: the next one will.
    if (this.#group.kind === "none") this.losses.missFrames(Number.POSITIVE_INFINITY);
    this.#countMissing(bytes);
    this.#index.addVoid(this.#position(), this.#position() + bytes);
    this.#suspect();
    this.#group = goesOn ? { kind: "headless" } : none;
  }

  /** Fills `#frame` from the frame at `at`; returns the offset behind it. */
  #read(run: FrameRun, at: number): number {
    const { memory } = run;
    const word = at >>> 2;
    const lengthAndKind = memory.words[word + 1] as number;
    const frame = this.#frame;
    frame.kindAndFlags = (lengthAndKind & 0xff00_0000) >>> 0;
    frame.payloadBytes = lengthAndKind & framePayloadBytesMax;
    frame.partition = memory.words[word + 2] as number;
    frame.time = this.#index.baseTime + (memory.words[word + 3] as number);
    frame.sequence = joinHalves(memory.words[word + 4] as number, memory.words[word + 5] as number);
    frame.blockOffset = run.blockOffset;
    frame.frameOffset = at - run.blockStart;
    frame.index = this.#index;
    frame.name = null;
    if (isDefinition(frame.kindAndFlags)) {
      const payloadAt = at + frameHeaderBytes;
      frame.partition = frame.payloadBytes > 4 ? (memory.words[payloadAt >>> 2] as number) : 0;
      frame.name = decodePartitionName(memory.bytes.subarray(payloadAt + Math.min(4, frame.payloadBytes), payloadAt + frame.payloadBytes)) ?? "";
    }
    return at + frameHeaderBytes + roundUp8(frame.payloadBytes);
  }

  #position(): number {
    return this.#frame.blockOffset + this.#frame.frameOffset;
  }

  /** Applies `#frame`. */
  #apply(): void {
    const frame = this.#frame;
    const kind = kindOf(frame.kindAndFlags);
    if (kind === frameKind.define) return this.#define(frame.partition, frame.name ?? "");
    const state = this.#stateOf(frame.partition);
    if (state === undefined) return;
    if (kind === frameKind.data || kind === frameKind.moved) return this.#applyRecord(state, kind === frameKind.moved);
    // A record in fragments does not go on behind it.
    this.#record = null;
    if (kind === frameKind.drop) return this.table.drop(state);
    if (!isStorable(frame.sequence)) this.#contradict(`sequence ${String(frame.sequence)} is beyond all sequences`);
    else if (kind === frameKind.trim) state.trim(frame.sequence);
    else if (kind === frameKind.truncate) this.#truncate(state, frame.sequence);
    else this.#contradict(`a frame of unknown kind ${String(kind)}`);
  }

  #applyRecord(state: PartitionState, isMoved: boolean): void {
    const frame = this.#frame;
    const open = this.#record;
    this.#record = null;
    if (hasFlag(frame.kindAndFlags, frameFlag.recordContinued)) {
      if (open === null || open.isMoved !== isMoved || open.partition !== frame.partition || open.sequence !== frame.sequence) {
        this.#contradict("a record goes on that never began");
        if (!isMoved) this.losses.suspectVerified(frame.partition, frame.sequence);
        return;
      }
      open.payloadBytes += frame.payloadBytes;
      if (hasFlag(frame.kindAndFlags, frameFlag.recordGoesOn)) this.#record = open;
      else this.#place(state, open, frame.time);
      return;
    }
    if (isMoved) {
      if (!this.#isMovable(state)) return;
    } else if ((frame.sequence !== state.lastSequence + 1 || !isStorable(frame.sequence)) && !this.#bridge(state)) return;
    const record = {
      isMoved, partition: frame.partition, sequence: frame.sequence, payloadBytes: frame.payloadBytes,
      blockOffset: frame.blockOffset, frameOffset: frame.frameOffset, index: frame.index,
    };
    if (hasFlag(frame.kindAndFlags, frameFlag.recordGoesOn)) this.#record = record;
    else this.#place(state, record, frame.time);
  }

  /** A moved record must be one that the partition has. */
  #isMovable(state: PartitionState): boolean {
    const { sequence, payloadBytes } = this.#frame;
    if (payloadBytes >= movedTimeBytes && sequence >= state.firstSequence && sequence <= state.lastSequence) return true;
    if (!this.#gap) this.#contradict(`record ${String(sequence)} of partition ${JSON.stringify(state.name)} is moved, which has ${String(state.firstSequence)} to ${String(state.lastSequence)}`);
    if (payloadBytes < movedTimeBytes || !isStorable(sequence) || sequence <= state.lastSequence) return false;
    // It was appended in the gap. That it can be read all the same is seen at the end (moved-losses.ts).
    this.losses.lose(state.id, state.lastSequence + 1, sequence);
    state.lastSequence = sequence;
    return true;
  }

  #placeMoved({ index, partition, sequence, blockOffset, frameOffset, payloadBytes }: OpenRecord, time: number): void {
    const stretch = index.movedStretch(partition, sequence);
    if (this.#gaps > 0 && !this.#stretches.has(stretch)) {
      stretch.demandEntry();
      this.#stretches.add(stretch);
    }
    stretch.note(sequence, blockOffset, frameOffset, payloadBytes, time);
    if (time > this.lastTime) this.lastTime = time;
    this.records++;
  }

  #place(state: PartitionState, record: OpenRecord, time: number): void {
    if (record.isMoved) return this.#placeMoved(record, time);
    state.lastSequence = record.sequence;
    const { index, sequence, blockOffset, frameOffset, payloadBytes } = record;
    const runKey = index === this.#index ? this.#runKey : index.segment;
    if (state.runSegment !== runKey) openRun(state, index, runKey);
    if (index.growing.note(state.runSlot, sequence, blockOffset + frameOffset, payloadBytes, time)) index.growing.addEntry(state.runSlot, sequence, blockOffset, frameOffset);
    if (time > this.lastTime) this.lastTime = time;
    this.records++;
  }

  /** The record does not continue its partition: makes what lies between a loss. False when the record can't count. */
  #bridge(state: PartitionState): boolean {
    const { sequence } = this.#frame;
    const expected = state.lastSequence + 1;
    if (!this.#gap) this.#contradict(`partition ${JSON.stringify(state.name)} has sequence ${String(sequence)} where ${String(expected)} is due`);
    if (!isStorable(sequence) || sequence < 1) return false;
    if (sequence > expected) {
      this.losses.lose(state.id, expected, sequence - 1);
      return true;
    }
    if (!this.#gap || !this.#truncate(state, sequence - 1)) return false;
    this.#hasGuessed = true;
    // A truncation is lost. How far back it went is unknown, but no more records than fit into the gap were written since.
    const doubtful = Math.floor(this.#gapBytes / frameHeaderBytes);
    this.losses.lose(state.id, Math.max(state.firstSequence, sequence - doubtful), sequence - 1);
    this.losses.handleDoubt();
    return true;
  }

  /** False when it can't be. */
  #truncate(state: PartitionState, after: number): boolean {
    const frame = this.#frame;
    if (!state.canTruncate(after) || state.truncations.length >= storedTruncationsMax) {
      this.#contradict(`partition ${JSON.stringify(state.name)}, trimmed below ${String(state.firstSequence)} and truncated ${String(state.truncations.length)} times, can't be truncated after ${String(after)}`);
      return false;
    }
    this.losses.handleTruncate(state.id, after);
    state.truncate({ segment: frame.index.segment, offset: this.#position(), after });
    frame.index.truncate(state.id, after);
    return true;
  }

  /** `#frame` is whole but can't be applied. */
  #suspect(): void {
    const { kindAndFlags, partition, sequence } = this.#frame;
    const kind = kindOf(kindAndFlags);
    if (kind === frameKind.data) this.losses.suspectVerified(partition, sequence);
    // What a moved record costs is seen at the end, where no other copy covers it.
    else if (kind !== frameKind.moved) this.losses.handleDoubt();
  }

  #define(id: number, name: string): void {
    const known = this.table.byId(id);
    if (known !== undefined && known.name === name) {
      if (!this.#gap) this.#contradict(`partition ${String(id)} is defined twice`);
      return;
    }
    if (this.#gap) this.lostDefinitions.fillIds(id - 1, this.#defined);
    if (name === "" || id !== this.table.nextId || this.table.byName(name) !== undefined) {
      this.#contradict(`partition ${String(id)} can't be defined as ${JSON.stringify(name)}`);
      return;
    }
    this.table.define(id, name);
  }

  #stateOf(id: number): PartitionState | undefined {
    if (id > 0) {
      if (this.#gap) this.lostDefinitions.fillIds(id, this.#defined);
      const state = this.table.byId(id);
      if (state !== undefined) return state;
    }
    this.#contradict(`partition ${String(id)} is not defined`);
    return undefined;
  }

  #missCheckpoint(): void {
    this.#checkpointDue = false;
    this.#checkpoint = null;
    if (!this.#gap) this.#contradict("the segment does not begin with a checkpoint");
  }

  #takeCheckpoint(run: FrameRun, at: number): void {
    const frame = this.#frame;
    const payloadAt = at + frameHeaderBytes;
    if (!this.#checkpointDue && !this.#gap) this.#contradict("a checkpoint stands where none is due");
    const entries = decodeCheckpoint(run.memory.bytes.subarray(payloadAt, payloadAt + frame.payloadBytes));
    const continued = hasFlag(frame.kindAndFlags, frameFlag.groupContinued);
    if (entries === null || (continued && this.#checkpoint === null)) {
      if (!this.#gap) this.#contradict("a part of the checkpoint is missing or does not decode");
      this.#checkpointDue = false;
      return;
    }
    const all = continued && this.#checkpoint !== null ? this.#checkpoint : [];
    for (const entry of entries) all.push(entry);
    if (!continued) this.#highestId = 0;
    this.#highestId = Math.max(this.#highestId, frame.sequence);
    this.#checkpoint = all;
    if (hasFlag(frame.kindAndFlags, frameFlag.groupGoesOn)) return;
    this.#checkpoint = null;
    this.#checkpointDue = false;
    this.#settleCheckpoint(all);
  }

  #settleCheckpoint(entries: readonly CheckpointEntry[]): void {
    if (entries.some((entry, index) => entry.id <= (entries[index - 1]?.id ?? 0))) return this.#contradict("the checkpoint's partitions are not in order");
    if (!(this.#highestId <= partitionIdMax)) return this.#contradict("the checkpoint names an id that is none");
    const { table, losses, lostDefinitions } = this;
    settleCheckpoint(entries, {
      table, losses, lostDefinitions, isFirst: !this.#defined, gap: this.#gap, hasGuessed: this.#hasGuessed, before: this.#before,
      contradict: (reason) => { this.#contradict(reason); },
    });
    table.noteHighestId(this.#highestId);
    this.#defined = true;
    losses.handleCheckpoint();
    this.#gap = false;
    this.#gapBytes = 0;
  }

  #contradict(reason: string): void {
    if (this.contradictions.length >= contradictionsMax) return;
    this.contradictions.push({ segment: this.#index.segment, offset: this.#position(), reason });
  }
}

function kindOf(kindAndFlags: number): number {
  return (kindAndFlags >>> 24) & 0xf;
}

function hasFlag(bits: number, flag: number): boolean {
  return (bits & flag) !== 0;
}

function isDefinition(kindAndFlags: number): boolean {
  return (kindAndFlags & 0x0f00_0000) === definitionBits;
}

function openRun(state: PartitionState, index: SegmentIndex, runKey: number): void {
  state.runSlot = index.growing.open(state.id);
  state.runSegment = runKey;
  if (runKey < 0) index.growing.demandEntry(state.runSlot);
}
