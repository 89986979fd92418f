// The suite `fio`: the log beside fio on the same file system, in workloads that ask the device for the same.

import fs from "node:fs";
import type { Partition } from "../../../log/partition.js";
import { Log } from "../../../thread/log.js";
import type { BenchContext } from "../bench-run.js";
import { LogContender } from "../log-contender.js";
import { logFactsOf, logOptionsOf, type LogFlags } from "../log-settings.js";
import { makePayloads } from "../payloads.js";
import { scanFigures, timedOpen } from "../timed-open.js";
import { Trimmer } from "../trimmer.js";
import { oneSegmentFor, writeAndClose, writeAndKill } from "../unclean-log.js";
import { coldGetRound } from "./cold-gets.js";
import { demandFio, runFio, type FioRequest } from "./fio-job.js";
import { backendsOf, closeLogs, openLog, type OpenedLog } from "./log-entrant.js";
import type { Entrant, Group, OpenGroup, Suite, SuiteFlags } from "./suite.js";

export interface FioFlags extends SuiteFlags, LogFlags {
  readonly backend: "auto" | "uring" | "fs";
  readonly bytes: number;
  readonly recordBytes: number;
}

/** A log, how it is brought to a steady state, and one round of the workload. */
interface Workload {
  readonly prepare: (isStopped: () => boolean) => Promise<object | undefined>;
  readonly round: (seconds: number, isStopped: () => boolean) => Promise<object>;
  readonly facts?: object;
}

const stride = 1024;

export const fioSuite: Suite<FioFlags> = {
  measures: [
    { path: "megabytesPerSecond", title: "MB/s", digits: 0, isCompared: true },
    { path: "operationsPerSecond", title: "operations/s", digits: 0 },
    { path: "micros.p50", title: "p50 µs", digits: 0, isCompared: true },
    { path: "micros.p99", title: "p99 µs", digits: 0, isCompared: true },
    { path: "deviceBytesPerGet", title: "device B/get", digits: 0 },
  ],
  groups: (flags) => {
    demandFio();
    return [
      { name: "bulk: fio writes 1 MiB, 8 at once, also with O_DSYNC; the log enqueues and syncs", open: (context) => openBeside(["write-1m", "write-1m-dsync"], flags, context, bulkOn) },
      { name: "single: fio writes 4 KiB with O_DSYNC; the log appends, one caller", open: (context) => openBeside(["write-4k-dsync"], flags, context, singleOn) },
      { name: "reading: fio reads 1 MiB, 8 at once; the log recovers", open: (context) => openReading(flags, context) },
      { name: "get: fio reads 4 KiB at random, one at a time; the log gets records that are not cached", open: (context) => openGets({ job: "randread-4k", depth: 1 }, flags, context) },
      { name: "get: fio reads 4 KiB at random, 16 at once; 16 calls of get", open: (context) => openGets({ job: "randread-4k-deep", depth: 16 }, flags, context) },
    ] satisfies Group[];
  },
};

function bulkOn({ log, directory }: OpenedLog, { recordBytes }: FioFlags): Workload {
  const partition = log.partition("bench-0");
  const trimmer = new Trimmer(log, [partition]);
  const payloads = makePayloads(recordBytes);
  return { prepare: warmUpOf({ log, directory }, recordBytes), round: (seconds) => bulkRound({ log, partition, trimmer, payloads, seconds }), facts: logFactsOf(log) };
}

function singleOn({ log, directory }: OpenedLog, { recordBytes }: FioFlags): Workload {
  const contender = LogContender.over(log, directory, { callers: 1, bytes: recordBytes, partitions: 1, batch: 1, everyCall: 1, trims: true });
  return {
    prepare: warmUpOf({ log, directory }, recordBytes),
    round: async (seconds, isStopped) => {
      const { megabytesPerSecond, recordsPerSecond, ackMicros } = await contender.round(seconds, isStopped);
      return { megabytesPerSecond, operationsPerSecond: recordsPerSecond, micros: ackMicros };
    },
    facts: logFactsOf(log),
  };
}

function warmUpOf({ log, directory }: OpenedLog, bytes: number): Workload["prepare"] {
  const filler = LogContender.over(log, directory, { callers: 1, bytes, partitions: 1, batch: 1, everyCall: 1, trims: true });
  return (isStopped) => filler.warmUp(0.2, isStopped);
}

interface BulkRound {
  readonly log: Log;
  readonly partition: Partition;
  readonly trimmer: Trimmer;
  readonly payloads: readonly Uint8Array[];
  readonly seconds: number;
}

