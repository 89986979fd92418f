// The times of a partition's records: where the records since a moment begin, and the times of the first and the last.
//
// A writer's times never go back, within a lane and over all its openings: where the clock does, the time of the record
// before stands still until the clock has caught up (tail.ts). So times ascend with sequences, and a search by halves
// finds the first record of a moment: first over the indexes of the segments, then over the records of one of them, each
// looked at like by `get`. Owns no state. It must never give a start behind a record that is due: what it can't read it
// doesn't pass over unless a later record is too old as well.

import { RingwallError } from "../base/errors.js";
import { lastLive } from "../core/living-segment.js";
import type { PartitionState } from "../core/partition-table.js";
import type { PartitionRun } from "../core/segment-runs.js";
import type { ReadSource } from "./read-source.js";
import { ReadWalk } from "./read-walk.js";

/** Times of the first record that is kept and of the last that is durable, milliseconds since 1970. */
export interface PartitionTimes {
  readonly first: number;
  readonly last: number;
}

export interface SinceQuery {
  /** Milliseconds since 1970. */
  readonly since: number;
  /** First sequence that may be the answer; the first that is kept when left out. */
  readonly from: number | undefined;
  /** Last sequence that may be the answer. */
  readonly to: number;
}

/** Sequences: every live record below `low` is too old, and the one at `high` is not, or is the end of what is asked for, or lost. */
interface Bracket {
  low: number;
  high: number;
}

/** Records on disk may change under a search; that so many changes meet one means something else. */
const triesMax = 64;

/** Undefined when there are no records. Reads both, as `get` does, and rejects like it. */
export async function times(source: ReadSource, state: PartitionState): Promise<PartitionTimes | undefined> {
  return whileChanging(source, state, async () => {
    const { firstSequence, durableSequence } = state;
    if (firstSequence > durableSequence) return undefined;
    const first = await timeOf(source, state, firstSequence, firstSequence);
    const last = await timeOf(source, state, durableSequence, durableSequence);
    return { first, last };
  });
}

/**
 * The first sequence of a durable record in [from, to] whose time is at or after `since`; the one behind them when there is none.
 * Where records are lost between the last that is older and the first that is not, it names one of them: reading says so.
 */
export async function findSince(source: ReadSource, state: PartitionState, query: SinceQuery): Promise<number> {
  return whileChanging(source, state, async () => {
    const from = Math.max(query.from ?? 1, state.firstSequence);
    const bracket: Bracket = { low: from, high: Math.max(from, Math.min(query.to, state.durableSequence) + 1) };
    await narrowBySegments(source, state, query.since, bracket);
    while (bracket.low < bracket.high) await halve(source, state, query.since, bracket);
    return bracket.low;
  });
}

/** The newest segment whose records are all too old gives `low`, the one behind it `high`. */
async function narrowBySegments(source: ReadSource, state: PartitionState, since: number, bracket: Bracket): Promise<void> {
  const ids = source.segmentIds;
  let low = 0;
  let high = ids.length;
  /** The last live record of the oldest segment found whose newest record, dead or not, is new enough. */
  let newEnough = 0;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const { at, run } = await newestRun(source, state, { low, at: middle });
    const segment = ids[at] as number;
    // Records that are dead count in a run's times: those of a segment may all be too old although its newest is not.
    const last = run === null ? 0 : lastLive(state, segment, run.lastSequence, false);
    if (run === null) low = middle + 1;
    else if (run.lastTime < since) {
      bracket.low = Math.min(bracket.high, Math.max(bracket.low, last + 1));
      low = middle + 1;
    } else {
      newEnough = last;
      high = at;
    }
  }
  await narrowByRecord(source, state, since, { bracket, sequence: newEnough });
}

/**
 * 1. the records of a run are 1 to 5, and 5 alone is new enough; 2. 5 is truncated away, and written anew in the next segment; 3. the run's
 * newest time is still that of the dead one. So the record itself is asked.
 */
