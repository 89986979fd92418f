// Counters of one lane since it was opened. Plain numbers: the append path only adds.

import { createHistogram, type RecordableHistogram } from "node:perf_hooks";

/** A point-in-time copy, as `log.stats()` returns it. Times are microseconds. */
export interface LaneStatsSnapshot {
  readonly records: number;
  readonly payloadBytes: number;
  /** Blocks submitted and their bytes on the device, padding and headers included. */
  readonly blocks: number;
  readonly blockBytes: number;
  readonly recordsPerBlockMean: number;
  /** Appends that had to wait for space. */
  readonly waits: number;
  /** Times that no prepared space was ready when a block was to be opened. */
  readonly stalls: number;
  readonly segments: number;
  readonly segmentsReleased: number;
  /** Records that retention trimmed, and by how many trims. */
  readonly retentionRecords: number;
  readonly retentionTrims: number;
  /** Of those, segments that went because their live records were moved on; and the bytes that were moved for it. */
  readonly segmentsReclaimed: number;
  readonly bytesMoved: number;
  /** The segment at which moving has stopped, for something in it is damaged; 0: none. */
  readonly reclaimStoppedAt: number;
  /** How often writers were held back while records were moved, for disk use to stay within its bound; and how long, in all. */
  readonly reclaimHolds: number;
  readonly reclaimHoldMicros: number;
  /** From a block's submission to its completion. */
  readonly writeMicros: { readonly p50: number; readonly p99: number; readonly max: number };
}

export class LaneStats {
  records = 0;
  payloadBytes = 0;
  blocks = 0;
  blockBytes = 0;
  blockRecords = 0;
  waits = 0;
  stalls = 0;
  segments = 0;
  segmentsReleased = 0;
  retentionRecords = 0;
  retentionTrims = 0;
  segmentsReclaimed = 0;
  bytesMoved = 0;
  reclaimStoppedAt = 0;
  reclaimHolds = 0;
  #holdMillis = 0;
  /** 0: writers are not held. */
  #heldSince = 0;
  readonly #write: RecordableHistogram = createHistogram();

  handleSubmitted(bytes: number, records: number): void {
    this.blocks++;
    this.blockBytes += bytes;
    this.blockRecords += records;
  }

  handleHold(isHeld: boolean): void {
    const now = performance.now();
    if (isHeld) this.reclaimHolds++;
    else this.#holdMillis += now - this.#heldSince;
    this.#heldSince = isHeld ? now : 0;
  }

  handleWritten(millis: number): void {
    this.#write.record(Math.max(1, Math.round(millis * 1000)));
  }

  snapshot(): LaneStatsSnapshot {
    return {
      records: this.records,
      payloadBytes: this.payloadBytes,
      blocks: this.blocks,
      blockBytes: this.blockBytes,
      recordsPerBlockMean: this.blocks === 0 ? 0 : this.blockRecords / this.blocks,
      waits: this.waits,
      stalls: this.stalls,
      segments: this.segments,
      segmentsReleased: this.segmentsReleased,
      retentionRecords: this.retentionRecords,
      retentionTrims: this.retentionTrims,
      segmentsReclaimed: this.segmentsReclaimed,
      bytesMoved: this.bytesMoved,
      reclaimStoppedAt: this.reclaimStoppedAt,
      reclaimHolds: this.reclaimHolds,
      reclaimHoldMicros: Math.round(1000 * (this.#holdMillis + (this.#heldSince === 0 ? 0 : performance.now() - this.#heldSince))),
      writeMicros:
        this.#write.count === 0
          ? { p50: 0, p99: 0, max: 0 }
          : { p50: this.#write.percentile(50), p99: this.#write.percentile(99), max: this.#write.max },
    };
  }
}
