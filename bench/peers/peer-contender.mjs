// A peer as a contender: the callers, payloads, window and instruments of `ringwall bench append`.

import { runRound } from "../../dist/cli/bench/caller-round.js";
import { makeBatches, makePayloads } from "../../dist/cli/bench/payloads.js";

export class PeerContender {
  #opened;
  #load;
  #items;
  #appender;

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
    const window = await runRound({ callers, everyCall, items: this.#items, appenders: [this.#appender] }, { seconds, isStopped });
    const records = window.calls * batch;
    return {
      recordsPerSecond: records / window.seconds,
      megabytesPerSecond: (records * bytes) / window.seconds / 1e6,
      ackMicros: window.ackMicros,
      cpuMicrosPerRecord: window.cpuMicros / records,
      othersCores: window.othersCores,
      seconds: window.seconds,
    };
  }

  async close() {
    await this.#opened.close();
  }
}
