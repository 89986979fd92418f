// The command ring: frames of bytes from one producer thread to the lane's thread. One writer, one reader, no lock.
//
// A frame is 24 bytes of header and its payload, padded to 8, and never wraps: where it does not fit before the end of
// the ring, a frame without meaning fills the rest. A payload that is longer than `pieceBytesMax` comes in pieces.
// Neither side waits here: no room and nothing to read are answers.
//
// Order of memory. Everything between the two threads goes over two words, and every access to them is an Atomics
// operation, which JavaScript orders totally, with all that each thread wrote before.
//   tail: the writer stores it after the frame's bytes; who reads the new tail reads those bytes. Without it: 1. the tail
//   is visible; 2. the lane frames the old bytes of the ring as a record, acknowledges and keeps it.
//   head: the reader stores it after it has copied the payload; who reads the new head may write there. Without it:
//   1. the head is visible; 2. the writer lays the next record over bytes that the lane is just copying.
// A thread that is ended at any point has either stored the tail behind a whole frame or not: there is no half frame.

import { assert } from "../base/assert.js";
import { roundUp8 } from "../base/numbers.js";
import { commandBytes, word, type ProducerMemory } from "./producer-memory.js";

export const commandKind = {
  /** Fills the ring up to its end. */
  skip: 0,
  /** The next piece of the payload that the last other frame began. */
  more: 1,
  /** Names a partition: its number in `partition`, JSON in the payload. */
  name: 2,
  append: 3,
  enqueue: 4,
  batch: 5,
  write: 6,
  sync: 7,
  trim: 8,
  truncate: 9,
  rotate: 10,
  /** This producer ends. */
  detach: 11,
  /** The log ends. */
  close: 12,
  /** A producer's call: append once. */
  call: 13,
  drop: 14,
  /** Without an answer in the ring: a backup takes long, and would hold up its place there. */
  backup: 15,
} as const;

export type CommandKind = (typeof commandKind)[keyof typeof commandKind];

export interface Command {
  readonly kind: CommandKind;
  /** Comes back with the answer. */
  readonly token: number;
  readonly partition: number;
  /** Bytes of the whole payload, in however many pieces. */
  readonly payloadBytes: number;
}

const headerBytes = 24;
const headerWord = { frameBytes: 0, kind: 1, token: 2, partition: 3, payloadBytes: 4, pieceBytes: 5 } as const;
const mask = commandBytes - 1;

/** Any frame has room in an empty ring, whatever has to be filled before it. */
export const pieceBytesMax = commandBytes / 4 - headerBytes;

export class CommandWriter {
  readonly #memory: ProducerMemory;
  #tail: number;
  /** As last seen; the reader's own can only be further on. */
  #head: number;

  constructor(memory: ProducerMemory) {
    this.#memory = memory;
    this.#tail = Atomics.load(memory.words, word.commandTail);
    this.#head = Atomics.load(memory.words, word.commandHead);
  }

  /** Hot. */
  hasRoom(pieceBytes: number): boolean {
    const needed = this.#bytesFor(pieceBytes);
    if (commandBytes - ((this.#tail - this.#head) | 0) >= needed) return true;
    this.#head = Atomics.load(this.#memory.words, word.commandHead);
    return commandBytes - ((this.#tail - this.#head) | 0) >= needed;
  }

  /** Begins a frame for which there is room; returns where in `memory.commands` its payload goes. Hot. */
  begin(kind: CommandKind, token: number, partition: number, payloadBytes: number, pieceBytes = payloadBytes): number {
    const frameBytes = headerBytes + roundUp8(pieceBytes);
    const words = this.#memory.commandWords;
    let at = this.#tail & mask;
    if (at + frameBytes > commandBytes) {
      words[(at >>> 2) + headerWord.frameBytes] = commandBytes - at;
      words[(at >>> 2) + headerWord.kind] = commandKind.skip;
      this.#tail = (this.#tail + commandBytes - at) | 0;
      at = 0;
    }
    const first = at >>> 2;
    words[first + headerWord.frameBytes] = frameBytes;
    words[first + headerWord.kind] = kind;
    words[first + headerWord.token] = token;
    words[first + headerWord.partition] = partition;
    words[first + headerWord.payloadBytes] = payloadBytes;
    words[first + headerWord.pieceBytes] = pieceBytes;
    this.#tail = (this.#tail + frameBytes) | 0;
    return at + headerBytes;
  }

  /** Hands over what was begun since the last time: its payload is written. Hot. */
  publish(): void {
    Atomics.store(this.#memory.words, word.commandTail, this.#tail);
  }

  #bytesFor(pieceBytes: number): number {
    assert(pieceBytes <= pieceBytesMax, "a piece is small enough for the ring");
    const frameBytes = headerBytes + roundUp8(pieceBytes);
    const toEnd = commandBytes - (this.#tail & mask);
    return frameBytes <= toEnd ? frameBytes : frameBytes + toEnd;
  }
}

export class CommandReader {
  /** The frame that `next` found. */
  kind: CommandKind = commandKind.skip;
  token = 0;
  partition = 0;
  payloadBytes = 0;
  pieceBytes = 0;
  /** Where in `memory.commands` the piece lies; valid until `release`. */
  pieceAt = 0;

  readonly #memory: ProducerMemory;
  #head: number;
  #tail: number;

  constructor(memory: ProducerMemory) {
    this.#memory = memory;
    this.#head = Atomics.load(memory.words, word.commandHead);
    this.#tail = this.#head;
  }

  /** Whether something is published that was not read. */
  get hasMore(): boolean {
    return this.#head !== Atomics.load(this.#memory.words, word.commandTail);
  }

  /** Moves on to the next frame. Hot. */
  next(): boolean {
    for (;;) {
      if (this.#head === this.#tail) {
        this.#tail = Atomics.load(this.#memory.words, word.commandTail);
        if (this.#head === this.#tail) return false;
      }
      const words = this.#memory.commandWords;
      const at = this.#head & mask;
      const first = at >>> 2;
      const frameBytes = words[first + headerWord.frameBytes] as number;
      assert(frameBytes > 0 && frameBytes % 8 === 0 && frameBytes <= ((this.#tail - this.#head) | 0), "a published frame is whole");
      this.#head = (this.#head + frameBytes) | 0;
      this.kind = words[first + headerWord.kind] as CommandKind;
      if (this.kind === commandKind.skip) continue;
      this.token = words[first + headerWord.token] as number;
      this.partition = words[first + headerWord.partition] as number;
      this.payloadBytes = words[first + headerWord.payloadBytes] as number;
      this.pieceBytes = words[first + headerWord.pieceBytes] as number;
      this.pieceAt = at + headerBytes;
      return true;
    }
  }

  /** Gives the room of every frame that was read back to the writer. */
  release(): void {
    Atomics.store(this.#memory.words, word.commandHead, this.#head);
  }
}
