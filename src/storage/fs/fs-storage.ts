// The portable backend: everything on node:fs, on every platform that Node has.

import { randomBytes } from "node:crypto";
import { loadNative } from "../../native/binding.js";
import { probeFlush } from "../flush-probe.js";
import { isLocked, lockDirectory } from "../lock.js";
import { cachedReads } from "../cached-reads.js";
import { nodeClock } from "../node-clock.js";
import { pooledReads } from "../node-files.js";
import { scanningFileSystem } from "../scan-file.js";
import type { BlockWriter, BlockWriterOptions, Storage, StorageProbe } from "../storage.js";
import { openFsMethods } from "./fs-probe.js";
import { FsWriter } from "./fs-writer.js";

export function fsStorage(): Storage {
  const writers = new Set<BlockWriter>();
  const createWriter = (options: BlockWriterOptions): BlockWriter => {
    const writer: BlockWriter = new FsWriter(options, () => writers.delete(writer));
    writers.add(writer);
    return writer;
  };
  // Where the addon is there, the kernel can tell whether a lock's owner still lives, and what the page cache has.
  const native = loadNative();
  const binding = native.kind === "loaded" ? native.binding : null;
  const cached = binding === null ? null : cachedReads(binding, pooledReads.wait);
  return {
    name: "fs",
    files: scanningFileSystem(cached ?? pooledReads),
    notes: [],
    clock: nodeClock(),
    createWriter,
    probe: (directory, millisMax): Promise<StorageProbe> => {
      return probeFlush({ directory, millisMax, open: openFsMethods, offsetAlignment: () => 0 });
    },
    randomUuid: () => new Uint8Array(randomBytes(16)),
    lock: (directory) => lockDirectory(directory, binding),
    isLocked: (directory) => isLocked(directory, binding),
    get isReading() {
      return cached?.isBusy() ?? false;
    },
    close: async () => {
      await Promise.all([...writers].map((writer) => writer.close()));
    },
  };
}
