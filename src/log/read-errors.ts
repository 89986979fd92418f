// The errors of reading, in one place: what they name, and what the reader of the message can do.

import type { PartitionState } from "../core/partition-table.js";
import { RingwallError } from "../base/errors.js";
import type { Stumble } from "./block-cursor.js";
import type { ReadSource } from "./read-source.js";

/** Details of RINGWALL_DAMAGED: the records that can't be read. */
export interface LostRecords {
  readonly partition: string;
  readonly firstSequence: number;
  readonly lastSequence: number;
}

/** Details of RINGWALL_TRIMMED. */
export interface TrimmedRecords {
  readonly partition: string;
  /** The first record that is kept. */
  readonly firstSequence: number;
}

export function trimmedError(source: ReadSource, state: PartitionState, sequence: number): RingwallError {
  const details: TrimmedRecords = { partition: state.name, firstSequence: state.firstSequence };
  return new RingwallError("RINGWALL_TRIMMED", `the record was trimmed; the first that is kept is ${String(state.firstSequence)}`, {
    place: { lane: source.lane, partition: state.name, sequence },
    remedy: `Read from ${String(state.firstSequence)} on, or leave \`from\` out.`,
    details,
  });
}

/** Records that a reader passed were truncated away since: what he has is no longer what the log says. */
export function truncatedError(source: ReadSource, state: PartitionState, expected: number, after: number): RingwallError {
  return new RingwallError("RINGWALL_NOT_FOUND", `records above ${String(after)} were truncated while they were being read`, {
    place: { lane: source.lane, partition: state.name, sequence: expected },
    remedy: `Drop what was read above ${String(after)} and read on from ${String(after + 1)}.`,
    details: { partition: state.name, truncatedAfter: after },
  });
}

export function droppedError(source: ReadSource, state: PartitionState): RingwallError {
  return new RingwallError("RINGWALL_DROPPED", "the partition was dropped", { place: { lane: source.lane, partition: state.name } });
}

export interface Loss {
  readonly segment: number | undefined;
  readonly first: number;
  readonly last: number;
  readonly stumble: Stumble | null;
  readonly cause: unknown;
}

export function damagedError(source: ReadSource, state: PartitionState, loss: Loss): RingwallError {
  const { first, last, stumble } = loss;
  const details: LostRecords = { partition: state.name, firstSequence: first, lastSequence: last };
  const what = stumble === null ? "records are missing" : `${stumble.what} does not verify`;
  const lost = first === last ? `sequence ${String(first)} is lost` : `sequences ${String(first)} to ${String(last)} are lost`;
  const cause = loss.cause ?? stumble?.cause;
  const segment = stumble?.segment ?? loss.segment;
  return new RingwallError("RINGWALL_DAMAGED", `${what}; ${lost}`, {
    place: {
      lane: source.lane,
      ...(segment === undefined ? {} : { segment }),
      ...(stumble === null ? {} : { offset: stumble.offset }),
      partition: state.name,
      sequence: first,
    },
    remedy: `Reading from ${String(last + 1)} on passes the damage; \`ringwall verify\` shows all of it.`,
    details,
    ...(cause === undefined ? {} : { cause }),
  });
}

export function abortedError(source: ReadSource, state: PartitionState, signal: AbortSignal): RingwallError {
  return new RingwallError("RINGWALL_ABORTED", "reading was aborted", {
    place: { lane: source.lane, partition: state.name },
    cause: signal.reason,
  });
}
