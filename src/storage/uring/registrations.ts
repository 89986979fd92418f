// What a ring is told about once, so that the kernel need not look it up on every write: the memory and the files.
//
// Both are savings and nothing else: where the kernel refuses, writes go on without, and a row of the table of features says why.
// Owns: those rows, and the memory through which descriptors reach the kernel.

import type { NativeBinding } from "../../native/binding.js";
import { type BackendFeature, notWanted, off, on } from "../features.js";
import { nameOfErrno } from "../system-error.js";
import type { Handle } from "../open-files.js";
import { register } from "./kernel-interface.js";
import type { Ring } from "./ring.js";

/** The kernel's limit on one registered buffer. */
const bufferBytesMax = 1 << 30;
/** Handles in the kernel's table; further ones go by descriptor. */
const tableEntries = 64;

/** Registers all of `memory` as one buffer, so that a write may be any range of it. */
export function registerMemory(native: NativeBinding, ring: Ring, memory: ArrayBuffer): BackendFeature {
  if (memory.byteLength > bufferBytesMax) return off("registered buffers", "more than 1 GiB");
  const result = native.ringRegisterBuffers(ring.descriptor, memory, memory.byteLength, 1);
  if (result < 0) return off("registered buffers", `${nameOfErrno(-result)}, which is RLIMIT_MEMLOCK (ulimit -l) more often than not`);
  return on("registered buffers");
}

/** The ring's table of files: sparse, filled as files open. */
export class FileTable {
  readonly feature: BackendFeature;
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
      this.feature = off("registered files", wanted ? nameOfErrno(-(page as number)) : notWanted);
      return;
    }
    native.address(this.#page, this.#update.subarray(2));
    const result = native.ringRegister(ring.descriptor, register.files, new Int32Array(tableEntries).fill(-1), tableEntries);
    this.#on = result >= 0;
    this.feature = this.#on ? on("registered files") : off("registered files", nameOfErrno(-result));
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
