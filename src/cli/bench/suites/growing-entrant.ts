// A load on so many partitions that trimming each of them would be a load of its own: every round has a fresh log, which
// grows and is removed. All segments are then written for the first time, for every number of partitions alike.

import type { LogOptions } from "../../../log/options.js";
import type { BenchPlace } from "../bench-place.js";
import { LogContender, type LogFigures, type LogLoad } from "../log-contender.js";
import { logFactsOf } from "../log-settings.js";
import { openLog, settingsOf, type OpenedLog } from "./log-entrant.js";
import type { Entrant, Settings } from "./suite.js";

export interface GrowingSetup {
  readonly name: string;
  readonly place: BenchPlace;
  readonly options: LogOptions;
  readonly load: LogLoad;
  readonly settings: Settings;
  readonly reference?: string;
  readonly warmUp: number;
}

export class GrowingEntrant implements Entrant {
  readonly name: string;
  readonly settings: Settings;
  readonly reference?: string;
  #facts: object = {};
  readonly #setup: GrowingSetup;

  constructor(setup: GrowingSetup) {
    this.#setup = setup;
    this.name = setup.name;
    if (setup.reference !== undefined) this.reference = setup.reference;
    this.settings = { ...setup.settings, ...settingsOf(setup.load) };
  }

  /** Of the latest round's log. */
  get facts(): object {
    return this.#facts;
  }

  async prepare(isStopped: () => boolean): Promise<undefined> {
    await this.round(this.#setup.warmUp, isStopped);
  }

  async round(seconds: number, isStopped: () => boolean): Promise<LogFigures> {
    const { place, options, load } = this.#setup;
    const opened = await openLog(place, options);
    try {
      await definePartitions(opened, load.partitions);
      this.#facts = logFactsOf(opened.log);
      return await LogContender.over(opened.log, opened.directory, load).round(seconds, isStopped);
    } finally {
      await opened.log.close();
      place.remove(opened.directory);
    }
  }
}

/** A partition's first append defines it, once in its life: not what is measured. */
async function definePartitions({ log }: OpenedLog, partitions: number): Promise<void> {
  for (let partition = 0; partition < partitions; partition++) {
    if (log.needDrain) await log.drain();
    log.partition(`bench-${String(partition)}`).enqueue("first");
  }
  await log.sync();
}
