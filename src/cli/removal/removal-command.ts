// `ringwall trim` and `ringwall drop`: records go for good, so nothing does without --yes; what would go is said either way.

import { RingwallError } from "../../base/errors.js";
import { LaneLog } from "../../log/lane-log.js";
import type { Partition } from "../../log/partition.js";
import type { CommonOptions } from "../common-options.js";
import { type ExitCode, exitCode } from "../exit-codes.js";
import { standardOutput } from "../output.js";
import { countOf } from "../quantities.js";
import { CommandError } from "../report-failure.js";

export interface RemovalOptions extends CommonOptions {
  readonly yes?: boolean;
}

export interface TrimOptions extends RemovalOptions {
  readonly before?: number;
}

interface Removal {
  /** The first sequence that stays; null: the whole partition goes. */
  readonly before: number | null;
  readonly remove: (partition: Partition) => Promise<void>;
}

export function dropCommand(directory: string, partition: string, options: RemovalOptions): Promise<ExitCode> {
  return removal(directory, partition, options, { before: null, remove: (dropped) => dropped.drop() });
}

export function trimCommand(directory: string, partition: string, { before, ...options }: TrimOptions): Promise<ExitCode> {
  if (before === undefined) throw new CommandError("--before <seq> is missing: the first record that stays");
  return removal(directory, partition, options, { before, remove: (trimmed) => trimmed.trim(before) });
}

async function removal(directory: string, name: string, { backend, json, yes }: RemovalOptions, { before, remove }: Removal): Promise<ExitCode> {
  const log = await LaneLog.open(directory, { backend, create: false, readOnly: yes !== true });
  try {
    const partition = log.partition(name);
    if (!partition.exists) throw new RingwallError("RINGWALL_NOT_FOUND", "there is no such partition", { place: { path: directory, partition: name }, remedy: "Run `ringwall stats` to see which there are." });
    const { firstSeq, lastSeq } = partition;
    const lastRemoved = before === null ? lastSeq : Math.min(before - 1, lastSeq);
    const records = Math.max(0, lastRemoved - firstSeq + 1);
    const range = records === 0 ? "" : `, sequences ${String(firstSeq)} to ${String(lastRemoved)}`;
    if (yes !== true) throw new CommandError(`${countOf(records, "record")} of ${JSON.stringify(name)} would go for good${range}: say --yes`);
    await remove(partition);
    const segmentsFreed = log.stats().reduce((sum, { segmentsReleased }) => sum + segmentsReleased, 0);
    const output = standardOutput();
    if (json === true) await output.json({ partition: name, records, firstSeq, lastSeq: lastRemoved, segmentsFreed });
    else await output.line(`${name}: ${countOf(records, "record")} ${before === null ? "dropped with the partition" : "trimmed"}${range}; ${countOf(segmentsFreed, "segment")} freed`);
    return exitCode.ok;
  } finally {
    await log.close();
  }
}
