// Tries out what io_uring offers in a directory, through the backend's own writer on a file of its own.

import { randomBytes } from "node:crypto";
import { RingwallError } from "../../base/errors.js";
import { pageBytes } from "../../format/block.js";
import { loadNative, type NativeBinding } from "../../native/binding.js";
import type { Storage } from "../../storage/storage.js";
import { probePolling } from "../../storage/uring/iopoll-probe.js";
import { openUring } from "../../storage/uring/uring-storage.js";
import { featureOfNote, withCost, type Feature } from "./feature.js";

export interface UringProbe {
  /** Null when io_uring does not work here. */
  readonly storage: Storage | null;
  readonly features: readonly Feature[];
}

/** Features come in the order in which one needs the other. */
export async function probeUring(directory: string): Promise<UringProbe> {
  const native = loadNative();
  const addon: Feature = native.kind === "loaded"
    ? { name: "native addon", available: true, detail: native.path }
    : withCost({ name: "native addon", available: false, reason: native.reason });
  const verdict = openUring();
  if (verdict.kind === "refused") return { storage: null, features: [addon, withCost({ name: "io_uring", available: false, reason: verdict.reason })] };
  const notes = await writerNotes(verdict.storage, directory);
  return { storage: verdict.storage, features: [addon, { name: "io_uring", available: true }, ...notes.map(featureOfNote), await probeSqpoll(directory), probeIopoll(native.kind === "loaded" ? native.binding : null, directory)] };
}

/** A kernel thread that submits: refused to some users and in some containers. */
async function probeSqpoll(directory: string): Promise<Feature> {
  const verdict = openUring({ sqPoll: { idleMillis: 1 } });
  const name = "SQPOLL";
  if (verdict.kind === "refused") return withCost({ name, available: false, reason: verdict.reason, optional: true });
  try {
    const ring = (await writerNotes(verdict.storage, directory)).find((note) => note.startsWith("ring: "));
    return { name, available: true, optional: true, ...(ring === undefined ? {} : { detail: ring.slice("ring: ".length) }) };
  } catch (error) {
    if (!(error instanceof RingwallError) || error.code !== "RINGWALL_UNAVAILABLE") throw error;
    return withCost({ name, available: false, reason: error.message, optional: true });
  } finally {
    await verdict.storage.close();
  }
}

/** Polled I/O needs poll queues in the device. */
function probeIopoll(native: NativeBinding | null, directory: string): Feature {
  const verdict = native === null ? { kind: "off" as const, reason: "the native addon is missing" } : probePolling(native, directory);
  return verdict.kind === "on" ? { name: "IOPOLL", available: true, optional: true } : withCost({ name: "IOPOLL", available: false, reason: verdict.reason, optional: true });
}

async function writerNotes(storage: Storage, directory: string): Promise<readonly string[]> {
  const path = `${directory}/probe.${randomBytes(8).toString("hex")}`;
  const writer = storage.createWriter({ bufferBytes: 64 * 1024, bufferCount: 8, writesInFlight: 1, alignment: pageBytes, flush: "dsync", onWritten: () => undefined, onBatchEnd: () => undefined });
  try {
    const file = await storage.files.open(path, "create");
    try {
      await file.writeAt(new Uint8Array(pageBytes), 0);
    } finally {
      await file.close();
    }
    await writer.closeFile(await writer.openFile(path));
    return [...writer.notes];
  } finally {
    await writer.close();
    await storage.files.remove(path);
  }
}
