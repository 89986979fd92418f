// `ringwall repair`: what is provably right goes into a new log; what is missing is said.

import type { CommonOptions } from "../common-options.js";
import { type ExitCode, exitCode } from "../exit-codes.js";
import { Interrupt } from "../interrupt.js";
import { standardOutput } from "../output.js";
import { type Progress, startProgress } from "../progress.js";
import { CommandError } from "../report-failure.js";
import { repairLog, type RepairReport } from "../../repair/repair-log.js";
import { reportLines } from "./report-lines.js";

export interface RepairCommandOptions extends CommonOptions {
  readonly to?: string;
  readonly dryRun?: boolean;
  readonly namesTo: "first" | "last";
  readonly segmentBytes?: number;
  readonly progress?: boolean;
}

export async function repairCommand(directory: string, options: RepairCommandOptions): Promise<ExitCode> {
  const isDry = options.dryRun === true;
  if (!isDry && options.to === undefined) throw new CommandError("repair needs --to <newdir>, or --dry-run.");
  using interrupt = new Interrupt();
  const report = await runRepair(directory, options, interrupt).catch((error: unknown) => {
    if (interrupt.isRaised) return null;
    throw error;
  });
  if (report === null) {
    process.stderr.write("ringwall: interrupted; the damaged log is untouched, and nothing is left at the target.\n");
    return interrupt.exitCode;
  }
  const output = standardOutput();
  if (options.json === true) await output.json(report);
  else for (const line of reportLines(report, output)) await output.line(line);
  return report.complete ? exitCode.ok : exitCode.refused;
}

async function runRepair(directory: string, options: RepairCommandOptions, interrupt: Interrupt): Promise<RepairReport> {
  let progress: Progress | null = null;
  /** None before it is known how much there is to read. */
  const started: Promise<Progress>[] = [];
  try {
    return await repairLog(directory, options.to ?? "", {
      dryRun: options.dryRun,
      namesTo: options.namesTo,
      segmentBytes: options.segmentBytes,
      backend: options.backend,
      signal: interrupt.signal,
      onProgress: ({ bytes, bytesTotal, records }) => {
        if (started.length === 0 && bytesTotal > bytes) {
          const starting = startProgress({ label: "repair", bytesTotal, noun: "records copied", isWanted: options.progress });
          started.push(starting.then((bar) => (progress = bar)));
        }
        progress?.update(bytes, records);
      },
    });
  } finally {
    for (const bar of await Promise.all(started)) bar.stop();
  }
}
