// A process of its own that writes to a log when it is told to: what is counted from outside must hold nothing else.

import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { LogOptions } from "../../../log/options.js";
import { CommandError } from "../../report-failure.js";

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
  /** Why it gave up. */
  readonly failure?: string;
}

export class WriterProcess {
  readonly pid: number;
  readonly facts: object;
  readonly threadId: number;
  readonly #child: ChildProcess;

  /** Resolves once the log is warm and the process rests. */
  static async start(request: WriterRequest, signal: AbortSignal): Promise<WriterProcess> {
    const program = fileURLToPath(new URL("./writer-program.js", import.meta.url));
    const child = fork(program, [JSON.stringify(request)], { signal, killSignal: "SIGKILL", stdio: ["ignore", "ignore", "inherit", "ipc"] });
    // An abort shows as an error; whoever waits for a reply is told by the exit.
    child.on("error", () => undefined);
    return new WriterProcess(child, await replyOf(child));
  }

  private constructor(child: ChildProcess, { facts, threadId }: WriterReply) {
    this.#child = child;
    this.pid = child.pid as number;
    this.facts = facts;
    this.threadId = threadId;
  }

  async run(): Promise<void> {
    await this.#order("run");
  }

  /** Resolves once everything that was begun is acknowledged. */
  async rest(): Promise<void> {
    await this.#order("rest");
  }

  async records(): Promise<number> {
    return (await this.#order("records")).records;
  }

  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exit = once(this.#child, "exit");
    this.#child.send("close" satisfies WriterOrder);
    await exit;
  }

  async #order(order: WriterOrder): Promise<WriterReply> {
    const reply = replyOf(this.#child);
    this.#child.send(order);
    return reply;
  }
}

async function replyOf(child: ChildProcess): Promise<WriterReply> {
  const reply = await new Promise<WriterReply | null>((resolve) => {
    const onMessage = (message: unknown): void => { settle(message as WriterReply); };
    const onExit = (): void => { settle(null); };
    const settle = (result: WriterReply | null): void => {
      child.off("message", onMessage).off("exit", onExit);
      resolve(result);
    };
    child.on("message", onMessage).on("exit", onExit);
  });
  if (reply === null) throw new CommandError("the writing process ended: see its message above", "WRITER");
  if (reply.failure !== undefined) throw new CommandError(`the writing process: ${reply.failure}`, "WRITER");
  return reply;
}
