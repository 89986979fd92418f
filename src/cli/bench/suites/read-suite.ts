// The suite `read`: a closed log out of the page cache, read in order and at random, each way in a process of its own.

import type { LogOptions } from "../../../log/options.js";
import { CommandError } from "../../report-failure.js";
import type { BenchContext } from "../bench-run.js";
import { writeAndClose } from "../unclean-log.js";
import { backendsOf } from "./log-entrant.js";
import type { WayName } from "./read-ways.js";
import { startReader, type ReaderProcess, type ReaderReply } from "./reader-process.js";
import type { Entrant, Group, OpenGroup, Suite, SuiteFlags } from "./suite.js";

export interface ReadFlags extends SuiteFlags {
  /** Sizes of records, a log each. */
  readonly recordBytes: readonly number[];
  /** Payload of a log. */
  readonly bytes: number;
  readonly segmentBytes?: number;
  readonly bufferBytes?: number;
}

interface Variant {
  readonly name: string;
  readonly way: WayName;
  readonly heapBytes: number;
}

const variants: readonly Variant[] = [
  { name: "readBatches", way: "readBatches", heapBytes: 0 },
  { name: "readBatches, 64 MiB heap", way: "readBatches", heapBytes: 64 * 1024 ** 2 },
  { name: "for await", way: "for await", heapBytes: 0 },
  { name: "get", way: "get", heapBytes: 0 },
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

async function openGroup(recordBytes: number, flags: ReadFlags, { place, interrupt }: BenchContext): Promise<OpenGroup> {
  const directory = place.fresh("read");
  const backends = backendsOf(flags.backend);
  const [writes = "fs"] = backends;
  const rival = backends[backends.length - 1] as string;
  const { segmentBytes, bufferBytes } = flags;
  const options: LogOptions = { backend: writes, ...(segmentBytes === undefined ? {} : { segmentBytes }), ...(bufferBytes === undefined ? {} : { bufferBytes }) };
  await writeAndClose({ directory, bytes: flags.bytes, recordBytes, options });
  const readers: ReaderProcess[] = [];
  const entrants: Entrant[] = [];
  const close = async (): Promise<void> => {
    for (const reader of readers) await reader.end({ kind: "close" });
    place.discard(directory);
  };
  try {
    for (const { name, way, heapBytes } of variants) {
      for (const backend of backends) {
        const reader = await startReader({ directory, options: { ...options, backend }, recordBytes, way, heapBytes }, interrupt.signal);
        readers.push(reader);
        const { facts, records, objects } = readyOf(reader);
        const settings = { backend, way, recordBytes, records, objects };
        entrants.push({ name: `${name}, ${backend}`, settings, facts, ...(backend === rival ? {} : { reference: `${name}, ${rival}` }), round: (seconds) => round(reader, seconds) });
      }
    }
  } catch (error) {
    await close();
    throw error;
  }
  return { entrants, close };
}

function readyOf({ first }: ReaderProcess): Extract<ReaderReply, { kind: "ready" }> {
  if (first.kind !== "ready") throw unexpected(first.kind);
  return first;
}

async function round(reader: ReaderProcess, seconds: number): Promise<object> {
  const reply = await reader.order({ kind: "round", seconds });
  if (reply.kind !== "read") throw unexpected(reply.kind);
  return reply.figures;
}

function unexpected(kind: string): CommandError {
  return new CommandError(`the reading process answered "${kind}" out of turn`, "PROCESS");
}
