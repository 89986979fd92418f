// The suite `tailers`: one writer in bulk, and so many tails that follow its partition.

import { RingwallError } from "../../../base/errors.js";
import type { LogOptions } from "../../../log/options.js";
import type { Partition } from "../../../log/partition.js";
import type { BenchContext } from "../bench-run.js";
import { logFactsOf } from "../log-settings.js";
import { ProcessUsage } from "../process-usage.js";
import { backendsOf, openLog, type OpenedLog } from "./log-entrant.js";
import type { Entrant, Group, OpenGroup, Suite, SuiteFlags } from "./suite.js";

export interface TailersFlags extends SuiteFlags {
  readonly tailers: readonly number[];
  readonly bytes: number;
  readonly segmentBytes?: number;
  readonly bufferBytes?: number;
}

interface TailersFigures {
  readonly recordsPerSecond: number;
  /** Of the writer and all tails. */
  readonly cpuMicrosPerRecord: number;
  readonly recordsPerBatch: number;
  readonly records: number;
  readonly othersCores: number;
  readonly seconds: number;
}

/** Records between two syncs of the writer. */
const stride = 2000;

export const tailersSuite: Suite<TailersFlags> = {
  measures: [
    { path: "recordsPerSecond", title: "records/s", digits: 0 },
    { path: "recordsPerBatch", title: "records/batch", digits: 0 },
    { path: "cpuMicrosPerRecord", title: "CPU µs/record", digits: 2, isCompared: true },
  ],
  groups: (flags) => backendsOf(flags.backend).map((backend): Group => ({ name: backend, open: (context) => openGroup(backend, flags, context) })),
};

async function openGroup(backend: "uring" | "fs", flags: TailersFlags, { place }: BenchContext): Promise<OpenGroup> {
  const { segmentBytes, bufferBytes, tailers } = flags;
  const options: LogOptions = { backend, ...(segmentBytes === undefined ? {} : { segmentBytes }), ...(bufferBytes === undefined ? {} : { bufferBytes }) };
  const opened = await openLog(place, options);
  const entrants = tailers.map((count, at): Entrant => ({
    name: nameOf(count),
    settings: { backend, tailers: count, bytes: flags.bytes },
    facts: logFactsOf(opened.log),
    ...(at === 0 ? {} : { reference: nameOf(tailers[0] as number) }),
    round: (seconds, isStopped) => round({ opened, count, bytes: flags.bytes, seconds, isStopped }),
  }));
  return {
    entrants,
    close: async () => {
      await opened.log.close();
      place.discard(opened.directory);
    },
  };
}

function nameOf(count: number): string {
  return count === 1 ? "1 tail" : `${String(count)} tails`;
}

interface RoundRequest {
  readonly opened: OpenedLog;
  readonly count: number;
  readonly bytes: number;
  readonly seconds: number;
  readonly isStopped: () => boolean;
}

async function round({ opened: { log }, count, bytes, seconds, isStopped }: RoundRequest): Promise<TailersFigures> {
  const partition = log.partition("bench");
  await partition.trim(partition.lastSeq + 1);
  const first = (await partition.append("first")) + 1;
  const tails = Array.from({ length: count }, () => new Tail(partition, first));
  const record = Buffer.alloc(bytes, "r");
  const usage = new ProcessUsage();
  usage.open();
  const started = performance.now();
  while (performance.now() - started < seconds * 1000 && !isStopped()) {
    for (let at = 0; at < stride; at++) {
      if (log.needDrain) await log.drain();
      partition.enqueue(record);
    }
    await log.sync();
    // Tails that fall behind would leave their work to be done after the round.
    await Promise.all(tails.map((tail) => tail.reach(partition.durableSeq)));
  }
  const millis = performance.now() - started;
  usage.shut();
  await Promise.all(tails.map((tail) => tail.end()));
  const records = partition.lastSeq - first + 1;
  return {
    recordsPerSecond: (records / millis) * 1000,
    cpuMicrosPerRecord: usage.cpuMicros / records,
    recordsPerBatch: (records * count) / tails.reduce((sum, { batches }) => sum + batches, 0),
    records,
    othersCores: usage.othersCores,
    seconds: millis / 1000,
  };
}

/** Follows the partition and demands every record in its turn. */
class Tail {
  batches = 0;
  #last: number;
  readonly #batches: ReturnType<Partition["tailBatches"]>;

  constructor(partition: Partition, from: number) {
    this.#last = from - 1;
    this.#batches = partition.tailBatches({ from });
  }

  async reach(sequence: number): Promise<void> {
    while (this.#last < sequence) {
      const { value } = await this.#batches.next();
      const [first] = value ?? [];
      if (value === undefined || first?.seq !== this.#last + 1) throw new RingwallError("RINGWALL_NOT_FOUND", `record ${String(this.#last + 1)} did not come to a tail`);
      this.#last += value.length;
      this.batches++;
    }
  }

  async end(): Promise<void> {
    await this.#batches.return(undefined);
  }
}
