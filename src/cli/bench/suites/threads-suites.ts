// The suites of loads in threads: `threads`, what the way to a lane's thread costs, and `lanes`, what more lanes and more logs bring.

import { logOptionsOf, type LogFlags } from "../log-settings.js";
import { backendsOf } from "./log-entrant.js";
import type { Group, Measure, Suite, SuiteFlags } from "./suite.js";
import { ThreadsEntrant } from "./threads-entrant.js";

interface LoadFlags extends SuiteFlags, LogFlags {
  readonly backend: "auto" | "uring" | "fs";
  readonly bytes: number;
  readonly callers: number;
  readonly warmUp: number;
  readonly trim: boolean;
}

export interface ThreadsFlags extends LoadFlags {
  readonly producers: readonly number[];
}

export interface LanesFlags extends LoadFlags {
  readonly lanes: readonly number[];
  readonly workers: readonly number[];
}

interface Variant {
  readonly name: string;
  readonly lane: "inline" | "thread";
  readonly threads: number;
  readonly lanes: number;
  readonly partitions: number;
}

const measures: readonly Measure[] = [
  { path: "recordsPerSecond", title: "records/s", digits: 0, isCompared: true },
  { path: "megabytesPerSecond", title: "MB/s", digits: 0 },
  { path: "ackMicros.p50", title: "p50 µs", digits: 0, isCompared: true },
  { path: "ackMicros.p99", title: "p99 µs", digits: 0 },
  { path: "cpuMicrosPerRecord", title: "CPU µs/record", digits: 2, isCompared: true },
];

/** Ratios to the inline log. */
export const threadsSuite: Suite<ThreadsFlags> = {
  measures,
  groups: (flags) => backendsOf(flags.backend).map((backend) => {
    const inline: Variant = { name: "inline", lane: "inline", threads: 1, lanes: 1, partitions: 1 };
    const hops = flags.producers.map((threads): Variant => ({ ...inline, name: `lane thread, ${counted(threads, "producer")}`, lane: "thread", threads }));
    return group("one log", backend, flags, [inline, ...hops]);
  }),
};

/** Ratios to the first number of each. */
export const lanesSuite: Suite<LanesFlags> = {
  measures,
  groups: (flags) => backendsOf(flags.backend).flatMap((backend) => {
    const partitions = Math.max(...flags.lanes);
    const lanes = flags.lanes.map((count): Variant => ({ name: counted(count, "lane"), lane: "inline", threads: 1, lanes: count, partitions }));
    const workers = flags.workers.map((count): Variant => ({ name: counted(count, "worker"), lane: "inline", threads: count, lanes: 1, partitions: 1 }));
    return [group("lanes of one log", backend, flags, lanes), group("a log for each worker", backend, flags, workers)];
  }),
};

function group(title: string, backend: "uring" | "fs", flags: LoadFlags, variants: readonly Variant[]): Group {
  const { callers, bytes, warmUp, trim } = flags;
  const reference = variants[0]?.name;
  return {
    name: `${title}, ${backend}, ${counted(callers, "caller")}, ${String(bytes)} B`,
    open: ({ place }) => {
      const entrants = variants.map(({ name, lane, lanes, threads, partitions }) => new ThreadsEntrant({
        name, place, threads, callers, partitions, bytes, warmUp,
        trims: trim,
        options: { ...logOptionsOf({ ...flags, backend }), lane, lanes },
        ...(name === reference || reference === undefined ? {} : { reference }),
      }));
      const close = async (): Promise<void> => { for (const entrant of entrants) await entrant.close(); };
      return Promise.resolve({ entrants, close });
    },
  };
}

function counted(count: number, what: string): string {
  return `${String(count)} ${what}${count === 1 ? "" : "s"}`;
}
