// What reading needs of a lane: a running one (log/lane.ts) or one opened read-only (log/read-only-lane.ts).

import type { PartitionState } from "../core/partition-table.js";
import type { SegmentIndex } from "../core/segment-index.js";
import type { Kernels } from "../format/kernels.js";
import type { FileSystem } from "../storage/storage.js";

export interface ReadSource {
  readonly lane: number;
  /** Directory of the lane's segments. */
  readonly directory: string;
  readonly uuid: Uint8Array;
  readonly alignment: number;
  readonly kernels: Kernels;
  readonly files: FileSystem;
  /** Ids of the kept segments with at least one block, ascending. A new array only when it changed. */
  readonly segmentIds: readonly number[];
  /** Recovery found damage: truncations may be missing, and with them what tells which of two records of one sequence is dead. */
  readonly isDamaged: boolean;
  /** The index of a kept segment; the current segment's is the live object. Rejects with RINGWALL_DAMAGED or RINGWALL_TRIMMED. */
  segmentIndex(segment: number): Promise<SegmentIndex>;
  /** The same, where it is in memory. */
  knownIndex(segment: number): SegmentIndex | undefined;
  /** Resolves once `state.durableSequence` is above `sequence`; rejects when the lane closes (RINGWALL_CLOSED), is poisoned, or on `signal`. */
  durableBeyond(state: PartitionState, sequence: number, signal: AbortSignal | undefined): Promise<void>;
  /**
   * Before something is called lost: looks at the files anew where another process may have moved them. False: this
   * source knows all there is.
   */
  lookAgain(): Promise<boolean>;
}
