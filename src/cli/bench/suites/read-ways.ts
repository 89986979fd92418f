// The ways to read a partition that `bench read` compares, and a round of one.

import { RingwallError } from "../../../base/errors.js";
import type { Partition } from "../../../log/partition.js";
import { ProcessUsage } from "../process-usage.js";
import { Samples, type Quantiles } from "../samples.js";

export interface ReadFigures {
  readonly recordsPerSecond: number;
  readonly megabytesPerSecond: number;
  /** Of single calls, where a way has them. */
  readonly getMicros?: Quantiles;
  readonly cpuMicrosPerRecord: number;
  readonly records: number;
  readonly othersCores: number;
  readonly seconds: number;
}

export type WayName = "readBatches" | "for await" | "get";

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

const ways: Readonly<Record<WayName, { readonly isTimed: boolean; readonly read: Way }>> = {
  "readBatches": { isTimed: false, read: readInBatches },
  "for await": { isTimed: false, read: readOneByOne },
  "get": { isTimed: true, read: getAtRandom },
};

export interface ReadRound {
  readonly partition: Partition;
  readonly recordBytes: number;
  readonly way: WayName;
  readonly seconds: number;
}

/** Throws unless every record had `recordBytes`. */
export async function readRound({ partition, recordBytes, way, seconds }: ReadRound): Promise<ReadFigures> {
  const { isTimed, read } = ways[way];
  const usage = new ProcessUsage();
  const tally = new Tally(isTimed);
  usage.open();
  const started = performance.now();
  const deadline = started + seconds * 1000;
  const isOver = (): boolean => performance.now() >= deadline;
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
