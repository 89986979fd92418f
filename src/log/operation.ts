// Work that waits for space in a lane, first in, first out: appends that did not fit, batches, large records, control records.

import type { PartitionState } from "../core/partition-table.js";
import type { Resolve } from "./block-buffer.js";

export interface PlacedItem {
  readonly state: PartitionState;
  readonly sequence: number;
  readonly data: Uint8Array;
}

/** Records that become durable together: one record, a record in fragments, or a batch. */
export interface RecordsOperation {
  readonly kind: "records";
  readonly items: readonly PlacedItem[];
  /** Next item, and the bytes of it that lie in frames already. */
  itemIndex: number;
  itemBytes: number;
  started: boolean;
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

/** Resolves once everything before it is durable. Places nothing. */
export interface SyncOperation {
  readonly kind: "sync";
  readonly resolve: Resolve;
}

export type Operation = RecordsOperation | ControlOperation | SyncOperation;

export function bytesOf(operation: RecordsOperation): number {
  let bytes = 0;
  for (const item of operation.items) bytes += item.data.length;
  return bytes;
}

/** Gives back the sequences of operations that were never placed: the newest first. */
export function undoSequences(operations: readonly Operation[]): void {
  for (let index = operations.length - 1; index >= 0; index--) {
    const operation = operations[index] as Operation;
    if (operation.kind === "records") {
      for (let item = operation.items.length - 1; item >= 0; item--) {
        const { state, sequence } = operation.items[item] as PlacedItem;
        state.lastSequence = sequence - 1;
      }
    } else if (operation.kind === "truncate") operation.state.lastSequence = operation.before;
    else if (operation.kind === "trim") operation.state.firstAsked = operation.before;
  }
}
