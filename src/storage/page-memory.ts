// Memory for large reads: where the addon is there it begins at a page, so that direct I/O can fill it.

import { loadNative } from "../native/binding.js";

/** A mapping of its own costs some microseconds and a page; below this the heap serves. */
const mappedBytesMin = 1024 * 1024;

/** Zeroed memory that is freed when it is collected. */
export function pageMemory(bytes: number): ArrayBuffer {
  const native = loadNative();
  if (bytes < mappedBytesMin || native.kind === "absent") return new ArrayBuffer(bytes);
  const memory = native.binding.allocate(bytes);
  return typeof memory === "number" ? new ArrayBuffer(bytes) : memory;
}
