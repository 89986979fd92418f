// Tries out what io_uring offers in a directory, through the backend's own writer on a file of its own.

import { randomBytes } from "node:crypto";
import { RingwallError } from "../../base/errors.js";
import { pageBytes } from "../../format/block.js";
import type { FlushMethod } from "../../format/superblock.js";
import { loadNative, type NativeBinding } from "../../native/binding.js";
import { laneFeatures } from "../../log/lane-features.js";
import { idleMillisDefault, resolveOptions } from "../../log/options.js";
import type { BackendFeature, FeatureName } from "../../storage/features.js";
import type { Storage } from "../../storage/storage.js";
import { probePolling } from "../../storage/uring/iopoll-probe.js";
import { openUring } from "../../storage/uring/uring-storage.js";
import { featureOf, withCost, type Feature } from "./feature.js";

export interface UringProbe {
  /** Null when io_uring does not work here. */
  readonly storage: Storage | null;
  readonly features: readonly Feature[];
}

/** Whether io_uring works at all. Features come in the order in which one needs the other. */
export function probeUring(): UringProbe {
  const native = loadNative();
  const addon: Feature = native.kind === "loaded"
    ? { name: "native addon", available: true, detail: native.path }
    : withCost({ name: "native addon", available: false, reason: native.reason });
  const verdict = openUring({ ringEntries: resolveOptions({}).ringEntries });
  if (verdict.kind === "refused") return { storage: null, features: [addon, withCost({ name: "io_uring", available: false, reason: verdict.reason })] };
  return { storage: verdict.storage, features: [addon, { name: "io_uring", available: true }] };
}

/** The table of features that a new log in the directory would have. */
export async function ringFeatures(storage: Storage, directory: string, flush: FlushMethod): Promise<readonly Feature[]> {
  const native = loadNative();
  // Of these two a writer by default says only that they were not asked for.
  const asked = new Map<string, Feature>([["SQPOLL", await probeSqpoll(directory)], ["IOPOLL", probeIopoll(native.kind === "loaded" ? native.binding : null, directory)]]);
  const rows = await writerFeatures(storage, directory, flush);
  return rows.map((row) => asked.get(row.name) ?? featureOf(row));
}

/** A kernel thread that submits: refused to some users and in some containers. */
async function probeSqpoll(directory: string): Promise<Feature> {
  const verdict = openUring({ sqPoll: { idleMillis: idleMillisDefault } });
  const name = "SQPOLL";
  if (verdict.kind === "refused") return withCost({ name, available: false, reason: verdict.reason, optional: true });
  try {
    const rows = await writerFeatures(verdict.storage, directory, "dsync");
    const detail = (wanted: FeatureName): string => rows.find((row) => row.name === wanted)?.detail ?? "";
    return { name, available: true, optional: true, detail: `ring ${detail("ring")}; ${detail("SQPOLL")}` };
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

/** As a log with default options has it, on a file of its own. */
async function writerFeatures(storage: Storage, directory: string, flush: FlushMethod): Promise<readonly BackendFeature[]> {
  const options = resolveOptions({});
  const path = `${directory}/probe.${randomBytes(8).toString("hex")}`;
  const writer = storage.createWriter({ bufferBytes: 64 * 1024, bufferCount: 8, writesInFlight: options.blocksInFlight, alignment: pageBytes, flush, onWritten: () => undefined, onBatchEnd: () => undefined });
  try {
    const file = await storage.files.open(path, "create");
    try {
      await file.writeAt(new Uint8Array(pageBytes), 0);
    } finally {
      await file.close();
    }
    await writer.closeFile(await writer.openFile(path));
    return laneFeatures(writer.features, options);
  } finally {
    await writer.close();
    await storage.files.remove(path);
  }
}
