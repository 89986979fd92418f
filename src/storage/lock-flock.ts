// What flock(2) says about the owner of a lock record.
//
// Owns: taking and dropping the test lock, and deciding where its answer means anything.

import fs from "node:fs";
import type { NativeBinding } from "../native/binding.js";
import { readBootId, type LockOwner } from "./lock-owner.js";
import { closeDescriptor, openDescriptor } from "./node-files.js";

export type FlockVerdict = "free" | "held" | /** The file is gone, or the filesystem has no locks. */ "silent";

const EWOULDBLOCK = 11;

/** A lock taken for this test is dropped at once; an opener that meets it asks again. */
export async function flockVerdict(path: string, native: NativeBinding): Promise<FlockVerdict> {
  let descriptor: number;
  try {
    descriptor = await openDescriptor(path, fs.constants.O_RDONLY);
  } catch {
    return "silent";
  }
  const result = native.lock(descriptor, true);
  await closeDescriptor(descriptor, path);
  if (result === 0) return "free";
  return result === -EWOULDBLOCK ? "held" : "silent";
}

/**
 * Filesystems on which a flock by another machine would be seen here, or which can't be mounted by two machines at once,
 * by f_type of statfs(2): ext, XFS, Btrfs, tmpfs, F2FS, ZFS, overlay; NFS, Ceph. On others (FUSE, 9p, SMB) a lock may
 * be local to each machine: getting it proves nothing.
 */
const flockSpansHosts = new Set([0xef53, 0x58465342, 0x9123683e, 0x01021994, 0xf2f52010, 0x2fc12fc1, 0x794c7630, 0x6969, 0x00c36400]);

/** Whether getting the owner's flock proves that the owner is gone. */
export async function flockTells(directory: string, owner: LockOwner): Promise<boolean> {
  if (owner.bootId !== null && owner.bootId === readBootId()) return true;
  return flockSpansHosts.has((await fs.promises.statfs(directory)).type);
}
