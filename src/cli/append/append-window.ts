// Many appends in flight with bounded memory, and the account of what became durable.

import type { Partition } from "../../log/partition.js";

const recordsMax = 8192;
const bytesMax = 16 * 1024 * 1024;

export class AppendWindow {
  /** Of what is durable. The first and last sequence are 0 when nothing is. */
  firstSequence = 0;
  lastSequence = 0;
  durableRecords = 0;
  durableBytes = 0;
  /** The failed append that lies first in the input. */
  failure: { readonly error: unknown; readonly index: number } | null = null;
  readonly #partition: Partition;
  #pushed = 0;
  #pending = 0;
  #pendingBytes = 0;
  #wake: (() => void) | null = null;

  constructor(partition: Partition) {
    this.#partition = partition;
  }

  get hasRoom(): boolean {
    return this.#pending < recordsMax && this.#pendingBytes < bytesMax;
  }

  push(data: Uint8Array): void {
    const bytes = data.length;
    const index = this.#pushed++;
    this.#pending++;
    this.#pendingBytes += bytes;
    this.#partition.append(data).then(
      (sequence) => {
        // Acknowledgements come in order, refusals may overtake them: counted is the beginning of the input without holes.
        if (this.failure === null || index < this.failure.index) {
          if (this.firstSequence === 0) this.firstSequence = sequence;
          this.lastSequence = sequence;
          this.durableRecords++;
          this.durableBytes += bytes;
        }
        this.#finish(bytes);
      },
      (error: unknown) => {
        if (this.failure === null || index < this.failure.index) this.failure = { error, index };
        this.#finish(bytes);
      },
    );
  }

  /** Resolves when there is room for one more, or an append failed. */
  async room(): Promise<void> {
    while (!this.hasRoom && this.failure === null) await this.#change();
  }

  /** Resolves when nothing is in flight. */
  async settle(): Promise<void> {
    while (this.#pending > 0) await this.#change();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => { this.#wake = resolve; });
  }

  #finish(bytes: number): void {
    this.#pending--;
    this.#pendingBytes -= bytes;
    // Waking a reader for every record would make it fill one record at a time.
    if (this.#wake === null || (this.#pending > recordsMax / 2 && this.failure === null)) return;
    const wake = this.#wake;
    this.#wake = null;
    wake();
  }
}
