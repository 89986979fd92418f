// The strongest rival that runs everywhere: group commit by hand on node:fs, without a format, checks or recovery.
//
// Records are copied, with a length before each, into one of two staging buffers; while one is written the other fills.
// The file is pre-written, so that a durable write allocates nothing, and opened O_DSYNC, so that one fs.write is the
// write and the flush. At its end the writer goes back to the beginning: it recycles its space like a log that is trimmed.
// What it leaves out, a log must not: checksums, recovery, reading, partitions, order across failures. It is a bar.

import fs from "node:fs";
import { fromNodeError } from "../../storage/system-error.js";

type Resolve = (value: undefined | Promise<never>) => void;

export interface PortableBaselineOptions {
  readonly path: string;
  readonly fileBytes: number;
  /** More than all that callers can have waiting at once. */
  readonly stagingBytes: number;
}

const headerBytes = 8;
const pageBytes = 4096;

let captured: Resolve | undefined;
/** Shared by all promises, so that none allocates an executor. */
function capture(resolve: (value: undefined | PromiseLike<undefined>) => void): void {
  captured = resolve as Resolve;
}

class Staging {
  readonly bytes: Buffer;
  readonly view: Uint32Array;
  readonly waiters: (Resolve | undefined)[] = [];
  cursor = 0;
  count = 0;

  constructor(bytes: number) {
    this.bytes = Buffer.alloc(bytes);
    this.view = new Uint32Array(this.bytes.buffer, this.bytes.byteOffset, bytes >>> 2);
  }
}

export class PortableBaseline {
  /** Writes so far. */
  blocks = 0;
  readonly #options: PortableBaselineOptions;
  readonly #descriptor: number;
  #filling: Staging;
  #spare: Staging;
  #writing: Staging | null = null;
  #position = 0;
  #sequence = 0;
  #cutScheduled = false;
  #failure: Error | null = null;

  /** Writes the whole file once before it resolves. */
  static async open(options: PortableBaselineOptions): Promise<PortableBaseline> {
    const { path, fileBytes } = options;
    try {
      const file = await fs.promises.open(path, "wx");
      const zeros = Buffer.alloc(1024 * 1024);
      for (let at = 0; at < fileBytes; at += zeros.length) await file.write(zeros, 0, Math.min(zeros.length, fileBytes - at), at);
      await file.sync();
      await file.close();
      return new PortableBaseline(options, fs.openSync(path, fs.constants.O_RDWR | fs.constants.O_DSYNC));
    } catch (error) {
      throw fromNodeError(error, { operation: "prepare the file of the baseline", path });
    }
  }

  private constructor(options: PortableBaselineOptions, descriptor: number) {
    this.#options = options;
    this.#descriptor = descriptor;
    this.#filling = new Staging(options.stagingBytes);
    this.#spare = new Staging(options.stagingBytes);
  }

  /** Hot: as many allocations as an append of the log has, the promise. */
  append(data: Uint8Array): Promise<undefined> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    const staging = this.#filling;
    const at = staging.cursor;
    const word = at >>> 2;
    staging.view[word] = data.length;
    staging.view[word + 1] = this.#sequence++;
    staging.bytes.set(data, at + headerBytes);
    staging.cursor = (at + headerBytes + data.length + 7) & ~7;
    const promise = new Promise<undefined>(capture);
    staging.waiters[staging.count++] = captured as Resolve;
    if (this.#writing === null && !this.#cutScheduled) this.#scheduleCut();
    return promise;
  }

  /** Nothing may be waiting. */
  close(): void {
    fs.closeSync(this.#descriptor);
  }

  /** Once the callers that are ready have appended: one hop through a microtask into a tick. */
  #scheduleCut(): void {
    this.#cutScheduled = true;
    queueMicrotask(this.#hop);
  }

  readonly #hop = (): void => process.nextTick(this.#cut);

  readonly #cut = (): void => {
    this.#cutScheduled = false;
    if (this.#writing === null && this.#filling.count > 0) this.#write();
  };

  #write(): void {
    const staging = this.#filling;
    // Whole pages: the acknowledged end of a page is never written again.
    const bytes = Math.ceil(staging.cursor / pageBytes) * pageBytes;
    staging.bytes.fill(0, staging.cursor, bytes);
    if (this.#position + bytes > this.#options.fileBytes) this.#position = 0;
    this.#writing = staging;
    this.#filling = this.#spare;
    fs.write(this.#descriptor, staging.bytes, 0, bytes, this.#position, (error, written) => { this.#handleWritten(staging, error, written === bytes); });
    this.#position += bytes;
    this.blocks++;
  }

  #handleWritten(staging: Staging, error: Error | null, isWhole: boolean): void {
    this.#writing = null;
    this.#spare = staging;
    if (error !== null || !isWhole) this.#failure = fromNodeError(error ?? new Error("a short write"), { operation: "write durably", path: this.#options.path });
    // What filled meanwhile goes out before the acknowledgements run: the device does not wait for the callers.
    else if (this.#filling.count > 0) this.#write();
    const { count } = staging;
    staging.cursor = 0;
    staging.count = 0;
    for (let index = 0; index < count; index++) {
      const resolve = staging.waiters[index] as Resolve;
      resolve(this.#failure === null ? undefined : Promise.reject(this.#failure));
    }
  }
}
