// Reads what of a stretch of a file can be read: a bad sector is never the end of what lies around it.

import { RingwallError } from "../base/errors.js";
import { pageBytes } from "../format/block.js";
import type { StorageFile } from "../storage/storage.js";

/**
 * Fills `into` with the file's bytes from `from` on. What lies behind the file's end, and each page that can't be read, is zeros, which verify
 * as nothing. Resolves to the bytes that were read; `onUnreadable` is told the position of each bad page.
 */
export async function readAround(file: StorageFile, into: Uint8Array, from: number, onUnreadable: (position: number) => void = ignored): Promise<number> {
  const whole = await readOrNull(file, into, from);
  if (whole !== null) return whole;
  let bytes = 0;
  for (let at = 0; at < into.length; at += pageBytes) {
    const page = await readOrNull(file, into.subarray(at, at + pageBytes), from + at);
    if (page === null) onUnreadable(from + at);
    bytes += page ?? 0;
  }
  return bytes;
}

async function readOrNull(file: StorageFile, into: Uint8Array, from: number): Promise<number | null> {
  try {
    const bytes = await file.readAt(into, from);
    into.fill(0, bytes);
    return bytes;
  } catch (error) {
    if (!(error instanceof RingwallError) || error.code !== "RINGWALL_IO") throw error;
    into.fill(0);
    return null;
  }
}

function ignored(): void {
  // Whoever looks for more than is there does not mind.
}
