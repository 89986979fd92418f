// Enqueuing in bulk: many records without a promise each, then one sync.
//
// Two passes over the same number of records: one without a clock in the loop for the rate, one with two readings of the
// clock around every call for the quantiles. The clock's own cost is in each of those times (see instrumentation.ts).

import type { Log } from "../../log/log.js";
import type { Partition } from "../../log/partition.js";
import { Samples, type Quantiles } from "./samples.js";

export interface EnqueueFigures {
  /** From the first call until all is durable. */
  readonly recordsPerSecond: number;
  readonly megabytesPerSecond: number;
  /** Of the call itself, without what `drain` waits. */
  readonly enqueueNanos: Quantiles;
  /** Times that memory was full and the loop awaited `drain`, in the untimed pass. */
  readonly drains: number;
}

export interface EnqueueRequest {
  readonly log: Log;
  readonly partition: Partition;
  readonly payloads: readonly Uint8Array[];
  readonly count: number;
  readonly onTick: () => void;
}

const tickRecords = 4096;

export async function measureEnqueue(request: EnqueueRequest): Promise<EnqueueFigures> {
  const { log, count, payloads } = request;
  const started = performance.now();
  const drains = await enqueueUntimed(request);
  await log.sync();
  const seconds = (performance.now() - started) / 1000;
  const samples = new Samples(count);
  await enqueueTimed(request, samples);
  await log.sync();
  const bytes = (payloads[0] as Uint8Array).length;
  return { recordsPerSecond: count / seconds, megabytesPerSecond: (count * bytes) / seconds / 1e6, enqueueNanos: samples.quantiles(1e6), drains };
}

async function enqueueUntimed({ log, partition, payloads, count, onTick }: EnqueueRequest): Promise<number> {
  let drains = 0;
  let item = 0;
  for (let record = 0; record < count; record++) {
    if (log.needDrain) {
      drains++;
      await log.drain();
    }
    partition.enqueue(payloads[item] as Uint8Array);
    item = item + 1 === payloads.length ? 0 : item + 1;
    if (record % tickRecords === 0) onTick();
  }
  return drains;
}

async function enqueueTimed({ log, partition, payloads, count, onTick }: EnqueueRequest, samples: Samples): Promise<void> {
  let item = 0;
  for (let record = 0; record < count; record++) {
    if (log.needDrain) await log.drain();
    const payload = payloads[item] as Uint8Array;
    const started = performance.now();
    partition.enqueue(payload);
    samples.record(performance.now() - started);
    item = item + 1 === payloads.length ? 0 : item + 1;
    if (record % tickRecords === 0) onTick();
  }
}
