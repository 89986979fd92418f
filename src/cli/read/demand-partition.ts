// The partition of that name, or an error that names those that there are.

import { RingwallError } from "../../base/errors.js";
import type { Log } from "../../log/log.js";
import type { Partition } from "../../log/partition.js";

const namesShown = 10;

export function findPartition(log: Log, name: string): Partition | null {
  const partition = log.partition(name);
  return log.partitions().some((known) => known.name === name) ? partition : null;
}

export function demandPartition(log: Log, name: string): Partition {
  const partition = findPartition(log, name);
  if (partition !== null) return partition;
  const names = log.partitions().map((known) => JSON.stringify(known.name));
  const more = names.length > namesShown ? `, and ${String(names.length - namesShown)} more (ringwall stats)` : "";
  throw new RingwallError("RINGWALL_NOT_FOUND", "there is no such partition", {
    place: { path: log.info.directory, partition: name },
    remedy: names.length === 0 ? "The log is empty." : `The log has ${names.slice(0, namesShown).join(", ")}${more}.`,
  });
}
