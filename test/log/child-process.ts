// Starts log-child.js: for one answer, or as a writer that does what it is told.

import { spawn, type ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { LogOptions, LogStats } from "#src/index.js";

const childPath = fileURLToPath(new URL("./log-child.js", import.meta.url));

export interface ChildRequest {
  readonly scenario: string;
  readonly backend: string;
  readonly directory: string;
  readonly argument?: string;
  /** Words before node: a shell that sets a limit. */
  readonly launcher?: readonly string[];
}

export interface ChildOutcome {
  readonly code: number | null;
  readonly answers: Record<string, unknown>[];
  readonly stderr: string;
}

function start({ scenario, backend, directory, argument = "", launcher = [] }: ChildRequest): ChildProcess {
  const [command = process.execPath, ...rest] = [...launcher, process.execPath, childPath, scenario, backend, directory, argument];
  return spawn(command, rest, { stdio: ["pipe", "pipe", "pipe"], timeout: 60_000, killSignal: "SIGKILL" });
}

export async function runLogChild(request: ChildRequest): Promise<ChildOutcome> {
  const child = start(request);
  child.stdin?.end();
  let stdout = "";
  let stderr = "";
  child.stdout?.setEncoding("utf8").on("data", (chunk: string) => (stdout += chunk));
  child.stderr?.setEncoding("utf8").on("data", (chunk: string) => (stderr += chunk));
  const code = await new Promise<number | null>((resolve, reject) => child.on("error", reject).on("close", resolve));
  return { code, stderr, answers: stdout.split("\n").filter((line) => line.startsWith("{")).map((line) => JSON.parse(line) as Record<string, unknown>) };
}

export interface Order {
  readonly action: "append" | "trim" | "truncate" | "rotate" | "close";
  readonly partition?: string;
  readonly count?: number;
  readonly bytes?: number;
  readonly value?: number;
}

/** A writer in another process. */
export class RemoteWriter {
  readonly #child: ChildProcess;
  readonly #answers: AsyncIterator<string>;
  #stderr = "";

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.#answers = createInterface({ input: child.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]();
    child.stderr?.setEncoding("utf8").on("data", (chunk: string) => (this.#stderr += chunk));
  }

  static async open(backend: string, directory: string, options: LogOptions = {}): Promise<RemoteWriter> {
    const writer = new RemoteWriter(start({ scenario: "obey", backend, directory, argument: JSON.stringify(options) }));
    await writer.#answer();
    return writer;
  }

  async order(order: Order): Promise<{ readonly last: number; readonly stats: LogStats }> {
    this.#child.stdin?.write(`${JSON.stringify(order)}\n`);
    return (await this.#answer()) as { last: number; stats: LogStats };
  }

  /** Ends it without a word, as a crash does. */
  async kill(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once("exit", resolve));
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      this.#child.kill("SIGKILL");
      await ended;
    }
  }

  async #answer(): Promise<unknown> {
    const answer = await this.#answers.next();
    if (answer.done === true) throw new Error(`the writer ended: ${this.#stderr}`);
    return JSON.parse(answer.value);
  }
}
