// Chooses a backend in a process of its own, uses its files once, and prints what came out.

import os from "node:os";
import { RingwallError } from "#src/base/errors.js";
import { chooseStorage } from "#src/storage/choose.js";

async function choose(): Promise<unknown> {
  try {
    const { storage, reason } = chooseStorage({ backend: process.argv[2] as "auto" | "uring" | "fs" });
    await storage.files.list(os.tmpdir());
    return { name: storage.name, reason };
  } catch (error) {
    if (!(error instanceof RingwallError)) throw error;
    return { code: error.code, message: error.message };
  }
}

process.stdout.write(JSON.stringify(await choose()));
