// A process of its own that does what it is told: what is measured there, or counted from outside, shares it with nothing.

import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { CommandError } from "../../report-failure.js";

export interface ToldProgram {
  readonly url: URL;
  /** For the program: JSON, its only argument. */
  readonly request: object;
  /** What errors call it: "writing". */
  readonly what: string;
  readonly signal: AbortSignal;
}

/** As a program that gave up says it. */
export interface ToldFailure {
  readonly failure: string;
}

export class ToldProcess<Order extends string | object, Reply extends object> {
  readonly pid: number;
  /** What the program said when it was ready. */
  readonly first: Reply;
  readonly #child: ChildProcess;
  readonly #what: string;

  /** Resolves once the program says that it is ready. */
  static async start<Order extends string | object, Reply extends object>({ url, request, what, signal }: ToldProgram): Promise<ToldProcess<Order, Reply>> {
    const child = fork(url, [JSON.stringify(request)], { signal, killSignal: "SIGKILL", stdio: ["ignore", "ignore", "inherit", "ipc"] });
    // An abort shows as an error; whoever waits for a reply is told by the exit.
    child.on("error", () => undefined);
    return new ToldProcess<Order, Reply>(child, what, await replyOf<Reply>(child, what));
  }

  private constructor(child: ChildProcess, what: string, first: Reply) {
    this.#child = child;
    this.#what = what;
    this.pid = child.pid as number;
    this.first = first;
  }

  /** Rejects when the program gave up, or is gone. */
  async order(order: Order): Promise<Reply> {
    if (this.#isGone) throw endedError(this.#what);
    const reply = replyOf<Reply>(this.#child, this.#what);
    this.#child.send(order);
    return reply;
  }

  /** Gives the last order, and resolves when the process has ended; at once where it has. */
  async end(order: Order): Promise<void> {
    if (this.#isGone) return;
    const exit = once(this.#child, "exit");
    this.#child.send(order);
    await exit;
  }

  get #isGone(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }
}

function endedError(what: string): CommandError {
  return new CommandError(`the ${what} process ended: see its message above`, "PROCESS");
}

async function replyOf<Reply extends object>(child: ChildProcess, what: string): Promise<Reply> {
  const reply = await new Promise<Reply | ToldFailure | null>((resolve) => {
    const onMessage = (message: unknown): void => { settle(message as Reply | ToldFailure); };
    const onExit = (): void => { settle(null); };
    const settle = (result: Reply | ToldFailure | null): void => {
      child.off("message", onMessage).off("exit", onExit);
      resolve(result);
    };
    child.on("message", onMessage).on("exit", onExit);
  });
  if (reply === null) throw endedError(what);
  if ("failure" in reply) throw new CommandError(`the ${what} process: ${reply.failure}`, "PROCESS");
  return reply;
}
