// The portable baseline as a contender: the same callers, payloads, window and instruments as the log.

import { appendFiguresOf, runRound } from "./caller-round.js";
import type { AppendFigures, Contender } from "./contender.js";
import { makePayloads } from "./payloads.js";
import { PortableBaseline } from "./portable-baseline.js";

export interface BaselineLoad {
  readonly callers: number;
  readonly bytes: number;
  readonly everyCall: number;
}

const fileBytesMin = 64 * 1024 * 1024;

export class BaselineContender implements Contender<AppendFigures> {
  readonly name = "baseline";
  readonly #baseline: PortableBaseline;
  readonly #load: BaselineLoad;
  readonly #payloads: readonly Uint8Array[];

  private constructor(baseline: PortableBaseline, load: BaselineLoad) {
    this.#baseline = baseline;
    this.#load = load;
    this.#payloads = makePayloads(load.bytes);
  }

  static async open(path: string, load: BaselineLoad): Promise<BaselineContender> {
    const stagingBytes = Math.max(1024 * 1024, load.callers * (load.bytes + 16) + 4096);
    const fileBytes = Math.max(fileBytesMin, 4 * stagingBytes);
    return new BaselineContender(await PortableBaseline.open({ path, fileBytes, stagingBytes }), load);
  }

  close(): void {
    this.#baseline.close();
  }

  async round(seconds: number, isStopped: () => boolean): Promise<AppendFigures> {
    const { callers, everyCall, bytes } = this.#load;
    let before = 0;
    let after = 0;
    const window = await runRound({ callers, everyCall, items: this.#payloads, appenders: [this.#baseline] }, {
      seconds,
      isStopped,
      onOpen: () => { before = this.#baseline.blocks; },
      onShut: () => { after = this.#baseline.blocks; },
    });
    return appendFiguresOf(window, { records: window.calls, bytes, blocks: after - before });
  }
}
