// The byte kernels that the format runs on, native where the addon is there, else portable; the same results from both.

import { crc32c } from "../base/crc32c.js";
import { highHalf, lowHalf } from "../base/numbers.js";
import { loadNative, type NativeBinding } from "../native/binding.js";
import { findFramePortable, sealFramesPortable, verifyFramesPortable } from "./frame.js";
import type { Memory } from "./memory.js";

export interface Kernels {
  /** "sse4.2", "arm64-crc", "table" (native) or "javascript". */
  readonly name: string;
  /** CRC-32C continuing from `previous` (0 to begin). */
  crc32c(bytes: Uint8Array, previous: number): number;
  /**
   * Writes the checksum of every frame in [start, end) of `memory`; the frame at `start` stands at file position `position`.
   * Returns the number of frames, or -1 when their lengths don't end exactly at `end`.
   */
  sealFrames(memory: Memory, start: number, end: number, seed: number, position: number): number;
  /** The offset of the first frame in [start, end) that is not valid, or `end`. */
  verifyFrames(memory: Memory, start: number, end: number, seed: number, position: number): number;
  /** The offset of the first valid frame in [start, end), trying every 8 bytes; `end` when there is none. */
  findFrame(memory: Memory, start: number, end: number, seed: number, position: number): number;
}

export const portableKernels: Kernels = {
  name: "javascript",
  crc32c: (bytes, previous) => crc32c(bytes, previous),
  sealFrames: sealFramesPortable,
  verifyFrames: verifyFramesPortable,
  findFrame: findFramePortable,
};

export function nativeKernels(binding: NativeBinding): Kernels {
  return {
    name: binding.crc32cKernel,
    crc32c: (bytes, previous) => binding.crc32c(bytes, previous),
    sealFrames: (memory, start, end, seed, position) =>
      binding.sealFrames(memory.buffer, start, end, seed, lowHalf(position), highHalf(position)),
    verifyFrames: (memory, start, end, seed, position) =>
      binding.verifyFrames(memory.buffer, start, end, seed, lowHalf(position), highHalf(position)),
    findFrame: (memory, start, end, seed, position) =>
      binding.findFrame(memory.buffer, start, end, seed, lowHalf(position), highHalf(position)),
  };
}

/** The kernels of this thread. */
export function chooseKernels(): Kernels {
  const native = loadNative();
  return native.kind === "loaded" ? nativeKernels(native.binding) : portableKernels;
}
