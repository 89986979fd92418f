// The suite `open`: how long a log of so many partitions takes to open, and what they keep in memory while nothing happens.

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Log } from "../../../thread/log.js";
import type { LogOptions } from "../../../log/options.js";
import type { BenchContext } from "../bench-run.js";
import { logFactsOf } from "../log-settings.js";
import { backendsOf } from "./log-entrant.js";
import type { Entrant, Group, OpenGroup, Suite, SuiteFlags } from "./suite.js";

export interface OpenFlags extends SuiteFlags {
  readonly partitions: readonly number[];
  /** Payload of a log. */
  readonly bytes: number;
  readonly recordBytes: number;
  readonly segmentBytes?: number;
  readonly bufferBytes?: number;
}

interface OpenFigures {
  readonly openMillis: number;
  readonly scannedBytes: number;
  readonly segments: number;
  /** Per partition, its name included, above what an open log of one takes. */
  readonly heapBytesPerPartition: number;
  /** As above, of typed arrays: indexes in memory. */
  readonly arrayBytesPerPartition: number;
}

export const openSuite: Suite<OpenFlags> = {
  measures: [
    { path: "openMillis", title: "open ms", digits: 0, isCompared: true },
    { path: "scannedBytes", title: "scanned bytes", digits: 0 },
    { path: "heapBytesPerPartition", title: "heap bytes/partition", digits: 0 },
    { path: "arrayBytesPerPartition", title: "array bytes/partition", digits: 0 },
  ],
  groups: (flags) => backendsOf(flags.backend).map((backend): Group => ({ name: backend, open: (context) => openGroup(backend, flags, context) })),
};

async function openGroup(backend: "uring" | "fs", flags: OpenFlags, { place }: BenchContext): Promise<OpenGroup> {
  const { segmentBytes, bufferBytes } = flags;
  const options: LogOptions = { backend, ...(segmentBytes === undefined ? {} : { segmentBytes }), ...(bufferBytes === undefined ? {} : { bufferBytes }) };
  const empty = place.fresh("open-empty");
  await (await Log.open(empty, options)).close();
  const directories = [empty];
  const entrants = flags.partitions.map((partitions, at): Entrant => {
    const directory = place.fresh("open");
    directories.push(directory);
    let facts: object = {};
    return {
      name: nameOf(partitions),
      settings: { backend, partitions, bytes: flags.bytes, recordBytes: flags.recordBytes },
      get facts() { return facts; },
      ...(at === 0 ? {} : { reference: nameOf(flags.partitions[0] as number) }),
      prepare: async () => {
        await write(directory, options, partitions, flags);
        // Compiles the code, and fills the page cache.
        facts = await openOnce(directory, options);
        return undefined;
      },
      round: () => round({ directory, empty, options, partitions }),
    };
  });
  return {
    entrants,
    close: () => {
      for (const directory of directories) place.discard(directory);
      return Promise.resolve();
    },
  };
}

function nameOf(partitions: number): string {
  return partitions === 1 ? "1 partition" : `${String(partitions)} partitions`;
}

/** Each partition in turn, until all are there and the bytes are written. */
async function write(directory: string, options: LogOptions, partitions: number, { bytes, recordBytes }: OpenFlags): Promise<void> {
  const log = await Log.open(directory, options);
  const record = Buffer.alloc(recordBytes, "r");
  const records = Math.max(partitions, Math.floor(bytes / recordBytes));
  for (let at = 0; at < records; at++) {
    if (log.needDrain) await log.drain();
    log.partition(`bench-${String(at % partitions)}`).enqueue(record);
  }
  await log.close();
}

async function openOnce(directory: string, options: LogOptions): Promise<object> {
  const log = await Log.open(directory, options);
  const facts = logFactsOf(log);
  await log.close();
  return facts;
}

interface RoundRequest {
  readonly directory: string;
  readonly empty: string;
  readonly options: LogOptions;
  readonly partitions: number;
}

async function round({ directory, empty, options, partitions }: RoundRequest): Promise<OpenFigures> {
  // Beside an open log without partitions: buffers and rings are in both.
  const idle = await Log.open(empty, options);
  const before = await memory();
  await idle.close();
  const started = performance.now();
  const log = await Log.open(directory, options);
  const openMillis = performance.now() - started;
  const after = await memory();
  const { recovery } = log.info;
  await log.close();
  return {
    openMillis,
    scannedBytes: recovery.reduce((sum, { scannedBytes }) => sum + scannedBytes, 0),
    segments: recovery.reduce((sum, { segments }) => sum + segments, 0),
    heapBytesPerPartition: (after.heapUsed - before.heapUsed) / partitions,
    arrayBytesPerPartition: (after.arrayBuffers - before.arrayBuffers) / partitions,
  };
}

async function memory(): Promise<NodeJS.MemoryUsage> {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  // What a collection finds unused may keep other things until the next one.
  for (let times = 0; times < 4; times++) {
    collect();
    await new Promise((resolve) => setImmediate(resolve));
  }
  return process.memoryUsage();
}
