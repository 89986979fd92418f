// Opening a segment for direct I/O, or buffered where the filesystem refuses it.
//
// Owns: deciding whether O_DIRECT will really serve writes of the log's alignment. A filesystem can accept the flag
// at open and refuse every write (FUSE, some network filesystems): then the first append would poison the lane, so
// where the kernel does not tell its alignment, one read is tried first.

import fs from "node:fs";
import type { NativeBinding } from "../../native/binding.js";
import { openDescriptor, closeDescriptor } from "../node-files.js";
import { errnoName, fromNodeError, nameOfErrno } from "../system-error.js";

const { O_RDWR, O_DIRECT } = fs.constants as { O_RDWR: number; O_DIRECT: number | undefined };

export interface DirectOpen {
  readonly descriptor: number;
  /** "direct I/O: on", or why it is off. */
  readonly note: string;
}

export async function openForWriting(native: NativeBinding, path: string, alignment: number): Promise<DirectOpen> {
  const direct = await openDirect(native, path, alignment);
  if (typeof direct === "number") return { descriptor: direct, note: "direct I/O: on" };
  try {
    return { descriptor: await openDescriptor(path, O_RDWR), note: `direct I/O: off: ${direct}` };
  } catch (error) {
    throw fromNodeError(error, { operation: "open to write", path });
  }
}

/** A descriptor, or why direct I/O does not serve here. */
async function openDirect(native: NativeBinding, path: string, alignment: number): Promise<number | string> {
  if (O_DIRECT === undefined) return "this platform has no O_DIRECT";
  let descriptor: number;
  try {
    descriptor = await openDescriptor(path, O_RDWR | O_DIRECT);
  } catch (error) {
    // Any other failure comes again without O_DIRECT, and is told there.
    return `${errnoName(error) ?? "an error"} from open`;
  }
  const refused = alignmentRefused(native, descriptor, alignment);
  if (refused === null) return descriptor;
  await closeDescriptor(descriptor, path);
  return refused;
}

function alignmentRefused(native: NativeBinding, descriptor: number, alignment: number): string | null {
  const needed = new Uint32Array(2);
  native.directAlignment(descriptor, needed);
  const offsets = needed[1] as number;
  if (offsets !== 0) return alignment % offsets === 0 ? null : `the device wants multiples of ${String(offsets)} bytes`;
  const scratch = native.allocate(alignment);
  if (typeof scratch === "number") return `no memory to try it: ${nameOfErrno(-scratch)}`;
  const result = native.readAt(descriptor, scratch, 0, alignment, 0, 0, 0);
  native.release(scratch);
  return result < 0 ? `${nameOfErrno(-result)} from a read` : null;
}

export const fuseNote = "flush: a sync after each write: FUSE does not hand RWF_DSYNC on";

const fuseType = 0x6573_5546;

/**
 * Whether the file lies on FUSE. 1. a direct write with RWF_DSYNC; 2. FUSE sends the write to its daemon and no sync;
 * 3. the completion looks durable; 4. the daemon's machine fails: gone.
 */
export async function isFuse(path: string): Promise<boolean> {
  return (await fs.promises.statfs(path)).type === fuseType;
}
