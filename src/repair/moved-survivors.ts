// Records of partitions that have moved copies, up to the last such record, by their times. They come between the fresh records of the
// others: in the new log times never descend, so what came too late would have to take a later time. Memory: three numbers for each, and one record.

import path from "node:path";
import { RingwallError } from "../base/errors.js";
import { copiesThatCount } from "../core/moved-losses.js";
import type { PartitionState } from "../core/partition-table.js";
import type { SegmentIndex } from "../core/segment-index.js";
import { merged, rangesByPartition, without, type SequenceRange } from "../core/sequence-ranges.js";
import type { LostRecords } from "../log/read-errors.js";
import type { ReadSource } from "../log/read-source.js";
import { get, readBatches } from "../log/reader.js";
import { segmentFilesOf } from "../log/segment-files.js";
import type { RecoveredLane } from "../recovery/recovered-lane.js";
import type { ScanSource } from "../recovery/scan.js";

export interface MovedSurvivorsOptions {
  readonly source: ScanSource;
  readonly recovered: RecoveredLane;
  /** Of all kept segments, in order. */
  readonly indexes: readonly SegmentIndex[];
}

export interface MovedSurvivor {
  readonly state: PartitionState;
  readonly sequence: number;
  readonly time: number;
  readonly data: Uint8Array;
}

interface Found {
  readonly state: PartitionState;
  readonly sequence: number;
  /** Of its time and those of the partition's records before it. */
  readonly latest: number;
}

export class MovedSurvivors {
  readonly #source: ReadSource;
  readonly #found: readonly Found[];
  /** Of each partition the last of `#found`. */
  readonly #last = new Map<PartitionState, { readonly at: number; readonly sequence: number }>();
  /** The next one. */
  #at = 0;

  private constructor(source: ReadSource, found: readonly Found[]) {
    this.#source = source;
    this.#found = found;
    for (const [at, { state, sequence }] of found.entries()) this.#last.set(state, { at, sequence });
  }

  static async find(options: MovedSurvivorsOptions): Promise<MovedSurvivors> {
    const { recovered, indexes } = options;
    const { table } = recovered;
    const source = readSourceOf(options);
    const found: Found[] = [];
    const copies = indexes.every((index) => index.moved.size === 0) ? new Map<number, SequenceRange[]>() : copiesThatCount(table, indexes);
    const lost = rangesByPartition(recovered.report.lost);
    for (const state of table) {
      let latest = 0;
      for (const range of rangesOf(state, copies.get(state.id) ?? [], lost.get(state.id) ?? [])) {
        await collect(source, state, range, (sequence, time) => {
          // Whatever the times are, the order of a partition's sequences stays.
          latest = Math.max(latest, time);
          found.push({ state, sequence, latest });
        });
      }
    }
    // Sorting keeps the order of what is equal.
    return new MovedSurvivors(source, found.sort((a, b) => a.latest - b.latest));
  }

  /** The last sequence that comes from here, by partition. */
  *lastSequences(): Generator<readonly [partition: number, sequence: number], undefined> {
    for (const [{ id }, { sequence }] of this.#last) yield [id, sequence];
    return undefined;
  }

  /** Whether some come before the fresh record of that partition and time. */
  isDue(state: PartitionState, time: number): boolean {
    const next = this.#found[this.#at];
    return next !== undefined && (next.latest <= time || this.#at <= (this.#last.get(state)?.at ?? -1));
  }

  /** The next one, while `isWanted`. */
  async *take(isWanted: () => boolean): AsyncGenerator<MovedSurvivor, void> {
    while (this.#at < this.#found.length && isWanted()) {
      const { state, sequence } = this.#found[this.#at++] as Found;
      const record = await get(this.#source, state, sequence);
      if (record !== undefined) yield { state, sequence, time: record.time, data: record.data };
    }
  }

  close(): Promise<void> {
    return segmentFilesOf(this.#source).close();
  }
}

/**
 * Up to the last copy, and not lost. Fresh records between copies come along, as a reader finds them: a damaged one has its copy in the
 * middle of fresh ones, and a fresh one may be dead where there is a copy (read-place.ts).
 */
function rangesOf(state: PartitionState, copies: readonly SequenceRange[], lost: readonly SequenceRange[]): SequenceRange[] {
  const last = copies.reduce((highest, range) => (range.first <= range.last ? Math.max(highest, range.last) : highest), 0);
  return without(merged([{ first: state.firstSequence, last }]), merged(lost));
}

/** What can be read of the range. */
async function collect(source: ReadSource, state: PartitionState, range: SequenceRange, note: (sequence: number, time: number) => void): Promise<void> {
  let from = range.first;
  while (from <= range.last) {
    try {
      for await (const records of readBatches(source, state, { from, to: range.last })) {
        for (const { seq, time } of records) {
          note(seq, time);
          from = seq + 1;
        }
      }
      return;
    } catch (error) {
      if (!(error instanceof RingwallError) || error.code !== "RINGWALL_DAMAGED") throw error;
      from = Math.max(from, (error.details as LostRecords).lastSequence) + 1;
    }
  }
}

function readSourceOf({ source, recovered, indexes }: MovedSurvivorsOptions): ReadSource {
  const { lane, uuid, alignment, kernels, files } = source;
  const known = new Map(indexes.map((index) => [index.segment, index]));
  return {
    lane, uuid, alignment, kernels, files,
    isDamaged: recovered.report.verdict === "damaged",
    directory: path.dirname(recovered.segments[0]?.path ?? ""),
    segmentIds: recovered.segments.map(({ segment }) => segment),
    segmentIndex: (segment) => {
      const index = known.get(segment);
      return index === undefined ? Promise.reject(new RingwallError("RINGWALL_DAMAGED", `segment ${String(segment)} has no index`)) : Promise.resolve(index);
    },
    knownIndex: (segment) => known.get(segment),
    durableBeyond: () => Promise.resolve(),
    lookAgain: () => Promise.resolve(false),
  };
}
