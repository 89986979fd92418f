// Short reads that the page cache could not answer, and whose bytes are nearly there.
//
// A read that the kernel refused under RWF_NOWAIT has begun all the same (Linux 5.10: it starts reading ahead). So it is asked for again on
// each turn of the event loop, which costs a microsecond, no entry of a ring, no completion and no second copy: a random page, one at a time,
// p50 70 µs, 107 by a ring of its own (docs/BENCHMARKS.md "get" in Profiles). What is not there soon is left to `behind`.
//
// Owns the turns that it asks for. Unlike spin.ts it does not yield the processor: no kernel worker is needed, and beside somebody who
// computes a thread that yields comes last. Never goes on for longer than `nearMillis` behind the latest read that began or was answered,
// nor for longer than `readMillis` with one read, whose page the device may not be able to give.

import type { ReadRequest, ReadWay } from "./node-files.js";

/** Longer reads are for who waits. */
const nearBytesMax = 64 * 1024;
/** Each costs a call on each turn. */
const nearCountMax = 32;
const nearMillis = 0.2;
const readMillis = 2;
/**
 * Given up so many times in a row, with all that were asked for, none is waited for in this way for a while: an old kernel, a slow device.
 * Once is no sign: 16 at once meet each moment in which the device gives nothing to anybody.
 */
const latesMax = 4;
const restMillis = 100;

interface NearRead {
  readonly request: ReadRequest;
  readonly resolve: (bytes: number) => void;
  readonly reject: (error: unknown) => void;
  readonly until: number;
}

export class NearReads {
  readonly #look: (request: ReadRequest) => number;
  readonly #behind: ReadWay["wait"];
  /** In the order in which they began. */
  #pending: NearRead[] = [];
  #isTurning = false;
  #until = 0;
  #lates = 0;
  #restsUntil = 0;

  /** `look`: as `ReadWay.now`. */
  constructor(look: (request: ReadRequest) => number, behind: ReadWay["wait"]) {
    this.#look = look;
    this.#behind = behind;
  }

  /** Whether a read waits for the event loop's next turn. */
  get isBusy(): boolean {
    return this.#pending.length > 0;
  }

  /** As `ReadWay.wait`, of a read that `look` has refused. */
  wait(request: ReadRequest): Promise<number> {
    const now = performance.now();
    if (request.into.length > nearBytesMax || this.#pending.length >= nearCountMax || now < this.#restsUntil) return this.#behind(request);
    this.#until = now + nearMillis;
    return new Promise((resolve, reject) => {
      this.#pending.push({ request, resolve, reject, until: now + readMillis });
      if (this.#isTurning) return;
      this.#isTurning = true;
      setImmediate(this.#turn);
    });
  }

  readonly #turn = (): void => {
    const left: NearRead[] = [];
    for (const read of this.#pending) {
      const bytes = this.#look(read.request);
      if (bytes < 0) left.push(read);
      else read.resolve(bytes);
    }
    // Looked at before: a thread that was away for a while finds them there.
    const now = performance.now();
    if (left.length < this.#pending.length) {
      this.#until = now + nearMillis;
      this.#lates = 0;
    }
    this.#pending = left;
    if (now > this.#until || now > (left[0]?.until ?? now)) this.#giveUp(now);
    this.#isTurning = this.#pending.length > 0;
    if (this.#isTurning) setImmediate(this.#turn);
  };

  #giveUp(now: number): void {
    const isOver = now > this.#until;
    const isLate = ({ until }: NearRead): boolean => isOver || now > until;
    const late = this.#pending.filter(isLate);
    this.#pending = this.#pending.filter((read) => !isLate(read));
    this.#lates++;
    if (this.#lates >= latesMax) this.#restsUntil = now + restMillis;
    for (const { request, resolve, reject } of late) this.#behind(request).then(resolve, reject);
  }
}
