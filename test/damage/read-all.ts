// Reads all that a log gives, passing over what it says is lost.

import { RingwallError, type Log, type Partition } from "#src/index.js";

export interface Range {
  readonly first: number;
  readonly last: number;
}

export interface PartitionContents {
  readonly records: ReadonlyMap<number, { readonly text: string; readonly time: number }>;
  /** Ranges that reading refused with RINGWALL_DAMAGED. */
  readonly lost: readonly Range[];
}

export type Contents = ReadonlyMap<string, PartitionContents>;

export async function readAll(log: Log): Promise<Contents> {
  const contents = new Map<string, PartitionContents>();
  for (const partition of log.partitions()) contents.set(partition.name, await readPartition(partition));
  return contents;
}

async function readPartition(partition: Partition): Promise<PartitionContents> {
  const records = new Map<number, { text: string; time: number }>();
  const lost: Range[] = [];
  let from = partition.firstSeq;
  while (from <= partition.durableSeq) {
    try {
      for await (const batch of partition.readBatches({ from })) {
        for (const { seq, time, data } of batch) records.set(seq, { text: Buffer.from(data).toString("utf8"), time });
      }
      break;
    } catch (error) {
      if (!(error instanceof RingwallError) || error.code !== "RINGWALL_DAMAGED") throw error;
      const { firstSequence, lastSequence } = error.details as { firstSequence: number; lastSequence: number };
      if (!(lastSequence >= from)) throw new Error(`a loss that leads nowhere: ${String(firstSequence)} to ${String(lastSequence)}, reading from ${String(from)}`, { cause: error });
      lost.push({ first: firstSequence, last: lastSequence });
      from = lastSequence + 1;
    }
  }
  return { records, lost };
}
