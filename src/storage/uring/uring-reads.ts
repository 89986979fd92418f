// How the io_uring backend reads: out of the page cache at once or soon, else through a ring, else by libuv's threads.
//
// Owns: the one read ring of a storage, from the first read that needs it to the storage's close.

import type { NativeBinding } from "../../native/binding.js";
import { cachedReads, type CachedReads } from "../cached-reads.js";
import { pooledReads, type ReadRequest } from "../node-files.js";
import { openReadRing, slotBytes, type ReadRingOptions, type ReadRingVerdict } from "./read-ring.js";

export class UringReads {
  readonly way: CachedReads;
  readonly #native: NativeBinding;
  readonly #options: ReadRingOptions;
  #verdict: ReadRingVerdict | null = null;
  #isClosed = false;

  constructor(native: NativeBinding, options: ReadRingOptions) {
    this.#native = native;
    this.#options = options;
    this.way = cachedReads(native, (request) => this.#wait(request));
  }

  get notes(): readonly string[] {
    if (this.#verdict === null) return [];
    return this.#verdict.kind === "open" ? this.#verdict.ring.notes.map((note) => `reads: ${note}`) : [`reads: node:fs: ${this.#verdict.reason}`];
  }

  get isReading(): boolean {
    return this.way.isBusy() || (this.#verdict?.kind === "open" && this.#verdict.ring.isBusy);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#verdict?.kind === "open") await this.#verdict.ring.close();
  }

  #wait(request: ReadRequest): Promise<number> {
    if (this.#isClosed || request.into.length > slotBytes) return pooledReads.wait(request);
    this.#verdict ??= openReadRing(this.#native, this.#options);
    return this.#verdict.kind === "open" ? this.#verdict.ring.read(request) : pooledReads.wait(request);
  }
}
