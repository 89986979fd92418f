// One block while it fills and while it is in flight: its place in memory and in the file, who waits for it, whom it touched.
//
// One per buffer of the pool, reused for ever: nothing is allocated per block or per record.

import type { PartitionState } from "../core/partition-table.js";
import type { Memory } from "../format/memory.js";
import type { LaneSegment } from "./lane-segment.js";

/** Gets the waiter's value, or a rejected promise and then its value. */
export type Resolve = (value: number | Promise<never>, failed?: number) => void;

export class BlockBuffer {
  /** Number of the buffer; also the token of its write. */
  readonly buffer: number;
  /** Offset in the writer's memory at which the block header stands. */
  readonly start: number;
  /** Where the next frame goes, where records must end, and where control records must. */
  cursor = 0;
  limit = 0;
  controlLimit = 0;
  sequence = 0;
  flags = 0;
  segment: LaneSegment | null = null;
  fileOffset = 0;
  /** Set when the block is closed: bytes to write. */
  blockBytes = 0;
  submittedAt = 0;

  /** Waiters, first in, first out: `resolvers[i]` gets `values[i]`. Entries beyond `waiterCount` are stale. */
  readonly resolvers: (Resolve | undefined)[] = [];
  readonly values: number[] = [];
  waiterCount = 0;

  /** Partitions that placed something here, and their last placed sequence when the block was closed. */
  readonly touched: (PartitionState | undefined)[] = [];
  readonly touchedSequences: number[] = [];
  touchedCount = 0;
  recordCount = 0;

  /** Run once the block is durable, after the waiters. */
  actions: (() => void)[] | null = null;

  readonly memory: Memory;
  /** The same memory, up to the end of this buffer: what is too long can't be copied into the next one. */
  readonly bytes: Uint8Array;

  constructor(buffer: number, start: number, bufferBytes: number, memory: Memory) {
    this.buffer = buffer;
    this.start = start;
    this.memory = memory;
    this.bytes = memory.bytes.subarray(0, start + bufferBytes);
  }

  addWaiter(resolve: Resolve, value: number): void {
    this.resolvers[this.waiterCount] = resolve;
    this.values[this.waiterCount] = value;
    this.waiterCount++;
  }

  /** Hot: once per record. */
  touch(state: PartitionState): void {
    if (state.touchedBlock === this.sequence) return;
    state.touchedBlock = this.sequence;
    this.touched[this.touchedCount++] = state;
  }

  /** The block takes no more frames: what its partitions placed by now is what it makes durable. */
  freezeTouched(): void {
    for (let index = 0; index < this.touchedCount; index++) {
      this.touchedSequences[index] = (this.touched[index] as PartitionState).placedSequence;
    }
  }

  releaseWaiters(): void {
    for (let index = 0; index < this.waiterCount; index++) {
      const resolve = this.resolvers[index] as Resolve;
      this.resolvers[index] = undefined;
      resolve(this.values[index] as number);
    }
    this.waiterCount = 0;
  }

  failWaiters(error: Error): void {
    for (let index = 0; index < this.waiterCount; index++) {
      const resolve = this.resolvers[index] as Resolve;
      this.resolvers[index] = undefined;
      // Resolving with a rejected promise rejects: one stored function per record serves both ends.
      resolve(Promise.reject(error), this.values[index] as number);
    }
    this.waiterCount = 0;
  }

  clear(): void {
    this.touched.fill(undefined, 0, this.touchedCount);
    this.touchedCount = 0;
    this.recordCount = 0;
    this.segment = null;
    this.actions = null;
    this.flags = 0;
  }
}
