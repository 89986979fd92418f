// The stalled disk in the middle of a soak: callers go on, and besides as much is enqueued as is accepted.

import type { LogOptions } from "../../../log/options.js";
import { resolveOptions } from "../../../log/options.js";
import { RingwallError } from "../../../base/errors.js";
import type { Log } from "../../../thread/log.js";
import { makePayloads } from "../payloads.js";
import type { LoopDisk } from "./loop-disk.js";

export interface StallFigures {
  readonly seconds: number;
  /** Enqueued and accepted while nothing was written; with what it may be at most: the buffers, and as much again that waits. */
  readonly acceptedBytes: number;
  readonly limitBytes: number;
  /** Calls of `enqueue` that were refused with RINGWALL_BACKPRESSURE. */
  readonly refused: number;
  /** Appends acknowledged meanwhile: those whose block was written when the stall began. */
  readonly acknowledged: number;
  readonly rssBytesBefore: number;
  readonly rssBytesMax: number;
  readonly turnMillisMax: number;
  /** Accepted, and not there when the log was opened again. */
  readonly recordsLost: number;
}

export interface StallRunOptions {
  readonly log: Log;
  readonly disk: LoopDisk;
  readonly options: LogOptions;
  readonly afterSeconds: number;
  readonly seconds: number;
  readonly bytes: number;
  readonly acknowledged: () => number;
}

const callsPerTick = 256;
/** Of the stall: when it ends is known some milliseconds later, and what is accepted in them does not count. */
const lookedAt = 0.9;
/** What a producer's ring holds, with `lane: "thread"`. */
const producerBytes = 1024 ** 2;

type State = { readonly kind: "before" } | { readonly kind: "stalled"; readonly since: number; readonly acknowledged: number } | { readonly kind: "after" };

export class StallRun {
  static readonly partition = "stalled";
  /** Records that `enqueue` accepted. */
  enqueued = 0;
  readonly #options: StallRunOptions;
  readonly #payload: Uint8Array;
  readonly #startedAt = performance.now();
  #state: State = { kind: "before" };
  #stalling: Promise<void> | null = null;
  #failure: unknown = null;
  #refused = 0;
  #acknowledged = 0;
  #seconds = 0;
  #rssBytesBefore = 0;
  #rssBytesMax = 0;
  #turnMillisMax = 0;
  #tickedAt = 0;

  constructor(options: StallRunOptions) {
    this.#options = options;
    this.#payload = makePayloads(options.bytes)[0] as Uint8Array;
  }

  /** About every 20 ms. Throws what the stall failed with. */
  tick(): void {
    if (this.#failure !== null) throw this.#failure as Error;
    const now = performance.now();
    if (this.#stalling === null && now - this.#startedAt >= this.#options.afterSeconds * 1000) this.#stalling = this.#stall();
    if (this.#state.kind === "stalled" && now - this.#state.since < this.#options.seconds * lookedAt * 1000) {
      this.#turnMillisMax = Math.max(this.#turnMillisMax, now - this.#tickedAt);
      this.#rssBytesMax = Math.max(this.#rssBytesMax, process.memoryUsage.rss());
      this.#acknowledged = this.#options.acknowledged() - this.#state.acknowledged;
      this.#enqueue();
    }
    this.#tickedAt = now;
  }

  /** Once the disk goes on and all is durable. */
  async ended(): Promise<void> {
    await this.#stalling;
    if (this.#failure !== null) throw this.#failure as Error;
    await this.#options.log.sync();
  }

  figures(recordsLost: number): StallFigures {
    const { bufferBytes, bufferCount, lane } = resolveOptions(this.#options.options);
    return {
      seconds: this.#seconds,
      acceptedBytes: this.enqueued * this.#payload.length,
      limitBytes: 2 * bufferBytes * bufferCount + (lane === "thread" ? producerBytes : 0),
      refused: this.#refused,
      acknowledged: this.#acknowledged,
      rssBytesBefore: this.#rssBytesBefore,
      rssBytesMax: this.#rssBytesMax,
      turnMillisMax: this.#turnMillisMax,
      recordsLost,
    };
  }

  /** Never rejects: `tick` and `ended` tell. */
  async #stall(): Promise<void> {
    const { disk, seconds, acknowledged } = this.#options;
    try {
      this.#rssBytesBefore = process.memoryUsage.rss();
      const { thawed } = await disk.stall(seconds);
      this.#tickedAt = performance.now();
      const stalled = { kind: "stalled", since: performance.now(), acknowledged: acknowledged() } as const;
      this.#state = stalled;
      await thawed;
      this.#seconds = (performance.now() - stalled.since) / 1000;
    } catch (error) {
      this.#failure = error;
    }
    this.#state = { kind: "after" };
  }

  #enqueue(): void {
    const partition = this.#options.log.partition(StallRun.partition);
    try {
      for (let call = 0; call < callsPerTick; call++) {
        partition.enqueue(this.#payload);
        this.enqueued++;
      }
    } catch (error) {
      if (!(error instanceof RingwallError && error.code === "RINGWALL_BACKPRESSURE")) throw error;
      this.#refused++;
    }
  }
}
