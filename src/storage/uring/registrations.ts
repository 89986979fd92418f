// What a ring is told about once, so that the kernel need not look it up on every write: the memory and the files.
//
// Both are savings and nothing else: where the kernel refuses, writes go on without, and a note says why.
// Owns: those notes, and the memory through which descriptors reach the kernel.

import type { NativeBinding } from "../../native/binding.js";
import { nameOfErrno } from "../system-error.js";
import type { Handle } from "../open-files.js";
import { register } from "./kernel-interface.js";
import type { Ring } from "./ring.js";

/** The kernel's limit on one registered buffer. */
const bufferBytesMax = 1 << 30;
/** Handles in the kernel's table; further ones go by descriptor. */
const tableEntries = 64;

export interface Registration {
  readonly on: boolean;
  readonly note: string;
}

/** Registers all of `memory` as one buffer, so that a write may be any range of it. */
export function registerMemory(native: NativeBinding, ring: Ring, memory: ArrayBuffer): Registration {
  const off = (reason: string): Registration => ({ on: false, note: `registered buffers: off: ${reason}` });
  if (memory.byteLength > bufferBytesMax) return off("more than 1 GiB");
  const result = native.ringRegisterBuffers(ring.descriptor, memory, memory.byteLength, 1);
  if (result < 0) return off(`${nameOfErrno(-result)}, which is RLIMIT_MEMLOCK (ulimit -l) more often than not`);
  return { on: true, note: "registered buffers: on" };
}

/** The ring's table of files: sparse, filled as files open. */
export class FileTable {
  readonly note: string;
  readonly #native: NativeBinding;
  readonly #ring: Ring;
  readonly #on: boolean;
  /** One descriptor, at an address that the kernel can be given. */
  readonly #page: ArrayBuffer | null;
  readonly #descriptor: Int32Array;
  /** `struct io_uring_files_update`: offset, reserved, address of the descriptors. */
  readonly #update = new Uint32Array(4);

  constructor(native: NativeBinding, ring: Ring, wanted: boolean) {
    this.#native = native;
    this.#ring = ring;
    const page = wanted ? native.allocate(4096) : 0;
    this.#page = typeof page === "number" ? null : page;
    this.#descriptor = new Int32Array(this.#page ?? new ArrayBuffer(4), 0, 1);
    if (this.#page === null) {
      this.#on = false;
      this.note = `registered files: off: ${wanted ? nameOfErrno(-(page as number)) : "not wanted"}`;
      return;
    }
    native.address(this.#page, this.#update.subarray(2));
    const result = native.ringRegister(ring.descriptor, register.files, new Int32Array(tableEntries).fill(-1), tableEntries);
    this.#on = result >= 0;
    this.note = this.#on ? "registered files: on" : `registered files: off: ${nameOfErrno(-result)}`;
  }

  /** Makes `handle` known by its index, where that is possible. */
  add(handle: Handle): void {
    if (this.#on && handle.index < tableEntries) handle.fixed = this.#put(handle.index, handle.descriptor);
  }

  /** The kernel lets go of the file: without this it would stay open, and locked, until the ring is gone. */
  remove(handle: Handle): void {
    if (handle.fixed) this.#put(handle.index, -1);
    handle.fixed = false;
  }

  close(): void {
    if (this.#page !== null) this.#native.release(this.#page);
  }

  #put(index: number, descriptor: number): boolean {
    this.#descriptor[0] = descriptor;
    this.#update[0] = index;
    return this.#native.ringRegister(this.#ring.descriptor, register.filesUpdate, this.#update, 1) === 1;
  }
}
