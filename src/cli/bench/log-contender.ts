// A log under measurement: warmed up until it recycles its segments, trimmed as it goes.

import fs from "node:fs";
import path from "node:path";
import { Log } from "../../thread/log.js";
import type { LogOptions } from "../../log/options.js";
import type { Partition } from "../../log/partition.js";
import { runCallersIn, type Appender, type CallerWindow } from "./caller-loops.js";
import { appendFiguresOf, runRound } from "./caller-round.js";
import type { AppendFigures, Contender } from "./contender.js";
import { measureEnqueue, type EnqueueFigures } from "./enqueue-phase.js";
import { logFactsOf, type LogFacts } from "./log-settings.js";
import { makeBatches, makePayloads } from "./payloads.js";
import { Trimmer } from "./trimmer.js";

/** What a caller calls: an append or a batch, or an append with more that is durable together with it. */
export type LogCall = "append" | "numbered" | "moving" | "pair";

export interface LogLoad {
  readonly callers: number;
  readonly bytes: number;
  readonly partitions: number;
  /** Records of one `appendBatch`; 1: `append`. */
  readonly batch: number;
  readonly everyCall: number;
  /** Whether the log is trimmed and recycles its segments, or grows. */
  readonly trims: boolean;
  /** Default "append"; the others are of one record each. */
  readonly call?: LogCall;
}

export interface LogFigures extends AppendFigures {
  /** Megabytes on the device for each of payload: headers, padding to the alignment, checkpoints. */
  readonly deviceBytesPerByte: number;
  /** Appends that waited for space, and blocks that found no prepared space. */
  readonly waits: number;
  readonly stalls: number;
  readonly segments: number;
  /** Segment files that did not exist before the round; 0 once all are recycled. */
  readonly segmentFilesCreated: number;
}

/** How the log was brought to a steady state before the first round. */
export interface WarmUp {
  readonly kind: "until segments are recycled" | "none: the log grows";
  readonly seconds: number;
  readonly megabytes: number;
  readonly segments: number;
  readonly segmentsReleased: number;
  /** What the callers then ran for, unmeasured. */
  readonly callerSeconds: number;
}

interface Counters {
  readonly blocks: number;
  readonly blockBytes: number;
  readonly waits: number;
  readonly stalls: number;
  readonly segments: number;
  readonly segmentsReleased: number;
}

const fillRecordBytes = 32 * 1024;
/** Files made before the first release are used up by then: every later segment is a recycled one. */
const releasesWanted = 3;
const rotationsWanted = 3;
const fillSecondsMax = 120;

export class LogContender implements Contender<LogFigures> {
  readonly name = "ringwall";
  readonly facts: LogFacts;
  readonly #log: Log;
  readonly #directory: string;
  readonly #load: LogLoad;
  readonly #partitions: readonly Partition[];
  readonly #appenders: readonly Appender<Uint8Array | Uint8Array[]>[];
  readonly #items: readonly (Uint8Array | Uint8Array[])[];
  readonly #trimmer: Trimmer;

  private constructor(log: Log, directory: string, load: LogLoad) {
    this.#log = log;
    this.#directory = directory;
    this.#load = load;
    this.facts = logFactsOf(log);
    this.#partitions = Array.from({ length: load.partitions }, (_, index) => benchPartition(log, index));
    this.#appenders = appendersOf(log, load, this.#partitions) as readonly Appender<Uint8Array | Uint8Array[]>[];
    this.#items = load.batch === 1 ? makePayloads(load.bytes) : makeBatches(load.bytes, load.batch);
    this.#trimmer = new Trimmer(log, this.#partitions);
  }

  /** One of several loads on a log that its caller opened and closes. */
  static over(log: Log, directory: string, load: LogLoad): LogContender {
    return new LogContender(log, directory, load);
  }

  static async open(directory: string, options: LogOptions, load: LogLoad): Promise<LogContender> {
    return new LogContender(await Log.open(directory, options), directory, load);
  }

  async close(): Promise<void> {
    await this.#log.close();
  }

  /** Fills and trims until segments are recycled, then runs the callers for a while: code is compiled, the device awake. */
  async warmUp(callerSeconds: number, isStopped: () => boolean): Promise<WarmUp> {
    const started = performance.now();
    const bytes = this.#load.trims ? await this.#fill(isStopped) : 0;
    const seconds = (performance.now() - started) / 1000;
    const { segments, segmentsReleased } = this.#counters();
    if (!isStopped()) await this.round(callerSeconds, isStopped);
    const kind = this.#load.trims ? "until segments are recycled" : "none: the log grows";
    return { kind, seconds, megabytes: bytes / 1e6, segments, segmentsReleased, callerSeconds };
  }

