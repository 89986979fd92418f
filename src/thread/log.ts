// Opening a log: where its lanes run is decided here.

import { LaneLog } from "../log/lane-log.js";
import type { Log as LogInterface } from "../log/log.js";
import type { LogOptions } from "../log/options.js";

export type Log = LogInterface;

export const Log = {
  /**
   * Opens the log in `directory`, creating it where there is none; its parent must exist. Recovers what a crash left.
   *
   * Rejects with RINGWALL_INVALID_OPTION, RINGWALL_NOT_FOUND, RINGWALL_NOT_A_LOG, RINGWALL_NEWER_FORMAT, RINGWALL_LOCKED, RINGWALL_DAMAGED
   * (`details` is the recovery report with every lost range), RINGWALL_UNAVAILABLE, RINGWALL_DISK_FULL, RINGWALL_READ_ONLY, RINGWALL_IO.
   */
  async open(directory: string, options: LogOptions = {}): Promise<LogInterface> {
    return LaneLog.open(directory, options);
  },
} as const;
