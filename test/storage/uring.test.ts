import { test } from "node:test";
import type { Storage } from "#src/storage/storage.js";
import { openUring, type UringOptions } from "#src/storage/uring/uring-storage.js";
import { storageContract } from "./contract.js";
import { processContract } from "./process-contract.js";

/** Every way to run the ring keeps the same contract. */
const variants: Readonly<Record<string, UringOptions>> = {
  "uring": {},
  "uring, spinning": { completion: "spin" },
  "uring, nothing registered": { registeredBuffers: false, registeredFiles: false },
  "uring, 2 entries": { ringEntries: 2 },
  "uring, plain ring": { setupFlags: 0 },
  "uring, SQPOLL": { sqPoll: { idleMillis: 1 } },
};

const here = openUring();
if (here.kind === "refused") {
  test("io_uring", { skip: here.reason });
} else {
  for (const [name, options] of Object.entries(variants)) storageContract(name, () => make(options));
  processContract("uring");
}

function make(options: UringOptions): Storage {
  const verdict = openUring(options);
  if (verdict.kind === "refused") throw new Error(verdict.reason);
  return verdict.storage;
}
