// Partitions are numbers in the rigs; the log knows them by name.

import type { Log, Partition } from "#src/index.js";
import { originOf } from "./content.js";
import type { FoundExtent, FoundShape, Shape } from "./workload.js";

/** Partition `number`, on its lane from the first record on. */
export function partitionOf(log: Log, number: number): Partition {
  return log.partition(nameOf(number), { lane: number % log.info.lanes });
}

export function nameOf(number: number): string {
  return `partition ${String(number)}`;
}

export function numberOf(partition: Partition): number {
  return Number(partition.name.slice("partition ".length));
}

/** Partitions that ever had a record. */
export function shapeOf(log: Log): Shape {
  const all = log.partitions().map((partition) => [numberOf(partition), { first: partition.firstSeq, last: partition.lastSeq }] as const);
  return new Map(all.filter(([, { first, last }]) => first > 1 || last > 0));
}

/** As `shapeOf`, and which operation each partition's last record is of: two states of one shape can hold different records. */
export async function originsOf(log: Log): Promise<FoundShape> {
  const found = new Map<number, FoundExtent>();
  for (const [number, extent] of shapeOf(log)) {
    const newest = extent.last < extent.first ? undefined : await partitionOf(log, number).get(extent.last);
    found.set(number, { ...extent, newest: newest === undefined || newest === null ? null : originOf(newest.data) });
  }
  return found;
}