async function narrowByRecord(source: ReadSource, state: PartitionState, since: number, { bracket, sequence }: { readonly bracket: Bracket; readonly sequence: number }): Promise<void> {
  if (sequence < bracket.low || sequence >= bracket.high) return;
  const found = await timeOrLoss(source, state, sequence, sequence);
  if (found.kind === "lost") return;
  if (found.time < since) bracket.low = sequence + 1;
  else bracket.high = sequence;
}

/** The partition's run in the newest segment of [low, at] that has one. */
async function newestRun(source: ReadSource, state: PartitionState, { low, at }: { readonly low: number; readonly at: number }): Promise<{ readonly at: number; readonly run: PartitionRun | null }> {
  for (let position = at; position >= low; position--) {
    const run = (await source.segmentIndex(source.segmentIds[position] as number)).runs.get(state.id);
    if (run !== undefined && run.lastSequence > 0) return { at: position, run };
  }
  return { at: low, run: null };
}

async function halve(source: ReadSource, state: PartitionState, since: number, bracket: Bracket): Promise<void> {
  const middle = Math.floor((bracket.low + bracket.high) / 2);
  let sequence = middle;
  while (sequence < bracket.high) {
    const found = await timeOrLoss(source, state, sequence, bracket.high - 1);
    if (found.kind === "time" && found.time < since) {
      bracket.low = sequence + 1;
      return;
    }
    if (found.kind === "time") break;
    // Lost. The record behind the loss tells whether it may be passed over.
    sequence = found.last + 1;
  }
  bracket.high = middle;
}

type TimeOrLoss = { readonly kind: "time"; readonly time: number } | { readonly kind: "lost"; readonly last: number };

async function timeOrLoss(source: ReadSource, state: PartitionState, sequence: number, to: number): Promise<TimeOrLoss> {
  try {
    return { kind: "time", time: await timeOf(source, state, sequence, to) };
  } catch (error) {
    if (!(error instanceof RingwallError) || error.code !== "RINGWALL_DAMAGED") throw error;
    const { lastSequence } = (error.details ?? {}) as { lastSequence?: unknown };
    if (typeof lastSequence !== "number") throw error;
    return { kind: "lost", last: Math.max(sequence, lastSequence) };
  }
}

/** Of the record `sequence`; where it is lost, the error tells how far, up to `to`. */
async function timeOf(source: ReadSource, state: PartitionState, sequence: number, to: number): Promise<number> {
  const walk = new ReadWalk(source, state, { from: sequence, to, limit: 1, isTail: false });
  try {
    const [record] = await walk.next();
    if (record !== undefined) return record.time;
    throw new RingwallError("RINGWALL_NOT_FOUND", "the record was truncated while its time was looked up", { place: { lane: source.lane, partition: state.name, sequence } });
  } finally {
    await walk.close();
  }
}

/** Nothing was given away yet: when records were trimmed or truncated, or a segment was freed meanwhile, it begins anew. */
async function whileChanging<Result>(source: ReadSource, state: PartitionState, search: () => Promise<Result>): Promise<Result> {
  let hasLooked = false;
  for (let tries = 1; ; tries++) {
    const { firstSequence, durableSequence, truncations } = state;
    const { segmentIds } = source;
    try {
      return await search();
    } catch (error) {
      if (!isAboutRecords(error) || tries >= triesMax) throw error;
      const isChanged = state.firstSequence !== firstSequence || state.durableSequence < durableSequence || state.truncations !== truncations || source.segmentIds !== segmentIds;
      if (!isChanged && (hasLooked || !(await source.lookAgain()))) throw error;
      hasLooked ||= !isChanged;
    }
  }
}

function isAboutRecords(error: unknown): boolean {
  return error instanceof RingwallError && (error.code === "RINGWALL_TRIMMED" || error.code === "RINGWALL_NOT_FOUND" || error.code === "RINGWALL_DAMAGED");
}
