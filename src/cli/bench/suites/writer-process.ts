// A process of its own that writes to a log when it is told to: what is counted from outside must hold nothing else.

import type { LogOptions } from "../../../log/options.js";
import { ToldProcess } from "./told-process.js";

export interface WriterRequest {
  readonly directory: string;
  readonly callers: number;
  readonly bytes: number;
  readonly options: LogOptions;
}

export type WriterOrder = "run" | "rest" | "records" | "close";

export interface WriterReply {
  /** Acknowledged so far. */
  readonly records: number;
  readonly facts: object;
  /** The thread that the log lives in. */
  readonly threadId: number;
}

export class WriterProcess {
  readonly #process: ToldProcess<WriterOrder, WriterReply>;

  /** Resolves once the log is warm and the process rests. */
  static async start(request: WriterRequest, signal: AbortSignal): Promise<WriterProcess> {
    const url = new URL("./writer-program.js", import.meta.url);
    return new WriterProcess(await ToldProcess.start<WriterOrder, WriterReply>({ url, request, what: "writing", signal }));
  }

  private constructor(started: ToldProcess<WriterOrder, WriterReply>) {
    this.#process = started;
  }

  get pid(): number {
    return this.#process.pid;
  }

  get facts(): object {
    return this.#process.first.facts;
  }

  get threadId(): number {
    return this.#process.first.threadId;
  }

  async run(): Promise<void> {
    await this.#process.order("run");
  }

  /** Resolves once everything that was begun is acknowledged. */
  async rest(): Promise<void> {
    await this.#process.order("rest");
  }

  async records(): Promise<number> {
    return (await this.#process.order("records")).records;
  }

  close(): Promise<void> {
    return this.#process.end("close");
  }
}
