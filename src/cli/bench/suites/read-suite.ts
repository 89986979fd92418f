// The suite `read`: a closed log out of the page cache, read in order and at random.

import { Log } from "../../../thread/log.js";
import type { LogOptions } from "../../../log/options.js";
import type { Partition } from "../../../log/partition.js";
import { RingwallError } from "../../../base/errors.js";
import type { BenchContext } from "../bench-run.js";
import { ProcessUsage } from "../process-usage.js";
import { Samples } from "../samples.js";
import { writeAndClose } from "../unclean-log.js";
import { backendsOf } from "./log-entrant.js";
import { logFactsOf } from "../log-settings.js";
import type { Entrant, Group, OpenGroup, Suite, SuiteFlags } from "./suite.js";

export interface ReadFlags extends SuiteFlags {
  /** Sizes of records, a log each. */
  readonly recordBytes: readonly number[];
  /** Payload of a log. */
  readonly bytes: number;
  readonly segmentBytes?: number;
  readonly bufferBytes?: number;
}

interface ReadFigures {
  readonly recordsPerSecond: number;
  readonly megabytesPerSecond: number;
  readonly cpuMicrosPerRecord: number;
  readonly records: number;
  readonly othersCores: number;
  readonly seconds: number;
}

/** Adds what it reads to `tally` until `isOver`. */
type Way = (partition: Partition, tally: Tally, isOver: () => boolean) => Promise<void>;

class Tally {
  records = 0;
  bytes = 0;
  readonly samples: Samples | null;

  constructor(isTimed: boolean) {
    this.samples = isTimed ? new Samples() : null;
  }
}

/** Records between two looks at the clock. */
const stride = 1024;

const ways: readonly { readonly name: string; readonly isTimed: boolean; readonly read: Way }[] = [
  { name: "readBatches", isTimed: false, read: readInBatches },
  { name: "for await", isTimed: false, read: readOneByOne },
  { name: "get", isTimed: true, read: getAtRandom },
];

export const readSuite: Suite<ReadFlags> = {
  measures: [
    { path: "recordsPerSecond", title: "records/s", digits: 0, isCompared: true },
    { path: "megabytesPerSecond", title: "MB/s", digits: 0 },
    { path: "getMicros.p50", title: "p50 µs", digits: 1 },
    { path: "getMicros.p99", title: "p99 µs", digits: 1 },
    { path: "cpuMicrosPerRecord", title: "CPU µs/record", digits: 2 },
  ],
  groups: (flags) => flags.recordBytes.map((recordBytes): Group => ({ name: `records of ${String(recordBytes)} B`, open: (context) => openGroup(recordBytes, flags, context) })),
};

async function openGroup(recordBytes: number, flags: ReadFlags, { place }: BenchContext): Promise<OpenGroup> {
  const directory = place.fresh("read");
  const backends = backendsOf(flags.backend);
  const [writes = "fs"] = backends;
  const rival = backends[backends.length - 1] as string;
  const { segmentBytes, bufferBytes } = flags;
  const options: LogOptions = { backend: writes, ...(segmentBytes === undefined ? {} : { segmentBytes }), ...(bufferBytes === undefined ? {} : { bufferBytes }) };
  await writeAndClose({ directory, bytes: flags.bytes, recordBytes, options });
  const logs: Log[] = [];
  const close = async (): Promise<void> => {
    for (const log of logs) await log.close();
    place.discard(directory);
  };
  try {
    for (const backend of backends) logs.push(await Log.open(directory, { ...options, backend, readOnly: true }));
  } catch (error) {
    await close();
    throw error;
  }
  const entrants = ways.flatMap(({ name, isTimed, read }) => backends.map((backend, index): Entrant => {
    const log = logs[index] as Log;
    const partition = log.partition("bench");
    return {
      name: `${name}, ${backend}`,
      settings: { backend, way: name, recordBytes, records: partition.lastSeq },
      facts: logFactsOf(log),
      ...(backend === rival ? {} : { reference: `${name}, ${rival}` }),
      // Into the page cache: blocks may have been written past it.
      prepare: async () => {
        for await (const records of partition.readBatches()) if (records.length === 0) break;
        return undefined;
      },
      round: (seconds, isStopped) => round({ partition, recordBytes, read, isTimed, seconds, isStopped }),
    };
  }));
  return { entrants, close };
}

interface RoundRequest {
  readonly partition: Partition;
  readonly recordBytes: number;
  readonly read: Way;
  readonly isTimed: boolean;
  readonly seconds: number;
  readonly isStopped: () => boolean;
}

async function round({ partition, recordBytes, read, isTimed, seconds, isStopped }: RoundRequest): Promise<ReadFigures> {
  const usage = new ProcessUsage();
  const tally = new Tally(isTimed);
  usage.open();
  const started = performance.now();
  const deadline = started + seconds * 1000;
  const isOver = (): boolean => performance.now() >= deadline || isStopped();
  while (!isOver()) await read(partition, tally, isOver);
  const millis = performance.now() - started;
  usage.shut();
  const { records, bytes, samples } = tally;
  if (bytes !== records * recordBytes) throw new RingwallError("RINGWALL_IO", `${String(records)} records of ${String(recordBytes)} bytes came as ${String(bytes)} bytes`);
  return {
    recordsPerSecond: (records / millis) * 1000,
    megabytesPerSecond: bytes / millis / 1000,
    ...(samples === null ? {} : { getMicros: samples.quantiles(1000) }),
    cpuMicrosPerRecord: usage.cpuMicros / records,
    records,
    othersCores: usage.othersCores,
    seconds: millis / 1000,
  };
}

async function readInBatches(partition: Partition, tally: Tally, isOver: () => boolean): Promise<void> {
  for await (const records of partition.readBatches()) {
    tally.records += records.length;
    for (const { data } of records) tally.bytes += data.length;
    if (isOver()) return;
  }
}

async function readOneByOne(partition: Partition, tally: Tally, isOver: () => boolean): Promise<void> {
  for await (const { data } of partition.read()) {
    tally.records++;
    tally.bytes += data.length;
    if (tally.records % stride === 0 && isOver()) return;
  }
}

async function getAtRandom(partition: Partition, tally: Tally): Promise<void> {
  const { lastSeq } = partition;
  // A stretch of calls between two looks at whether the round is over.
  for (let call = 0; call < 64; call++) {
    const started = performance.now();
    const record = await partition.get(1 + Math.floor(Math.random() * lastSeq));
    tally.samples?.record(performance.now() - started);
    if (record === undefined) throw new RingwallError("RINGWALL_NOT_FOUND", "a durable record was not found", { place: { partition: partition.name } });
    tally.records++;
    tally.bytes += record.data.length;
  }
}