  async round(seconds: number, isStopped: () => boolean): Promise<LogFigures> {
    const { callers, everyCall, bytes, batch } = this.#load;
    let before = this.#counters();
    let after = before;
    let files = new Set<number>();
    const window = await runRound({ callers, everyCall, items: this.#items, appenders: this.#appenders }, {
      seconds,
      isStopped,
      onOpen: () => {
        files = this.#segmentFiles();
        before = this.#counters();
      },
      onShut: () => { after = this.#counters(); },
      onTick: () => { if (this.#load.trims) this.#trimmer.check(); },
    });
    const records = window.calls * batch;
    await this.#trimmer.settled();
    return {
      ...appendFiguresOf(window, { records, bytes, blocks: after.blocks - before.blocks }),
      deviceBytesPerByte: (after.blockBytes - before.blockBytes) / (records * bytes),
      waits: after.waits - before.waits,
      stalls: after.stalls - before.stalls,
      segments: after.segments - before.segments,
      segmentFilesCreated: [...this.#segmentFiles()].filter((file) => !files.has(file)).length,
    };
  }

  /** The callers in a window that somebody else opens and shuts, who also calls `trim` now and then. */
  async runIn(window: CallerWindow): Promise<void> {
    const { callers, everyCall } = this.#load;
    await runCallersIn({ callers, everyCall, items: this.#items, appenders: this.#appenders }, window);
    await this.#trimmer.settled();
  }

  trim(): void {
    if (this.#load.trims) this.#trimmer.check();
  }

  /** That the lane's directory holds now. */
  get segmentFiles(): number {
    return this.#segmentFiles().size;
  }

  /** Enqueues `count` records, each round with a sync behind it. */
  async enqueueRound(count: number): Promise<EnqueueFigures> {
    const figures = await measureEnqueue({
      log: this.#log,
      partition: this.#partitions[0] as Partition,
      payloads: this.#load.batch === 1 ? (this.#items as readonly Uint8Array[]) : makePayloads(this.#load.bytes),
      count,
      onTick: () => { if (this.#load.trims) this.#trimmer.check(); },
    });
    await this.#trimmer.settled();
    return figures;
  }

  /** Returns the bytes it wrote. */
  async #fill(isStopped: () => boolean): Promise<number> {
    const payloads = makePayloads(fillRecordBytes).slice(0, 64);
    const deadline = performance.now() + fillSecondsMax * 1000;
    let records = 0;
    let rotationsBefore: number | null = null;
    for (;;) {
      for (const payload of payloads) {
        if (this.#log.needDrain) await this.#log.drain();
        (this.#partitions[records % this.#partitions.length] as Partition).enqueue(payload);
        records++;
      }
      // Trims need turns of the event loop, which a fast device never asks for.
      await this.#log.sync();
      this.#trimmer.check();
      const { segments, segmentsReleased } = this.#counters();
      if (rotationsBefore === null && segmentsReleased >= releasesWanted) rotationsBefore = segments;
      if (rotationsBefore !== null && segments >= rotationsBefore + rotationsWanted) break;
      if (isStopped() || performance.now() > deadline) break;
    }
    await this.#trimmer.settled();
    return records * fillRecordBytes;
  }

  #counters(): Counters {
    const lanes = this.#log.stats();
    const sum = (name: keyof Counters): number => lanes.reduce((total, lane) => total + lane[name], 0);
    return { blocks: sum("blocks"), blockBytes: sum("blockBytes"), waits: sum("waits"), stalls: sum("stalls"), segments: sum("segments"), segmentsReleased: sum("segmentsReleased") };
  }

  /** Inodes: a recycled segment keeps its own under another name. */
  #segmentFiles(): Set<number> {
    const lane = path.join(this.#directory, "lane-00");
    const inodes = new Set<number>();
    for (const name of fs.readdirSync(lane)) {
      if (!name.endsWith(".segment")) continue;
      const stat = fs.statSync(path.join(lane, name), { throwIfNoEntry: false });
      if (stat !== undefined) inodes.add(stat.ino);
    }
    return inodes;
  }
}

/** On the lanes in turn: where a partition would go by itself depends on what has been appended before. */
export function benchPartition(log: Log, index: number): Partition {
  return log.partition(`bench-${String(index)}`, { lane: index % log.info.lanes });
}

function appendersOf(log: Log, { batch, call }: LogLoad, partitions: readonly Partition[]): readonly (Appender<Uint8Array> | Appender<Uint8Array[]>)[] {
  let count = 0;
  const [{ name: first }, { name: second }] = [partitions[0] as Partition, partitions[partitions.length - 1] as Partition];
  switch (call) {
    case "numbered":
      return partitions.map((partition): Appender<Uint8Array> => {
        let seq = partition.lastSeq;
        return { append: (data) => partition.append(data, { producer: "bench", seq: ++seq }) };
      });
    case "moving":
      return partitions.map(({ name }): Appender<Uint8Array> => ({ append: (data) => log.write([{ partition: name, data }, { cursor: "bench", seq: ++count }]) }));
    case "pair":
      return [{ append: (data: Uint8Array) => log.write([{ partition: first, data }, { partition: second, data: "8 bytes!" }]) }];
    default:
      return batch === 1 ? partitions : partitions.map((partition): Appender<Uint8Array[]> => ({ append: (records) => partition.appendBatch(records) }));
  }
}
