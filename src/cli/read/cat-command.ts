// `ringwall cat`: a range of a partition to stdout.

import { RingwallError } from "../../base/errors.js";
import { Log } from "../../thread/log.js";
import type { Partition } from "../../log/partition.js";
import type { CommonOptions } from "../common-options.js";
import { type ExitCode, exitCode } from "../exit-codes.js";
import { standardOutput } from "../output.js";
import { reportFailure } from "../report-failure.js";
import { demandPartition } from "./demand-partition.js";
import { formatOf, recordsText } from "./record-text.js";

export interface CatOptions extends CommonOptions {
  readonly from?: number;
  /** Milliseconds since 1970. */
  readonly since?: number;
  readonly to?: number;
  readonly limit?: number;
  readonly lengthPrefixed?: boolean;
  readonly skipDamaged?: boolean;
}

export async function catCommand(directory: string, partitionName: string, options: CatOptions): Promise<ExitCode> {
  await using log = await Log.open(directory, { readOnly: true, backend: options.backend });
  const partition = demandPartition(log, partitionName);
  const end = options.to ?? partition.durableSeq;
  let { from } = options;
  let left = options.limit ?? Number.POSITIVE_INFINITY;
  let code: ExitCode = exitCode.ok;
  for (;;) {
    try {
      await copyRecords(partition, { from, since: options.since, to: end, limit: left }, options, (count) => { left -= count; });
      return code;
    } catch (error) {
      const behind = options.skipDamaged === true ? behindLoss(error) : null;
      if (behind === null) throw error;
      code = reportFailure(error, options.json === true);
      if (behind > Math.min(end, partition.durableSeq)) return code;
      from = behind;
    }
  }
}

interface Range {
  readonly from: number | undefined;
  readonly since: number | undefined;
  readonly to: number;
  readonly limit: number;
}

async function copyRecords(partition: Partition, range: Range, options: CatOptions, onWritten: (count: number) => void): Promise<void> {
  const output = standardOutput();
  const format = formatOf(options);
  for await (const records of partition.readBatches(range)) {
    await output.write(recordsText(records, format));
    onWritten(records.length);
  }
}

/** The first sequence behind what was lost, or null when the error is another. */
function behindLoss(error: unknown): number | null {
  if (!(error instanceof RingwallError) || error.code !== "RINGWALL_DAMAGED") return null;
  const { lastSequence } = (error.details ?? {}) as { lastSequence?: unknown };
  return typeof lastSequence === "number" ? lastSequence + 1 : null;
}
