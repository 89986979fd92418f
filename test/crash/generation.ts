// One writer's life: started, watched, ended from outside.

import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { Receiver, type Message } from "./acknowledgements.js";
import { onTeardown } from "./teardown.js";
import type { FoundShape } from "./workload.js";
import type { WriterConfig } from "./writer.js";

const writerPath = fileURLToPath(new URL("./writer.js", import.meta.url));

export interface Acknowledgement {
  readonly number: number;
  readonly stamp: number;
}

/** What is known of a writer once it is gone. */
export interface Ended {
  /** What it found at opening; null when it did not get that far. */
  readonly shape: FoundShape | null;
  readonly acknowledgements: readonly Acknowledgement[];
  readonly failure: { readonly code: string; readonly text: string } | null;
  readonly closed: boolean;
}

export class Generation {
  readonly #child: ChildProcess;
  readonly #acknowledgements: Acknowledgement[] = [];
  readonly #opening: Promise<void>;
  readonly #open: Promise<void>;
  #signalOpening: () => void = () => undefined;
  #signalOpen: () => void = () => undefined;
  #shape: FoundShape | null = null;
  #failure: Ended["failure"] = null;
  #closed = false;
  #errors = "";
  /** Everything that the writer ever said has arrived. */
  readonly ended: Promise<Ended>;

  constructor(config: WriterConfig) {
    this.#opening = new Promise((resolve) => (this.#signalOpening = resolve));
    this.#open = new Promise((resolve) => (this.#signalOpen = resolve));
    this.#child = spawn(process.execPath, [writerPath, JSON.stringify(config)], { stdio: ["ignore", "ignore", "pipe", "pipe"] });
    const receiver = new Receiver((message) => this.#take(message));
    (this.#child.stdio[3] as Readable).on("data", (chunk: Buffer) => receiver.take(chunk));
    this.#child.stderr?.setEncoding("utf8").on("data", (text: string) => (this.#errors += text));
    this.ended = this.#end();
  }

  /** The writer is there; it opens the log, or failed to. */
  opening(): Promise<unknown> {
    return Promise.race([this.#opening, this.ended]);
  }

  /** The log is open, or the writer is gone. */
  open(): Promise<unknown> {
    return Promise.race([this.#open, this.ended]);
  }

  /** How many acknowledgements have arrived so far. */
  get acknowledgedCount(): number {
    return this.#acknowledgements.length;
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }

  #take(message: Message): void {
    switch (message.kind) {
      case "opening":
        this.#signalOpening();
        return;
      case "open":
        this.#shape = new Map(message.shape);
        this.#signalOpen();
        return;
      case "acknowledged":
        this.#acknowledgements.push({ number: message.number, stamp: message.stamp });
        return;
      case "failed":
        this.#failure = { code: message.code, text: message.text };
        return;
      case "closed":
        this.#closed = true;
    }
  }

  async #end(): Promise<Ended> {
    // "close": the process is gone and its pipes are read to their ends.
    const forget = onTeardown(() => this.#child.kill("SIGKILL"));
    const [code, signal] = (await once(this.#child, "close")) as [number | null, string | null];
    forget();
    const silent = this.#failure === null && !this.#closed && signal !== "SIGKILL";
    return {
      shape: this.#shape,
      acknowledgements: this.#acknowledgements,
      failure: silent ? { code: "ended", text: `exit code ${String(code)}, signal ${String(signal)}: ${this.#errors}` } : this.#failure,
      closed: this.#closed,
    };
  }
}
