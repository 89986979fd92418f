// Whether polled I/O works in a directory, by really doing it.
//
// The kernel sets up a ring for polled I/O on any device. Without poll queues its writes complete by interrupt all the
// same, and its reads are refused or never complete. So the device's own word is asked, then one of each is done, with a bound.

import { randomBytes } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import type { NativeBinding } from "../../native/binding.js";
import { nameOfErrno } from "../system-error.js";
import { opcode, setup, writeDsync } from "./kernel-interface.js";
import { openRing, type Ring } from "./ring.js";

export type PollingVerdict = { readonly kind: "on" } | { readonly kind: "off"; readonly reason: string };

const unitBytes = 4096;
const millisMax = 1000;
const { O_RDWR, O_DIRECT } = fs.constants as { O_RDWR: number; O_DIRECT: number | undefined };

/** Blocks for some milliseconds; leaves nothing behind. */
export function probePolling(native: NativeBinding, directory: string): PollingVerdict {
  const refused = refusalOfDevice(directory);
  if (refused !== null) return { kind: "off", reason: refused };
  const reason = tryPolledIo(native, directory);
  return reason === null ? { kind: "on" } : { kind: "off", reason };
}

/** What `queue/io_poll` says against it, or null. */
function refusalOfDevice(directory: string): string | null {
  const { dev } = fs.statSync(directory, { bigint: true });
  const major = ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & ~0xfffn);
  const minor = (dev & 0xffn) | ((dev >> 12n) & ~0xffn);
  const device = `/sys/dev/block/${String(major)}:${String(minor)}`;
  for (const queue of [`${device}/queue`, `${device}/../queue`]) {
    const value = readText(`${queue}/io_poll`);
    if (value === "1") return null;
    if (value !== null) return "the device has no poll queues: queue/io_poll is 0 (NVMe: module parameter nvme.poll_queues)";
  }
  return "the file system does not name the device that it lies on";
}

function readText(file: string): string | null {
  try {
    return fs.readFileSync(file, "latin1").trim();
  } catch {
    return null;
  }
}

/** Why one polled write and one polled read did not succeed, or null. */
export function tryPolledIo(native: NativeBinding, directory: string): string | null {
  if (O_DIRECT === undefined) return "this platform has no O_DIRECT";
  const verdict = openRing(native, { entries: 4, flags: setup.ioPoll });
  if (verdict.kind === "refused") return `${verdict.what}: ${nameOfErrno(verdict.errno)}`;
  const { ring } = verdict;
  const file = path.join(directory, `probe.${randomBytes(8).toString("hex")}`);
  const memory = native.allocate(unitBytes);
  try {
    if (typeof memory === "number") return `no memory to try it: ${nameOfErrno(-memory)}`;
    layOut(file);
    const descriptor = fs.openSync(file, O_RDWR | O_DIRECT);
    try {
      return tryOne(native, ring, { descriptor, memory, code: opcode.write }) ?? tryOne(native, ring, { descriptor, memory, code: opcode.read });
    } finally {
      fs.closeSync(descriptor);
    }
  } catch (error) {
    return `direct I/O: ${error instanceof Error ? error.message : String(error)}`;
  } finally {
    ring.close();
    if (typeof memory !== "number") native.release(memory);
    fs.rmSync(file, { force: true });
  }
}

/** Synced: 1. pages of the file are dirty; 2. a polled write has a kernel worker write them back; 3. it never completes (Linux 6.1, ext4 on NVMe). */
function layOut(file: string): void {
  const descriptor = fs.openSync(file, "wx");
  try {
    fs.writeSync(descriptor, new Uint8Array(unitBytes));
    fs.fsyncSync(descriptor);
  } finally {
    fs.closeSync(descriptor);
  }
}

interface OneOperation {
  readonly descriptor: number;
  readonly memory: ArrayBuffer;
  readonly code: number;
}

function tryOne(native: NativeBinding, ring: Ring, { descriptor, memory, code }: OneOperation): string | null {
  const name = code === opcode.read ? "read" : "write";
  const halves = new Uint32Array(2);
  native.address(memory, halves);
  const at = ring.take();
  const words = ring.entries;
  words[at] = code;
  words[at + 1] = descriptor;
  words[at + 4] = halves[0] as number;
  words[at + 5] = halves[1] as number;
  words[at + 6] = unitBytes;
  words[at + 7] = code === opcode.write ? writeDsync : 0;
  const submitted = ring.submit();
  if (submitted !== 0) return `a polled ${name} was not taken${submitted < 0 ? `: ${nameOfErrno(-submitted)}` : ""}`;
  const until = performance.now() + millisMax;
  while (!ring.next()) {
    if (performance.now() >= until) return `a polled ${name} did not complete within a second`;
    ring.poll();
    native.yieldProcessor();
  }
  return ring.result === unitBytes ? null : `a polled ${name} ${ring.result < 0 ? `answered ${nameOfErrno(-ring.result)}` : "was short"}`;
}
