// `ringwall doctor`: what this machine offers a log in this directory.

import fs from "node:fs";
import path from "node:path";
import { RingwallError } from "../../base/errors.js";
import { chooseKernels } from "../../format/kernels.js";
import type { FlushMethod } from "../../format/superblock.js";
import { fsStorage } from "../../storage/fs/fs-storage.js";
import type { Storage } from "../../storage/storage.js";
import type { CommonOptions } from "../common-options.js";
import { isLog } from "../demand-log.js";
import { type ExitCode, exitCode } from "../exit-codes.js";
import { standardOutput } from "../output.js";
import { CommandError } from "../report-failure.js";
import { diagnosisText } from "./diagnosis-text.js";
import type { Diagnosis, FlushMeasurement } from "./diagnosis.js";
import { fileSystemOf, lockedMemoryMax, machineFacts, uringSwitch } from "./machine.js";
import { probeUring, ringFeatures } from "./uring-probe.js";

/** Enough for some dozens of durable writes per method, also on a slow disk. */
const probeMillisMax = 400;

export async function doctorCommand(directory: string, options: CommonOptions): Promise<ExitCode> {
  const place = existingAncestor(directory);
  demandWritable(place);
  const portable = fsStorage();
  const { storage, features } = probeUring();
  try {
    if (options.backend === "uring" && storage === null) {
      throw new RingwallError("RINGWALL_UNAVAILABLE", `io_uring does not work here: ${features.find((feature) => !feature.available)?.reason ?? "unknown"}`, { remedy: "Use --backend auto or fs." });
    }
    const uring = options.backend === "fs" ? null : storage;
    const { flushMethod, ...measured } = await measureFlush([uring, portable], place);
    const ofRing = storage === null ? [] : await ringFeatures(storage, place, uring === null ? "dsync" : flushMethod);
    const diagnosis: Diagnosis = {
      machine: machineFacts(),
      directory: place,
      fileSystem: fileSystemOf(place),
      checksumKernel: chooseKernels().name,
      lockedMemoryBytesMax: lockedMemoryMax() ?? null,
      uringSwitch: uringSwitch(),
      backend: uring === null ? "fs" : "uring",
      features: [...features, ...ofRing],
      ...measured,
      log: await lockState(portable, directory),
    };
    const output = standardOutput();
    if (options.json === true) await output.json(diagnosis);
    else await output.line(diagnosisText(diagnosis, output));
    return exitCode.ok;
  } finally {
    await storage?.close();
    await portable.close();
  }
}

/** The first storage is the one that a log gets. */
async function measureFlush(storages: readonly (Storage | null)[], directory: string): Promise<Pick<Diagnosis, "alignment" | "flush"> & { readonly flushMethod: FlushMethod }> {
  const flush: FlushMeasurement[] = [];
  let alignment = 0;
  let flushMethod: FlushMethod = "dsync";
  for (const storage of storages) {
    if (storage === null) continue;
    const probe = await storage.probe(directory, probeMillisMax);
    const isFirst = alignment === 0;
    if (isFirst) ({ alignment, flushMethod } = probe);
    for (const [method, micros] of Object.entries(probe.micros)) {
      flush.push({ backend: storage.name === "uring" ? "uring" : "fs", method, microsP50: Math.round(micros), chosen: isFirst && method === probe.flushMethod });
    }
  }
  return { alignment, flush, flushMethod };
}

async function lockState(storage: Storage, directory: string): Promise<Diagnosis["log"]> {
  if (!(await isLog(storage.files, directory))) return "none";
  return (await storage.isLocked(directory)) ? "open for writing" : "not locked";
}

function existingAncestor(directory: string): string {
  let place = path.resolve(directory);
  while (!fs.existsSync(place) && path.dirname(place) !== place) place = path.dirname(place);
  if (!fs.statSync(place).isDirectory()) throw new CommandError(`${place} is not a directory`, "RINGWALL_NOT_FOUND");
  return place;
}

function demandWritable(place: string): void {
  try {
    fs.accessSync(place, fs.constants.W_OK);
  } catch (error) {
    throw new CommandError(`cannot try out ${place}: ${error instanceof Error ? error.message : String(error)}. Name a directory in which this user may write.`, "RINGWALL_IO", { cause: error });
  }
}
