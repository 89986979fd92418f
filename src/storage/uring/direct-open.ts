// Opening a segment for direct I/O, or buffered where the filesystem refuses it.
//
// Owns: deciding whether O_DIRECT will really serve writes of the log's alignment. A filesystem can accept the flag
// at open and refuse every write (FUSE, some network filesystems): then the first append would poison the lane, so
// where the kernel does not tell its alignment, one read is tried first.

import fs from "node:fs";
import type { NativeBinding } from "../../native/binding.js";
import { type BackendFeature, off, on } from "../features.js";
import { closeDescriptor, openDescriptor, openDescriptors } from "../node-files.js";
import { errnoName, fromNodeError, nameOfErrno } from "../system-error.js";

const { O_RDWR, O_DIRECT } = fs.constants as { O_RDWR: number; O_DIRECT: number | undefined };

export interface DirectOpenOptions {
  readonly native: NativeBinding;
  readonly path: string;
  /** Of writes, bytes. */
  readonly alignment: number;
  /** Descriptors wanted. */
  readonly count: number;
}

export interface DirectOpen {
  readonly descriptors: readonly number[];
  readonly feature: BackendFeature;
}

export async function openForWriting({ native, path, alignment, count }: DirectOpenOptions): Promise<DirectOpen> {
  const refused = await directRefused(native, path, alignment);
  const flags = refused === null ? O_RDWR | (O_DIRECT as number) : O_RDWR;
  try {
    return { descriptors: await openDescriptors(path, flags, count), feature: refused === null ? on("direct I/O") : off("direct I/O", refused) };
  } catch (error) {
    throw fromNodeError(error, { operation: "open to write", path });
  }
}

/** Why direct I/O does not serve here, or null. */
async function directRefused(native: NativeBinding, path: string, alignment: number): Promise<string | null> {
  if (O_DIRECT === undefined) return "this platform has no O_DIRECT";
  let descriptor: number;
  try {
    descriptor = await openDescriptor(path, O_RDWR | O_DIRECT);
  } catch (error) {
    // Any other failure comes again without O_DIRECT, and is told there.
    return `${errnoName(error) ?? "an error"} from open`;
  }
  const refused = alignmentRefused(native, descriptor, alignment);
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
