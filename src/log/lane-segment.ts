// A segment that a running lane writes or still has in memory: its file, its index, its checksum seed.

import type { SegmentIndex } from "../core/segment-index.js";
import type { ReadySegment } from "./segment-supply.js";

export interface LaneSegment {
  readonly ready: ReadySegment;
  readonly index: SegmentIndex;
  /** Seed of this epoch's checksums in this segment. */
  readonly seed: number;
  /** File offset of the next block that will be closed. */
  nextOffset: number;
  /** Whether a record or control frame stands in it behind the checkpoint. */
  holdsData: boolean;
}
