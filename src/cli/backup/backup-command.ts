// `ringwall backup`: a log is copied as it is at one moment, beside its writer if there is one.

import type { BackupReport } from "../../log/backup/backup.js";
import { LaneLog } from "../../log/lane-log.js";
import type { CommonOptions } from "../common-options.js";
import { type ExitCode, exitCode } from "../exit-codes.js";
import { Interrupt } from "../interrupt.js";
import { standardOutput } from "../output.js";
import { type Progress, startProgress } from "../progress.js";
import { bytesText, countOf } from "../quantities.js";

export interface BackupCommandOptions extends CommonOptions {
  readonly bytesPerSecond?: number;
  readonly progress?: boolean;
}

export async function backupCommand(directory: string, target: string, options: BackupCommandOptions): Promise<ExitCode> {
  using interrupt = new Interrupt();
  const began = performance.now();
  const report = await runBackup(directory, target, options, interrupt).catch((error: unknown) => {
    if (interrupt.isRaised) return null;
    throw error;
  });
  if (report === null) {
    process.stderr.write("ringwall: interrupted; nothing is left at the target.\n");
    return interrupt.exitCode;
  }
  const seconds = (performance.now() - began) / 1000;
  const output = standardOutput();
  if (options.json === true) await output.json({ ...report, seconds });
  else {
    const shared = report.clonedBytes > 0 ? `, ${bytesText(report.clonedBytes)} shared with the original` : "";
    await output.line(`${report.directory}: ${countOf(report.segments, "segment")}, ${bytesText(report.copiedBytes)} copied${shared} in ${seconds.toFixed(1)} s`);
  }
  return exitCode.ok;
}

async function runBackup(directory: string, target: string, options: BackupCommandOptions, interrupt: Interrupt): Promise<BackupReport> {
  const log = await LaneLog.open(directory, { backend: options.backend, readOnly: true });
  const started: Promise<Progress>[] = [];
  let progress: Progress | null = null;
  try {
    return await log.backup(target, {
      signal: interrupt.signal,
      bytesPerSecond: options.bytesPerSecond,
      onProgress: ({ bytes, bytesTotal, segments }) => {
        if (started.length === 0) started.push(startProgress({ label: "backup", bytesTotal, noun: "segments", isWanted: options.progress }).then((bar) => (progress = bar)));
        progress?.update(bytes, segments);
      },
    });
  } finally {
    for (const bar of await Promise.all(started)) bar.stop();
    await log.close();
  }
}
