// The io_uring backend: finds out whether it can work here, and makes writers.
//
// Owns: the decision, by really running a ring, and the words for a refusal. A kernel version proves nothing:
// containers refuse the call by seccomp, administrators by sysctl, and sandboxes implement half of it.

import { randomBytes } from "node:crypto";
import fs from "node:fs";
import { RingwallError } from "../../base/errors.js";
import { loadNative, type NativeBinding, type NativeWatch } from "../../native/binding.js";
import { type BackendFeature, off, on } from "../features.js";
import { probeFlush } from "../flush-probe.js";
import { isLocked, lockDirectory } from "../lock.js";
import { nodeClock } from "../node-clock.js";
import { scanningFileSystem } from "../scan-file.js";
import type { BlockWriter, BlockWriterOptions, Storage, StorageProbe } from "../storage.js";
import { nameOfErrno } from "../system-error.js";
import { errno, opcode, probeBytes, probeSupported, register } from "./kernel-interface.js";
import { probePolling } from "./iopoll-probe.js";
import { openRing, type Ring } from "./ring.js";
import { chooseRing, type SqPollOptions } from "./ring-choice.js";
import { openUringMethods } from "./uring-probe.js";
import { UringReads } from "./uring-reads.js";
import { UringWriter } from "./uring-writer.js";

export interface UringOptions {
  /** How completions are awaited when the caller does not reap: on the descriptor, or polled for at most 1 ms first. */
  readonly completion?: "wait" | "spin";
  /** A kernel thread takes the entries: an append makes no system call while it is awake. */
  readonly sqPoll?: SqPollOptions;
  /** Polled I/O for logs in this directory, if a probe there says that it works; "unprobed" is for tests. */
  readonly ioPoll?: { readonly directory: string } | "unprobed";
  readonly ringEntries?: number;
  readonly registeredBuffers?: boolean;
  readonly registeredFiles?: boolean;
  /** For measurements only: exactly these IORING_SETUP_* flags. */
  readonly setupFlags?: number;
}

export type UringVerdict = { readonly kind: "ok"; readonly storage: Storage } | { readonly kind: "refused"; readonly reason: string };

/** More than enough for a lane's blocks in flight with a linked sync each; 5 KiB of kernel memory. */
const ringEntriesDefault = 64;
/** A linked write and its sync go in together. */
const ringEntriesMin = 2;

export function openUring(options: UringOptions = {}): UringVerdict {
  const native = loadNative();
  if (native.kind === "absent") return { kind: "refused", reason: `the native addon is missing: ${native.reason}` };
  const reason = tryRing(native.binding);
  return reason === null ? { kind: "ok", storage: uringStorage(native.binding, options) } : { kind: "refused", reason };
}

/** Why io_uring does not work here, or null: sets up a ring, asks for the operations, and sends one no-op around. */
function tryRing(native: NativeBinding): string | null {
  const verdict = openRing(native, { entries: 4, flags: 0 });
  if (verdict.kind === "refused") return refusalText(verdict.errno, verdict.what);
  const { ring } = verdict;
  try {
    const missing = missingOperations(native, ring);
    if (missing !== null) return missing;
    const at = ring.take();
    ring.entries[at] = opcode.nop;
    ring.entries[at + 8] = 1;
    const submitted = ring.submit();
    if (submitted !== 0) return `io_uring_enter took no entry: ${submitted < 0 ? nameOfErrno(-submitted) : "it was put off"}`;
    const waited = ring.wait(1_000_000);
    if (!ring.next()) return `a no-op did not complete within a second (${waited < 0 ? nameOfErrno(-waited) : "no completion"})`;
    return ring.result === 0 && ring.userDataLow === 1 ? null : `a no-op came back with ${String(ring.result)}`;
  } finally {
    ring.close();
  }
}

function missingOperations(native: NativeBinding, ring: Ring): string | null {
  const probe = new Uint8Array(probeBytes);
  const result = native.ringRegister(ring.descriptor, register.probe, probe, 256);
  if (result < 0) return `the kernel does not tell its io_uring operations: ${nameOfErrno(-result)} (before Linux 5.6, or a sandbox)`;
  const needed = Object.entries(opcode).filter(([, code]) => ((probe[16 + code * 8 + 2] as number) & probeSupported) === 0);
  return needed.length === 0 ? null : `the kernel lacks io_uring operations: ${needed.map(([name]) => name).join(", ")}`;
}

