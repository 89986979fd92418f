// The walk over blocks and frames in memory: verifies, then makes records of one partition.
//
// A frame is accepted if and only if its own checksum is right for this log, lane, segment, epoch and position; a block
// header says where its frames end and the next block begins. Where a header or a frame does not verify, the walk goes
// on at the next one that does, and remembers where it stumbled: whether anything was lost, the sequences tell.
// Owns no I/O and no promise. It never returns a byte that it has not verified.

import { alignUp } from "../base/numbers.js";
import type { PartitionState } from "../core/partition-table.js";
import type { SegmentIndex } from "../core/segment-index.js";
import { hasHiding } from "../core/truncations.js";
import { blockHeaderBytes, decodeBlockHeader, hasBlockMagic } from "../format/block.js";
import { frameBytes, frameFlag, frameFlagsOf, frameHeaderBytes, frameKind, frameKindOf, framePayloadBytes, frameTime, movedTimeBytes, movedTimeOf } from "../format/frame.js";
import { blockSeed } from "../format/seed.js";
import type { ReadSource } from "./read-source.js";
import { joinWindows, type Window } from "./read-window.js";

/** One durable record. */
export interface LogRecord {
  /** Position in the partition: 1, 2, 3, … */
  readonly seq: number;
  /** When it was appended, milliseconds since 1970. */
  readonly time: number;
  /**
   * The record's bytes. They are a view into a larger piece of memory that many records share and that nobody writes
   * any more: keeping one record keeps all of it, up to some megabytes. `data.slice()` makes a copy to keep.
   */
  readonly data: Uint8Array;
}

export type CursorOutcome =
  /** `countMax` records are there, or all up to `last`. */
  | { readonly kind: "done" }
  /** The walk is at the window's end. */
  | { readonly kind: "end" }
  /** What stands at `position` goes on behind the window; up to `end` at least. `isSure`: false when damaged bytes say so. */
  | { readonly kind: "partial"; readonly end: number; readonly isSure: boolean }
  /** The next record of the partition is `found`, and those before it are missing. */
  | { readonly kind: "gap"; readonly found: number };

/** Where the walk met bytes that do not verify. */
export interface Stumble {
  readonly segment: number;
  readonly offset: number;
  readonly what: "block header" | "frame";
  readonly cause: unknown;
}

interface OpenRecord {
  readonly seq: number;
  readonly time: number;
  readonly parts: Uint8Array[];
}

type BlockView =
  /** A block header is expected at the position. */
  | { readonly kind: "header" }
  /** Frames up to `dataEnd`, then the next block at `end`. */
  | { readonly kind: "frames"; readonly dataEnd: number; readonly end: number }
  /** Frames of a block whose header was not read, or did not verify. */
  | { readonly kind: "unknown" };

const headerExpected: BlockView = { kind: "header" };
const blockUnknown: BlockView = { kind: "unknown" };
const done: CursorOutcome = { kind: "done" };
const end: CursorOutcome = { kind: "end" };

/** Kind and the flags of a record's fragments, as they stand in a frame's second word. */
const shapeMask = 0x0f00_0000 | frameFlag.recordGoesOn | frameFlag.recordContinued;
const wholeRecord = frameKind.data << 24;
/** The shape of no frame: moved records take the way of fragments. */
const noShape = -1;

export class BlockCursor {
  /** The next sequence that is wanted. */
  expected: number;
  /** File offset of the next byte to look at. */
  position = 0;
  /** The first place that did not verify since the last record; null when all did. */
  stumble: Stumble | null = null;
  readonly #source: ReadSource;
  readonly #state: PartitionState;
  #index: SegmentIndex | null = null;
  /** Records of this kind are made; the others are passed over. */
  #kind: number = frameKind.data;
  #window: Window | null = null;
  #block: BlockView = headerExpected;
  /** Frames in [position, verifiedEnd) are verified. */
  #verifiedEnd = 0;
  #seed = 0;
  /** Offset at which the seed ends to hold: the next epoch's first block. */
  #epochEnd = 0;
  /** Epochs that the segment had when the seed was made: a running lane may begin one more behind them. */
  #epochsSeen = 0;
  #open: OpenRecord | null = null;

