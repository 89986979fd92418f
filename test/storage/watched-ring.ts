// A writer on a real ring, whose entries are looked at on their way into the kernel, and altered where a test says so.
//
// So the kernel really writes less than it was asked for, takes half of a chain, or fails a sync.

import type { RingwallError } from "#src/base/errors.js";
import type { WriterFlush } from "#src/storage/storage.js";
import type { NativeBinding, NativeWatch } from "#src/native/binding.js";
import { off } from "#src/storage/features.js";
import { entryWords, opcode } from "#src/storage/uring/kernel-interface.js";
import { openRing, type Ring } from "#src/storage/uring/ring.js";
import { UringWriter } from "#src/storage/uring/uring-writer.js";

export const unit = 4096;
const noDescriptor = 0x7fff_ffff;

/** One entry of the ring, as the writer filled it. */
export class Entry {
  readonly kind: "write" | "sync";
  readonly flags: number;
  readonly bytes: number;
  /** RWF_* of a write, FSYNC_* of a sync. */
  readonly operationFlags: number;
  /** Writes delivered before this entry went in. */
  readonly delivered: number;
  readonly #words: Uint32Array;

  constructor(words: Uint32Array, delivered: number) {
    this.#words = words;
    this.kind = ((words[0] as number) & 0xff) === opcode.fsync ? "sync" : "write";
    this.flags = ((words[0] as number) >>> 8) & 0xff;
    this.bytes = words[6] as number;
    this.operationFlags = words[7] as number;
    this.delivered = delivered;
  }

  shorten(bytes: number): void {
    this.#words[6] = bytes;
  }

  /** It will fail: EBADF. */
  spoil(): void {
    this.#words[1] = noDescriptor;
  }
}

/** Looks at what goes in together, alters it, and says how many entries the kernel is told of; undefined: all. */
export type Meddler = (entries: readonly Entry[], call: number) => number | undefined;

export class WatchedWriter {
  readonly writer: UringWriter;
  /** Everything that the kernel took, in order. */
  readonly taken: Entry[] = [];
  readonly errors: (RingwallError | null)[] = [];
  readonly #native: NativeBinding;
  readonly #meddle: Meddler;
  readonly #ring: Ring;
  #calls = 0;
  #wanted = 0;
  #resolve: () => void = () => undefined;

  constructor(native: NativeBinding, flush: WriterFlush, meddle: Meddler = () => undefined) {
    this.#native = native;
    this.#meddle = meddle;
    const watched: NativeBinding = { ...native, ringEnter: (descriptor, count, wait, flags) => this.#enter({ descriptor, count, wait, flags }) };
    const verdict = openRing(watched, { entries: 16, flags: 0 });
    if (verdict.kind === "refused") throw new Error(verdict.what);
    this.#ring = verdict.ring;
    const memory = native.allocate(16 * unit);
    if (typeof memory === "number") throw new Error(`no memory: ${String(memory)}`);
    const watch = (callback: () => void): NativeWatch => {
      const watching = native.watch(verdict.ring.descriptor, callback);
      if (typeof watching === "number") throw new Error(`no watch: ${String(watching)}`);
      return watching;
    };
    const setup = { native: watched, ring: verdict.ring, memory, completion: "wait", registeredBuffers: false, registeredFiles: false, sqPoll: undefined, ioPoll: off("IOPOLL", "not wanted"), onClosed: () => undefined } as const;
    this.writer = new UringWriter(setup, watch, {
      bufferBytes: 16 * unit, bufferCount: 1, writesInFlight: 4, alignment: unit, flush,
      onWritten: (_token, error) => {
        this.errors.push(error);
        if (this.errors.length === this.#wanted) this.#resolve();
      },
      onBatchEnd: () => undefined,
    });
  }

  /** Resolves when `count` writes were delivered in all. */
  async delivered(count: number): Promise<void> {
    this.#wanted = count;
    if (this.errors.length < count) await new Promise<void>((resolve) => (this.#resolve = resolve));
  }

  #enter({ descriptor, count, wait, flags }: { readonly descriptor: number; readonly count: number; readonly wait: number; readonly flags: number }): number {
    if (count === 0) return this.#native.ringEnter(descriptor, count, wait, flags);
    const { entries, entryCount } = this.#ring;
    const going = Array.from({ length: count }, (_, index) => {
      const at = ((this.taken.length + index) % entryCount) * entryWords;
      return new Entry(entries.subarray(at, at + entryWords), this.errors.length);
    });
    const told = this.#meddle(going, this.#calls++) ?? count;
    const result = this.#native.ringEnter(descriptor, told, wait, flags);
    if (result > 0) this.taken.push(...going.slice(0, result));
    return result;
  }
}
