// Trims behind the writer, as an application does behind its checkpoint: the last few segments are kept, older ones are recycled.

import type { Log } from "../../log/log.js";
import type { Partition } from "../../log/partition.js";

/** Whole segments that stay behind the one that is written. */
const segmentsKept = 2;

export class Trimmer {
  readonly #log: Log;
  readonly #partitions: readonly Partition[];
  /** What was durable when the log went over to another segment, oldest first. */
  readonly #marks: (readonly number[])[] = [];
  #segments = 0;
  #trimming: Promise<void> | null = null;
  #failure: unknown = null;

  constructor(log: Log, partitions: readonly Partition[]) {
    this.#log = log;
    this.#partitions = partitions;
  }

  /** Starts a trim when a segment has ended. Throws what an earlier one failed with. */
  check(): void {
    if (this.#failure !== null) throw this.#failure as Error;
    const segments = this.#log.stats().reduce((sum, lane) => sum + lane.segments, 0);
    if (segments === this.#segments) return;
    this.#segments = segments;
    this.#marks.push(this.#partitions.map((partition) => partition.durableSeq));
    if (this.#marks.length <= segmentsKept || this.#trimming !== null) return;
    const mark = this.#marks[this.#marks.length - 1 - segmentsKept] as readonly number[];
    this.#marks.splice(0, this.#marks.length - segmentsKept);
    this.#trimming = this.#trim(mark)
      .catch((error: unknown) => { this.#failure = error; })
      .finally(() => { this.#trimming = null; });
  }

  async settled(): Promise<void> {
    await this.#trimming;
    if (this.#failure !== null) throw this.#failure as Error;
  }

  async #trim(mark: readonly number[]): Promise<void> {
    const trims = this.#partitions.map((partition, index) => partition.trim((mark[index] as number) + 1));
    await Promise.all(trims);
  }
}
