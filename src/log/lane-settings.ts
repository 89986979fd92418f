// What a lane is opened with.

import type { Kernels } from "../format/kernels.js";
import type { LaneRecord } from "../format/superblock.js";
import type { RecoveredLane } from "../recovery/recovered-lane.js";
import type { Storage, WriterFlush } from "../storage/storage.js";
import type { ResolvedReclaim } from "./options.js";

export type Durability =
  /** An append resolves when its record is on stable media. */
  | { readonly mode: "sync" }
  /** An append resolves at once; its record is durable after `ms` at most, or once `recordsMax` records wait. */
  | { readonly mode: "interval"; readonly ms: number; readonly recordsMax: number }
  /** An append resolves when the operating system has its record: it survives the process, not the power. */
  | { readonly mode: "none" };

export interface LaneSettings {
  readonly lane: number;
  /** Directory of the lane. */
  readonly directory: string;
  readonly storage: Storage;
  readonly kernels: Kernels;
  readonly uuid: Uint8Array;
  readonly alignment: number;
  readonly flush: WriterFlush;
  readonly durability: Durability;
  readonly segmentBytes: number;
  /** 0: no rotation by age. */
  readonly segmentAgeMs: number;
  readonly bufferBytes: number;
  readonly bufferCount: number;
  readonly blocksInFlight: number;
  /** Of one write of several blocks, at most; 0: each block is a write. */
  readonly gatherBytes: number;
  readonly eagerBytes: number;
  readonly eagerWaiters: number;
  readonly beaconMs: number;
  /** Null: live records stay where they are. */
  readonly reclaim: ResolvedReclaim | null;
  readonly epoch: number;
  readonly recovered: RecoveredLane;
  /** Changes the lane's record in the superblock, durably. */
  readonly updateSuperblock: (change: Partial<LaneRecord>) => Promise<void>;
}
