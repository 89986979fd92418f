// One io_uring, managed from TypeScript: the two mapped rings through typed arrays, heads and tails through Atomics.
//
// Owns: the descriptor, both mappings, the submission tail and the completion head. It knows entries and completions,
// not what they mean: whoever fills an entry gives it 64 bits of user data and gets them back with the result.
// It must never reuse an entry that the kernel has not taken, and never let a completion be overwritten unseen.
//
// Order of memory. The kernel reads the tail with acquire after we stored it: an entry's words are written before, and
// Atomics.store is a full barrier. Crash-equivalent without it: 1. tail visible; 2. kernel thread reads the old entry;
// 3. the old entry's buffer is written again, to an old position, and acknowledged as the new one.

import { assert } from "../../base/assert.js";
import type { NativeBinding } from "../../native/binding.js";
import {
  completionOffset, completionWords, enter, entryWords, errno, feature, mapOffset, params, paramsWords, probeBytes, probeSupported, register, ringFlag,
  setup, submissionOffset,
} from "./kernel-interface.js";

export interface RingOptions {
  readonly entries: number;
  /** IORING_SETUP_* flags. */
  readonly flags: number;
  /** With `setup.sqPoll`: after how long without work the kernel's thread sleeps, and the CPU it is bound to. */
  readonly pollIdleMillis?: number;
  readonly pollCpu?: number;
  /** With `setup.attachQueue`: the ring whose kernel thread this one shares. */
  readonly attachTo?: number;
}

export type RingVerdict = { readonly kind: "open"; readonly ring: Ring } | { readonly kind: "refused"; readonly errno: number; readonly what: string };

/** Sets up a ring with exactly these flags; what the kernel refuses is a value. */
export function openRing(native: NativeBinding, options: RingOptions): RingVerdict {
  const words = new Uint32Array(paramsWords);
  words[params.flags] = options.flags | setup.clamp | (options.pollCpu === undefined ? 0 : setup.sqAffinity);
  words[params.pollCpu] = options.pollCpu ?? 0;
  words[params.pollIdleMillis] = options.pollIdleMillis ?? 0;
  words[params.attachTo] = options.attachTo ?? 0;
  const descriptor = native.ringSetup(options.entries, words);
  if (descriptor < 0) return { kind: "refused", errno: -descriptor, what: "io_uring_setup" };
  const features = words[params.features] as number;
  // Linux 5.5: one mapping for both rings, and completions that are kept when their ring is full.
  if ((features & feature.singleMmap) === 0 || (features & feature.noDrop) === 0) {
    native.closeDescriptor(descriptor);
    return { kind: "refused", errno: errno.ENOSYS, what: "the kernel is older than Linux 5.5" };
  }
  const entryCount = words[params.entries] as number;
  const ringBytes = Math.max(
    (words[params.submission + submissionOffset.array] as number) + entryCount * 4,
    (words[params.completion + completionOffset.entries] as number) + (words[params.completionEntries] as number) * completionWords * 4,
  );
  const rings = native.ringMap(descriptor, ringBytes, mapOffset.rings);
  const entries = native.ringMap(descriptor, entryCount * entryWords * 4, mapOffset.entries);
  if (typeof rings === "number" || typeof entries === "number") {
    if (typeof rings !== "number") native.release(rings);
    if (typeof entries !== "number") native.release(entries);
    native.closeDescriptor(descriptor);
    return { kind: "refused", errno: typeof rings === "number" ? -rings : -(entries as number), what: "mapping the rings" };
  }
  return { kind: "open", ring: new Ring({ native, descriptor, words, rings, entries }) };
}

/** Of operations that younger kernels have. */
export function hasOperation(native: NativeBinding, ring: Ring, code: number): boolean {
  const probe = new Uint8Array(probeBytes);
  return native.ringRegister(ring.descriptor, register.probe, probe, 256) >= 0 && ((probe[16 + code * 8 + 2] as number) & probeSupported) !== 0;
}

interface Mapped {
  readonly native: NativeBinding;
  readonly descriptor: number;
  readonly words: Uint32Array;
  readonly rings: ArrayBuffer;
  readonly entries: ArrayBuffer;
}

/** Hot path of every lane: see `ringwall bench append`. Nothing here allocates after construction. */
export class Ring {
  readonly descriptor: number;
  readonly entryCount: number;
  readonly completionCount: number;
  readonly setupFlags: number;
  /** The submission entries; `take` says where one begins. */
  readonly entries: Uint32Array;

  /** The completion that `next` fetched: its user data and result. */
  userDataLow = 0;
  userDataHigh = 0;
  result = 0;

  readonly #native: NativeBinding;
  readonly #rings: Uint32Array;
  readonly #sqHeadAt: number;
  readonly #sqTailAt: number;
  readonly #sqFlagsAt: number;
  readonly #sqMask: number;
  readonly #cqHeadAt: number;
  readonly #cqTailAt: number;
  readonly #cqOverflowAt: number;
  readonly #cqEntriesAt: number;
  readonly #cqMask: number;
  readonly #polled: boolean;
  /** Where the next entry goes; ahead of the shared tail by what is not yet submitted. Wraps at 2^32, like the kernel's. */
  #sqTail: number;
  #cqHead: number;
  #closed = false;

