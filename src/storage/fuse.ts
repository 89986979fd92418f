// FUSE: file systems in user space, to which the kernel does not hand on that one write is to be durable.
//
// 1. a write with RWF_DSYNC, or through O_DSYNC; 2. the kernel sends the write to the daemon and no sync; 3. it looks durable;
// 4. the daemon's machine fails: gone. So there each write is followed by a sync of its own.

import fs from "node:fs";
import { on } from "./features.js";

export const fuseFlush = on("flush", "a sync after each write", "FUSE does not hand durable writes on");

const fuseType = 0x6573_5546;

/** Whether the file lies on FUSE. Rejects with Node's error. */
export async function isFuse(path: string): Promise<boolean> {
  return process.platform === "linux" && (await fs.promises.statfs(path)).type === fuseType;
}
