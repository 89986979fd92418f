// The floor on io_uring: the log's own ring, one entry in, one completion out, and nothing around it.
//
// Two rings on one file, each at its best. Waiting sleeps in io_uring_enter until the completion is there. Polling looks
// at the completion ring and yields the processor between two looks.

import fs from "node:fs";
import { RingwallError } from "../../base/errors.js";
import { highHalf, lowHalf } from "../../base/numbers.js";
import type { NativeBinding } from "../../native/binding.js";
import { fromErrno } from "../../storage/system-error.js";
import { opcode, writeDsync } from "../../storage/uring/kernel-interface.js";
import { openRing, type Ring } from "../../storage/uring/ring.js";
import { chooseRing, flagNames } from "../../storage/uring/ring-choice.js";
import { openDirect, type DirectFile } from "./floor-file.js";
import { floorDepth, floorFileBytes, floorLargeBytes, type FloorDevice } from "./floor-layout.js";

const entryCount = 16;
const waitMicrosMax = 10_000_000;
/** Then it sleeps after all: a flush whose worker is bound to this core was seen to wait 23 s for a thread that never slept. */
const pollMillisMax = 5;
const eio = 5;

interface RingWithMemory {
  readonly ring: Ring;
  readonly isRegistered: boolean;
}

export class RingFloor implements FloorDevice {
  readonly method: string;
  readonly writeBytes: number;
  readonly depth = floorDepth;
  readonly poll: (position: number) => void;
  readonly #native: NativeBinding;
  readonly #path: string;
  readonly #memory: ArrayBuffer;
  readonly #addressLow: number;
  readonly #addressHigh: number;
  readonly #file: DirectFile;
  readonly #waiting: RingWithMemory;
  readonly #polling: RingWithMemory;

  constructor(native: NativeBinding, path: string, writeBytes: number) {
    this.#native = native;
    this.#path = path;
    this.writeBytes = writeBytes;
    const memory = native.allocate(floorLargeBytes);
    if (typeof memory === "number") throw fromErrno(-memory, { operation: "allocate memory for the floor", path });
    this.#memory = memory;
    new Uint8Array(memory).fill(0x5a);
    const halves = new Uint32Array(2);
    native.address(memory, halves);
    this.#addressLow = halves[0] as number;
    this.#addressHigh = halves[1] as number;
    this.#waiting = this.#register(opened(chooseRing(native, { entries: entryCount })));
    this.#polling = this.#register(opened(openRing(native, { entries: entryCount, flags: 0 })));
    this.#file = openDirect(path);
    this.method = `io_uring (${flagNames(this.#waiting.ring.setupFlags)}), RWF_DSYNC, ${this.#file.note}, ${this.#waiting.isRegistered ? "registered buffer" : "buffer not registered"}`;
    this.poll = (position) => { this.#pollOne(position); };
  }

  write(position: number): void {
    const { ring } = this.#waiting;
    this.#submit(this.#waiting, position, this.writeBytes);
    while (!ring.next()) this.#wait(ring);
    this.#judge(ring, this.writeBytes);
  }

  large(count: number): void {
    const { ring } = this.#waiting;
    let submitted = 0;
    let completed = 0;
    while (completed < count) {
      while (submitted < count && submitted - completed < floorDepth) {
        this.#submit(this.#waiting, (submitted * floorLargeBytes) % floorFileBytes, floorLargeBytes);
        submitted++;
      }
      while (!ring.next()) this.#wait(ring);
      this.#judge(ring, floorLargeBytes);
      completed++;
    }
  }

  close(): void {
    this.#waiting.ring.close();
    this.#polling.ring.close();
    fs.closeSync(this.#file.descriptor);
    this.#native.release(this.#memory);
  }

  #pollOne(position: number): void {
    const { ring } = this.#polling;
    this.#submit(this.#polling, position, this.writeBytes);
    const parkAt = performance.now() + pollMillisMax;
    while (!ring.next()) {
      // Or a kernel worker that the flush needs waits for the scheduler's tick on this core: 4 ms instead of 0.1.
      this.#native.yieldProcessor();
      if (performance.now() >= parkAt) this.#wait(ring);
    }
    this.#judge(ring, this.writeBytes);
  }

  #submit({ ring, isRegistered }: RingWithMemory, position: number, bytes: number): void {
    const at = ring.take();
    const words = ring.entries;
    words[at] = isRegistered ? opcode.writeFixed : opcode.write;
    words[at + 1] = this.#file.descriptor;
    words[at + 2] = lowHalf(position);
    words[at + 3] = highHalf(position);
    words[at + 4] = this.#addressLow;
    words[at + 5] = this.#addressHigh;
    words[at + 6] = bytes;
    words[at + 7] = writeDsync;
    const result = ring.submit();
    if (result !== 0) throw fromErrno(result < 0 ? -result : eio, { operation: "submit a durable write", path: this.#path, offset: position });
  }

  #wait(ring: Ring): void {
    const result = ring.wait(waitMicrosMax);
    if (result < 0 && -result !== 4) throw fromErrno(-result, { operation: "wait for a durable write", path: this.#path });
  }

  #judge(ring: Ring, bytes: number): void {
    if (ring.result !== bytes) throw fromErrno(ring.result < 0 ? -ring.result : eio, { operation: "write durably", path: this.#path });
  }

  #register(ring: Ring): RingWithMemory {
    return { ring, isRegistered: this.#native.ringRegisterBuffers(ring.descriptor, this.#memory, floorLargeBytes, 1) === 0 };
  }
}

function opened(verdict: ReturnType<typeof openRing>): Ring {
  if (verdict.kind === "open") return verdict.ring;
  throw new RingwallError("RINGWALL_UNAVAILABLE", `io_uring: ${verdict.what} was refused`, { remedy: "Run the floor with --backend fs." });
}