function refusalText(number: number, what: string): string {
  const name = nameOfErrno(number);
  const disabled = readDisabled();
  if (number === errno.EPERM && disabled !== null && disabled !== "0") {
    return `${what}: EPERM: kernel.io_uring_disabled is ${disabled} (set it to 0 with sysctl)`;
  }
  if (number === errno.EPERM || number === errno.EACCES) {
    return `${what}: ${name}: a seccomp profile or security module forbids it (containers: allow io_uring_setup, io_uring_enter and io_uring_register in the seccomp profile)`;
  }
  if (number === errno.ENOSYS) return `${what}: ENOSYS: this kernel or sandbox has no io_uring, or a seccomp profile hides it`;
  if (number === errno.ENOMEM) return `${what}: ENOMEM: raise RLIMIT_MEMLOCK (ulimit -l)`;
  return `${what}: ${name}`;
}

function readDisabled(): string | null {
  try {
    return fs.readFileSync("/proc/sys/kernel/io_uring_disabled", "latin1").trim();
  } catch {
    return null;
  }
}

function uringStorage(native: NativeBinding, options: UringOptions): Storage {
  const writers = new Set<BlockWriter>();
  const createWriter = (wanted: BlockWriterOptions): BlockWriter => {
    const writer: BlockWriter = createUringWriter({ native, options, onClosed: () => writers.delete(writer) }, wanted);
    writers.add(writer);
    return writer;
  };
  const reads = new UringReads(native, { registeredBuffers: options.registeredBuffers ?? true });
  return {
    name: "uring",
    files: scanningFileSystem(reads.way),
    get isReading() {
      return reads.isReading;
    },
    get notes() {
      return reads.notes;
    },
    clock: nodeClock(),
    createWriter,
    probe: (directory, millisMax): Promise<StorageProbe> => {
      return probeFlush({
        directory,
        millisMax,
        open: (path, unitBytes) => openUringMethods(native, path, unitBytes),
        offsetAlignment: (path) => directAlignment(native, path),
      });
    },
    randomUuid: () => new Uint8Array(randomBytes(16)),
    lock: (directory) => lockDirectory(directory, native),
    isLocked: (directory) => isLocked(directory, native),
    close: async () => {
      await Promise.all([reads.close(), ...[...writers].map((writer) => writer.close())]);
    },
  };
}

interface WriterContext {
  readonly native: NativeBinding;
  readonly options: UringOptions;
  readonly onClosed: () => void;
}

function createUringWriter({ native, options, onClosed }: WriterContext, wanted: BlockWriterOptions): UringWriter {
  const ioPoll = choosePolling(native, options, wanted);
  const verdict = chooseRing(native, {
    entries: Math.max(ringEntriesMin, options.ringEntries ?? ringEntriesDefault), sqPoll: options.sqPoll, setupFlags: options.setupFlags, ioPoll: ioPoll.isOn,
  });
  if (verdict.kind === "refused") throw unavailable(refusalText(verdict.errno, verdict.what));
  const { ring } = verdict;
  const memory = native.allocate(wanted.bufferBytes * wanted.bufferCount);
  if (typeof memory === "number") {
    ring.close();
    throw unavailable(`${String(wanted.bufferBytes * wanted.bufferCount)} bytes of buffers: ${nameOfErrno(-memory)}`);
  }
  const watch = (callback: () => void): NativeWatch => {
    const watched = native.watch(ring.descriptor, callback);
    if (typeof watched !== "number") return watched;
    ring.close();
    native.release(memory);
    throw unavailable(`watching the ring: ${nameOfErrno(-watched)}`);
  };
  const { completion = "wait", registeredBuffers = true, registeredFiles = true } = options;
  return new UringWriter({ native, ring, memory, completion, registeredBuffers, registeredFiles, sqPoll: options.sqPoll, ioPoll, onClosed }, watch, wanted);
}

function choosePolling(native: NativeBinding, { ioPoll }: UringOptions, { flush }: BlockWriterOptions): BackendFeature {
  if (ioPoll === undefined) return off("IOPOLL", "not asked for: it takes a processor while anything is in flight");
  // FSYNC is refused on such a ring.
  if (flush !== "dsync") return off("IOPOLL", `a polled write is made durable by RWF_DSYNC only, and here the method is ${flush}`);
  const verdict = ioPoll === "unprobed" ? { kind: "on" as const } : probePolling(native, ioPoll.directory);
  return verdict.kind === "on" ? on("IOPOLL") : off("IOPOLL", verdict.reason);
}

function unavailable(reason: string): RingwallError {
  return new RingwallError("RINGWALL_UNAVAILABLE", `io_uring: ${reason}`, { remedy: 'Open the log with { backend: "fs" }.' });
}

function directAlignment(native: NativeBinding, path: string): number {
  const descriptor = fs.openSync(path, fs.constants.O_RDONLY);
  try {
    const out = new Uint32Array(2);
    native.directAlignment(descriptor, out);
    return out[1] as number;
  } finally {
    fs.closeSync(descriptor);
  }
}
