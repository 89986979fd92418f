// What may be appended.

import { RingwallError } from "../base/errors.js";

/** Throws unless `data` is a string or a Uint8Array that still has its memory and is not longer than `bytesMax`. Hot. */
export function checkData(data: unknown, bytesMax: number, partition: string): asserts data is Uint8Array | string {
  if (typeof data === "string") {
    // A UTF-16 unit becomes at most three bytes: only long strings have to be measured.
    if (data.length * 3 > bytesMax && Buffer.byteLength(data) > bytesMax) throw tooLarge(Buffer.byteLength(data), bytesMax, partition);
    return;
  }
  if (!(data instanceof Uint8Array)) {
    throw new RingwallError("RINGWALL_INVALID_ARGUMENT", `a record must be a Uint8Array or a string; it is ${describe(data)}`, { place: { partition } });
  }
  if (data.length > bytesMax) throw tooLarge(data.length, bytesMax, partition);
  if (data.length === 0 && isGone(data)) {
    throw new RingwallError("RINGWALL_INVALID_ARGUMENT", "the record's memory is detached (it was transferred elsewhere), or its buffer shrank below it", { place: { partition } });
  }
}

/** An array without its memory looks like an empty one; only its methods tell. */
function isGone(data: Uint8Array): boolean {
  try {
    data.at(0);
    return false;
  } catch {
    return true;
  }
}

/** Whether another thread can lengthen the array while it is being copied. */
function canGrow(data: Uint8Array): boolean {
  return (data.buffer as { readonly growable?: boolean }).growable === true;
}

function tooLarge(bytes: number, bytesMax: number, partition: string): RingwallError {
  return new RingwallError("RINGWALL_RECORD_TOO_LARGE", `the record has ${String(bytes)} bytes, the limit is ${String(bytesMax)}`, {
    place: { partition },
    remedy: "Split it, or open the log with a larger recordBytesMax.",
  });
}

function describe(value: unknown): string {
  if (value === null) return "null";
  if (typeof value !== "object") return `a ${typeof value}`;
  const { name } = (value as { constructor?: { name?: string } }).constructor ?? {};
  return name === undefined ? "an object" : `a ${name}`;
}

/** The data as bytes whose length stays what it is: the caller's own array where that is certain. */
export function asBytes(data: Uint8Array | string): Uint8Array {
  if (typeof data === "string") return Buffer.from(data, "utf8");
  return canGrow(data) ? copied(data) : data;
}

/** A copy of the caller's own, whatever subclass it is: Buffer's `slice` would share the memory. */
export function copied(data: Uint8Array | string): Uint8Array {
  return typeof data === "string" ? Buffer.from(data, "utf8") : new Uint8Array(data);
}
