// Arguments of a log's and a partition's methods, checked alike in every thread that they are called in.

import { RingwallError } from "../base/errors.js";
import { storedNumberMax } from "../base/numbers.js";
import { cursorPartition, isHiddenName, producersPartition } from "../core/own-names.js";
import { partitionNameBytesMax } from "../format/checkpoint.js";
import { encodePosition } from "./cursor.js";
import { demandKnown } from "./known-options.js";
import type { CursorMove, PartitionOptions, WriteItem } from "./log.js";
import { producerNameBytesMax } from "../format/producer-record.js";
import type { AppendBatchOptions, ProducerOptions } from "./partition.js";
import { checkData } from "./record-data.js";

/** A record for the partition of that name, or the last sequence that stays of it. */
export type NamedItem =
  | { readonly name: string; readonly data: Uint8Array | string; readonly truncate?: undefined }
  | { readonly name: string; readonly truncate: number; readonly data?: undefined };

/** `position`: of a cursor's move; null for what a partition is given. */
export type CheckedItem = NamedItem & { readonly position: number | null };

export function checkDirectory(directory: unknown): asserts directory is string {
  if (typeof directory === "string" && directory !== "" && !directory.includes("\0")) return;
  throw new RingwallError("RINGWALL_INVALID_ARGUMENT", "the directory must be a path, a string that is not empty");
}

/** Throws RINGWALL_INVALID_ARGUMENT unless `name` can be a partition's. */
export function checkPartitionName(name: unknown): asserts name is string {
  if (!isName(name, partitionNameBytesMax)) throw badName("partition", name, partitionNameBytesMax);
  if (!isHiddenName(name)) return;
  throw new RingwallError("RINGWALL_INVALID_ARGUMENT", "names of partitions that begin with U+0000 are the log's own", { details: { name } });
}

/** Throws RINGWALL_INVALID_ARGUMENT unless `name` can be a cursor's. */
export function checkCursorName(name: unknown): asserts name is string {
  if (!isName(name, cursorNameBytesMax)) throw badName("cursor", name, cursorNameBytesMax);
}

/** Throws RINGWALL_INVALID_ARGUMENT unless these name a producer's call, on a partition that can have producers. */
export function checkProducer(options: ProducerOptions | null, partition: string): asserts options is ProducerOptions {
  demandKnown("an append's options", options, producerKeys);
  const { producer, seq } = options;
  if (!isName(producer, producerNameBytesMax)) throw badName("producer", producer, producerNameBytesMax);
  if (!Number.isInteger(seq) || seq < 1 || seq >= storedNumberMax) {
    throw new RingwallError("RINGWALL_INVALID_ARGUMENT", `a producer's \`seq\` must be an integer from 1 to 2^52 - 1; it is ${String(seq)}`, { place: { partition } });
  }
  if (Buffer.byteLength(partition) <= namedByProducersBytesMax) return;
  throw new RingwallError("RINGWALL_INVALID_ARGUMENT", "the partition's name is too long for producers", { place: { partition }, remedy: `Keep it within ${String(namedByProducersBytesMax)} bytes.` });
}

const producerKeys: ReadonlySet<string> = new Set(["producer", "seq"]);
const batchKeys: ReadonlySet<string> = new Set(["after"]);

/** With the flag `u` a pair is one character, and no surrogate. */
const loneSurrogate = /[\ud800-\udfff]/u;

function isName(name: unknown, bytesMax: number): name is string {
  return typeof name === "string" && name.length >= 1 && Buffer.byteLength(name) <= bytesMax && !loneSurrogate.test(name);
}

function badName(what: string, name: unknown, bytesMax: number): RingwallError {
  return new RingwallError("RINGWALL_INVALID_ARGUMENT", `a ${what}'s name must be a well-formed string of 1 to ${String(bytesMax)} bytes in UTF-8`, { details: { name } });
}

/** The rest of a hidden partition's name. */
const namedByProducersBytesMax = partitionNameBytesMax - producersPartition("").length;
const cursorNameBytesMax = partitionNameBytesMax - cursorPartition("").length;

