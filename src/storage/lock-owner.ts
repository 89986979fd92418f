// Who holds a log's lock: the record in the lock file, and whether that process can still be alive.
//
// Owns: the record's shape and the portable verdict on its owner. Changes nothing on disk.
// A pid alone names nobody: it is reused, it means another process in another container, and on another machine it
// means nothing. So the record also has the process's start time, its pid namespace, the boot and the host.

import { randomUUID } from "node:crypto";
import fs from "node:fs";
import os from "node:os";

export interface LockOwner {
  /** Unique for every acquisition: a successor names the record that it succeeds. */
  readonly nonce: string;
  readonly pid: number;
  /** Clock ticks after boot, from /proc/<pid>/stat; null where there is no /proc. */
  readonly startTime: string | null;
  readonly pidNamespace: string | null;
  readonly bootId: string | null;
  readonly host: string;
  /** Milliseconds since 1970. */
  readonly since: number;
  /** The owner holds a flock on this very file for as long as it lives, and did before the record was visible. */
  readonly flock: boolean;
}

export type OwnerVerdict = "alive" | "dead" | /** Another machine or pid namespace: nothing here can tell. */ "unknown";

export function currentOwner(flock: boolean): LockOwner {
  return {
    nonce: randomUUID(),
    pid: process.pid,
    startTime: readProcess(process.pid)?.startTime ?? null,
    pidNamespace: readPidNamespace(),
    bootId: readBootId(),
    host: os.hostname(),
    since: Date.now(),
    flock,
  };
}

/** Null when the text is not a whole record. */
export function parseOwner(text: string): LockOwner | null {
  try {
    const value: unknown = JSON.parse(text);
    return isOwner(value) ? value : null;
  } catch {
    return null;
  }
}

function isOwner(value: unknown): value is LockOwner {
  if (typeof value !== "object" || value === null) return false;
  const owner = value as Readonly<Record<string, unknown>>;
  const textOrNull = (field: string): boolean => owner[field] === null || typeof owner[field] === "string";
  return (
    typeof owner["nonce"] === "string" && /^[0-9a-f-]{36}$/.test(owner["nonce"]) && Number.isSafeInteger(owner["pid"]) && (owner["pid"] as number) > 0 &&
    textOrNull("startTime") && textOrNull("pidNamespace") && textOrNull("bootId") && typeof owner["host"] === "string" &&
    Number.isSafeInteger(owner["since"]) && typeof owner["flock"] === "boolean"
  );
}

/** What can be told without the kernel's locks. */
export function judgeOwner(owner: LockOwner): OwnerVerdict {
  const bootId = readBootId();
  if (owner.bootId !== bootId) return owner.host === os.hostname() ? "dead" : "unknown";
  // Without boot ids the host's name is all that says whose pid this is.
  if (bootId === null && owner.host !== os.hostname()) return "unknown";
  if (owner.pidNamespace !== readPidNamespace()) return "unknown";
  const found = readProcess(owner.pid);
  if (found === null) return signalReaches(owner.pid) ? "alive" : "dead";
  if (found.gone) return "dead";
  return owner.startTime === null || owner.startTime === found.startTime ? "alive" : "dead";
}

/** Different after every start of the machine; the same in all its containers. Null where there is no /proc. */
export function readBootId(): string | null {
  return readText("/proc/sys/kernel/random/boot_id")?.trim() ?? null;
}

interface ProcessFacts {
  readonly startTime: string;
  /** A zombie without threads: nothing of it runs any more. With threads, one may still be inside a write. */
  readonly gone: boolean;
}

/** From proc(5), /proc/pid/stat: the name in parentheses may hold anything, so fields are counted from its end. */
function readProcess(pid: number): ProcessFacts | null {
  const text = readText(`/proc/${String(pid)}/stat`);
  if (text === null) return null;
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const [state, threads, startTime] = [fields[0], fields[17], fields[19]];
  if (startTime === undefined) return null;
  return { startTime, gone: (state === "Z" || state === "X") && Number(threads) <= 1 };
}

/** EPERM means that the process exists and is another user's. */
function signalReaches(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

function readPidNamespace(): string | null {
  try {
    return fs.readlinkSync("/proc/self/ns/pid");
  } catch {
    return null;
  }
}

function readText(path: string): string | null {
  try {
    return fs.readFileSync(path, "latin1");
  } catch {
    return null;
  }
}
