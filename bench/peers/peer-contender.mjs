// A peer as a contender: the callers, payloads, window and instruments of `ringwall bench append`.

import { runCallers } from "../../dist/cli/bench/caller-loops.js";
import { makeBatches, makePayloads } from "../../dist/cli/bench/payloads.js";
import { ProcessUsage } from "../../dist/cli/bench/process-usage.js";

const rampSeconds = 0.2;

export class PeerContender {
  #opened;
  #load;
  #items;
  #appender;
  #usage = new ProcessUsage();

  /** `load`: callers, bytes, batch, everyCall. */
  constructor(adapter, opened, load) {
    this.name = adapter.name;
    this.#opened = opened;
    this.#load = load;
    this.#items = load.batch === 1 ? makePayloads(load.bytes) : makeBatches(load.bytes, load.batch);
    this.#appender = load.batch === 1 ? opened : { append: (list) => opened.appendBatch(list) };
  }

  async round(seconds, isStopped) {
    const { callers, bytes, batch, everyCall } = this.#load;
    const usage = this.#usage;
    const window = await runCallers({ callers, everyCall, items: this.#items, appenders: [this.#appender] }, {
      seconds,
      rampSeconds,
      isStopped,
      onOpen: () => usage.open(),
      onShut: () => usage.shut(),
      onTick: () => usage.sample(),
    });
    const records = window.calls * batch;
    return {
      recordsPerSecond: records / window.seconds,
      megabytesPerSecond: (records * bytes) / window.seconds / 1e6,
      ackMicros: window.ackMicros,
      cpuMicrosPerRecord: usage.cpuMicros / records,
      othersCores: usage.othersCores,
      seconds: window.seconds,
    };
  }

  async close() {
    await this.#opened.close();
  }
}
