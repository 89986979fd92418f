// The suites of closed-loop callers on one log per backend: `batch`, `producers`, `partitions`.

import type { BenchContext } from "../bench-run.js";
import { logOptionsOf, type LogFlags } from "../log-settings.js";
import { appendMeasures, backendsOf, closeLogs, everyCallOf, logEntrant, openLog, type OpenedLog } from "./log-entrant.js";
import { GrowingEntrant } from "./growing-entrant.js";
import type { Entrant, Group, OpenGroup, Suite, SuiteFlags } from "./suite.js";

export interface CallersFlags extends SuiteFlags, LogFlags {
  readonly backend: "auto" | "uring" | "fs";
  readonly bytes: number;
  readonly callers: readonly number[];
  readonly warmUp: number;
  readonly trim: boolean;
}

export interface BatchFlags extends CallersFlags {
  readonly batch: number;
}

export interface PartitionsFlags extends SuiteFlags, LogFlags {
  readonly backend: "auto" | "uring" | "fs";
  readonly bytes: number;
  readonly callers: number;
  readonly partitions: readonly number[];
  readonly warmUp: number;
}

export const batchSuite: Suite<BatchFlags> = {
  measures: appendMeasures,
  groups: (flags) => [callersGroup(`${String(flags.batch)} × ${String(flags.bytes)} B, durable per batch`, flags, flags.batch)],
};

export const producersSuite: Suite<CallersFlags> = {
  measures: appendMeasures,
  groups: (flags) => [callersGroup(`${String(flags.bytes)} B, a promise each`, flags, 1)],
};

/** Ratios of one number of callers: the first backend's to the last one's. */
function callersGroup(name: string, flags: CallersFlags, batch: number): Group {
  const backends = backendsOf(flags.backend);
  const rival = backends[backends.length - 1] as string;
  const nameOf = (backend: string, callers: number): string => `${backend}, ${String(callers)} ${callers === 1 ? "caller" : "callers"}`;
  return {
    name,
    open: (context) => withLogs(context, flags, backends, (logs) => {
      return flags.callers.flatMap((callers, level) => backends.map((backend): Entrant => {
        return logEntrant({
          name: nameOf(backend, callers),
          opened: logs.get(backend) as OpenedLog,
          load: { callers, bytes: flags.bytes, partitions: 1, batch, everyCall: batch === 1 ? everyCallOf(callers) : 1, trims: flags.trim },
          settings: { backend },
          ...(backend === rival ? {} : { reference: nameOf(rival, callers) }),
          warmUp: flags.warmUp,
          fills: level === 0,
        });
      }));
    }),
  };
}

/** Ratios of each number of partitions to the first, per backend. */
export const partitionsSuite: Suite<PartitionsFlags> = {
  measures: appendMeasures,
  groups: (flags) => backendsOf(flags.backend).map((backend): Group => {
    const { callers, bytes, warmUp } = flags;
    const nameOf = (partitions: number): string => `${String(partitions)} ${partitions === 1 ? "partition" : "partitions"}`;
    const [first = 1] = flags.partitions;
    return {
      name: `${backend}, ${String(callers)} callers, ${String(bytes)} B`,
      open: async ({ place }) => {
        const entrants = flags.partitions.map((partitions) => new GrowingEntrant({
          name: nameOf(partitions),
          place,
          options: logOptionsOf({ ...flags, backend }),
          load: { callers, bytes, partitions, batch: 1, everyCall: everyCallOf(callers), trims: false },
          settings: { backend },
          ...(partitions === first ? {} : { reference: nameOf(first) }),
          warmUp,
        }));
        return { entrants, close: async () => undefined };
      },
    };
  }),
};

/** A log per backend. */
async function withLogs(context: BenchContext, flags: LogFlags, backends: readonly ("uring" | "fs")[], entrantsOf: (logs: ReadonlyMap<string, OpenedLog>) => Entrant[]): Promise<OpenGroup> {
  const logs = new Map<string, OpenedLog>();
  const close = (): Promise<void> => closeLogs(context.place, logs.values());
  try {
    for (const backend of backends) logs.set(backend, await openLog(context.place, logOptionsOf({ ...flags, backend })));
    return { entrants: entrantsOf(logs), close };
  } catch (error) {
    await close();
    throw error;
  }
}
