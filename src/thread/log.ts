// Opening a log: where its lanes run is decided here.

import { LaneLog } from "../log/lane-log.js";
import { checkDirectory } from "../log/log-arguments.js";
import type { Log as LogInterface, LogHandle } from "../log/log.js";
import { resolveOptions, type LogOptions } from "../log/options.js";
import { attachToThread, openThread } from "./open-thread.js";

export type Log = LogInterface;

export const Log = {
  /**
   * Opens the log in `directory`, creating it where there is none; its parent must exist. Recovers what a crash left.
   *
   * Rejects with RINGWALL_INVALID_OPTION, RINGWALL_NOT_FOUND, RINGWALL_NOT_A_LOG, RINGWALL_NEWER_FORMAT, RINGWALL_LOCKED, RINGWALL_DAMAGED
   * (`details` is the recovery report with every lost range), RINGWALL_UNAVAILABLE, RINGWALL_DISK_FULL, RINGWALL_READ_ONLY, RINGWALL_IO.
   */
  async open(directory: string, options: LogOptions = {}): Promise<LogInterface> {
    const resolved = resolveOptions(options);
    if (resolved.lane === "inline") return LaneLog.open(directory, options);
    checkDirectory(directory);
    return openThread(directory, resolved);
  },

  /**
   * A log that another thread has opened with `{ lane: "thread" }`, from what its `share()` gave. It appends, reads and closes
   * for itself; when the log itself is closed, everything here rejects with RINGWALL_CLOSED. Needs the main thread to be
   * responsive for a moment; what comes after does not.
   *
   * Rejects with RINGWALL_INVALID_ARGUMENT, RINGWALL_CLOSED, and RINGWALL_UNAVAILABLE before Node 20.19.
   */
  async attach(handle: LogHandle): Promise<LogInterface> {
    return attachToThread(handle);
  },
} as const;
