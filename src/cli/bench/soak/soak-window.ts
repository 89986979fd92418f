// The window of a soak: callers run until its end, and what the process holds is looked at now and then.
//
// Owns: the samples. Callers and a timer both drive it, for callers keep the event loop from turning and a stalled disk keeps them from calling.

import fs from "node:fs";
import type { CallerWindow } from "../caller-loops.js";
import { Samples } from "../samples.js";

export interface SoakSample {
  readonly second: number;
  readonly rssBytes: number;
  readonly heapUsedBytes: number;
  /** Outside the JavaScript heap, of its objects; array buffers are a part of it. */
  readonly externalBytes: number;
  readonly arrayBufferBytes: number;
  /** Acknowledged so far. */
  readonly records: number;
  /** Since the sample before. */
  readonly recordsPerSecond: number;
  readonly ackMicrosP99: number;
  /** 0 where the system does not tell. */
  readonly descriptors: number;
  /** On the disk. */
  readonly segmentFiles: number;
}

export interface SoakWindowOptions {
  readonly seconds: number;
  readonly everySeconds: number;
  readonly segmentFiles: () => number;
  /** About every 20 ms. */
  readonly onTick: () => void;
  readonly onSample: (sample: SoakSample) => void;
  readonly isStopped: () => boolean;
}

const tickMillis = 20;

export class SoakWindow implements CallerWindow {
  isOver = false;
  readonly samples: SoakSample[] = [];
  readonly #options: SoakWindowOptions;
  readonly #acks = new Samples(1 << 16);
  readonly #startedAt = performance.now();
  readonly #timer: NodeJS.Timeout;
  #failure: unknown = null;
  #records = 0;
  #nextTick = 0;
  #sampledAt = this.#startedAt;
  #sampledRecords = 0;

  constructor(options: SoakWindowOptions) {
    this.#options = options;
    this.#timer = setInterval(() => { this.#handleTimer(); }, tickMillis);
  }

  get seconds(): number {
    return (performance.now() - this.#startedAt) / 1000;
  }

  get records(): number {
    return this.#records;
  }

  handleCall(): void {
    this.#records++;
  }

  handleTimed(started: number, now: number): void {
    this.#acks.record(now - started);
    if (now >= this.#nextTick) this.#look(now);
  }

  fail(): void {
    this.isOver = true;
  }

  /** Stops looking. Throws what a look failed with that no caller has made. */
  close(): void {
    clearInterval(this.#timer);
    if (this.#failure !== null) throw this.#failure as Error;
  }

  #handleTimer(): void {
    try {
      this.#look(performance.now());
    } catch (error) {
      this.#failure = error;
      this.fail();
    }
  }

  #look(now: number): void {
    if (this.isOver) return;
    this.#nextTick = now + tickMillis;
    this.#options.onTick();
    if (now - this.#sampledAt >= this.#options.everySeconds * 1000) this.#sample(now);
    if (this.#options.isStopped() || now - this.#startedAt >= this.#options.seconds * 1000) this.isOver = true;
  }

  #sample(now: number): void {
    const { rss, heapUsed, external, arrayBuffers } = process.memoryUsage();
    const sample: SoakSample = {
      second: (now - this.#startedAt) / 1000,
      rssBytes: rss,
      heapUsedBytes: heapUsed,
      externalBytes: external,
      arrayBufferBytes: arrayBuffers,
      records: this.#records,
      recordsPerSecond: ((this.#records - this.#sampledRecords) / (now - this.#sampledAt)) * 1000,
      ackMicrosP99: this.#acks.quantiles(1000).p99,
      descriptors: descriptorsOpen(),
      segmentFiles: this.#options.segmentFiles(),
    };
    this.samples.push(sample);
    this.#acks.clear();
    this.#sampledAt = now;
    this.#sampledRecords = this.#records;
    this.#options.onSample(sample);
  }
}

function descriptorsOpen(): number {
  try {
    // One is that of the listing itself.
    return fs.readdirSync("/proc/self/fd").length - 1;
  } catch {
    return 0;
  }
}
