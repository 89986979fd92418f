// Reads through a ring of their own: of what the page cache does not have, as many at once as the device likes.
//
// Owns: the ring, the memory that the kernel reads into, and every read from its submission to its completion.
// The kernel never gets an address of the JavaScript heap. Crash without that: 1. a Worker is terminated with a read under way;
// 2. its heap is freed, and another thread gets the memory; 3. the device delivers into it. The slots come from the addon, which
// keeps their addresses from everybody while a ring may write to them (native/memory.c). The copy out of a slot costs 3 µs of a
// read that takes 90.
//
// Measured, random reads of 16 KiB that are not cached, 16 at once, reads/s: libuv's four threads 12 400; the ring 15 800; with
// registered memory 23 400; with direct I/O 32 100, which would leave nothing in the cache for the next.

import { assert } from "../../base/assert.js";
import { highHalf, lowHalf } from "../../base/numbers.js";
import type { NativeBinding, NativeWatch } from "../../native/binding.js";
import { noteOf, notWanted, off } from "../features.js";
import { pooledReads, type ReadRequest } from "../node-files.js";
import { fromErrno, nameOfErrno } from "../system-error.js";
import { entryFlag, errno, opcode } from "./kernel-interface.js";
import { registerMemory } from "./registrations.js";
import { chooseRing, flagNames } from "./ring-choice.js";
import type { Ring } from "./ring.js";
import { Spin } from "./spin.js";

/** Of one read; longer ones are for libuv's threads, which copy while this one goes on. */
export const slotBytes = 64 * 1024;
/** Reads in the kernel's hands at once; more wait. */
const slotCount = 32;
/** After this many answers of "again" in a row a read fails. */
const stallsMax = 16;

export interface ReadRingOptions {
  readonly registeredBuffers: boolean;
}

export type ReadRingVerdict = { readonly kind: "open"; readonly ring: ReadRing } | { readonly kind: "refused"; readonly reason: string };

export function openReadRing(native: NativeBinding, options: ReadRingOptions): ReadRingVerdict {
  const verdict = chooseRing(native, { entries: slotCount });
  if (verdict.kind === "refused") return { kind: "refused", reason: `${verdict.what}: ${nameOfErrno(verdict.errno)}` };
  const { ring } = verdict;
  const memory = native.allocate(slotBytes * slotCount);
  if (typeof memory === "number") {
    ring.close();
    return { kind: "refused", reason: `${String(slotBytes * slotCount)} bytes of buffers: ${nameOfErrno(-memory)}` };
  }
  const made = new ReadRing({ native, ring, memory, registeredBuffers: options.registeredBuffers });
  const watch = native.watch(ring.descriptor, () => made.reap());
  if (typeof watch === "number") {
    ring.close();
    native.release(memory);
    return { kind: "refused", reason: `watching the ring: ${nameOfErrno(-watch)}` };
  }
  made.watched(watch);
  return { kind: "open", ring: made };
}

interface ReadRingSetup {
  readonly native: NativeBinding;
  readonly ring: Ring;
  readonly memory: ArrayBuffer;
  readonly registeredBuffers: boolean;
}

/** A read that is wanted, and how much of it is there. */
interface Read {
  readonly request: ReadRequest;
  /** Bytes wanted. */
  readonly bytes: number;
  readonly resolve: (bytes: number) => void;
  readonly reject: (error: unknown) => void;
  done: number;
  stalls: number;
}

/** A part of the memory, with the read that it serves. */
class Slot {
  readonly index: number;
  /** Of the latest use: a completion of an earlier one is no completion of this. */
  generation = 0;
  read: Read | null = null;

  constructor(index: number) {
    this.index = index;
  }
}

const resolved = Promise.resolve();

export class ReadRing {
  readonly notes: readonly string[];
  readonly #native: NativeBinding;
  readonly #ring: Ring;
  readonly #memory: ArrayBuffer;
  readonly #bytes: Uint8Array;
  readonly #isRegistered: boolean;
  readonly #addressLow: number;
  readonly #addressHigh: number;
  readonly #slots: readonly Slot[];
  readonly #free: Slot[];
  /** Reads that found no free slot. First in, first out. */
  readonly #waiting: Read[] = [];
  /** Slots whose entries are not submitted yet, in order. */
  readonly #entered: Slot[] = [];
  readonly #spin: Spin;
  #watch: NativeWatch | null = null;
  #state: "open" | "closing" | "closed" = "open";
  #closed: Promise<void> | null = null;
  #onIdle: (() => void) | null = null;

  constructor({ native, ring, memory, registeredBuffers }: ReadRingSetup) {
    this.#native = native;
    this.#ring = ring;
    this.#memory = memory;
    this.#bytes = new Uint8Array(memory);
    const halves = new Uint32Array(2);
    native.address(memory, halves);
    this.#addressLow = halves[0] as number;
    this.#addressHigh = halves[1] as number;
    const registered = registeredBuffers ? registerMemory(native, ring, memory) : off("registered buffers", notWanted);
    this.#isRegistered = registered.isOn;
    this.notes = [`ring: ${flagNames(ring.setupFlags)}`, noteOf(registered)];
    this.#slots = Array.from({ length: slotCount }, (_, index) => new Slot(index));
    this.#free = [...this.#slots];
    this.#spin = new Spin({ way: "near", yieldProcessor: () => { native.yieldProcessor(); }, inFlight: () => this.#inFlight, look: () => { this.reap(); } });
  }

