// Work that waits for space in a lane, first in, first out: appends that did not fit, batches, large records, control records.

import type { PartitionState } from "../core/partition-table.js";
import type { SegmentIndex } from "../core/segment-index.js";
import type { Truncation } from "../format/checkpoint.js";
import type { Resolve } from "./block-buffer.js";
import { copied } from "./record-data.js";

export interface PlacedRecord {
  readonly kind: "record";
  readonly state: PartitionState;
  readonly sequence: number;
  readonly data: Uint8Array;
}

/** Takes the partition's records above `after` away, together with what else its group does. */
export interface PlacedTruncation {
  readonly kind: "truncate";
  readonly state: PartitionState;
  readonly after: number;
  /** `lastSequence` before it: for undoing one that never was placed. */
  readonly before: number;
}

export type PlacedItem = PlacedRecord | PlacedTruncation;

/** What a frame that is placed will change of its partition's run and truncations. */
export interface GroupEffect {
  readonly item: PlacedItem;
  readonly index: SegmentIndex;
  readonly blockOffset: number;
  readonly frameOffset: number;
  readonly time: number;
}

/** Records, and truncations before them, that become durable together: one record, a record in fragments, or a batch. */
export interface RecordsOperation {
  readonly kind: "records";
  readonly items: readonly PlacedItem[];
  /** Next item, and the bytes of it that lie in frames already. */
  itemIndex: number;
  itemBytes: number;
  started: boolean;
  /** Of the frames placed so far, when there is a truncation among the items; null otherwise, and then each took effect at once. */
  readonly effects: GroupEffect[] | null;
  /** Gets `value` once all is durable, or placed when `durability` acknowledges at once; null for an enqueue. */
  readonly resolve: Resolve | null;
  readonly value: number;
}

export interface ControlOperation {
  readonly kind: "trim" | "truncate";
  readonly state: PartitionState;
  readonly sequence: number;
  /** `lastSequence` before a truncation, `firstAsked` before a trim: for undoing one that never was placed. */
  readonly before: number;
  readonly resolve: Resolve;
}

export interface TrimItem {
  readonly state: PartitionState;
  /** The first that stays. */
  readonly sequence: number;
  /** `firstAsked` before. */
  readonly before: number;
}

/** Head trims of many partitions, each for itself, acknowledged together. */
export interface TrimsOperation {
  readonly kind: "trims";
  readonly items: readonly TrimItem[];
  itemIndex: number;
  readonly resolve: Resolve;
}

export interface DropOperation {
  readonly kind: "drop";
  readonly state: PartitionState;
  /** Gives its name back to a partition whose drop never was placed. */
  readonly undo: () => void;
  readonly resolve: Resolve;
}

/** Resolves once everything before it is durable. Places nothing. */
export interface SyncOperation {
  readonly kind: "sync";
  readonly resolve: Resolve;
}

/** A copy of a record that lies in an old segment. */
export interface MovedItem {
  readonly state: PartitionState;
  readonly sequence: number;
  /** As it stands in frames of kind moved: its time, then its bytes. */
  readonly payload: Uint8Array;
  /** Truncations known before it was looked up: a later one may have taken it away. */
  readonly truncations: readonly Truncation[];
}

/** Records that are moved on, each by itself. Resolves to the payload bytes once all are placed, or were found dead. */
export interface MoveOperation {
  readonly kind: "move";
  readonly items: readonly MovedItem[];
  itemIndex: number;
  /** Of the item at hand, in frames already. */
  itemBytes: number;
  placedBytes: number;
  readonly resolve: Resolve;
}

export type Operation = RecordsOperation | ControlOperation | TrimsOperation | DropOperation | SyncOperation | MoveOperation;

/** What still waits must not change under the caller's hands. */
export function copyWhatWaits(operation: Operation | undefined, items: PlacedItem[]): void {
  if (operation?.kind !== "records" || operation.items !== items) return;
  for (let index = operation.itemIndex; index < items.length; index++) {
    const item = items[index] as PlacedItem;
    if (item.kind === "record") items[index] = { ...item, data: copied(item.data) };
  }
}

export function bytesOf(operation: RecordsOperation): number {
  let bytes = 0;
  for (const item of operation.items) bytes += payloadBytes(item);
  return bytes;
}

export function payloadBytes(item: PlacedItem): number {
  return item.kind === "record" ? item.data.length : 0;
}

/** Gives back the sequences of operations that were never placed: the newest first. */
export function undoSequences(operations: readonly Operation[]): void {
  for (let index = operations.length - 1; index >= 0; index--) {
    const operation = operations[index] as Operation;
    if (operation.kind === "records") {
      for (let index = operation.items.length - 1; index >= 0; index--) {
        const item = operation.items[index] as PlacedItem;
        item.state.lastSequence = item.kind === "record" ? item.sequence - 1 : item.before;
      }
    } else if (operation.kind === "drop") operation.undo();
    else if (operation.kind === "truncate") operation.state.lastSequence = operation.before;
    else if (operation.kind === "trim") operation.state.firstAsked = operation.before;
    else if (operation.kind === "trims") for (const { state, before } of operation.items.slice(operation.itemIndex)) state.firstAsked = before;
  }
}

export function refuseOperation(operation: Operation, error: Error): void {
  operation.resolve?.(Promise.reject(error), operation.kind === "records" ? operation.value : 0);
}

/** Of these trims those that ask for more than was asked before, of partitions that are kept. From now on it is asked. */
export function trimItems(trims: readonly Pick<TrimItem, "state" | "sequence">[]): TrimItem[] {
  const items: TrimItem[] = [];
  for (const { state, sequence } of trims) {
    if (sequence <= state.firstAsked || state.life !== "kept") continue;
    items.push({ state, sequence, before: state.firstAsked });
    state.firstAsked = sequence;
  }
  return items;
}
