// One window for callers in several threads: two words of shared memory, which the thread that started the others writes.

import type { CallerWindow } from "../caller-loops.js";
import { Samples } from "../samples.js";

const phaseWord = 0;
const seenWord = 1;
const phases = { ramp: 0, open: 1, over: 2 } as const;

export class SharedWindow {
  readonly buffer: SharedArrayBuffer;
  readonly #words: Int32Array;

  constructor(buffer = new SharedArrayBuffer(8)) {
    this.buffer = buffer;
    this.#words = new Int32Array(buffer);
  }

  enter(phase: keyof typeof phases): void {
    if (phase === "ramp") Atomics.store(this.#words, seenWord, 0);
    Atomics.store(this.#words, phaseWord, phases[phase]);
  }

  is(phase: keyof typeof phases): boolean {
    return Atomics.load(this.#words, phaseWord) === phases[phase];
  }

  /** Whether a timed call has come back since it was opened. */
  get hasSeenCall(): boolean {
    return Atomics.load(this.#words, seenWord) !== 0;
  }

  handleSeen(): void {
    Atomics.store(this.#words, seenWord, 1);
  }
}

const tickMillis = 20;

/** One thread's part of it: counts what comes back while the window is open. */
export class WindowPart implements CallerWindow {
  readonly samples = new Samples();
  readonly #window: SharedWindow;
  readonly #onTick: () => void;
  #calls = 0;
  #nextTick = 0;
  #hasFailed = false;

  /** `onTick`: about every 20 ms, out of a caller's turn. */
  constructor(window: SharedWindow, onTick: () => void) {
    this.#window = window;
    this.#onTick = onTick;
  }

  get calls(): number {
    return this.#calls;
  }

  get isOver(): boolean {
    return this.#hasFailed || this.#window.is("over");
  }

  handleCall(): void {
    if (this.#window.is("open")) this.#calls++;
  }

  handleTimed(started: number, now: number): void {
    if (this.#window.is("open")) {
      this.samples.record(now - started);
      this.#window.handleSeen();
    }
    if (now < this.#nextTick) return;
    this.#nextTick = now + tickMillis;
    this.#onTick();
  }

  fail(): void {
    this.#hasFailed = true;
  }
}
