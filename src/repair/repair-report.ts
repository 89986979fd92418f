// What repair finds and does, for people and programs. Plain data.

export interface SequenceRange {
  readonly firstSequence: number;
  /** Inclusive. */
  readonly lastSequence: number;
}

/** A contiguous run of records, under the name that it has in the new log, with the sequences that it always had. */
export interface SalvagedPart extends SequenceRange {
  /** Name of the partition in the new log. `lastSequence` is `firstSequence - 1` when no record is left: only the numbering goes on. */
  readonly name: string;
  readonly records: number;
  readonly payloadBytes: number;
}

export interface RepairedPartition {
  readonly lane: number;
  /** Its number in the damaged log's lane. */
  readonly partition: number;
  /** In the damaged log; null when the name is lost. */
  readonly name: string | null;
  /** What the damaged log kept: from the first that is not trimmed to the last that is known of. */
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly salvaged: readonly SalvagedPart[];
  readonly missing: readonly SequenceRange[];
}

/** Where the damaged log is damaged. Offsets are bytes in the file; both 0 when the whole file is meant. */
export interface DamagedPlace {
  readonly path: string;
  readonly lane: number | null;
  readonly segment: number | null;
  readonly from: number;
  readonly to: number;
  readonly reason: string;
}

export interface RepairReport {
  readonly directory: string;
  /** Null: nothing was written. */
  readonly target: string | null;
  /** 32 hexadecimal digits: of the damaged log, and of the new one; it is another log. */
  readonly uuid: string;
  readonly targetUuid: string | null;
  /** Nothing is missing, and nothing may be missing. */
  readonly complete: boolean;
  readonly partitions: readonly RepairedPartition[];
  readonly damaged: readonly DamagedPlace[];
  /** What is worth knowing and costs no record. */
  readonly notes: readonly string[];
  readonly records: number;
  readonly payloadBytes: number;
  readonly recordsMissing: number;
  /** More may be missing than `recordsMissing`: nothing that survives tells. */
  readonly isLossUnknown: boolean;
  readonly bytesRead: number;
  readonly seconds: number;
}
