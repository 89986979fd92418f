// The writer's exclusive lock on a log: DIR/lock, by atomic names alone, and by flock where the addon is there.
//
// The lock is a chain of records. DIR/lock is the first; the successor of the record with nonce n is DIR/lock.n. The
// owner is the last of the chain. Every record appears whole, by link(2), which fails when the name exists.
//   take      chain empty: link DIR/lock. Last owner dead: link DIR/lock.<its nonce>. Then walk the chain again:
//             only who finds itself at the end owns the lock. The winner renames its record to DIR/lock.
//   release   unlink DIR/lock.
// The usual way, removing a stale lock and taking it anew, loses: 1. A and B judge X dead; 2. A removes X's lock and
// takes it; 3. B removes the lock, which is A's by now, and takes it: two writers. Here B's link to DIR/lock.<X> fails,
// or succeeds only after A's rename, when no chain leads to it any more, and the second walk tells B so.
//
// flock is the kernel's word on who lives: an owner with the addon holds one on its record from before the record is
// visible. It is asked for where pids can't tell: other containers, other hosts, threads that ended without release.

import path from "node:path";
import { RingwallError } from "../base/errors.js";
import type { NativeBinding } from "../native/binding.js";
import { lastOfChain, type ChainEnd } from "./lock-chain.js";
import { LockClaim } from "./lock-claim.js";
import { judgeOwner, type LockOwner } from "./lock-owner.js";
import { flockTells, flockVerdict } from "./lock-flock.js";
import { fromNodeError } from "./system-error.js";

/** How long a record that may be a dead process's last moment is asked again: its ring is still being torn down. */
const patienceMillis = 1000;
const retryMillis = 20;

/** Takes the lock; resolves to its release. Rejects with RINGWALL_LOCKED, or with what the disk says. */
export async function lockDirectory(directory: string, native: NativeBinding | null): Promise<() => Promise<void>> {
  let claim: LockClaim | null = null;
  try {
    const deadline = performance.now() + patienceMillis;
    for (;;) {
      const end = await lastOfChain(directory);
      const standing = await standingOf(directory, end, native);
      if (standing === "held" || (standing === "unclear" && performance.now() > deadline)) throw locked(directory, end);
      if (standing === "unclear") {
        await new Promise((resolve) => setTimeout(resolve, retryMillis));
        continue;
      }
      claim ??= await LockClaim.make(directory, native);
      if (await claim.succeed(end)) return await claim.win();
    }
  } catch (error) {
    if (claim !== null) await claim.abandon();
    throw error instanceof RingwallError ? error : fromNodeError(error, { operation: "lock the log", path: directory });
  }
}

/** Whether a live writer holds the lock. Writes nothing; what can't be told, after the same patience, counts as locked. */
export async function isLocked(directory: string, native: NativeBinding | null): Promise<boolean> {
  const deadline = performance.now() + patienceMillis;
  try {
    for (;;) {
      const standing = await standingOf(directory, await lastOfChain(directory), native);
      if (standing !== "unclear" || performance.now() > deadline) return standing !== "free";
      await new Promise((resolve) => setTimeout(resolve, retryMillis));
    }
  } catch (error) {
    throw fromNodeError(error, { operation: "look at the lock", path: directory });
  }
}

type Standing =
  | "free"
  | "held"
  /** A process's last moment, or a record that is just being written: ask again. */
  | "unclear";

async function standingOf(directory: string, end: ChainEnd, native: NativeBinding | null): Promise<Standing> {
  if (end.kind === "empty") return "free";
  // A record is whole from the moment it is visible: half of one is what a power failure left, or, where the
  // filesystem has no links, one that is just being written.
  if (end.kind === "illegible") return Math.abs(Date.now() - end.modified) > patienceMillis ? "free" : "unclear";
  const portable = judgeOwner(end.owner);
  if (native !== null && end.owner.flock && (await flockTells(directory, end.owner))) {
    const verdict = await flockVerdict(path.join(directory, end.name), native);
    if (verdict === "free") return "free";
    if (verdict === "held") return portable === "alive" ? "held" : "unclear";
  }
  return portable === "dead" ? "free" : "held";
}

function locked(directory: string, end: ChainEnd): RingwallError {
  const place = { path: directory };
  if (end.kind !== "record") return new RingwallError("RINGWALL_LOCKED", "another process is just taking the lock", { place, remedy: "Try again." });
  const { pid, host, since } = end.owner;
  const verdict = judgeOwner(end.owner);
  const mine = pid === process.pid && verdict === "alive";
  const who = mine ? `this process (pid ${String(pid)})` : `process ${String(pid)} on host ${host}`;
  return new RingwallError("RINGWALL_LOCKED", `the log is open for writing in ${who} since ${new Date(since).toISOString()}`, {
    place,
    remedy: remedyFor(end.owner, verdict, path.join(directory, end.name), mine),
    details: { pid, host, since },
  });
}

function remedyFor(owner: LockOwner, verdict: "alive" | "dead" | "unknown", file: string, mine: boolean): string {
  if (mine) return "Close it first, or share that one.";
  if (verdict === "alive") return "Stop that process, or open the log with { readOnly: true }.";
  if (verdict === "dead") return "That process has ended, but something still holds its lock: look for its children.";
  return `It runs on another machine or in another container, so nobody here can tell whether it lives. If ${owner.host} no longer uses the log, remove ${file}.`;
}