/** The rate is until all is durable. */
async function bulkRound({ log, partition, trimmer, payloads, seconds }: BulkRound): Promise<object> {
  const started = performance.now();
  const deadline = started + seconds * 1000;
  let records = 0;
  while (performance.now() < deadline) {
    for (let count = 0; count < stride; count++) {
      if (log.needDrain) await log.drain();
      partition.enqueue(payloads[records % payloads.length] as Uint8Array);
      records++;
    }
    trimmer.check();
  }
  await log.sync();
  const millis = performance.now() - started;
  await trimmer.settled();
  return { megabytesPerSecond: (records * (payloads[0] as Uint8Array).length) / millis / 1000, operationsPerSecond: (records / millis) * 1000 };
}

/** Ratios are to the first job. */
async function openBeside(jobs: readonly FioRequest["job"][], flags: FioFlags, context: BenchContext, workloadOn: (opened: OpenedLog, flags: FioFlags) => Workload): Promise<OpenGroup> {
  const { place } = context;
  const logs: OpenedLog[] = [];
  const fio = jobs.map((job) => fioEntrant(job, flags, context));
  const close = async (): Promise<void> => {
    await closeLogs(place, logs);
    for (const { discard } of fio) discard();
  };
  try {
    const entrants = fio.map(({ entrant }) => entrant);
    for (const backend of backendsOf(flags.backend)) {
      const opened = await openLog(place, logOptionsOf({ ...flags, backend }));
      logs.push(opened);
      entrants.push({ name: backend, settings: { backend, recordBytes: flags.recordBytes }, reference: `fio ${jobs[0] as string}`, ...workloadOn(opened, flags) });
    }
    return { entrants, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function openReading(flags: FioFlags, context: BenchContext): Promise<OpenGroup> {
  const { place, interrupt } = context;
  const { bytes, recordBytes } = flags;
  const fio = fioEntrant("read-1m", flags, context);
  const directories: string[] = [];
  const entrants = [fio.entrant];
  for (const backend of backendsOf(flags.backend)) {
    const directory = place.fresh("unclean");
    directories.push(directory);
    const options = { ...logOptionsOf({ ...flags, backend }), segmentBytes: oneSegmentFor(bytes, recordBytes) };
    await writeAndKill({ directory, bytes, recordBytes, options }, interrupt.signal);
    entrants.push({
      name: backend,
      settings: { backend, bytes, recordBytes },
      reference: fio.entrant.name,
      round: async () => {
        const { megabytesPerSecond, recordsPerSecond } = scanFigures(await timedOpen(directory, { ...options, readOnly: true }));
        return { megabytesPerSecond, operationsPerSecond: recordsPerSecond };
      },
    });
  }
  const close = async (): Promise<void> => {
    for (const directory of directories) place.discard(directory);
    fio.discard();
  };
  return { entrants, close };
}

interface GetsAtDepth {
  readonly job: FioRequest["job"];
  /** As the job's. */
  readonly depth: number;
}

async function openGets({ job, depth }: GetsAtDepth, flags: FioFlags, context: BenchContext): Promise<OpenGroup> {
  const { place } = context;
  const { bytes, recordBytes } = flags;
  const fio = fioEntrant(job, flags, context);
  const logs: OpenedLog[] = [];
  const close = async (): Promise<void> => {
    await closeLogs(place, logs);
    fio.discard();
  };
  try {
    const entrants = [fio.entrant];
    for (const backend of backendsOf(flags.backend)) {
      const directory = place.fresh("gets");
      const options = logOptionsOf({ ...flags, backend });
      await writeAndClose({ directory, bytes, recordBytes, options });
      const log = await Log.open(directory, { ...options, readOnly: true });
      logs.push({ log, directory });
      const request = { directory, partition: log.partition("bench"), recordBytes, depth };
      entrants.push({
        name: backend,
        settings: { backend, bytes, recordBytes, depth },
        reference: fio.entrant.name,
        // How reads are made is known after the first one.
        get facts() { return logFactsOf(log); },
        round: (seconds, isStopped) => coldGetRound({ ...request, seconds, isStopped }),
      });
    }
    return { entrants, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** With a file of its own, laid out by a short run before the rounds. */
function fioEntrant(job: FioRequest["job"], { bytes, backend }: FioFlags, { place, interrupt }: BenchContext): { readonly entrant: Entrant; readonly discard: () => void } {
  const directory = place.fresh("fio");
  fs.mkdirSync(directory);
  const engine = backendsOf(backend).includes("uring") ? "io_uring" : "libaio";
  const run = (seconds: number): Promise<object> => runFio({ job, directory, bytes, seconds, engine, signal: interrupt.signal });
  const entrant: Entrant = {
    name: `fio ${job}`,
    settings: { job, bytes, engine },
    prepare: async () => {
      await run(0.1);
      return undefined;
    },
    round: (seconds) => run(seconds),
  };
  return { entrant, discard: () => { place.discard(directory); } };
}