  constructor(source: ReadSource, state: PartitionState, expected: number) {
    this.#source = source;
    this.#state = state;
    this.expected = expected;
  }

  /** Whether a record has begun whose rest is still to come. */
  get isInsideRecord(): boolean {
    return this.#open !== null;
  }

  get window(): Window | null {
    return this.#window;
  }

  /** Goes to the first block of a segment. `goesOn`: the record that is open does so there. */
  enter(index: SegmentIndex, isMoved: boolean, goesOn: boolean): void {
    if (!goesOn) this.#open = null;
    this.#kind = isMoved ? frameKind.moved : frameKind.data;
    this.#index = index;
    this.#window = null;
    this.#startAt(index.firstOffset, headerExpected);
  }

  /** The next window: one that begins where the last one ended, or, with `isJump`, at a frame anywhere else. */
  take(window: Window, isJump: boolean): void {
    if (isJump) {
      this.#open = null;
      this.#startAt(window.start, blockUnknown);
      this.#window = window;
    } else this.#window = this.#window === null ? window : joinWindows(this.#window, Math.min(this.position, window.start), window);
  }

  /** Lets the window go; the walk goes on at `position`. */
  dropWindow(): void {
    this.#window = null;
    this.#verifiedEnd = this.position;
  }

  /** Gives up what stands between the position and the window's end. */
  skipWindow(): void {
    if (this.#window !== null && this.position < this.#window.end) this.#startAt(this.#window.end, blockUnknown);
    this.#open = null;
  }

  /** Appends records up to sequence `last` to `out`, until it holds `countMax`. */
  collect(out: LogRecord[], last: number, countMax: number): CursorOutcome {
    const window = this.#window;
    if (window === null) return end;
    for (;;) {
      if (this.position < this.#verifiedEnd) {
        const found = this.#takeFrames(window, out, last, countMax);
        if (found !== 0) return { kind: "gap", found };
      }
      if (this.expected > last || out.length >= countMax) return done;
      const outcome = this.#verifyMore(window);
      if (outcome !== null) return outcome;
    }
  }

  #startAt(position: number, block: BlockView): void {
    this.position = position;
    this.#verifiedEnd = position;
    this.#block = block;
    this.#enterEpoch(position);
  }

