// Standard output with backpressure. A reader that went away (`| head`) is the end of the work, not an error.

/** Standard output has no reader any more. */
export class PipeClosedError extends Error {
  override readonly name = "PipeClosedError";
}

export class Output {
  readonly #stream: NodeJS.WriteStream;
  #failure: Error | null = null;
  #wake: (() => void) | null = null;

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
    stream.on("error", (error: NodeJS.ErrnoException) => {
      this.#failure = error.code === "EPIPE" || error.code === "ECONNRESET" ? new PipeClosedError("the reader of the output is gone") : error;
      this.#wake?.();
    });
    stream.on("drain", () => this.#wake?.());
  }

  static hasColors(stream: NodeJS.WriteStream): boolean {
    return stream.isTTY && process.env["NO_COLOR"] === undefined && process.env["TERM"] !== "dumb";
  }

  get isTerminal(): boolean {
    return this.#stream.isTTY;
  }

  /** Resolves once there is room for more. Rejects with PipeClosedError, or with what the system says. */
  async write(data: string | Uint8Array): Promise<void> {
    if (this.#failure !== null) throw this.#failure;
    if (this.#stream.write(data)) return;
    await new Promise<void>((resolve) => { this.#wake = resolve; });
    this.#wake = null;
    if (this.#failure !== null) throw this.#failure as Error;
  }

  async line(text: string): Promise<void> {
    await this.write(`${text}\n`);
  }

  /** One JSON value as one line. */
  async json(value: unknown): Promise<void> {
    await this.write(`${JSON.stringify(value)}\n`);
  }

  /** Resolves when everything written so far has left the process. */
  async finish(): Promise<void> {
    if (this.#failure === null) await new Promise<void>((resolve) => this.#stream.write("", () => resolve()));
    if (this.#failure !== null && !(this.#failure instanceof PipeClosedError)) throw this.#failure;
  }

  /** Text in a colour where a terminal shows it. */
  paint(color: "red" | "green" | "yellow" | "dim" | "bold", text: string): string {
    if (!Output.hasColors(this.#stream)) return text;
    const codes = { red: [31, 39], green: [32, 39], yellow: [33, 39], dim: [2, 22], bold: [1, 22] } as const;
    const [on, off] = codes[color];
    return `\u001b[${String(on)}m${text}\u001b[${String(off)}m`;
  }
}

let shared: Output | undefined;

/** The process has one standard output, with one listener for its errors. */
export function standardOutput(): Output {
  shared ??= new Output(process.stdout);
  return shared;
}
