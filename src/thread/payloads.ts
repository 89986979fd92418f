// Payloads of the commands that are more than one record's bytes: several records, a number, a partition's name.

import type { PartitionOptions } from "../log/log.js";
import type { ProducerOptions } from "../log/partition.js";
import { asBytes } from "../log/record-data.js";
import type { SentBackup } from "./port-messages.js";

/** One record or truncation of a group; `partition` is its number with this producer. */
export type PayloadItem<Data = Uint8Array> =
  | { readonly partition: number; readonly data: Data; readonly truncate?: undefined }
  | { readonly partition: number; readonly truncate: number; readonly data?: undefined };

const entryBytes = 8;
/** In place of a record's size; a number follows among the bytes. No record is so long. */
const truncationMark = 0xffff_ffff;

/** count, then (partition, bytes) of each, then the bytes. */
export function encodeItems(given: readonly PayloadItem<Uint8Array | string>[]): Buffer {
  const items = given.map(({ partition, data, truncate }) => {
    const given = data === undefined ? encodeNumber(truncate) : typeof data === "string" ? data : asBytes(data);
    return { partition, data: given, size: typeof given === "string" ? Buffer.byteLength(given) : given.length, isTruncation: data === undefined };
  });
  const payload = Buffer.allocUnsafe(items.reduce((sum, { size }) => sum + size, 4 + items.length * entryBytes));
  payload.writeUInt32LE(items.length, 0);
  let at = 4 + items.length * entryBytes;
  for (const [index, { partition, data, size, isTruncation }] of items.entries()) {
    payload.writeUInt32LE(partition, 4 + index * entryBytes);
    payload.writeUInt32LE(isTruncation ? truncationMark : size, 8 + index * entryBytes);
    if (typeof data === "string") payload.write(data, at, size, "utf8");
    else payload.set(data, at);
    at += size;
  }
  return payload;
}

/** Views into the payload. */
export function decodeItems(payload: Buffer): PayloadItem[] {
  const count = payload.readUInt32LE(0);
  let at = 4 + count * entryBytes;
  return Array.from({ length: count }, (_, index): PayloadItem => {
    const partition = payload.readUInt32LE(4 + index * entryBytes);
    const mark = payload.readUInt32LE(8 + index * entryBytes);
    const from = at;
    at += mark === truncationMark ? numberBytes : mark;
    const data = payload.subarray(from, at);
    return mark === truncationMark ? { partition, truncate: decodeNumber(data) } : { partition, data };
  });
}

const numberBytes = 8;

export function encodeNumber(value: number): Buffer {
  const payload = Buffer.allocUnsafe(numberBytes);
  payload.writeDoubleLE(value, 0);
  return payload;
}

export function decodeNumber(payload: Buffer): number {
  return payload.readDoubleLE(0);
}

export function encodeBackup(order: SentBackup): Buffer {
  return Buffer.from(JSON.stringify(order), "utf8");
}

export function decodeBackup(payload: Buffer): SentBackup {
  return JSON.parse(payload.toString("utf8")) as SentBackup;
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

const callHeaderBytes = 12;

/** Which call of which producer, then its records. */
export function encodeCall({ producer, seq }: ProducerOptions, records: readonly (Uint8Array | string)[]): Buffer {
  const name = Buffer.from(producer, "utf8");
  const header = Buffer.alloc(callHeaderBytes);
  header.writeDoubleLE(seq, 0);
  header.writeUInt32LE(name.length, 8);
  return Buffer.concat([header, name, encodeItems(records.map((data) => ({ partition: 0, data })))]);
}

export function decodeCall(payload: Buffer): { readonly options: ProducerOptions; readonly records: readonly Uint8Array[] } {
  const nameEnd = callHeaderBytes + payload.readUInt32LE(8);
  const options = { producer: payload.toString("utf8", callHeaderBytes, nameEnd), seq: payload.readDoubleLE(0) };
  return { options, records: decodeItems(payload.subarray(nameEnd)).flatMap(({ data }) => data ?? []) };
}
