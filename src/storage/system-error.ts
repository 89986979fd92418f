// What the operating system refuses, as RingwallError: the one table from errno to code and remedy.
//
// Owns: that table and the wording. Every backend that talks to a kernel comes through here, whether its error
// arrived as Node's exception or as a negated errno from the ring. Decides nothing about retrying.

import { getSystemErrorMap } from "node:util";
import { RingwallError, type RingwallErrorCode } from "../base/errors.js";

interface Row {
  readonly code: RingwallErrorCode;
  readonly remedy: string;
}

const rows: Readonly<Record<string, Row>> = {
  ENOSPC: { code: "RINGWALL_DISK_FULL", remedy: "Free space on that device or trim the log: appends go on once there is room." },
  EDQUOT: { code: "RINGWALL_DISK_FULL", remedy: "Raise the disk quota or trim the log: appends go on once there is room." },
  EFBIG: { code: "RINGWALL_DISK_FULL", remedy: "Raise the limit on file sizes (ulimit -f): appends go on once there is room." },
  EROFS: { code: "RINGWALL_READ_ONLY", remedy: "Mount the filesystem writable, or open the log with { readOnly: true }." },
  EACCES: { code: "RINGWALL_IO", remedy: "Give this user read and write permission on it." },
  EPERM: { code: "RINGWALL_IO", remedy: "Give this user read and write permission on it." },
  ENOENT: { code: "RINGWALL_NOT_FOUND", remedy: "Check the path." },
  ENOTDIR: { code: "RINGWALL_NOT_FOUND", remedy: "Check the path: one of its parts is no directory." },
  EEXIST: { code: "RINGWALL_IO", remedy: "Something else created it: is another writer at work in this directory?" },
  EMFILE: { code: "RINGWALL_IO", remedy: "Raise the limit on open files (ulimit -n)." },
  ENFILE: { code: "RINGWALL_IO", remedy: "Raise the system's limit on open files (fs.file-max)." },
  EIO: { code: "RINGWALL_IO", remedy: "The device failed: look at the kernel's log before trusting it again." },
};

const other: Row = { code: "RINGWALL_IO", remedy: "Look at the kernel's log: appends go on once there is room." };

export interface FailedOperation {
  /** What was tried, as it stands behind "cannot": "write 4096 bytes". */
  readonly operation: string;
  readonly path: string;
  readonly offset?: number;
}

/** From what node:fs throws or hands to a callback. */
export function fromNodeError(error: unknown, failed: FailedOperation): RingwallError {
  const name = errnoName(error);
  return build(name ?? "unknown error", error instanceof Error ? error.message : String(error), failed, error);
}

/** From a system call's result: `errno` is positive. */
export function fromErrno(errno: number, failed: FailedOperation): RingwallError {
  const name = nameOfErrno(errno);
  return build(name, `${name}: ${getSystemErrorMap().get(-errno)?.[1] ?? "unknown error"}`, failed);
}

/** "ENOENT" and the like, or null when it is no system error. */
export function errnoName(error: unknown): string | null {
  if (!(error instanceof Error) || !("code" in error)) return null;
  return typeof error.code === "string" && /^E[A-Z0-9]+$/.test(error.code) ? error.code : null;
}

/** The name of a positive errno; its number when it has none. */
export function nameOfErrno(errno: number): string {
  return getSystemErrorMap().get(-errno)?.[0] ?? `errno ${String(errno)}`;
}

function build(name: string, text: string, failed: FailedOperation, cause?: unknown): RingwallError {
  const { code, remedy } = rows[name] ?? other;
  const place = failed.offset === undefined ? { path: failed.path } : { path: failed.path, offset: failed.offset };
  return new RingwallError(code, `cannot ${failed.operation}: ${text}`, { remedy, place, ...(cause === undefined ? {} : { cause }) });
}
