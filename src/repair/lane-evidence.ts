// What the blocks and index files of a lane say about it: a lane record for a log whose superblock is lost or out of date.
//
// Every block names its epoch and the horizon of its time, so nothing but the end of a lane that was closed and then
// lost its last blocks together with the superblock can hide from this.

import { blockFlag } from "../format/block.js";
import type { LaneRecord } from "../format/superblock.js";
import { readIndexHeaders } from "../recovery/index-headers.js";
import type { LaneFiles } from "../recovery/lane-files.js";
import { scanSegments, type FoundBlock, type ScanPlace, type ScanSource, type ScanVisitor, type SegmentFile } from "../recovery/scan.js";

/** In flight at most, whatever the options of the writer: a larger hole was durable. */
const blocksInFlightMax = 4;

export interface LaneEvidence {
  readonly record: LaneRecord;
  /** The last block is a seal: the lane was closed, and nothing is missing at its end. */
  readonly isSealed: boolean;
}

export async function gatherEvidence(source: ScanSource, directory: string, files: LaneFiles): Promise<LaneEvidence> {
  const evidence = new Evidence();
  await scanSegments({ ...source, boundary: null }, files.segments, { segment: 1, offset: source.alignment }, evidence);
  const { lane, uuid } = source;
  const headers = await readIndexHeaders({ files: source.files, directory, lane, uuid }, files.indexes);
  // An index is written only for durable blocks.
  for (const header of headers.values()) evidence.horizon = Math.max(evidence.horizon, header.lastBlock);
  let firstIndexed = Number.POSITIVE_INFINITY;
  for (const segment of headers.keys()) firstIndexed = Math.min(firstIndexed, segment);
  return evidence.conclude(source.alignment, firstIndexed);
}

/** Whether a block of a later epoch than `epoch` stands at or behind `place`: then the superblock is older than the blocks. */
export async function hasLaterEpoch(source: ScanSource, segments: readonly SegmentFile[], place: ScanPlace, epoch: number): Promise<boolean> {
  let found = false;
  await scanSegments({ ...source, boundary: null }, segments, place, {
    beginSegment: () => true,
    visit: ({ header }) => {
      found ||= header.epoch > epoch;
      return found ? "stop" : "go on";
    },
    endSegment: () => undefined,
    missSegment: () => undefined,
  });
  return found;
}

class Evidence implements ScanVisitor {
  horizon = 0;
  #segment = 0;
  #firstSegment = Number.POSITIVE_INFINITY;
  #epoch = 0;
  #epochBegin = { segment: 1, offset: 0, block: 1 };
  /** The last block of the last epoch, by sequence. */
  #last = { sequence: 0, isSeal: false };

  beginSegment({ segment }: SegmentFile): boolean {
    this.#segment = segment;
    return true;
  }

  visit({ header, offset }: FoundBlock): "go on" {
    this.#firstSegment = Math.min(this.#firstSegment, this.#segment);
    this.horizon = Math.max(this.horizon, header.horizon);
    if (header.epoch > this.#epoch) {
      this.#epoch = header.epoch;
      this.#epochBegin = { segment: this.#segment, offset, block: header.sequence };
      this.#last = { sequence: 0, isSeal: false };
    }
    if (header.epoch === this.#epoch && header.sequence > this.#last.sequence) {
      this.#last = { sequence: header.sequence, isSeal: (header.flags & blockFlag.seal) !== 0 };
    }
    return "go on";
  }

  endSegment(): void {
    // What can't be read is for recovery to report.
  }

  missSegment(): void {
    // Neither can a file that goes while it is looked at.
  }

  conclude(alignment: number, firstIndexed: number): LaneEvidence {
    const { segment, offset, block } = this.#epochBegin;
    const firstSegment = Math.min(this.#firstSegment, firstIndexed);
    const { sequence, isSeal } = this.#last;
    const isSealed = isSeal && sequence > this.horizon;
    const record: LaneRecord = {
      epoch: this.#epoch,
      state: isSealed ? "closed" : "open",
      epochSegment: segment,
      epochOffset: Math.max(alignment, offset),
      epochBlock: block,
      horizon: isSealed ? sequence : this.horizon,
      firstSegment: Number.isFinite(firstSegment) ? firstSegment : 1,
      blocksInFlightMax,
    };
    return { record, isSealed };
  }
}
