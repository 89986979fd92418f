// Reads what of a stretch of a file can be read: a bad sector is never the end of what lies around it.

import { RingwallError } from "../base/errors.js";
import { pageBytes } from "../format/block.js";
import type { StorageFile } from "../storage/storage.js";

/**
 * Fills `into` with the file's bytes from `from` on. What lies behind the file's end, and each page that can't be read, is zeros, which verify
 * as nothing. Resolves to the bytes that were read; `onUnreadable` is told the position of each bad page.
 */
export async function readAround(file: StorageFile, into: Uint8Array, from: number, onUnreadable: (position: number) => void = ignored): Promise<number> {
  try {
    const bytes = await file.readAt(into, from);
    into.fill(0, bytes);
    return bytes;
  } catch (error) {
    if (!isUnreadable(error)) throw error;
  }
  return readPages(file, into, from, (position, error) => {
    if (!isUnreadable(error)) throw error;
    onUnreadable(position);
  });
}

/** As `readAround`, one page of the file after the other, so that one that can't be read costs itself only. `onFailure` may throw. */
export async function readPages(file: Pick<StorageFile, "readAt">, into: Uint8Array, from: number, onFailure: (position: number, error: unknown) => void): Promise<number> {
  let bytes = 0;
  for (let at = 0; at < into.length; ) {
    const end = Math.min(into.length, at + pageBytes - ((from + at) % pageBytes));
    const page = into.subarray(at, end);
    let count = 0;
    try {
      count = await file.readAt(page, from + at);
    } catch (error) {
      onFailure(from + at, error);
    }
    page.fill(0, count);
    bytes += count;
    at = end;
  }
  return bytes;
}

export function isUnreadable(error: unknown): boolean {
  return error instanceof RingwallError && error.code === "RINGWALL_IO";
}

function ignored(): void {
  // Whoever looks for more than is there does not mind.
}
