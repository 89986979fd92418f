// Reads that the page cache can answer: in this thread, at once.
//
// Measured on Linux 6.18, 16 KiB, p50: preadv2 with RWF_NOWAIT 2.8 µs, a ring's entry that completes at its submission 3.1,
// `fs.read` by libuv's threads 15 on a quiet machine and 50 on a busy one. What the cache does not have is looked for again
// soon (near-reads.ts), then left to `behind`. Long reads are at once: their copying is better done by another thread.
//
// Never keeps the event loop from its turn. Else: 1. `for (;;) await get(n)` out of the cache; 2. each promise is resolved already,
// so no timer runs, no completion of a write is taken, no signal is heard, as long as the cache has the bytes.

import { highHalf, lowHalf } from "../base/numbers.js";
import type { NativeBinding } from "../native/binding.js";
import { NearReads } from "./near-reads.js";
import type { ReadRequest, ReadWay } from "./node-files.js";

/** RWF_NOWAIT: EAGAIN instead of waiting for the device. */
const noWait = 8;
const nowBytesMax = 128 * 1024;
/** Read between two turns of the event loop at most: some tenths of a millisecond. A call counts as a page. */
const turnBytesMax = 1024 * 1024;
const callBytes = 4096;

export interface CachedReads extends ReadWay {
  /** Whether a read waits for the event loop's next turn. */
  readonly isBusy: () => boolean;
}

export function cachedReads(native: NativeBinding, behind: ReadWay["wait"]): CachedReads {
  const turns = new Turns();
  // What it looks for is one turn's already.
  const near = new NearReads((request) => readNow(native, request), behind);
  const now = (request: ReadRequest): number => {
    if (request.into.length > nowBytesMax) return ~0;
    turns.spend(callBytes + request.into.length);
    return readNow(native, request);
  };
  return { now, turn: () => turns.wait(), wait: (request) => near.wait(request), isBusy: () => near.isBusy };
}

function readNow(native: NativeBinding, { descriptor, into, position }: ReadRequest): number {
  let done = 0;
  while (done < into.length) {
    const at = position + done;
    const result = native.readAt(descriptor, into.buffer as ArrayBuffer, into.byteOffset + done, into.length - done, lowHalf(at), highHalf(at), noWait);
    // Also where the file system knows no such flag. Whatever it is, the way behind finds out, and says it.
    if (result < 0) return ~done;
    if (result === 0) return done;
    done += result;
  }
  return done;
}

/** What may still be read in this turn of the event loop. */
class Turns {
  #bytes = turnBytesMax;
  #isCounting = false;

  wait(): Promise<void> | null {
    return this.#bytes > 0 ? null : new Promise((resolve) => setImmediate(resolve));
  }

  spend(bytes: number): void {
    this.#bytes -= bytes;
    if (this.#isCounting) return;
    this.#isCounting = true;
    setImmediate(this.#renew);
  }

  readonly #renew = (): void => {
    this.#isCounting = false;
    this.#bytes = turnBytesMax;
  };
}
