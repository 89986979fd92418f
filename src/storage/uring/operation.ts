// One durable write (or one sync) on its way through the ring: its range, what it waits for, and what came back.
//
// Owns: the user data by which a completion finds it. The low word is twice the slot plus the part (write or sync);
// the high word is the slot's generation, so that a completion of an earlier use can't be taken for this one's.

import type { RingwallError } from "../../base/errors.js";
import type { Handle, OpenFile } from "../open-files.js";
import type { Vector } from "./vectors.js";

export const part = { write: 0, sync: 1 } as const;

export type OperationPhase =
  | "free"
  /** The write, or the write with its linked sync, is to be done or under way. */
  | "write"
  /** Everything is written; a sync is to be done or under way. */
  | "sync";

/** Pooled; every field is set anew for each use. */
export class Operation {
  readonly slot: number;
  generation = 0;
  phase: OperationPhase = "free";
  token = 0;
  file: OpenFile | null = null;
  /** The file's handle that is this operation's alone until it has finished. */
  handle: Handle | null = null;
  /** What is still to be written: file position, offset in the memory, bytes. Of a gathered write the vector says where. */
  position = 0;
  start = 0;
  vector: Vector | null = null;
  bytes = 0;
  /** Completions that are still to come. */
  outstanding = 0;
  writeResult = 0;
  syncResult = 0;
  /** A sync was linked behind the write and taken together with it. */
  linked = false;
  /** Times that the kernel asked to try again or moved less than one aligned unit. */
  stalls = 0;
  /** For `syncFile`: who waits. Null for a write. */
  settle: ((error: RingwallError | null) => void) | null = null;

  constructor(slot: number) {
    this.slot = slot;
  }
}

/** Slots that are reused last in, first out; grows when more operations are in flight than ever before. */
export class OperationPool {
  readonly #all: Operation[] = [];
  readonly #free: Operation[] = [];

  take(): Operation {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    const fresh = new Operation(this.#all.length);
    this.#all.push(fresh);
    return fresh;
  }

  give(operation: Operation): void {
    operation.generation = (operation.generation + 1) >>> 0;
    operation.phase = "free";
    operation.file = null;
    operation.handle = null;
    operation.settle = null;
    operation.vector = null;
    this.#free.push(operation);
  }

  /** The operation that a completion belongs to; undefined when there is none in that use of the slot. */
  find(userDataLow: number, userDataHigh: number): Operation | undefined {
    const operation = this.#all[userDataLow >>> 1];
    return operation !== undefined && operation.generation === userDataHigh && operation.phase !== "free" ? operation : undefined;
  }
}
