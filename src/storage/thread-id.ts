// The operating system's number of this thread: what strace, perf and taskset are given.

import fs from "node:fs";

/** Null where the system does not tell. */
export function systemThreadId(): number | null {
  try {
    const id = Number(fs.readlinkSync("/proc/thread-self").split("/").pop());
    return Number.isSafeInteger(id) ? id : null;
  } catch {
    return null;
  }
}
