// A window: a stretch of one segment file in memory of its own, in front of it some room for the bytes that the
// window before left over. Records point into the memory, so it is never used twice; but for scratch memory, out of which they are copied.

import { Memory } from "../format/memory.js";
import { isUnreadable, readPages } from "../recovery/read-around.js";
import type { SegmentFile } from "./segment-files.js";

export interface Window {
  readonly memory: Memory;
  /** File offset that byte 0 of the memory would have; negative when the room reaches before the file. A multiple of 8. */
  readonly base: number;
  /** File offsets of the bytes that are there; multiples of 8. */
  readonly start: number;
  readonly end: number;
  /** Records of the partition up to this sequence were durable before the read began: these bytes hold them in full. */
  readonly limit: number;
  /** The error of the device when some pages could not be read; they are zeros. */
  readonly cause: unknown;
}

export interface WindowRequest {
  readonly start: number;
  readonly end: number;
  readonly limit: number;
  /** Bytes kept free in front of `start`. */
  readonly roomBytes: number;
  /** Memory to use instead of fresh one, if it is large enough; what it held is gone. */
  readonly scratch?: Memory | null;
}

/** Reads [start, end) of the file. What lies behind the file's end, or can't be read, is zeros, which verify as nothing. */
export async function loadWindow(file: Pick<SegmentFile, "readAt">, request: WindowRequest): Promise<Window> {
  const { start, end, limit, roomBytes, scratch = null } = request;
  const bytes = roomBytes + end - start;
  const memory = scratch !== null && bytes <= scratch.bytes.length ? scratch : allocate(bytes);
  const into = memory.bytes.subarray(roomBytes, roomBytes + end - start);
  let cause: unknown;
  try {
    const bytesRead = await file.readAt(into, start);
    if (bytesRead < into.length) into.fill(0, bytesRead);
  } catch (error) {
    if (!isUnreadable(error)) throw error;
    cause = error;
    await readPages(file, into, start, () => undefined);
  }
  return { memory, base: start - roomBytes, start, end, limit, cause };
}

/** `next` together with the bytes of `before` from `position` on, which end where `next` starts. */
export function joinWindows(before: Window, position: number, next: Window): Window {
  const carried = before.memory.bytes.subarray(position - before.base, before.end - before.base);
  if (carried.length === 0) return next;
  const limit = Math.min(before.limit, next.limit);
  const cause = next.cause ?? before.cause;
  if (position >= next.base) {
    next.memory.bytes.set(carried, position - next.base);
    return { ...next, start: position, limit, cause };
  }
  const memory = allocate(next.end - position);
  memory.bytes.set(carried, 0);
  memory.bytes.set(next.memory.bytes.subarray(next.start - next.base, next.end - next.base), carried.length);
  return { memory, base: position, start: position, end: next.end, limit, cause };
}

function allocate(bytes: number): Memory {
  // Not zeroed, and not from Node's shared pool: the memory is filled by the read and belongs to the records.
  return new Memory(Buffer.allocUnsafeSlow(bytes).buffer);
}
