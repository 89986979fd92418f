// Reads everything that a log holds, in a process that did not write it.

import { Log, type LogOptions, type RecoveryReport } from "#src/index.js";
import { LossError } from "./oracle.js";
import type { FoundPartition } from "./model.js";
import { numberOf } from "./partition-names.js";
import { Random } from "./random.js";

export interface Observed {
  readonly found: ReadonlyMap<number, FoundPartition>;
  readonly reports: readonly RecoveryReport[];
}

/** How many records of each partition are read once more by their sequence. */
const pointReads = 3;

export async function observe(directory: string, options: LogOptions): Promise<Observed> {
  const log = await Log.open(directory, { ...options, create: false });
  try {
    const found = new Map<number, FoundPartition>();
    for (const partition of log.partitions()) {
      const { firstSeq: first, lastSeq: last, durableSeq } = partition;
      const records: Uint8Array[] = [];
      for await (const batch of partition.readBatches()) {
        for (const { seq, data } of batch) {
          if (seq !== first + records.length) throw new LossError(`${partition.name}: sequence ${String(first + records.length)} is due, ${String(seq)} was read`);
          records.push(data);
        }
      }
      if (durableSeq !== last || records.length !== Math.max(0, last - first + 1)) {
        throw new LossError(`${partition.name}: ${String(first)} to ${String(last)} (durable to ${String(durableSeq)}), but ${String(records.length)} records were read`);
      }
      const random = new Random(first, last);
      for (let count = 0; count < Math.min(pointReads, records.length); count++) {
        const seq = first + random.below(records.length);
        const record = await partition.get(seq);
        if (record === undefined || !Buffer.from(record.data).equals(records[seq - first] as Uint8Array)) {
          throw new LossError(`${partition.name}: record ${String(seq)} read alone is not the one that was read in order`);
        }
      }
      found.set(numberOf(partition), { first, last, records });
    }
    return { found, reports: log.info.recovery };
  } finally {
    await log.close();
  }
}
