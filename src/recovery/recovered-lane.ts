// What recovery finds out about one lane, and hands to the log. Plain data.

import type { PartitionTable } from "../core/partition-table.js";
import type { Replay } from "../core/replay.js";
import type { SegmentIndex } from "../core/segment-index.js";
import type { LaneRecord } from "../format/superblock.js";
import type { ChainEnd } from "./lane-pass.js";
import type { ScanPlace } from "./scan.js";

/** A sequence range of a partition that was acknowledged and can't be read any more. `name` is null when only the id is known. */
export interface LostRange {
  readonly partition: number;
  readonly name: string | null;
  readonly firstSequence: number;
  readonly lastSequence: number;
}

/** A stretch of a segment file that does not verify although it should. */
export interface DamagedRange {
  readonly segment: number;
  readonly path: string;
  readonly from: number;
  readonly to: number;
  readonly reason: string;
}

/** The machine-readable report of a lane's recovery. */
export interface RecoveryReport {
  readonly lane: number;
  readonly verdict: "clean" | "torn tail" | "damaged";
  /** The row of the recovery table (docs/FORMAT.md) that held; "beside a writer" where none was asked. */
  readonly row: string;
  /** Highest block sequence known durable before the crash (H in docs/FORMAT.md). */
  readonly horizon: number;
  /** First block sequence that is not valid (g). */
  readonly firstInvalidBlock: number;
  /** Valid blocks beyond it, dropped with the torn tail; block sequences. */
  readonly discardedBlocks: readonly number[];
  /** Frames of incomplete groups at the cut, dropped. */
  readonly discardedFrames: number;
  readonly damaged: readonly DamagedRange[];
  readonly lost: readonly LostRange[];
  /** False: more may be lost than `lost` names, since nothing that survives speaks of it. */
  readonly lostExact: boolean;
  /** Things that cost no record: a damaged segment header, a rebuilt index, a damaged superblock copy. */
  readonly notes: readonly string[];
  readonly segments: number;
  readonly scannedBytes: number;
  readonly scannedRecords: number;
  readonly millis: number;
}

/** A segment that exists, in order of ids. */
export interface KnownSegment {
  readonly segment: number;
  readonly path: string;
  /**
   * Null for a sealed segment whose index file is trusted: `loadSegmentIndex` brings it. A sealed segment with an index
   * here has no good index file: it may be written once the new epoch is durable in the superblock, not before.
   */
  readonly index: SegmentIndex | null;
}

/** What it takes to go on beside a live writer without recovering anew. */
export interface FollowStart {
  /** Not finished: a group that is open goes on. */
  readonly replay: Replay;
  readonly chain: ChainEnd;
  /** Where the chain's next block is due, unless it begins the next segment. */
  readonly place: ScanPlace;
  /** Of that segment; null while the lane has no block. */
  readonly index: SegmentIndex | null;
  /** The first segment that was replayed. */
  readonly firstSegment: number;
  /** Of the superblock that it rests on. */
  readonly record: LaneRecord;
}

export interface RecoveredLane {
  readonly report: RecoveryReport;
  readonly table: PartitionTable;
  /** Kept segments with at least one block, ascending; the last one is the current segment and has its index. Empty for a new log. */
  readonly segments: readonly KnownSegment[];
  /** Files found that are to be recycled: below the first kept segment, or prepared ahead and never used. */
  readonly freeFiles: readonly string[];
  /** The next block's sequence; 1 for a new log. */
  readonly nextBlock: number;
  /** Checksum field of the last accepted block; 0 for none. */
  readonly previousChecksum: number;
  /** Milliseconds since 1970 of the newest record; time never runs backwards past it. */
  readonly lastTime: number;
  /** Beside a live writer, whose lane is not damaged; null otherwise. */
  readonly follow: FollowStart | null;
}
