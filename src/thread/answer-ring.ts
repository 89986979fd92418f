// The answers of the lane's thread to one producer: which operations are acknowledged, with which sequences.
//
// An entry stands for a run of operations whose tokens and sequences both go up by one: a producer with one partition
// gets one entry per block, not per record. It never is full: an operation takes a place among `answersMax` before it is
// sent and gives it back when its answer is taken, and an entry stands for one operation at least.
//
// Order of memory as in command-ring.ts: the tail is stored after the entry, and read before it.

import { answersMax, answerWords, word, type ProducerMemory } from "./producer-memory.js";

const mask = answersMax - 1;
const twoTo32 = 4294967296;

export class AnswerWriter {
  readonly #memory: ProducerMemory;
  #tail = 0;
  #token = 0;
  #count = 0;
  #sequence = 0;

  constructor(memory: ProducerMemory) {
    this.#memory = memory;
  }

  /** Hot: once per record. */
  add(token: number, sequence: number): void {
    if (this.#count > 0) {
      if (token === ((this.#token + this.#count) >>> 0) && sequence === this.#sequence + this.#count) {
        this.#count++;
        return;
      }
      this.#put();
    }
    this.#token = token;
    this.#sequence = sequence;
    this.#count = 1;
  }

  /** Makes what was added visible. */
  publish(): void {
    if (this.#count > 0) this.#put();
    Atomics.store(this.#memory.words, word.answerTail, this.#tail);
  }

  #put(): void {
    const at = (this.#tail & mask) * answerWords;
    const { answers } = this.#memory;
    answers[at] = this.#token;
    answers[at + 1] = this.#count;
    answers[at + 2] = this.#sequence % twoTo32;
    answers[at + 3] = this.#sequence / twoTo32;
    this.#tail = (this.#tail + 1) | 0;
    this.#count = 0;
  }
}

export class AnswerReader {
  /** The entry that `next` found. */
  token = 0;
  count = 0;
  sequence = 0;

  readonly #memory: ProducerMemory;
  #head = 0;

  constructor(memory: ProducerMemory) {
    this.#memory = memory;
  }

  next(): boolean {
    if (this.#head === Atomics.load(this.#memory.words, word.answerTail)) return false;
    const at = (this.#head & mask) * answerWords;
    const { answers } = this.#memory;
    this.token = answers[at] as number;
    this.count = answers[at + 1] as number;
    this.sequence = (answers[at + 2] as number) + (answers[at + 3] as number) * twoTo32;
    this.#head = (this.#head + 1) | 0;
    return true;
  }
}
