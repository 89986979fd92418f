// What one segment holds of each partition: the shapes, and the numbers kept in as few bytes as they need.
//
// Runs are keyed by an integer, and iterated by ascending keys. growing-runs.ts holds those of a segment that is being
// filled, packed-runs.ts those of a sealed one. Pure.

import { strideBytesMax, type RecordPlace, type RunNumbers } from "../format/index-file.js";

/**
 * A partition gets a new entry when its last one lies at least this many bytes back and has no stride: a read walks no further. An entry takes
 * some 8 bytes of memory. 32 KiB made `get` read 23 KB from the device; 4 KiB makes it 7, with twice the entries to seal.
 */
export const entryDistanceBytes = strideBytesMax;
/**
 * An entry has a stride where every record from its own up to the next entry's begins so many bytes behind the one before: it says where each
 * of them is. Its own record apart there is a new one in each such part of the segment: who goes by entries alone reads little too much.
 */
export const strideSpanBytes = 64 * 1024;
/** From so many bytes on an entry keeps its stride where the next record lies elsewhere. A block is no shorter, and in each the first record does. */
export const strideBytesMin = 4 * 1024 - 512;

/** One partition's part of one segment, as it is when it is looked at. */
export interface PartitionRun extends RunNumbers {
  readonly entryCount: number;
  /** Entries ascend, by sequence and by place. */
  entry(index: number): RecordPlace;
  /** Index of the last entry at or before `sequence`: reading forward from there meets it. -1 when the run has none such. Hot: `ringwall bench read`. */
  entryAtOrBefore(sequence: number): number;
}

/** File position of the record of `sequence`, which the entry must hold. Null where it has no stride, and the record is another than its own. */
export function exactPosition({ sequence: first, blockOffset, frameOffset, stride }: RecordPlace, sequence: number): number | null {
  const position = blockOffset + frameOffset;
  if (sequence === first) return position;
  return stride === 0 ? null : position + (sequence - first) * stride;
}

export interface SegmentRuns extends Iterable<readonly [key: number, run: PartitionRun]> {
  readonly size: number;
  /** Memory outside the JavaScript heap. */
  readonly bytes: number;
  get(key: number): PartitionRun | undefined;
  keys(): Iterable<number>;
  values(): Iterable<PartitionRun>;
}

/** Of a partition of which a segment holds nothing. */
export const emptyRun: PartitionRun = {
  firstSequence: 0, lastSequence: 0, records: 0, payloadBytes: 0, firstTime: 0, lastTime: 0, entryCount: 0,
  entry: () => { throw new RangeError("an empty run has no entry"); },
  entryAtOrBefore: () => -1,
};

/** How many of `count` items from the first on pass `test`, which holds up to some item and for none behind it. */
export function countUpTo(count: number, test: (index: number) => boolean): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (test(middle)) low = middle + 1;
    else high = middle;
  }
  return low;
}
