// A process that writes until it is killed: `node writer.js <configuration>`. Reports on descriptor 3.
//
// It keeps the order of its operations and nothing else: how many are under way at once is left to chance.

import fs from "node:fs";
import { RingwallError, type Log, type LogOptions } from "#src/index.js";
import { LaneLog } from "#src/log/lane-log.js";
import { resolveOptions } from "#src/log/options.js";
import { Reporter } from "./acknowledgements.js";
import { environmentOf, type BuildOptions } from "./builds.js";
import { contentOf } from "./content.js";
import { nameOf, originsOf, partitionOf, shapeOf } from "./partition-names.js";
import { Random } from "./random.js";
import { Workload, type Item, type Operation, type Profile } from "./workload.js";

/** Which acknowledgements are promises: all, those of trims, truncations and syncs, or those of syncs alone. */
export type Counting = "each" | "controls" | "syncs";

export interface WriterConfig {
  readonly directory: string;
  readonly seed: number;
  readonly generation: number;
  readonly options: LogOptions;
  readonly storage: BuildOptions;
  readonly profile: Profile;
  readonly counting: Counting;
  /** Ends by closing the log after so many operations; 0: never. */
  readonly operationsMax: number;
  /** A log of device writes, to stamp acknowledgements with. */
  readonly recording?: string;
}

const config = JSON.parse(process.argv[2] as string) as WriterConfig;
const reporter = new Reporter(3);
const recording = config.recording === undefined ? null : fs.openSync(config.recording, "r");
const recordedCount = Buffer.alloc(8);
/** Where the superblock of a log of device writes counts its entries. */
const recordedCountAt = 16;
const bytesUnderWayMax = 4 * 1024 * 1024;

/** How many writes the recorded device has seen. */
function stamp(): number {
  if (recording === null) return 0;
  fs.readSync(recording, recordedCount, 0, 8, recordedCountAt);
  return recordedCount.readUInt32LE(0);
}

function fail(error: unknown): never {
  const code = error instanceof RingwallError ? error.code : "unexpected";
  reporter.tell({ kind: "failed", code, text: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  process.exit(3);
}
process.on("uncaughtException", fail);
process.on("unhandledRejection", fail);

function openLog(): Promise<Log> {
  return LaneLog.openOn(environmentOf(config.storage), config.directory, resolveOptions({ ...config.options, backend: config.storage.backend }));
}

class Writer {
  #log: Log;
  readonly #workload: Workload;
  #underWay: Promise<unknown>[] = [];
  #bytesUnderWay = 0;

  constructor(log: Log, workload: Workload) {
    this.#log = log;
    this.#workload = workload;
  }

  async run(): Promise<void> {
    const timing = new Random(config.seed, config.generation, 7);
    let left = config.operationsMax === 0 ? Number.POSITIVE_INFINITY : config.operationsMax;
    for (let number = 0; left > 0; ) {
      const burst = Math.min(left, timing.pick([1, 1, 2, 8, 64, 256]));
      left -= burst;
      for (let count = 0; count < burst; count++) await this.#start(number++, this.#workload.next());
      if (timing.oneIn(2) || this.#bytesUnderWay > bytesUnderWayMax || this.#underWay.length > 2000) await this.#settle();
    }
    await this.#log.close();
    reporter.tell({ kind: "closed" });
  }

  async #settle(): Promise<void> {
    await Promise.all(this.#underWay);
    this.#underWay = [];
    this.#bytesUnderWay = 0;
    // What is enqueued is bounded by the log's own memory.
    await this.#log.drain();
  }

  async #start(number: number, operation: Operation): Promise<void> {
    switch (operation.kind) {
      case "enqueue":
        // Only at its limit does a log refuse; before that, draining keeps within it.
        if (this.#log.needDrain) await this.#log.drain();
        for (const item of operation.items) this.#demand(item, partitionOf(this.#log, item.partition).enqueue(this.#content(number, item)));
        return;
      case "append":
      case "batch":
      case "write":
        this.#follow(number, this.#append(number, operation.kind, operation.items), config.counting === "each");
        return;
      case "trim":
        this.#follow(number, partitionOf(this.#log, operation.partition).trim(operation.sequence), config.counting !== "syncs");
        return;
      case "truncate":
        this.#follow(number, partitionOf(this.#log, operation.partition).truncate(operation.sequence), config.counting !== "syncs");
        return;
      case "sync":
        this.#follow(number, this.#log.sync(), true);
        return;
      case "rotate":
        this.#log.rotate();
        return;
      case "reopen":
        await this.#reopen(number);
    }
  }

  async #append(number: number, kind: "append" | "batch" | "write", items: readonly Item[]): Promise<void> {
    const first = items[0] as Item;
    const contents = items.map((item) => this.#content(number, item));
    for (const content of contents) this.#bytesUnderWay += content.length;
    if (kind === "append") this.#demand(first, await partitionOf(this.#log, first.partition).append(contents[0] as Buffer));
    else if (kind === "batch") this.#demand(first, (await partitionOf(this.#log, first.partition).appendBatch(contents)).first);
    else {
      for (const { partition } of items) partitionOf(this.#log, partition);
      const sequences = await this.#log.write(items.map(({ partition }, index) => ({ partition: nameOf(partition), data: contents[index] as Buffer })));
      for (const [index, item] of items.entries()) this.#demand(item, sequences[index] as number);
    }
  }

  /** `close` acknowledges everything before it: what is under way is not waited for. */
  async #reopen(number: number): Promise<void> {
    await this.#log.close();
    reporter.acknowledged(number, stamp());
    this.#log = await openLog();
    const found = JSON.stringify([...shapeOf(this.#log)].sort(([a], [b]) => a - b));
    const due = JSON.stringify([...this.#workload.shape].filter(([, { first, last }]) => first > 1 || last > 0).sort(([a], [b]) => a - b));
    if (found !== due) throw new Error(`closed with ${due}, opened again with ${found}`);
  }

  #follow(number: number, work: Promise<unknown>, counts: boolean): void {
    this.#underWay.push(work.then(() => { if (counts) reporter.acknowledged(number, stamp()); }, fail));
  }

  #content(number: number, item: Item): Buffer {
    return contentOf({ seed: config.seed, generation: config.generation, operation: number, ...item });
  }

  #demand(item: Item, sequence: number): void {
    if (sequence !== item.sequence) throw new Error(`partition ${String(item.partition)} was to give sequence ${String(item.sequence)} and gave ${String(sequence)}`);
  }
}

reporter.tell({ kind: "opening" });
const log = await openLog();
const shape = await originsOf(log);
reporter.tell({ kind: "open", shape: [...shape] });
await new Writer(log, new Workload([config.seed, config.generation], config.profile, shape)).run();
