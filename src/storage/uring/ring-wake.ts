// Waking another thread without a system call: a completion is posted into a ring that the other thread watches.
//
// Owns: both ends. The waking end is a ring of its own that shares the kernel thread of a polling ring (SQPOLL): it costs
// no thread more, and that kernel thread does the waking. The woken end is a small ring whose descriptor the event loop
// watches. The waking end gets a descriptor of its own for it, so that a number which is closed and given out again while
// a thread dies never leads into somebody else's ring.

import { loadNative, type NativeBinding, type NativeWatch } from "../../native/binding.js";
import { entryFlag, optionalOpcode, probeBytes, probeSupported, register, setup } from "./kernel-interface.js";
import { openRing, type Ring } from "./ring.js";

const wakerEntries = 64;
const wakeableEntries = 8;

export class RingWaker {
  readonly #native: NativeBinding;
  readonly #ring: Ring;
  readonly #watch: NativeWatch;
  #state: "working" | "failed" | "closed" = "working";
  /** Descriptors that wake-ups may still be under way to. */
  #released: number[] = [];

  /**
   * Shares the kernel thread of the ring behind `pollingRing`. Null where the kernel can't. `onFailure`: a wake-up may have been lost, and
   * none goes this way any more.
   */
  static open(pollingRing: number, onFailure: () => void): RingWaker | null {
    const native = loadNative();
    if (native.kind === "absent") return null;
    const verdict = openRing(native.binding, { entries: wakerEntries, flags: setup.sqPoll | setup.attachQueue, attachTo: pollingRing });
    if (verdict.kind === "refused") return null;
    const waker = canPost(native.binding, verdict.ring) ? RingWaker.#over(native.binding, verdict.ring, onFailure) : null;
    if (waker === null) verdict.ring.close();
    return waker;
  }

  static #over(native: NativeBinding, ring: Ring, onFailure: () => void): RingWaker | null {
    const watch = native.watch(ring.descriptor, () => {
      // Nothing completes here but what failed.
      if (waker !== null && ring.next() && waker.#state === "working") {
        waker.#state = "failed";
        onFailure();
      }
    });
    const waker = typeof watch === "number" ? null : new RingWaker(native, ring, watch);
    return waker;
  }

  private constructor(native: NativeBinding, ring: Ring, watch: NativeWatch) {
    this.#native = native;
    this.#ring = ring;
    this.#watch = watch;
  }

  /** False: not this way. No system call while the kernel's thread is awake. Hot: once per block at most. */
  wake(descriptor: number): boolean {
    if (this.#state !== "working" || this.#ring.room === 0) return false;
    const at = this.#ring.take();
    const words = this.#ring.entries;
    words[at] = optionalOpcode.messageRing | (entryFlag.skipSuccess << 8);
    words[at + 1] = descriptor;
    this.#ring.submit();
    return true;
  }

  /**
   * Closes the descriptor that a thread has shared for being woken, once no wake-up is under way to it. Closed before, the wake-up would fail,
   * or the number be given out again and the wake-up lead to who has it then.
   */
  release(descriptor: number): void {
    this.#released.push(descriptor);
    this.#closeReleased();
  }

  close(): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#native.watchClose(this.#watch);
    this.#ring.close();
    this.#closeReleased();
  }

  /** The kernel's thread gives an entry's place back when it has carried the entry out. */
  readonly #closeReleased = (): void => {
    if (this.#released.length === 0) return;
    if (this.#state !== "closed" && this.#ring.unsubmitted > 0) {
      setTimeout(this.#closeReleased, 1);
      return;
    }
    for (const descriptor of this.#released) this.#native.closeDescriptor(descriptor);
    this.#released = [];
  };
}

/** A ring that nothing is submitted to: others post into it, and `onWake` runs. */
export class WakeableRing {
  readonly #native: NativeBinding;
  readonly #ring: Ring;
  readonly #watch: NativeWatch;

  static open(onWake: () => void): WakeableRing | null {
    const native = loadNative();
    if (native.kind === "absent") return null;
    const verdict = openRing(native.binding, { entries: wakeableEntries, flags: 0 });
    if (verdict.kind === "refused") return null;
    const { ring } = verdict;
    const watch = native.binding.watch(ring.descriptor, () => {
      while (ring.next());
      onWake();
    });
    if (typeof watch !== "number") return new WakeableRing(native.binding, ring, watch);
    ring.close();
    return null;
  }

  private constructor(native: NativeBinding, ring: Ring, watch: NativeWatch) {
    this.#native = native;
    this.#ring = ring;
    this.#watch = watch;
  }

  /** A descriptor for who wakes, who closes it too (`RingWaker.release`). Null: there is none left. */
  share(): number | null {
    const descriptor = this.#native.duplicate(this.#ring.descriptor);
    return descriptor < 0 ? null : descriptor;
  }

  close(): void {
    this.#native.watchClose(this.#watch);
    this.#ring.close();
  }
}

function canPost(native: NativeBinding, ring: Ring): boolean {
  const probe = new Uint8Array(probeBytes);
  if (native.ringRegister(ring.descriptor, register.probe, probe, 256) < 0) return false;
  return ((probe[16 + optionalOpcode.messageRing * 8 + 2] as number) & probeSupported) !== 0;
}
