// Payloads of the commands that are more than one record's bytes: several records, a number, a partition's name.

import type { PartitionOptions } from "../log/log.js";
import { asBytes } from "../log/record-data.js";

/** One record of a batch; `partition` is its number with this producer. */
export interface PayloadRecord {
  readonly partition: number;
  readonly data: Uint8Array;
}

const entryBytes = 8;

/** count, then (partition, bytes) of each, then the bytes. */
export function encodeRecords(given: readonly { readonly partition: number; readonly data: Uint8Array | string }[]): Buffer {
  const records = given.map(({ partition, data }) => ({ partition, data: typeof data === "string" ? data : asBytes(data) }));
  const sizes = records.map(({ data }) => (typeof data === "string" ? Buffer.byteLength(data) : data.length));
  const payload = Buffer.allocUnsafe(sizes.reduce((sum, size) => sum + size, 4 + records.length * entryBytes));
  payload.writeUInt32LE(records.length, 0);
  let at = 4 + records.length * entryBytes;
  for (const [index, { partition, data }] of records.entries()) {
    const size = sizes[index] as number;
    payload.writeUInt32LE(partition, 4 + index * entryBytes);
    payload.writeUInt32LE(size, 8 + index * entryBytes);
    if (typeof data === "string") payload.write(data, at, size, "utf8");
    else payload.set(data, at);
    at += size;
  }
  return payload;
}

/** Views into the payload. */
export function decodeRecords(payload: Buffer): PayloadRecord[] {
  const count = payload.readUInt32LE(0);
  let at = 4 + count * entryBytes;
  return Array.from({ length: count }, (_, index) => {
    const partition = payload.readUInt32LE(4 + index * entryBytes);
    const size = payload.readUInt32LE(8 + index * entryBytes);
    const data = payload.subarray(at, at + size);
    at += size;
    return { partition, data };
  });
}

export function encodeNumber(value: number): Buffer {
  const payload = Buffer.allocUnsafe(8);
  payload.writeDoubleLE(value, 0);
  return payload;
}

export function decodeNumber(payload: Buffer): number {
  return payload.readDoubleLE(0);
}

export interface PartitionName {
  readonly name: string;
  readonly placement: PartitionOptions | null;
}

export function encodeName(name: PartitionName): Buffer {
  return Buffer.from(JSON.stringify(name), "utf8");
}

export function decodeName(payload: Buffer): PartitionName {
  return JSON.parse(payload.toString("utf8")) as PartitionName;
}