export const noPlacement: PartitionOptions = {};

export function checkPlacement(options: PartitionOptions | null): void {
  if (typeof options !== "object" || options === null) throw new RingwallError("RINGWALL_INVALID_OPTION", "a partition's options must be an object");
  const unknown = Object.keys(options).find((key) => key !== "lane" && key !== "with");
  if (unknown !== undefined) throw new RingwallError("RINGWALL_INVALID_OPTION", `there is no option \`${unknown}\``, { remedy: "Known are: lane, with." });
  if (options.lane !== undefined && options.with !== undefined) throw new RingwallError("RINGWALL_INVALID_OPTION", "`lane` and `with` exclude each other");
}

export function checkedBatch(batch: unknown, recordBytesMax: number, partition: string): readonly (Uint8Array | string)[] {
  if (!Array.isArray(batch) || batch.length === 0) throw new RingwallError("RINGWALL_INVALID_ARGUMENT", "a batch must be an array of one record at least");
  for (const data of batch as readonly unknown[]) checkData(data, recordBytesMax, partition);
  return batch as readonly (Uint8Array | string)[];
}

/** `after` of a batch: undefined where it only appends. What it may be at most the lane alone knows. */
export function checkedAfter(options: AppendBatchOptions | null, partition: string): number | undefined {
  demandKnown("a batch's options", options, batchKeys);
  const { after } = options;
  if (after !== undefined) checkLastKept("after", after, partition);
  return after;
}

/** Whether the options of an append name a producer's call. */
export function namesCall(options: AppendBatchOptions | ProducerOptions | null): options is ProducerOptions {
  return typeof options === "object" && options !== null && ("producer" in options || "seq" in options);
}

export function checkedItems(items: unknown, recordBytesMax: number): CheckedItem[] {
  if (!Array.isArray(items) || items.length === 0) throw new RingwallError("RINGWALL_INVALID_ARGUMENT", "write takes an array of one item at least");
  const begun = new Set<string>();
  return (items as readonly (WriteItem | null | undefined)[]).map((item): CheckedItem => {
    if (typeof item !== "object" || item === null) {
      throw new RingwallError("RINGWALL_INVALID_ARGUMENT", "an item of write must be { partition, data }, { partition, truncate } or { cursor, seq }");
    }
    if ("cursor" in item) return checkedMove(item);
    const { partition: name, data, truncate } = item;
    checkPartitionName(name);
    const isFirst = !begun.has(name);
    begun.add(name);
    if (truncate === undefined) {
      checkData(data, recordBytesMax, name);
      return { name, data, position: null };
    }
    checkLastKept("truncate", truncate, name);
    if (isFirst && data === undefined) return { name, truncate, position: null };
    throw new RingwallError("RINGWALL_INVALID_ARGUMENT", "a write truncates a partition once at most, in an item of its own before its records", { place: { partition: name } });
  });
}

function checkLastKept(name: string, value: unknown, partition: string): void {
  if (Number.isSafeInteger(value) && (value as number) >= 0) return;
  throw new RingwallError("RINGWALL_INVALID_ARGUMENT", `\`${name}\` must be an integer from 0 on; it is ${String(value)}`, { place: { partition } });
}

export function outsideError(name: string, value: unknown, min: number, max: number, partition: string): RingwallError {
  return new RingwallError("RINGWALL_INVALID_ARGUMENT", `\`${name}\` must be an integer from ${String(min)} to ${String(max)}; it is ${String(value)}`, {
    place: { partition },
  });
}

function checkedMove({ cursor, seq }: CursorMove): CheckedItem {
  checkCursorName(cursor);
  if (!Number.isInteger(seq) || seq < 0 || seq > storedNumberMax) {
    throw new RingwallError("RINGWALL_INVALID_ARGUMENT", `a cursor's position must be an integer from 0 to 2^52; it is ${String(seq)}`, { details: { cursor, seq } });
  }
  return { name: cursorPartition(cursor), data: encodePosition(seq), position: seq };
}
