// One opening of a log, timed, with what recovery says of it.

import { Log } from "../../thread/log.js";
import type { LogOptions } from "../../log/options.js";
import type { RecoveryReport } from "../../recovery/recovered-lane.js";

export interface OpenFigures {
  readonly openMillis: number;
}

export interface ScanFigures extends OpenFigures {
  /** Of what recovery read, in megabytes of 10^6 bytes. */
  readonly megabytesPerSecond: number;
  readonly recordsPerSecond: number;
}

export interface Opened extends OpenFigures {
  readonly backend: string;
  readonly scannedBytes: number;
  readonly scannedRecords: number;
  readonly segments: number;
  readonly verdict: string;
  /** Of the first lane. */
  readonly report: RecoveryReport | undefined;
}

export async function timedOpen(directory: string, options: LogOptions): Promise<Opened> {
  const started = performance.now();
  const log = await Log.open(directory, options);
  const openMillis = performance.now() - started;
  await log.close();
  const [report] = log.info.recovery;
  return {
    openMillis,
    backend: log.info.backend,
    scannedBytes: report?.scannedBytes ?? 0,
    scannedRecords: report?.scannedRecords ?? 0,
    segments: report?.segments ?? 0,
    verdict: report?.verdict ?? "none",
    report,
  };
}

export function scanFigures({ openMillis, scannedBytes, scannedRecords }: Opened): ScanFigures {
  return { openMillis, megabytesPerSecond: scannedBytes / openMillis / 1000, recordsPerSecond: (scannedRecords / openMillis) * 1000 };
}
