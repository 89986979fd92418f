// The native addon as TypeScript sees it, and its loading.
//
// Owns: the one place where the addon is found and loaded, and the types of what it offers.
// The addon makes syscalls, watches a descriptor and runs byte kernels; it holds no policy and knows no log.
// Loading never throws: where the addon can't serve, the reason is a value and the portable paths take over.

import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

/** Raised whenever a signature below changes; a binary with another number is refused. */
export const nativeAbi = 3;

/** An opaque handle on a watched descriptor. */
export type NativeWatch = object;

/**
 * Every syscall returns its result, or the negated errno: nothing here throws for what the kernel says.
 * 64-bit numbers travel as two unsigned 32-bit halves, low half first.
 */
export interface NativeBinding {
  readonly abi: number;
  /** Which CRC-32C kernel this CPU got: "sse4.2", "arm64-crc" or "table". */
  readonly crc32cKernel: string;

  /** io_uring_setup. `params` is `struct io_uring_params` (120 bytes), read and written. Returns the descriptor. */
  ringSetup(entries: number, params: Uint32Array): number;
  /** io_uring_enter without a signal mask or a timeout. */
  ringEnter(descriptor: number, toSubmit: number, completionsMin: number, flags: number): number;
  /** io_uring_enter with IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG: waits at most `timeoutMicros`; -ETIME when it passed. */
  ringWait(descriptor: number, toSubmit: number, completionsMin: number, timeoutMicros: number): number;
  /** sched_yield: whatever else waits for this processor, a kernel worker say, gets its turn before the call returns. */
  yieldProcessor(): number;
  /** io_uring_register with a plain byte argument (or null). */
  ringRegister(descriptor: number, opcode: number, argument: Uint8Array | Uint32Array | Int32Array | null, count: number): number;
  /** IORING_REGISTER_BUFFERS over `memory` (from `allocate`), cut into `count` buffers of `bytes` each. */
  ringRegisterBuffers(descriptor: number, memory: ArrayBuffer, bytes: number, count: number): number;
  /** mmap of one ring region (offset 0, 0x8000000 or 0x10000000), MAP_SHARED | MAP_POPULATE. Negated errno on failure. */
  ringMap(descriptor: number, bytes: number, offset: number): ArrayBuffer | number;
  /** fcntl(F_DUPFD_CLOEXEC): another descriptor of the same open file. The caller closes it: the end of its thread does not. */
  duplicate(descriptor: number): number;
  /** close(2). */
  closeDescriptor(descriptor: number): number;

  /** Zeroed, page-aligned memory outside the JavaScript heap; unmapped when collected or released. */
  allocate(bytes: number): ArrayBuffer | number;
  /** Detaches a buffer from `allocate` or `ringMap` and unmaps it now; later calls do nothing. */
  release(memory: ArrayBuffer): void;
  /** Writes the address of the memory to `halves[0]` (low) and `halves[1]` (high). */
  address(memory: ArrayBuffer, halves: Uint32Array): void;

  /** Calls `callback(status)` from the event loop whenever the descriptor is readable (libuv poll). Negated errno on failure. */
  watch(descriptor: number, callback: (status: number) => void): NativeWatch | number;
  /** Whether the watch keeps the event loop alive. A new watch does not. */
  watchKeepsAlive(watch: NativeWatch, keepsAlive: boolean): void;
  /** Stops and frees the watch. Idempotent. The descriptor stays open. */
  watchClose(watch: NativeWatch): void;

  /** flock(LOCK_EX | LOCK_NB), or LOCK_UN when `exclusive` is false. */
  lock(descriptor: number, exclusive: boolean): number;
  /** statx(STATX_DIOALIGN): out[0] = memory alignment, out[1] = offset alignment; 0 and 0 where O_DIRECT is refused or unknown. */
  directAlignment(descriptor: number, out: Uint32Array): number;
  /** fallocate(2). */
  allocateRange(descriptor: number, mode: number, offsetLow: number, offsetHigh: number, bytesLow: number, bytesHigh: number): number;
  /** cachestat(2), Linux 6.5: how many pages of a range of the file are in the page cache. */
  cachedPages(descriptor: number, offsetLow: number, offsetHigh: number, bytes: number): number;
  /** pwritev2(2) of one range of `memory`, with RWF flags. For probes and the floor benchmark. */
  writeAt(descriptor: number, memory: ArrayBuffer, start: number, bytes: number, positionLow: number, positionHigh: number, flags: number): number;
  /** preadv2(2) into one range of `memory`. */
  readAt(descriptor: number, memory: ArrayBuffer, start: number, bytes: number, positionLow: number, positionHigh: number, flags: number): number;

  /** CRC-32C of `bytes`, continuing from `previous` (0 to begin), as `base/crc32c.ts` defines it. */
  crc32c(bytes: Uint8Array, previous: number): number;
  /**
   * Writes the checksum of every frame in [start, end) of `memory` (docs/FORMAT.md, "Frame"). The frames lie
   * back to back; the one at `start` stands at file position (positionLow, positionHigh). Returns the number
   * of frames, or -1 when the lengths do not end exactly at `end`.
   */
  sealFrames(memory: ArrayBuffer, start: number, end: number, seed: number, positionLow: number, positionHigh: number): number;
  /** Verifies frames from `start` on; returns the offset of the first that is not valid, or `end` when all are. */
  verifyFrames(memory: ArrayBuffer, start: number, end: number, seed: number, positionLow: number, positionHigh: number): number;
  /** The offset in [start, end) of the first valid frame, trying every 8 bytes; `end` when there is none. */
  findFrame(memory: ArrayBuffer, start: number, end: number, seed: number, positionLow: number, positionHigh: number): number;
}

export type NativeState =
  | { readonly kind: "loaded"; readonly binding: NativeBinding; readonly path: string }
  | { readonly kind: "absent"; readonly reason: string };

let state: NativeState | undefined;

/** The addon, loaded once per thread. `RINGWALL_NATIVE=off` keeps it out. */
export function loadNative(): NativeState {
  state ??= tryLoad();
  return state;
}

function tryLoad(): NativeState {
  if (process.env["RINGWALL_NATIVE"] === "off") return { kind: "absent", reason: "switched off by RINGWALL_NATIVE=off" };
  if (process.platform !== "linux") return { kind: "absent", reason: `no binary for ${process.platform}: io_uring is Linux's` };
  if ("bun" in process.versions || "deno" in process.versions) {
    return { kind: "absent", reason: "this runtime does not offer libuv to addons" };
  }
  const path = fileURLToPath(new URL(`../../prebuilds/linux-${process.arch}/ringwall.node`, import.meta.url));
  try {
    const binding = createRequire(import.meta.url)(path) as NativeBinding;
    if (binding.abi !== nativeAbi) {
      return { kind: "absent", reason: `${path} has interface ${String(binding.abi)}, this version needs ${String(nativeAbi)}: build again` };
    }
    return { kind: "loaded", binding, path };
  } catch (error) {
    return { kind: "absent", reason: `${path} could not be loaded: ${error instanceof Error ? error.message.split("\n", 1)[0] ?? "" : String(error)}` };
  }
}