  constructor(mapped: Mapped) {
    const { native, descriptor, words } = mapped;
    this.#native = native;
    this.descriptor = descriptor;
    this.entryCount = words[params.entries] as number;
    this.completionCount = words[params.completionEntries] as number;
    this.setupFlags = words[params.flags] as number;
    this.entries = new Uint32Array(mapped.entries);
    this.#rings = new Uint32Array(mapped.rings);
    const submission = (field: number): number => (words[params.submission + field] as number) >>> 2;
    const completion = (field: number): number => (words[params.completion + field] as number) >>> 2;
    this.#sqHeadAt = submission(submissionOffset.head);
    this.#sqTailAt = submission(submissionOffset.tail);
    this.#sqFlagsAt = submission(submissionOffset.flags);
    this.#sqMask = this.#rings[submission(submissionOffset.mask)] as number;
    this.#cqHeadAt = completion(completionOffset.head);
    this.#cqTailAt = completion(completionOffset.tail);
    this.#cqOverflowAt = completion(completionOffset.overflow);
    this.#cqEntriesAt = completion(completionOffset.entries);
    this.#cqMask = this.#rings[completion(completionOffset.mask)] as number;
    this.#polled = (this.setupFlags & setup.sqPoll) !== 0;
    this.#sqTail = Atomics.load(this.#rings, this.#sqTailAt);
    this.#cqHead = Atomics.load(this.#rings, this.#cqHeadAt);
    // The indirection array is the identity for ever: entry i is submitted as entry i.
    const array = submission(submissionOffset.array);
    for (let index = 0; index < this.entryCount; index++) this.#rings[array + index] = index;
  }

  /** Entries that can still be taken before the next `submit`. */
  get room(): number {
    return this.entryCount - ((this.#sqTail - Atomics.load(this.#rings, this.#sqHeadAt)) >>> 0);
  }

  /** The word in `entries` at which a fresh, zeroed entry begins. There must be `room`. */
  take(): number {
    assert(this.room > 0, "an entry is taken only where there is room");
    const at = (this.#sqTail & this.#sqMask) * entryWords;
    this.#sqTail = (this.#sqTail + 1) >>> 0;
    this.entries.fill(0, at, at + entryWords);
    return at;
  }

  /**
   * Hands every taken entry to the kernel. Returns how many of them it left (`rewind` takes those back), or a negated
   * errno when it took none.
   */
  submit(): number {
    Atomics.store(this.#rings, this.#sqTailAt, this.#sqTail);
    if (this.#polled) return this.#wakePoller();
    const count = this.unsubmitted;
    if (count === 0) return 0;
    for (;;) {
      const result = this.#native.ringEnter(this.descriptor, count, 0, 0);
      if (result === -errno.EINTR) continue;
      return result < 0 ? result : this.unsubmitted;
    }
  }

  /** Taken entries that the kernel has not consumed. Under SQPOLL its thread comes for them by itself. */
  get unsubmitted(): number {
    return (this.#sqTail - Atomics.load(this.#rings, this.#sqHeadAt)) >>> 0;
  }

  /** Takes back every entry that the kernel has not consumed. Not under SQPOLL, whose thread reads at any time. */
  rewind(): void {
    assert(!this.#polled, "entries can't be taken back from a polling kernel thread");
    this.#sqTail = Atomics.load(this.#rings, this.#sqHeadAt);
    Atomics.store(this.#rings, this.#sqTailAt, this.#sqTail);
  }

  /**
   * Fetches the next completion into `userDataLow`, `userDataHigh`, `result`. When there is none it costs two plain loads,
   * 4 ns; an Atomics.load is a call in V8, 13 ns. A plain load may be old, which only delays; what it says to be there is
   * loaded again in order, so that the completion is read after the tail that announces it.
   */
  next(): boolean {
    const rings = this.#rings;
    const head = this.#cqHead;
    if (head === rings[this.#cqTailAt]) {
      // Both mean: completions exist that only an entry into the kernel brings into the ring.
      if (((rings[this.#sqFlagsAt] as number) & (ringFlag.taskrun | ringFlag.completionsOverflow)) === 0 || !this.#fetch(head)) return false;
    }
    if (head === Atomics.load(rings, this.#cqTailAt)) return false;
    const at = this.#cqEntriesAt + (head & this.#cqMask) * completionWords;
    this.userDataLow = rings[at] as number;
    this.userDataHigh = rings[at + 1] as number;
    this.result = (rings[at + 2] as number) | 0;
    this.#cqHead = (head + 1) >>> 0;
    Atomics.store(rings, this.#cqHeadAt, this.#cqHead);
    return true;
  }

  /** Blocks the thread until a completion can be fetched or the time is over. For probes: a lane never blocks. */
  wait(timeoutMicros: number): number {
    if (this.#cqHead !== Atomics.load(this.#rings, this.#cqTailAt)) return 0;
    return this.#native.ringWait(this.descriptor, 0, 1, timeoutMicros);
  }

  /** Of a ring for polled I/O: looks whether the device has completed something. Nobody else does. */
  poll(): void {
    this.#native.ringEnter(this.descriptor, 0, 0, enter.getEvents);
  }

  /** Closes the descriptor and unmaps the rings. What is in flight then completes unseen. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#native.closeDescriptor(this.descriptor);
    this.#native.release(this.#rings.buffer as ArrayBuffer);
    this.#native.release(this.entries.buffer as ArrayBuffer);
  }

  #fetch(head: number): boolean {
    // Dropped completions can't be told from those that never come: FEAT_NODROP promises that there are none.
    assert(Atomics.load(this.#rings, this.#cqOverflowAt) === 0, "the kernel dropped no completion");
    this.#native.ringEnter(this.descriptor, 0, 0, enter.getEvents);
    return head !== Atomics.load(this.#rings, this.#cqTailAt);
  }

  /** The store of the tail was a full barrier: the flag read here is not older than it. */
  #wakePoller(): number {
    if ((Atomics.load(this.#rings, this.#sqFlagsAt) & ringFlag.needWakeup) === 0) return 0;
    const result = this.#native.ringEnter(this.descriptor, this.unsubmitted, 0, enter.sqWakeup);
    return result < 0 && result !== -errno.EINTR ? result : 0;
  }
}
