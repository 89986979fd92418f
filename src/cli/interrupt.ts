// Ctrl-C and termination: the first asks the command to come to an end, the second ends the process at once.

import { type ExitCode, exitCode } from "./exit-codes.js";

export class Interrupt implements Disposable {
  readonly #controller = new AbortController();
  #exitCode: ExitCode = exitCode.ok;

  constructor() {
    process.on("SIGINT", this.#onInt);
    process.on("SIGTERM", this.#onTerm);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get isRaised(): boolean {
    return this.#controller.signal.aborted;
  }

  /** 0 until a signal came. */
  get exitCode(): ExitCode {
    return this.#exitCode;
  }

  [Symbol.dispose](): void {
    process.off("SIGINT", this.#onInt);
    process.off("SIGTERM", this.#onTerm);
  }

  readonly #onInt = (): void => { this.#raise(exitCode.interrupted); };
  readonly #onTerm = (): void => { this.#raise(exitCode.terminated); };

  #raise(code: ExitCode): void {
    if (this.isRaised) process.exit(code);
    this.#exitCode = code;
    this.#controller.abort();
  }
}
