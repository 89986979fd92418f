// A ring in its smallest form, enough to prove that the addon's syscalls work: one submission at a time.

import type { NativeBinding } from "#src/native/binding.js";
import { binding, skip as absent } from "./addon.js";

const entries = 8;
export const operation = { nop: 0, read: 22, write: 23 } as const;

/** The reason why ring tests can't run here, or false. Containers often refuse io_uring. */
export const skip: string | false = absent === false ? refusal() : absent;

function refusal(): string | false {
  const native = binding();
  const descriptor = native.ringSetup(1, new Uint32Array(30));
  if (descriptor < 0) return `io_uring_setup is refused here: errno ${String(-descriptor)}`;
  native.closeDescriptor(descriptor);
  return false;
}

export interface Submission {
  readonly code: number;
  readonly descriptor?: number;
  readonly memory?: ArrayBuffer;
  readonly bytes?: number;
  readonly id: number;
}

export class SmallRing {
  readonly native: NativeBinding;
  readonly descriptor: number;
  readonly #params = new Uint32Array(30);
  readonly #rings: ArrayBuffer;
  readonly #submissions: ArrayBuffer;
  readonly #words: Int32Array;

  constructor(native: NativeBinding) {
    this.native = native;
    this.descriptor = native.ringSetup(entries, this.#params);
    if (this.descriptor < 0) throw new Error(`io_uring_setup: ${String(this.descriptor)}`);
    this.#rings = this.#map(Math.max(this.#param(16) + 4 * this.#param(0), this.#param(25) + 16 * this.#param(1)), 0);
    this.#submissions = this.#map(64 * this.#param(0), 0x10000000);
    this.#words = new Int32Array(this.#rings);
  }

  /** Writes one submission entry and publishes it; `enter` makes the kernel look. */
  push(submission: Submission): void {
    const tail = this.#word(11);
    const index = Atomics.load(this.#words, tail) & (this.#param(0) - 1);
    const entry = new DataView(this.#submissions, index * 64, 64);
    for (let at = 0; at < 64; at += 8) entry.setBigUint64(at, 0n);
    entry.setUint8(0, submission.code);
    entry.setInt32(4, submission.descriptor ?? -1, true);
    if (submission.memory !== undefined) {
      const halves = new Uint32Array(2);
      this.native.address(submission.memory, halves);
      entry.setUint32(16, halves[0] as number, true);
      entry.setUint32(20, halves[1] as number, true);
    }
    entry.setUint32(24, submission.bytes ?? 0, true);
    entry.setUint32(32, submission.id, true);
    this.#words[(this.#param(16) >>> 2) + index] = index;
    Atomics.add(this.#words, tail, 1);
  }

  /** Takes one completion, if there is one. */
  take(): { id: number; result: number } | undefined {
    const head = Atomics.load(this.#words, this.#word(20));
    if (head === Atomics.load(this.#words, this.#word(21))) return undefined;
    const at = this.#param(25) + 16 * (head & (this.#param(1) - 1));
    const entry = new DataView(this.#rings, at, 16);
    const completion = { id: entry.getUint32(0, true), result: entry.getInt32(8, true) };
    Atomics.add(this.#words, this.#word(20), 1);
    return completion;
  }

  close(): void {
    this.native.release(this.#rings);
    this.native.release(this.#submissions);
    this.native.closeDescriptor(this.descriptor);
  }

  #map(bytes: number, offset: number): ArrayBuffer {
    const mapped = this.native.ringMap(this.descriptor, bytes, offset);
    if (typeof mapped === "number") throw new Error(`mmap of the ring: ${String(mapped)}`);
    return mapped;
  }

  #param(index: number): number {
    return this.#params[index] as number;
  }

  /** Index among the ring's words of what `struct io_uring_params` names at `index`. */
  #word(index: number): number {
    return this.#param(index) >>> 2;
  }
}
