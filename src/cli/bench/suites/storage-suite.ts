// The suite `storage`: the storage interface without a log above it.

import { backendsOf } from "./log-entrant.js";
import { StorageLoad, type StorageFigures, type Workload } from "./storage-load.js";
import type { Entrant, Group, OpenGroup, Suite, SuiteFlags } from "./suite.js";
import type { BenchContext } from "../bench-run.js";

export interface StorageFlags extends SuiteFlags {
  readonly bytes: number;
  readonly fileBytes: number;
  readonly depth: number;
  readonly syncEvery: number;
}

const workloads: readonly { readonly kind: Workload; readonly title: string }[] = [
  { kind: "sync-each", title: "sequential, each durable" },
  { kind: "periodic-sync", title: "sequential, synced now and then" },
  { kind: "random-read", title: "random reads" },
  { kind: "mixed", title: "7 random reads to 3 durable writes" },
];

export const storageSuite: Suite<StorageFlags> = {
  measures: [
    { path: "operationsPerSecond", title: "operations/s", digits: 0, isCompared: true },
    { path: "megabytesPerSecond", title: "MB/s", digits: 0 },
    { path: "operationMicros.p50", title: "p50 µs", digits: 0, isCompared: true },
    { path: "operationMicros.p99", title: "p99 µs", digits: 0 },
    { path: "cpuMicrosPerOperation", title: "CPU µs/operation", digits: 2 },
  ],
  groups: (flags) => workloads.map(({ kind, title }): Group => ({ name: `${title}, ${String(flags.bytes)} B`, open: (context) => openWorkload(kind, flags, context) })),
};

async function openWorkload(workload: Workload, flags: StorageFlags, { place }: BenchContext): Promise<OpenGroup> {
  const { bytes, fileBytes, depth, syncEvery } = flags;
  const loads: { readonly load: StorageLoad; readonly directory: string }[] = [];
  const close = async (): Promise<void> => {
    for (const { load, directory } of loads) {
      await load.close();
      place.discard(directory);
    }
  };
  const backends = backendsOf(flags.backend);
  const rival = backends[backends.length - 1] as string;
  const entrants: Entrant[] = [];
  try {
    for (const { suffix, deep } of [{ suffix: "", deep: 1 }, { suffix: ", batched", deep: depth }]) {
      for (const backend of backends) {
        const directory = place.fresh("storage");
        const load = await StorageLoad.open({ backend, directory, workload, bytes, fileBytes, depth: deep, syncEvery });
        loads.push({ load, directory });
        entrants.push({
          name: `${backend}${suffix}`,
          settings: { backend, workload, bytes, depth: deep, ...(workload === "periodic-sync" ? { syncEvery } : {}) },
          facts: load.facts,
          ...(backend === rival ? {} : { reference: `${rival}${suffix}` }),
          round: (seconds, isStopped): Promise<StorageFigures> => load.round(seconds, isStopped),
        });
      }
    }
  } catch (error) {
    await close();
    throw error;
  }
  return { entrants, close };
}
