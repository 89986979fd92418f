// `ringwall bench latency`: so many records of one short text, by one caller: enqueued, and durable one after the other.
//
// A round is of records and not of seconds. Every call is timed.

import { logOptionsOf, type LogFlags, logFactsOf } from "../log-settings.js";
import { ProcessUsage } from "../process-usage.js";
import { Samples, type Quantiles } from "../samples.js";
import { backendsOf, closeLogs, openLog, type OpenedLog } from "./log-entrant.js";
import type { Entrant, Group, Suite, SuiteFlags } from "./suite.js";

export interface LatencyFlags extends SuiteFlags, LogFlags {
  readonly backend: "auto" | "uring" | "fs";
  readonly records: number;
  readonly text: string;
}

interface LatencyFigures {
  readonly callMicros: Quantiles;
  /** From the first call until all is durable. */
  readonly recordsPerSecond: number;
  /** Times that the buffers were full. */
  readonly drains: number;
  readonly othersCores: number;
}

type Way = "enqueue" | "durable append";

export const latencySuite: Suite<LatencyFlags> = {
  measures: [
    { path: "callMicros.p50", title: "p50 µs", digits: 2, isCompared: true },
    { path: "callMicros.p99", title: "p99 µs", digits: 2, isCompared: true },
    { path: "callMicros.max", title: "max µs", digits: 0 },
    { path: "recordsPerSecond", title: "records/s", digits: 0 },
    { path: "drains", title: "buffers full", digits: 0 },
  ],
  groups: (flags) => {
    const backends = backendsOf(flags.backend);
    return (["enqueue", "durable append"] as const).map((way): Group => ({
      name: `${String(flags.records)} × ${JSON.stringify(flags.text)}, ${way}`,
      open: async ({ place }) => {
        const logs: OpenedLog[] = [];
        try {
          for (const backend of backends) logs.push(await openLog(place, logOptionsOf({ ...flags, backend })));
        } catch (error) {
          await closeLogs(place, logs);
          throw error;
        }
        const entrants = logs.map((opened, index) => latencyEntrant(opened, flags, { way, backend: backends[index] as string, rival: backends.at(-1) as string }));
        return { entrants, close: () => closeLogs(place, logs) };
      },
    }));
  },
};

function latencyEntrant({ log }: OpenedLog, { records, text }: LatencyFlags, { way, backend, rival }: { readonly way: Way; readonly backend: string; readonly rival: string }): Entrant {
  const data = Buffer.from(text);
  const round = way === "enqueue" ? enqueueRound : durableRound;
  return {
    name: `${way}, ${backend}`,
    settings: { way, backend, records, bytes: data.length },
    facts: logFactsOf(log),
    ...(backend === rival ? {} : { reference: `${way}, ${rival}` }),
    prepare: async (isStopped) => {
      await round(log, data, { records, isStopped });
      return undefined;
    },
    round: (_, isStopped) => round(log, data, { records, isStopped }),
  };
}

interface RoundOptions {
  readonly records: number;
  readonly isStopped: () => boolean;
}

async function enqueueRound(log: OpenedLog["log"], data: Uint8Array, { records }: RoundOptions): Promise<LatencyFigures> {
  const partition = log.partition("bench");
  return timedRound(records, async (samples) => {
    let drains = 0;
    for (let record = 0; record < records; record++) {
      if (log.needDrain) {
        drains++;
        await log.drain();
      }
      const started = performance.now();
      partition.enqueue(data);
      samples.record(performance.now() - started);
    }
    await log.sync();
    return drains;
  });
}

async function durableRound(log: OpenedLog["log"], data: Uint8Array, { records, isStopped }: RoundOptions): Promise<LatencyFigures> {
  const partition = log.partition("bench");
  return timedRound(records, async (samples) => {
    for (let record = 0; record < records && !isStopped(); record++) {
      const started = performance.now();
      await partition.append(data);
      samples.record(performance.now() - started);
    }
    return 0;
  });
}

async function timedRound(records: number, body: (samples: Samples) => Promise<number>): Promise<LatencyFigures> {
  const samples = new Samples(records);
  const usage = new ProcessUsage();
  usage.open();
  const started = performance.now();
  const drains = await body(samples);
  const seconds = (performance.now() - started) / 1000;
  usage.shut();
  return { callMicros: samples.quantiles(1000), recordsPerSecond: samples.count / seconds, drains, othersCores: usage.othersCores };
}
