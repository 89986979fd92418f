// What a whole checkpoint does to the partition table: defines it, must agree with it, or, behind a gap, puts it right. Pure.

import { storedTruncationsMax, type CheckpointEntry, type Truncation } from "../format/checkpoint.js";
import type { LossLedger } from "./loss-ledger.js";
import type { LostDefinitions } from "./lost-definitions.js";
import type { PartitionState, PartitionTable } from "./partition-table.js";
import type { SegmentIndex } from "./segment-index.js";
import { isBehind, isSameTruncation } from "./truncations.js";

export interface CheckpointContext {
  readonly table: PartitionTable;
  readonly losses: LossLedger;
  readonly lostDefinitions: LostDefinitions;
  /** No checkpoint came before this one. */
  readonly isFirst: boolean;
  /** Something is missing between the last checkpoint and this one. */
  readonly gap: boolean;
  /** A truncation was taken to lie in a gap. */
  readonly hasGuessed: boolean;
  /** Of the segment before. */
  readonly before: SegmentIndex;
  readonly contradict: (reason: string) => void;
}

export function settleCheckpoint(entries: readonly CheckpointEntry[], context: CheckpointContext): void {
  const { table, isFirst, gap, hasGuessed, contradict } = context;
  if (!isFirst || gap) dropMissing(entries, context);
  for (const entry of entries) {
    const state = table.byId(entry.id);
    if (state === undefined && entry.id < table.nextId) contradict(`the checkpoint knows partition ${JSON.stringify(entry.name)}, which was dropped`);
    else if (state === undefined) {
      if (!isFirst && !gap) contradict(`the checkpoint knows partition ${JSON.stringify(entry.name)}, which was not defined`);
      adopt(entry, context);
    } else if (!agrees(state, entry)) {
      if (!gap) contradict(`the checkpoint disagrees on partition ${JSON.stringify(entry.name)}`);
      reconcile(state, entry, context);
    } else if (gap || hasGuessed) state.truncations = truncationsOf(state, entry, context);
    // Else what the state has is all that the entry has, and more: 1. a segment is freed, and a truncation that hides records in it is past; 2. a
    // reader takes over the next checkpoint; 3. it reads those records, for it has not heard yet that their segment is gone.
  }
}

/** Behind a gap, what the checkpoint does not know was dropped in it. */
function dropMissing(entries: readonly CheckpointEntry[], { table, gap, contradict }: CheckpointContext): void {
  let at = 0;
  // Both ascend.
  for (const state of table) {
    while (at < entries.length && (entries[at] as CheckpointEntry).id < state.id) at++;
    if (entries[at]?.id === state.id) continue;
    if (gap) table.drop(state);
    else contradict("the checkpoint lacks a partition");
  }
}

function adopt(entry: CheckpointEntry, { table, losses, lostDefinitions, isFirst, gap, contradict }: CheckpointContext): void {
  const isTaken = table.byName(entry.name) !== undefined;
  if (isTaken) contradict(`the checkpoint gives ${JSON.stringify(entry.name)} to two partitions`);
  // Known only from here on although there was something before: all its records so far are lost.
  if (!isFirst || gap) losses.lose(entry.id, entry.firstSequence, entry.lastSequence);
  table.restore(isTaken ? { ...entry, name: lostDefinitions.freeName(entry.id, entry.name) } : entry);
}

/** After a gap the checkpoint is right. */
function reconcile(state: PartitionState, entry: CheckpointEntry, context: CheckpointContext): void {
  const { losses, before } = context;
  for (const truncation of entry.truncations) {
    // A truncation in the gap: whatever this replay has seen above it is dead, and what was written anew lay behind it.
    if (truncation.isPast !== true && !state.truncations.some((known) => isSameTruncation(known, truncation))) losses.lose(state.id, Math.max(entry.firstSequence, truncation.after + 1), entry.lastSequence);
  }
  if (entry.lastSequence > state.lastSequence) losses.lose(state.id, state.lastSequence + 1, entry.lastSequence);
  if (entry.lastSequence < state.lastSequence) {
    losses.handleTruncate(state.id, entry.lastSequence);
    // 1. a truncation is lost at a segment's end; 2. the next segment has the records written anew; 3. a reader stays in the one before, for its index still names them.
    before.truncate(state.id, entry.lastSequence);
  }
  state.firstSequence = entry.firstSequence;
  state.lastSequence = entry.lastSequence;
  state.truncations = truncationsOf(state, entry, context);
}

/** What the checkpoint lacks has nothing to hide any more, or was only guessed. */
function truncationsOf(state: PartitionState, entry: CheckpointEntry, { hasGuessed }: CheckpointContext): readonly Truncation[] {
  return hasGuessed ? withOwn(entry.truncations, state.truncations) : entry.truncations;
}

/** Truncations that hide nothing any more may be missing from the checkpoint, or be past in it, several of them as one. */
function agrees(state: PartitionState, entry: CheckpointEntry): boolean {
  if (state.name !== entry.name || state.firstSequence !== entry.firstSequence || state.lastSequence !== entry.lastSequence) return false;
  if (entry.truncations.length === 0) return true;
  // What is past in the state: the entry may have been made before it was.
  const past = state.truncations.findLast(({ isPast }) => isPast === true);
  let at = 0;
  // Both ascend.
  return entry.truncations.every((truncation) => {
    if (truncation.isPast === true || (past !== undefined && !isBehind(truncation, past))) return true;
    while (at < state.truncations.length && !isSameTruncation(state.truncations[at] as Truncation, truncation)) at++;
    return at < state.truncations.length;
  });
}

/**
 * Those of a checkpoint, and those that were taken to lie in gaps before it. On a log that a writer wrote they hide
 * nothing that the checkpoint's don't. Without them two whole frames of one sequence would both be live where bytes were
 * forged, and which of them is read would depend on where the reader comes from.
 */
function withOwn(stored: readonly Truncation[], own: readonly Truncation[]): readonly Truncation[] {
  if (own.length === 0) return stored;
  const all = [...stored, ...own.filter((truncation) => !stored.some((other) => isSameTruncation(other, truncation)))];
  all.sort((a, b) => a.segment - b.segment || a.offset - b.offset);
  const kept: Truncation[] = [];
  for (const truncation of all) {
    // As PartitionState.truncate: one with a lower bound hides what older ones hide.
    for (let last = kept[kept.length - 1]; last !== undefined && last.after >= truncation.after; last = kept[kept.length - 1]) kept.pop();
    kept.push(truncation);
  }
  return kept.length > storedTruncationsMax ? stored : kept;
}
