// One log's life over many crashed writers, and the judgement after each.

import type { Backend } from "./backends.js";
import type { Build } from "./builds.js";
import { Generation, type Ended } from "./generation.js";
import { observe } from "./observe.js";
import { LossError, Oracle } from "./oracle.js";
import type { OptionSet } from "./option-sets.js";
import type { Tally } from "./tally.js";
import type { Counting, WriterConfig } from "./writer.js";

export interface HistoryOptions {
  readonly directory: string;
  readonly seed: number;
  readonly set: OptionSet;
  readonly tally: Tally;
  readonly build?: Build;
  /** Instead of the set's. */
  readonly counting?: Counting;
  /** Codes with which a writer may end by itself, because the rig takes its disk away. */
  readonly failuresAllowed?: readonly string[];
}

export class History {
  readonly #options: HistoryOptions;
  readonly #oracle: Oracle;
  #generation = -1;

  constructor(options: HistoryOptions) {
    this.#options = options;
    this.#oracle = new Oracle(options.seed, options.set.profile);
  }

  get generation(): number {
    return this.#generation;
  }

  /** Starts the next writer. */
  start(backend: Backend, more: Partial<WriterConfig> = {}): Generation {
    const { directory, seed, set, counting = set.counting, build = "sound" } = this.#options;
    this.#generation++;
    return new Generation({
      directory, seed, generation: this.#generation, options: set.options, profile: set.profile, counting, operationsMax: 0,
      storage: { backend, build, ...(set.flushMethod === undefined ? {} : { flushMethod: set.flushMethod }) },
      ...more,
    });
  }

  /** Takes in what a writer said that is gone now. */
  async finish(writer: Generation): Promise<Ended> {
    const ended = await writer.ended;
    const { failure, shape, acknowledgements } = ended;
    if (failure !== null && !(this.#options.failuresAllowed ?? []).includes(failure.code)) {
      throw new LossError(`the writer of generation ${String(this.#generation)} failed (${failure.code}): ${failure.text}`);
    }
    // One that never opened the log changed no record; the next is judged by what was there before.
    if (shape === null) return ended;
    this.#oracle.begin(this.#generation, shape);
    for (const { number } of acknowledgements) this.#oracle.acknowledge(number);
    this.#options.tally.epochs++;
    return ended;
  }

  /** There is no log: then nothing may have been acknowledged. */
  checkAbsent(): void {
    this.#oracle.check(new Map());
  }

  /** Opens the log in this process and judges it. */
  async check(mode: "read-only" | "writable", backend: Backend): Promise<void> {
    const { directory, set, tally } = this.#options;
    const durability = set.options.durability ?? { mode: "sync" };
    const { found, reports } = await observe(directory, { ...set.options, durability, backend, readOnly: mode === "read-only" }).catch((error: unknown) => {
      throw new LossError(`the log does not open (${mode}): ${error instanceof Error ? (error.stack ?? error.message) : String(error)}${detailsOf(error)}`);
    });
    for (const report of reports) tally.noteVerdict(`${report.verdict}${report.discardedBlocks.length > 0 ? ", blocks dropped" : ""}${report.discardedFrames > 0 ? ", half a group dropped" : ""}`);
    const { acknowledgedRecords, comparedRecords } = this.#oracle;
    this.#oracle.check(found);
    tally.acknowledgedRecords += this.#oracle.acknowledgedRecords - acknowledgedRecords;
    tally.comparedRecords += this.#oracle.comparedRecords - comparedRecords;
    if (mode === "writable") tally.epochs++;
  }
}

function detailsOf(error: unknown): string {
  const details = error instanceof Error && "details" in error ? error.details : undefined;
  return details === undefined ? "" : `\n${JSON.stringify(details).slice(0, 4000)}`;
}
