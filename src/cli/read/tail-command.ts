// `ringwall tail`: the last records of a partition, and those that follow.

import { RingwallError } from "../../base/errors.js";
import { Log } from "../../thread/log.js";
import type { Partition } from "../../log/partition.js";
import type { CommonOptions } from "../common-options.js";
import { type ExitCode, exitCode } from "../exit-codes.js";
import { Interrupt } from "../interrupt.js";
import { standardOutput } from "../output.js";
import { demandPartition, findPartition } from "./demand-partition.js";
import { formatOf, recordsText } from "./record-text.js";

export interface TailCommandOptions extends CommonOptions {
  readonly lines: number;
  /** Milliseconds since 1970; then `lines` doesn't count. */
  readonly since?: number;
  readonly follow?: boolean;
  readonly lengthPrefixed?: boolean;
}

export async function tailCommand(directory: string, partitionName: string, options: TailCommandOptions): Promise<ExitCode> {
  using interrupt = new Interrupt();
  await using log = await Log.open(directory, { readOnly: true, backend: options.backend });
  const follows = options.follow === true;
  const known = follows ? findPartition(log, partitionName) : demandPartition(log, partitionName);
  const partition = known ?? log.partition(partitionName);
  const output = standardOutput();
  const format = formatOf(options);
  try {
    for await (const records of batchesOf(partition, options, interrupt.signal)) await output.write(recordsText(records, format));
  } catch (error) {
    if (!(error instanceof RingwallError && error.code === "RINGWALL_ABORTED" && interrupt.isRaised)) throw error;
  }
  return interrupt.isRaised ? interrupt.exitCode : exitCode.ok;
}

function batchesOf(partition: Partition, { lines, since, follow }: TailCommandOptions, signal: AbortSignal): ReturnType<Partition["readBatches"]> {
  if (since !== undefined) return follow === true ? partition.tailBatches({ since, signal }) : partition.readBatches({ since, signal });
  const from = Math.max(partition.firstSeq, partition.durableSeq - lines + 1);
  return follow === true ? partition.tailBatches({ from, signal }) : partition.readBatches({ from, limit: lines, signal });
}
