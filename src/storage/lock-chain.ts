// The chain of lock records in a log's directory, as it can be read: see lock.ts for what it means.
//
// Owns: the names and the walk. Reads only; works on a read-only directory.

import fs from "node:fs";
import path from "node:path";
import { assert } from "../base/assert.js";
import { lockName } from "../format/names.js";
import { parseOwner, type LockOwner } from "./lock-owner.js";
import { errnoName, fromNodeError } from "./system-error.js";

/** Longer than any that crashes can leave: each hop is a process that died between its link and its rename. */
const hopsMax = 1000;

export type ChainEnd =
  | { readonly kind: "empty" }
  | { readonly kind: "record"; readonly name: string; readonly key: string; readonly owner: LockOwner }
  /** Not a whole record. `modified`: milliseconds since 1970. */
  | { readonly kind: "illegible"; readonly name: string; readonly key: string; readonly modified: number };

/** Under which name the successor of the record at the chain's end appears. */
export function successorName(end: ChainEnd): string {
  return end.kind === "empty" ? lockName : `${lockName}.${end.key}`;
}

/**
 * The last record. The walk counts only if the first record is still the same afterwards: 1. DIR/lock names dead X;
 * 2. X's successor W renames its record to DIR/lock; 3. the walk finds no successor of X, and would call the lock free.
 */
export async function lastOfChain(directory: string): Promise<ChainEnd> {
  for (;;) {
    const first = await readRecord(directory, lockName);
    if (first.kind === "empty") return first;
    const last = await follow(directory, first);
    const again = await readRecord(directory, lockName);
    if (again.kind !== "empty" && again.key === first.key) return last;
  }
}

async function follow(directory: string, first: ChainEnd): Promise<ChainEnd> {
  let last = first;
  for (let hops = 0; ; hops++) {
    assert(hops < hopsMax, "a chain of lock records ends");
    const next = await readRecord(directory, successorName(last));
    if (next.kind === "empty") return last;
    last = next;
  }
}

export async function readRecord(directory: string, name: string): Promise<ChainEnd> {
  try {
    const handle = await fs.promises.open(path.join(directory, name), "r");
    try {
      const owner = parseOwner(await handle.readFile("utf8"));
      if (owner !== null) return { kind: "record", name, key: owner.nonce, owner };
      const { ino, mtimeMs } = await handle.stat();
      return { kind: "illegible", name, key: `torn-${String(ino)}-${String(Math.trunc(mtimeMs))}`, modified: mtimeMs };
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (errnoName(error) === "ENOENT") return { kind: "empty" };
    throw fromNodeError(error, { operation: "read the lock", path: path.join(directory, name) });
  }
}
