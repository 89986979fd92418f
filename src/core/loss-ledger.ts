// Which sequences of which partitions were lost, as far as what survives tells. Pure.
//
// Owns: lost ranges, and suspicions: records that were seen damaged, or whole in a group that is not; a suspicion
// becomes a loss at the end, unless the partition went on beyond it (then the hole was counted) or was truncated.

import { isStorable } from "../base/numbers.js";
import type { PartitionTable } from "./partition-table.js";

export interface LostSequences {
  readonly partition: number;
  readonly firstSequence: number;
  readonly lastSequence: number;
}

interface Range {
  first: number;
  last: number;
}

/** Of all partitions. Beyond them a loss widens its partition's last range: more is called lost than is. */
const rangesMax = 100_000;

export class LossLedger {
  /** Of each partition ascending; they neither overlap nor touch. */
  readonly #ranges = new Map<number, Range[]>();
  #rangeCount = 0;
  /** Highest sequence of a verified frame that could not be applied. */
  readonly #verified = new Map<number, number>();
  /** Sequences that damaged frames name, unverified, in order of their places. */
  readonly #unverified: { readonly partition: number; readonly sequence: number }[] = [];
  #certain = true;
  /** Since the last checkpoint: frames known to be missing, and sequences that holes proved lost. */
  #missingFrames = 0;
  #provenSequences = 0;
  /** Frames were missing before the last checkpoint. */
  #missedBefore = false;

  /**
   * False when something may be lost that no range names. `unnamed`: sequences that are lost beside the ranges here, each of which had a
   * frame: moved records. As many frames as sequences are missing: then no frame is left that could have been anything else. A frame
   * that is missing before the last checkpoint may have been one of `unnamed`, so that they prove nothing about those behind it.
   */
  isExact(unnamed: number): boolean {
    if (!this.#certain) return false;
    return this.#missingFrames === this.#provenSequences || (!this.#missedBefore && this.#missingFrames === this.#provenSequences + unnamed);
  }

  /** `count` frames are missing; infinity when nobody knows how many. */
  missFrames(count: number): void {
    this.#missingFrames += count;
  }

  /** Nothing that survives tells how much is lost. */
  handleDoubt(): void {
    this.#certain = false;
  }

  /** A checkpoint names the state of every partition: whatever was lost before it is known now. */
  handleCheckpoint(): void {
    if (this.#missingFrames > 0) this.#missedBefore = true;
    this.#missingFrames = 0;
    this.#provenSequences = 0;
  }

  lose(partition: number, first: number, last: number): void {
    if (last < first) return;
    this.#provenSequences += last - first + 1;
    this.#add(partition, first, last);
  }

  suspectVerified(partition: number, sequence: number): void {
    if (!isStorable(sequence)) return this.handleDoubt();
    this.#verified.set(partition, Math.max(sequence, this.#verified.get(partition) ?? 0));
  }

  suspectUnverified(partition: number, sequence: number): void {
    if (isStorable(sequence)) this.#unverified.push({ partition, sequence });
  }

  /** The partition's records above `after` are dead: nobody misses them. */
  handleTruncate(partition: number, after: number): void {
    const ranges = this.#ranges.get(partition) ?? [];
    for (let newest = ranges[ranges.length - 1]; newest !== undefined && newest.last > after; newest = ranges[ranges.length - 1]) {
      newest.last = after;
      if (newest.first <= after) break;
      ranges.pop();
      this.#rangeCount--;
    }
    if ((this.#verified.get(partition) ?? 0) > after) this.#verified.set(partition, after);
  }

  /** Turns suspicions into losses: those partitions then end behind them, so that a reader meets the loss and not an end. */
  settle(table: PartitionTable): void {
    for (const [partition, sequence] of this.#verified) {
      const state = table.byId(partition);
      if (state === undefined || sequence <= state.lastSequence) continue;
      this.#add(partition, state.lastSequence + 1, sequence);
      state.lastSequence = sequence;
    }
    for (const { partition, sequence } of this.#unverified) {
      const state = table.byId(partition);
      if (state === undefined || sequence !== state.lastSequence + 1) continue;
      this.#add(partition, sequence, sequence);
      state.lastSequence = sequence;
      // Its header may be damaged too: it may have been another partition's.
      this.#certain = false;
    }
    this.#verified.clear();
    this.#unverified.length = 0;
  }

  /** Lost ranges that are not trimmed, by partition and sequence. */
  ranges(table: PartitionTable): LostSequences[] {
    const lost: LostSequences[] = [];
    for (const [partition, ranges] of [...this.#ranges].sort(([a], [b]) => a - b)) {
      const kept = table.byId(partition)?.firstSequence;
      // Nobody misses what a dropped partition lost.
      if (kept === undefined) continue;
      for (const range of ranges) {
        if (range.last >= kept) lost.push({ partition, firstSequence: Math.max(range.first, kept), lastSequence: range.last });
      }
    }
    return lost;
  }

  /** What is lost ends at or behind all that was lost before. */
  #add(partition: number, first: number, last: number): void {
    const ranges = this.#ranges.get(partition) ?? [];
    const added: Range = { first, last };
    for (let newest = ranges[ranges.length - 1]; newest !== undefined; newest = ranges[ranges.length - 1]) {
      const touches = newest.last >= first - 1;
      if (!touches && this.#rangeCount < rangesMax) break;
      if (!touches) this.#certain = false;
      added.first = Math.min(added.first, newest.first);
      added.last = Math.max(added.last, newest.last);
      ranges.pop();
      this.#rangeCount--;
    }
    ranges.push(added);
    this.#rangeCount++;
    this.#ranges.set(partition, ranges);
  }
}
