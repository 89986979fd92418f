// A worker thread that runs callers on a log when it is told to.

import { Worker } from "node:worker_threads";
import type { LogHandle } from "../../../log/log.js";
import type { LogOptions } from "../../../log/options.js";
import { CommandError } from "../../report-failure.js";
import type { LogLoad } from "../log-contender.js";

export interface LoadRequest {
  /** Of the log. */
  readonly directory: string;
  readonly wanted: { readonly kind: "own"; readonly options: LogOptions } | { readonly kind: "attached"; readonly handle: LogHandle };
  readonly load: LogLoad;
  readonly firstPartition: number;
  /** Whether this thread fills the log until its segments are recycled. */
  readonly fills: boolean;
  /** Of the `SharedWindow`. */
  readonly windowBuffer: SharedArrayBuffer;
}

export type LoadOrder = "run" | "close";

export interface LoadResult {
  readonly kind: "ran";
  readonly calls: number;
  /** Of the timed ones. */
  readonly ackMillis: Float64Array;
}

export type LoadReply = { readonly kind: "ready"; readonly facts: object } | LoadResult;

export class LoadThread {
  readonly #worker: Worker;
  readonly #exit: Promise<void>;
  #failure: unknown = null;

  constructor(request: LoadRequest) {
    this.#worker = new Worker(new URL("./load-program.js", import.meta.url), { workerData: request });
    this.#worker.on("error", (error) => { this.#failure = error; });
    this.#exit = new Promise((resolve) => { this.#worker.once("exit", () => { resolve(); }); });
  }

  /** Resolves once the log is open, and filled, to what it runs on. */
  async ready(): Promise<object> {
    const reply = await this.#reply();
    return reply.kind === "ready" ? reply.facts : {};
  }

  /** Resolves when the window is over and every call has come back. */
  async run(): Promise<LoadResult> {
    const reply = this.#reply();
    this.#worker.postMessage("run" satisfies LoadOrder);
    const result = await reply;
    return result as LoadResult;
  }

  /** Closes the log and ends the thread; also after a failure. */
  async close(): Promise<void> {
    this.#worker.postMessage("close" satisfies LoadOrder);
    await this.#exit;
  }

  async #reply(): Promise<LoadReply> {
    const reply = await new Promise<LoadReply | null>((resolve) => {
      this.#worker.once("message", resolve);
      void this.#exit.then(() => { resolve(null); });
    });
    if (reply !== null) return reply;
    throw new CommandError(`a thread of the load ended: ${String(this.#failure)}`, "LOAD");
  }
}