  watched(watch: NativeWatch): void {
    this.#watch = watch;
  }

  /** As `StorageFile.readAt`, of `slotBytes` at most. */
  read(request: ReadRequest): Promise<number> {
    if (this.#state !== "open") return pooledReads.wait(request);
    return new Promise((resolve, reject) => {
      const read: Read = { request, bytes: request.into.length, resolve, reject, done: 0, stalls: 0 };
      const slot = this.#free.pop();
      if (slot === undefined) this.#waiting.push(read);
      else this.#begin(slot, read);
    });
  }

  /** Takes what has completed. */
  reap(): void {
    if (this.#state === "closed") return;
    while (this.#ring.next()) this.#complete();
    if (this.#inFlight === 0) this.#handleIdle();
  }

  /** Waits for what is under way, then frees everything. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#state = "closing";
    // Not inside the callback that asked for it: the loop that called it goes on reading the ring.
    await resolved;
    if (this.#inFlight > 0) await new Promise<void>((resolve) => (this.#onIdle = resolve));
    this.#state = "closed";
    if (this.#watch !== null) this.#native.watchClose(this.#watch);
    this.#ring.close();
    this.#native.release(this.#memory);
  }

  /** Whether a read waits for a completion, which only the event loop brings. */
  get isBusy(): boolean {
    return this.#inFlight > 0;
  }

  get #inFlight(): number {
    return slotCount - this.#free.length;
  }

  #handleIdle(): void {
    if (this.#watch !== null) this.#native.watchKeepsAlive(this.#watch, false);
    if (this.#onIdle !== null) this.#onIdle();
  }

  #begin(slot: Slot, read: Read): void {
    slot.read = read;
    if (this.#inFlight === 1 && this.#watch !== null) this.#native.watchKeepsAlive(this.#watch, true);
    this.#enter(slot, 0);
  }

  /** Into the ring; what is entered by the promises of one completion is submitted together. */
  #enter(slot: Slot, flags: number): void {
    const { request, bytes, done } = slot.read as Read;
    const position = request.position + done;
    const low = this.#addressLow + slot.index * slotBytes;
    // There is room: the ring has an entry for each slot.
    const at = this.#ring.take();
    const words = this.#ring.entries;
    words[at] = (this.#isRegistered ? opcode.readFixed : opcode.read) | (flags << 8);
    words[at + 1] = request.descriptor;
    words[at + 2] = lowHalf(position);
    words[at + 3] = highHalf(position);
    words[at + 4] = lowHalf(low);
    words[at + 5] = this.#addressHigh + highHalf(low);
    words[at + 6] = bytes - done;
    words[at + 8] = slot.index;
    words[at + 9] = slot.generation;
    if (this.#entered.push(slot) === 1) void resolved.then(this.#submit);
  }

  readonly #submit = (): void => {
    const result = this.#ring.submit();
    const left = result === 0 ? 0 : this.#ring.unsubmitted;
    if (left > 0) this.#ring.rewind();
    const refused = this.#entered.slice(this.#entered.length - left);
    this.#entered.length = 0;
    // Short of memory, say; libuv's threads need none.
    for (const slot of refused) this.#leave(slot);
    this.reap();
    this.#spin.handleSubmitted();
  };

  #complete(): void {
    const { userDataLow, userDataHigh, result } = this.#ring;
    const slot = this.#slots[userDataLow];
    if (slot === undefined || slot.generation !== userDataHigh || slot.read === null) return;
    const { read } = slot;
    const { into } = read.request;
    if (result < 0) return this.#judgeFailure(slot, read, -result);
    assert(into.length === read.bytes, "memory that is being read into is not given away");
    const start = slot.index * slotBytes;
    into.set(this.#bytes.subarray(start, start + result), read.done);
    read.done += result;
    read.stalls = 0;
    // Zero bytes before the end of `into` is the end of the file; a short read alone is not.
    if (result > 0 && read.done < read.bytes) return this.#enter(slot, 0);
    this.#end(slot);
    read.resolve(read.done);
  }

  #judgeFailure(slot: Slot, read: Read, number: number): void {
    const { path, position } = read.request;
    if (number === errno.EINVAL || number === errno.EOPNOTSUPP) return this.#leave(slot);
    // A worker of the kernel may wait where the submission may not.
    if ((number === errno.EAGAIN || number === errno.EINTR) && (read.stalls += 1) <= stallsMax) return this.#enter(slot, entryFlag.async);
    this.#end(slot);
    const left = read.bytes - read.done;
    read.reject(fromErrno(number, { operation: `read ${String(left)} bytes`, path, offset: position + read.done }));
  }

  /** The ring does not serve this read: the rest of it comes by libuv's threads. */
  #leave(slot: Slot): void {
    const { request, done, resolve, reject } = slot.read as Read;
    this.#end(slot);
    pooledReads.wait({ ...request, into: request.into.subarray(done), position: request.position + done }).then((bytes) => resolve(done + bytes), reject);
  }

  #end(slot: Slot): void {
    slot.generation = (slot.generation + 1) >>> 0;
    slot.read = null;
    this.#free.push(slot);
    const next = this.#waiting.shift();
    if (next !== undefined) this.#begin(this.#free.pop() as Slot, next);
  }
}
