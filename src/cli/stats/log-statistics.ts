// What stats finds out: also its JSON document.

export interface PartitionStats {
  readonly name: string;
  readonly lane: number;
  readonly first: number;
  readonly last: number;
  readonly records: number;
  /** Payload, in the segments that are kept; trimmed and truncated records there count too. */
  readonly payloadBytes: number;
  /** The oldest segment that this partition needs; null when it needs none. */
  readonly oldestSegment: number | null;
}

export interface SegmentStats {
  readonly lane: number;
  readonly segment: number;
  /** Takes appends; it can't be freed. */
  readonly current: boolean;
  readonly records: number;
  readonly usedBytes: number;
  readonly diskBytes: number;
  /** Names of the partitions that need it. */
  readonly neededBy: readonly string[];
}

export interface LogStatistics {
  readonly directory: string;
  readonly uuid: string;
  readonly locked: boolean;
  readonly partitions: readonly PartitionStats[];
  readonly segments: readonly SegmentStats[];
  /** Everything in the directory of the log. */
  readonly diskBytes: number;
  /** Prepared or recycled segments that wait to be used. */
  readonly spareBytes: number;
  /** In segments that nothing needs any more: the next trim frees them. */
  readonly freeableBytes: number;
  /** What trimming every partition to its last record would free. */
  readonly trimmableBytes: number;
}
