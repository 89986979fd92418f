// What is lost to readers of a damaged log, which is what repair can't copy.
//
// The scan of verify trusts no index, and where a member of a batch is damaged it can't know that the batch once was
// complete. The index of a sealed segment proves it; readers and repair go by that, so the other members are not lost.

import { RingwallError } from "../../base/errors.js";
import type { Superblock } from "../../format/superblock.js";
import type { RecoveryReport } from "../../recovery/recovered-lane.js";
import { repairLog, type RepairReport } from "../../repair/repair-log.js";
import { hex } from "../../repair/source-log.js";

type Backend = "auto" | "uring" | "fs";

export class LossesByReading {
  readonly #directory: string;
  readonly #backend: Backend;
  #judged: Promise<RepairReport | null> | null = null;

  constructor(directory: string, backend: Backend) {
    this.#directory = directory;
    this.#backend = backend;
  }

  async correct(report: RecoveryReport, { uuid }: Superblock): Promise<RecoveryReport> {
    this.#judged ??= repairLog(this.#directory, "", { dryRun: true, backend: this.#backend }).catch(nullIfRefused);
    const judged = await this.#judged;
    // Where the superblock is another log's or a former one, repair goes by the blocks, and readers do not.
    if (judged === null || judged.uuid !== hex(uuid) || report.row === "older superblock") return report;
    const partitions = judged.partitions.filter(({ lane }) => lane === report.lane);
    const lost = partitions.flatMap(({ partition, name, missing }) => missing.map((range) => ({ partition, name, ...range })));
    return { ...report, lost, lostExact: report.lostExact || !judged.isLossUnknown };
  }
}

function nullIfRefused(error: unknown): null {
  if (error instanceof RingwallError) return null;
  throw error;
}
