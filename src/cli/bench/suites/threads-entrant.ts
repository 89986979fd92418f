// A load in worker threads as an entrant: a log for each thread, or one for all, whose lane has a thread.
//
// The thread that is here only opens and shuts the window, so that an inline log and one in a thread are measured alike.

import { setTimeout as pause } from "node:timers/promises";
import type { LogOptions } from "../../../log/options.js";
import { Log } from "../../../thread/log.js";
import type { BenchPlace } from "../bench-place.js";
import { ProcessUsage } from "../process-usage.js";
import { quantilesOf, type Quantiles } from "../samples.js";
import { LoadThread, type LoadRequest } from "./load-thread.js";
import { everyCallOf } from "./log-entrant.js";
import { SharedWindow } from "./shared-window.js";
import type { Entrant, Settings } from "./suite.js";

export interface ThreadsSetup {
  readonly name: string;
  readonly reference?: string;
  readonly place: BenchPlace;
  /** With `lane: "thread"`: one log for all threads. Otherwise each has one. */
  readonly options: LogOptions;
  readonly threads: number;
  /** Of all threads together; each has one at least. */
  readonly callers: number;
  /** Of each thread. */
  readonly partitions: number;
  readonly bytes: number;
  readonly trims: boolean;
  readonly warmUp: number;
}

/** All threads together. */
export interface ThreadsFigures {
  readonly recordsPerSecond: number;
  readonly megabytesPerSecond: number;
  readonly ackMicros: Quantiles;
  readonly cpuMicrosPerRecord: number;
  readonly rssBytesMax: number;
  readonly othersCores: number;
  readonly seconds: number;
}

const rampSeconds = 0.2;
const tickMillis = 50;

export class ThreadsEntrant implements Entrant {
  readonly name: string;
  readonly reference?: string;
  readonly settings: Settings;
  facts: object = {};
  readonly #setup: ThreadsSetup;
  readonly #window = new SharedWindow();
  readonly #threads: LoadThread[] = [];
  readonly #directories: string[] = [];
  #shared: Log | null = null;

  constructor(setup: ThreadsSetup) {
    const { name, reference, threads, callers, partitions, bytes, options } = setup;
    this.#setup = setup;
    this.name = name;
    if (reference !== undefined) this.reference = reference;
    const { lane = "inline", lanes = 1, backend = "auto" } = options;
    this.settings = { backend, lane, lanes, logs: lane === "thread" ? 1 : threads, threads, callers, partitions, bytes };
  }

  async prepare(isStopped: () => boolean): Promise<undefined> {
    const { options, threads, warmUp } = this.#setup;
    if (options.lane === "thread") this.#shared = await Log.open(this.#fresh(), options);
    const watch = setInterval(() => { if (isStopped()) this.#window.enter("over"); }, tickMillis);
    try {
      for (let thread = 0; thread < threads && !isStopped(); thread++) {
        const load = new LoadThread(this.#request(thread));
        this.#threads.push(load);
        this.facts = await load.ready();
      }
    } finally {
      clearInterval(watch);
    }
    if (!isStopped()) await this.round(warmUp, isStopped);
  }

  async round(seconds: number, isStopped: () => boolean): Promise<ThreadsFigures> {
    const usage = new ProcessUsage();
    let hasEnded = false;
    const pass = async (wanted: number, isEnough = (): boolean => true): Promise<void> => {
      const end = performance.now() + wanted * 1000;
      for (let left = end - performance.now(); (left > 0 || !isEnough()) && !hasEnded && !isStopped(); left = end - performance.now()) {
        await pause(Math.min(tickMillis, Math.max(1, left)));
        usage.sample();
      }
    };
    this.#window.enter("ramp");
    const running = Promise.all(this.#threads.map((thread) => thread.run())).finally(() => { hasEnded = true; });
    // Awaited below; until then a failure must not count as one that nobody handles.
    running.catch(() => undefined);
    await pass(Math.min(rampSeconds, seconds));
    usage.open();
    const opened = performance.now();
    this.#window.enter("open");
    await pass(seconds, () => this.#window.hasSeenCall);
    this.#window.enter("over");
    const length = (performance.now() - opened) / 1000;
    usage.shut();
    const results = await running;
    const calls = results.reduce((sum, result) => sum + result.calls, 0);
    return {
      recordsPerSecond: calls / length,
      megabytesPerSecond: (calls * this.#setup.bytes) / length / 1e6,
      ackMicros: quantilesOf(results.map(({ ackMillis }) => ackMillis), 1000),
      cpuMicrosPerRecord: usage.cpuMicros / calls,
      rssBytesMax: usage.rssBytesMax,
      othersCores: usage.othersCores,
      seconds: length,
    };
  }

  async close(): Promise<void> {
    this.#window.enter("over");
    for (const thread of this.#threads) await thread.close();
    await this.#shared?.close();
    for (const directory of this.#directories) this.#setup.place.discard(directory);
  }

  #request(thread: number): LoadRequest {
    const { options, threads, callers, partitions, bytes, trims } = this.#setup;
    const each = Math.max(1, Math.floor(callers / threads) + (thread < callers % threads ? 1 : 0));
    const shared = this.#shared;
    return {
      directory: shared === null ? this.#fresh() : (this.#directories[0] as string),
      wanted: shared === null ? { kind: "own", options } : { kind: "attached", handle: shared.share() },
      load: { callers: each, bytes, partitions, batch: 1, everyCall: everyCallOf(each), trims },
      // One partition must not be trimmed by two threads.
      firstPartition: shared === null ? 0 : thread * partitions,
      fills: trims && (shared === null || thread === 0),
      windowBuffer: this.#window.buffer,
    };
  }

  #fresh(): string {
    const directory = this.#setup.place.fresh("log");
    this.#directories.push(directory);
    return directory;
  }
}
