// Reading a partition: by range, for ever, or one record. Only durable records are ever returned.
//
// Owns the public shapes, the checking of arguments and what each end means; the walk itself is read-walk.ts.
// Reading takes no lock: a record that is trimmed or truncated meanwhile ends the read with an error, never with
// other bytes. The lane takes a segment out of `segmentIds` before it reuses its file.

import { RingwallError } from "../base/errors.js";
import type { PartitionState } from "../core/partition-table.js";
import { Memory } from "../format/memory.js";
import { demandKnown } from "./known-options.js";
import type { LogRecord } from "./block-cursor.js";
import { type BatchesOptions, RecordBatches, Records } from "./read-batches.js";
import { readPoint } from "./point-read.js";
import { trimmedError } from "./read-errors.js";
import type { ReadSource } from "./read-source.js";
import { ReadWalk } from "./read-walk.js";

export type { LogRecord } from "./block-cursor.js";

export interface ReadOptions {
  /** First sequence to read; the first that is kept when left out. Trimmed already: RINGWALL_TRIMMED. Behind the end: nothing is read. */
  readonly from?: number | undefined;
  /**
   * Reads from the first record of that time, or a later one, on: a Date, or milliseconds since 1970 as in `LogRecord.time`. Found by halves,
   * not by reading what is older. Times never descend within a partition: a writer whose clock goes back repeats the last time until the clock
   * has caught up. With `from`: the later of the two. Records that are trimmed already don't count.
   */
  readonly since?: Date | number | undefined;
  /** Last sequence to read, inclusive; the last one that is durable when the reading begins, when left out. */
  readonly to?: number | undefined;
  /** Records to read at most. */
  readonly limit?: number | undefined;
  /** Ends the read with RINGWALL_ABORTED, whose `cause` is the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

export interface TailOptions {
  /** First sequence to read; the first that is kept when left out. May lie behind the end: the tail waits for it. */
  readonly from?: number | undefined;
  /** As in `ReadOptions`; a moment to come is waited for. */
  readonly since?: Date | number | undefined;
  /** Ends the tail with RINGWALL_ABORTED, whose `cause` is the signal's reason. Leaving the loop ends it without error. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Durable records in arrays of up to some thousand, contiguous and in order: the fast way.
 *
 * Records of an array share memory (see `LogRecord.data`); it is never written again. Several tails of one partition get the same
 * arrays, frozen, and the same memory: who changes a record's bytes changes them for all. Throws RINGWALL_INVALID_ARGUMENT
 * at once; iterating rejects with RINGWALL_TRIMMED, RINGWALL_ABORTED, RINGWALL_CLOSED, RINGWALL_IO, with RINGWALL_NOT_FOUND when
 * records that were read already are truncated, and with RINGWALL_DAMAGED, whose `details` name the lost range: reading
 * from behind it works.
 */
export function readBatches(source: ReadSource, state: PartitionState, options: ReadOptions = {}): AsyncGenerator<readonly LogRecord[], undefined, undefined> {
  return new RecordBatches(source, state, checkedRead(options));
}

/** Durable records one by one, in order. Errors as `readBatches`. */
export function read(source: ReadSource, state: PartitionState, options: ReadOptions = {}): AsyncGenerator<LogRecord, undefined, undefined> {
  return new Records(new RecordBatches(source, state, checkedRead(options)));
}

/**
 * Records one by one, first those that are there, then each as it becomes durable, for ever. Errors as `readBatches`: a tail that
 * has given records which are truncated away then rejects with RINGWALL_NOT_FOUND, also while it waits; `details.truncatedAfter` is the last one that stays:
 * the lowest, where it missed several; lower than that where it missed more than are kept in mind.
 */
export function tail(source: ReadSource, state: PartitionState, options: TailOptions = {}): AsyncGenerator<LogRecord, undefined, undefined> {
  return new Records(new RecordBatches(source, state, checkedTail(options)));
}

/** As `tail`, in arrays. */
export function tailBatches(source: ReadSource, state: PartitionState, options: TailOptions = {}): AsyncGenerator<readonly LogRecord[], undefined, undefined> {
  return new RecordBatches(source, state, checkedTail(options));
}

/**
 * One record; undefined when it is not durable yet. Its data are memory of their own. Rejects with RINGWALL_TRIMMED when
 * it was trimmed, and with RINGWALL_DAMAGED when it can't be read. Reads nothing in front of it among records of one size, else some 8 KiB at most, never a whole block.
 */
export async function get(source: ReadSource, state: PartitionState, sequence: number): Promise<LogRecord | undefined> {
  checkSequence("sequence", sequence);
  if (sequence < state.firstSequence) throw trimmedError(source, state, sequence);
  const scratch = idleScratch.pop() ?? new Memory(new ArrayBuffer(scratchBytes));
  try {
    const record = (await readPoint({ source, state, sequence, scratch })) ?? (await walkTo(source, state, sequence));
    return record === undefined ? undefined : { seq: record.seq, time: record.time, data: ownMemory(record.data, scratch) };
  } finally {
    // Nothing reads into it any more.
    if (idleScratch.length < idleScratchMax) idleScratch.push(scratch);
  }
}

async function walkTo(source: ReadSource, state: PartitionState, sequence: number): Promise<LogRecord | undefined> {
  const walk = new ReadWalk(source, state, { from: sequence, to: sequence, limit: 1, isTail: false });
  try {
    const [record] = await walk.next();
    return record;
  } finally {
    await walk.close();
  }
}

/**
 * Memory of `get`, used again and again: of one read by a ring at most. Fresh memory for each cost more than reading it: 3 of 14 µs,
 * and its collection.
 */
const scratchBytes = 64 * 1024;
const idleScratchMax = 32;
const idleScratch: Memory[] = [];

/** The window is used again; and a short record must not keep a whole one of the log in memory. */
function ownMemory(data: Uint8Array, scratch: Memory): Uint8Array {
  return data.buffer !== scratch.buffer && 2 * data.byteLength >= data.buffer.byteLength ? data : data.slice();
}

/** What a read is asked for, checked: for `RecordBatches`, or for one in another thread. */
export function checkedRead(options: ReadOptions): BatchesOptions {
  demandKnown("the options of a reading", options, readKeys);
  const { from, since, to, limit, signal } = options;
  if (from !== undefined) checkSequence("from", from);
  if (to !== undefined) checkCount("to", to);
  if (limit !== undefined && limit !== Number.POSITIVE_INFINITY) checkCount("limit", limit);
  checkSignal(signal);
  return { from, since: checkedSince(since), to, limit: limit ?? Number.POSITIVE_INFINITY, isTail: false, signal };
}

/** As `checkedRead`, of a tail. */
export function checkedTail(options: TailOptions): BatchesOptions {
  demandKnown("the options of a tail", options, tailKeys);
  const { from, since, signal } = options;
  if (from !== undefined) checkSequence("from", from);
  checkSignal(signal);
  return { from, since: checkedSince(since), to: undefined, limit: Number.POSITIVE_INFINITY, isTail: true, signal };
}

const tailKeys: ReadonlySet<string> = new Set(["from", "since", "signal"]);
const readKeys: ReadonlySet<string> = new Set([...tailKeys, "to", "limit"]);

export function checkSequence(name: string, value: unknown): void {
  if (!Number.isSafeInteger(value) || (value as number) < 1) throw invalidArgument(name, "a sequence: an integer from 1 on", value);
}

function checkedSince(value: unknown): number | undefined {
  if (value === undefined) return undefined;
  const millis = value instanceof Date ? value.getTime() : value;
  if (typeof millis === "number" && Number.isFinite(millis)) return millis;
  throw invalidArgument("since", "a valid Date, or milliseconds since 1970", value);
}

function checkCount(name: string, value: unknown): void {
  if (!Number.isSafeInteger(value) || (value as number) < 0) throw invalidArgument(name, "an integer from 0 on", value);
}

function checkSignal(value: unknown): void {
  if (value !== undefined && !(value instanceof AbortSignal)) throw invalidArgument("signal", "an AbortSignal", value);
}

function invalidArgument(name: string, wanted: string, value: unknown): RingwallError {
  const given = typeof value === "string" ? JSON.stringify(value) : typeof value === "bigint" ? `${String(value)}n` : String(value);
  return new RingwallError("RINGWALL_INVALID_ARGUMENT", `\`${name}\` must be ${wanted}; it is ${given}`, { details: { argument: name, value } });
}