  #enterEpoch(offset: number): void {
    const index = this.#index as SegmentIndex;
    this.#epochEnd = Number.POSITIVE_INFINITY;
    this.#epochsSeen = index.epochs.length;
    const behind = index.epochsUpTo(offset);
    const next = index.epochs[behind];
    if (next !== undefined) this.#epochEnd = next.offset;
    const epoch = index.epochs[behind - 1]?.epoch ?? 0;
    this.#seed = blockSeed({ uuid: this.#source.uuid, lane: this.#source.lane, segment: index.segment, epoch });
  }

  /** 1. a reader stands at a segment's end; 2. the log is opened again; 3. a new epoch's blocks follow in the same segment. */
  #seeNewEpoch(): void {
    if (this.#epochEnd !== Number.POSITIVE_INFINITY) return;
    const next = this.#index?.epochs[this.#epochsSeen];
    if (next !== undefined) this.#epochEnd = next.offset;
  }

  /** Moves over a header, or verifies the frames from the position on. Null: look again. */
  #verifyMore(window: Window): CursorOutcome | null {
    this.#seeNewEpoch();
    if (this.#block.kind !== "frames" && this.position === this.#epochEnd) this.#startAt(this.position, headerExpected);
    const block = this.#block;
    if (block.kind === "header") return this.#readHeader(window);
    const framesEnd = Math.min(block.kind === "frames" ? block.dataEnd : this.#epochEnd, window.end);
    if (block.kind === "frames" && this.position >= block.dataEnd) {
      this.position = block.end;
      this.#verifiedEnd = block.end;
      this.#block = headerExpected;
      return null;
    }
    if (this.position >= framesEnd) return end;
    const { memory, base } = window;
    const verified = this.#source.kernels.verifyFrames(memory, this.position - base, framesEnd - base, this.#seed, this.position) + base;
    this.#verifiedEnd = verified;
    if (verified > this.position) return null;
    return this.#judgeInvalidFrame(window, framesEnd);
  }

  #readHeader(window: Window): CursorOutcome | null {
    if (this.position >= window.end) return end;
    const at = this.position - window.base;
    if (this.position + blockHeaderBytes > window.end) return { kind: "partial", end: this.position + blockHeaderBytes, isSure: true };
    const header = decodeBlockHeader(window.memory, at, this.#seed, this.position);
    if (header === null) return this.#resync(window, "block header");
    this.#block = { kind: "frames", dataEnd: this.position + blockHeaderBytes + header.dataBytes, end: this.position + header.blockBytes };
    this.position += blockHeaderBytes;
    this.#verifiedEnd = this.position;
    return null;
  }

  /** The frame at the position is cut off by the window, is the padding of a block without header, or is damaged. */
  #judgeInvalidFrame(window: Window, framesEnd: number): CursorOutcome | null {
    const { memory } = window;
    const at = this.position - window.base;
    // The length may be damaged too: no frame goes on behind the segment's last block.
    const blockEnd = this.#block.kind === "frames" ? this.#block.dataEnd : Math.min(this.#epochEnd, (this.#index as SegmentIndex).endOffset);
    if (framesEnd === window.end && framesEnd < blockEnd && !this.#headerStandsAt(window, this.position)) {
      const bytesNeeded = this.position % this.#source.alignment === 0 ? blockHeaderBytes : frameHeaderBytes;
      if (this.position + bytesNeeded > window.end) return { kind: "partial", end: this.position + bytesNeeded, isSure: true };
      const frameEnd = this.position + frameBytes(framePayloadBytes(memory, at));
      if (frameKindOf(memory, at) !== 0 && frameEnd > window.end && frameEnd <= blockEnd) return { kind: "partial", end: frameEnd, isSure: true };
    }
    return this.#resync(window, "frame");
  }

  /** Goes on at the next block header or frame that verifies. */
  #resync(window: Window, what: Stumble["what"]): CursorOutcome | null {
    const { memory, base } = window;
    const from = this.position;
    const to = Math.min(window.end, this.#epochEnd);
    const header = this.#findHeader(window, from, to);
    const framesTo = this.#block.kind === "frames" ? Math.min(header, this.#block.dataEnd) : header;
    const frame = framesTo > from ? this.#source.kernels.findFrame(memory, from - base, framesTo - base, this.#seed, from) + base : framesTo;
    const isPadding = this.#block.kind === "unknown" && frame === framesTo && this.#isPadding(window, from, header);
    if (!isPadding) this.#noteStumble(window, from, what);
    if (frame < framesTo) {
      this.#moveTo(frame, this.#block.kind === "frames" ? this.#block : blockUnknown);
      return null;
    }
    if (this.#block.kind === "frames" && framesTo === this.#block.dataEnd) {
      this.#moveTo(this.#block.dataEnd, this.#block);
      return null;
    }
    if (header < to || to === this.#epochEnd) {
      this.#moveTo(header, headerExpected);
      return null;
    }
    if (isPadding) {
      this.#moveTo(to, to % this.#source.alignment === 0 ? blockUnknown : this.#block);
      return end;
    }
    return { kind: "partial", end: to, isSure: false };
  }

  #moveTo(position: number, block: BlockView): void {
    this.position = position;
    this.#verifiedEnd = position;
    this.#block = block;
  }

  #noteStumble(window: Window, offset: number, what: Stumble["what"]): void {
    // Fragments may be among what is skipped.
    this.#open = null;
    this.stumble ??= { segment: (this.#index as SegmentIndex).segment, offset, what, cause: window.cause };
  }

  /** Whether [from, to) is what stands behind the last frame of a block: zeros, less than the alignment, up to a header or the end. */
  #isPadding(window: Window, from: number, to: number): boolean {
    if (to - from >= this.#source.alignment) return false;
    for (let at = from; at < to; at += 4) if (window.memory.words[(at - window.base) >>> 2] !== 0) return false;
    return true;
  }

  /** The offset of the first valid block header at or behind `from`, or `to`. */
  #findHeader(window: Window, from: number, to: number): number {
    for (let offset = alignUp(from, this.#source.alignment); offset < to; offset += this.#source.alignment) {
      if (this.#headerStandsAt(window, offset)) return offset;
    }
    return to;
  }

  #headerStandsAt(window: Window, offset: number): boolean {
    if (offset % this.#source.alignment !== 0 || offset + blockHeaderBytes > window.end) return false;
    const at = offset - window.base;
    return hasBlockMagic(window.memory, at) && decodeBlockHeader(window.memory, at, this.#seed, offset) !== null;
  }

  /**
   * Makes records of the verified frames. Returns 0, or the sequence of a record that is there although those before
   * it are not; the position then stays at it. Hot: one turn per frame; nothing is allocated but the record.
   */
  #takeFrames(window: Window, out: LogRecord[], last: number, countMax: number): number {
    const { memory, base } = window;
    const { words, buffer } = memory;
    const index = this.#index as SegmentIndex;
    const partition = this.#state.id;
    const baseTime = index.baseTime;
    const kind = this.#kind;
    const whole = kind === frameKind.data ? wholeRecord : noShape;
    const isFiltered = index.voids.length > 0 || hasHiding(this.#state.truncations);
    const to = this.#verifiedEnd - base;
    let at = this.position - base;
    const first = this.expected;
    let expected = first;
    // Not `push`, which is a call: see `ringwall bench read`.
    let count = out.length;
    while (at < to && expected <= last && count < countMax) {
      const word = at >>> 2;
      const shape = words[word + 1] as number;
      const payloadBytes = shape & 0xff_ffff;
      const next = at + frameHeaderBytes + ((payloadBytes + 7) & ~7);
      if (words[word + 2] === partition) {
        const sequence = (words[word + 4] as number) + (words[word + 5] as number) * 4294967296;
        if (sequence === expected && (shape & shapeMask) === whole && !(isFiltered && this.#isDead(sequence, at + base))) {
          out[count++] = { seq: sequence, time: baseTime + (words[word + 3] as number), data: new Uint8Array(buffer, at + frameHeaderBytes, payloadBytes) };
          expected++;
        } else if (((shape >>> 24) & 0xf) === kind && sequence >= expected && !this.#isDead(sequence, at + base)) {
          this.expected = expected;
          this.position = at + base;
          const record = this.#takeFragment(window, at, sequence);
          if (record !== null) {
            out[count++] = record;
            expected++;
          } else if (sequence > expected) return sequence;
        }
      }
      at = next;
    }
    if (expected > first) {
      this.stumble = null;
      // Its beginning was left off, and it came whole.
      if (this.#open !== null && this.#open.seq < expected) this.#open = null;
    }
    this.expected = expected;
    this.position = at + base;
    return 0;
  }

  /** A fragment of the expected record; the whole record when it is the last one. */
  #takeFragment(window: Window, at: number, sequence: number): LogRecord | null {
    if (sequence !== this.expected) return null;
    const { memory } = window;
    const flags = frameFlagsOf(memory, at);
    const part = memory.bytes.subarray(at + frameHeaderBytes, at + frameHeaderBytes + framePayloadBytes(memory, at));
    if ((flags & frameFlag.recordContinued) === 0) {
      const begun = this.#kind === frameKind.moved ? movedRecord(sequence, part) : { seq: sequence, time: (this.#index as SegmentIndex).baseTime + frameTime(memory, at), parts: [part] };
      const [data] = begun?.parts ?? [];
      if (data !== undefined && begun !== null && (flags & frameFlag.recordGoesOn) === 0) return { seq: sequence, time: begun.time, data };
      this.#open = begun;
      return null;
    }
    const open = this.#open;
    // The fragments before this one were lost: the record will be missing.
    if (open?.seq !== sequence) return null;
    open.parts.push(part);
    if ((flags & frameFlag.recordGoesOn) !== 0) return null;
    this.#open = null;
    return { seq: open.seq, time: open.time, data: concatenate(open.parts) };
  }

  #isDead(sequence: number, offset: number): boolean {
    const index = this.#index as SegmentIndex;
    return this.#state.isTruncated(sequence, index.segment, offset) || (index.voids.length > 0 && index.isVoid(offset));
  }
}

/** Its first fragment begins with the time at which it was appended. Null when that is missing: replay calls it a contradiction. */
function movedRecord(seq: number, part: Uint8Array): OpenRecord | null {
  const time = movedTimeOf(part);
  return time === null ? null : { seq, time, parts: [part.subarray(movedTimeBytes)] };
}

function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((bytes, part) => bytes + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
