// Chooses a backend in a process of its own, uses its files once, and prints what came out. With a directory: opens a log there.

import os from "node:os";
import { RingwallError } from "#src/base/errors.js";
import { LaneLog } from "#src/log/lane-log.js";
import { chooseStorage } from "#src/storage/choose.js";

async function choose(): Promise<unknown> {
  try {
    if (process.argv[3] !== undefined) return await openLog(process.argv[3]);
    const { storage, reason } = chooseStorage({ backend: process.argv[2] as "auto" | "uring" | "fs" });
    await storage.files.list(os.tmpdir());
    return { name: storage.name, reason };
  } catch (error) {
    if (!(error instanceof RingwallError)) throw error;
    return { code: error.code, message: error.message };
  }
}

async function openLog(directory: string): Promise<unknown> {
  const log = await LaneLog.open(directory, { backend: process.argv[2] as "auto" | "uring", lanes: 2 });
  const sequence = await log.partition("p").append("durable");
  const { backend, backendReason } = log.info;
  await log.close();
  return { name: backend, reason: backendReason, sequence };
}

process.stdout.write(JSON.stringify(await choose()));
