// The storage under a writer: the library's own, or one that breaks durability on purpose, to show that a rig notices.

import type { LogEnvironment } from "#src/log/lane-log.js";
import { chooseStorage } from "#src/storage/choose.js";
import type { FlushMethod } from "#src/format/superblock.js";
import type { FileSystem, Storage, StorageFile } from "#src/storage/storage.js";

export type Build =
  | "sound"
  /** Blocks are written and never flushed. */
  | "without block flush"
  /** Names of new files are never made durable. */
  | "without directory sync"
  /** Nothing is ever flushed: neither blocks nor files nor names. */
  | "without any flush";

export interface BuildOptions {
  readonly backend: "uring" | "fs";
  readonly build: Build;
  /** Instead of the fastest that the probe finds; counts when the log is created. */
  readonly flushMethod?: FlushMethod;
}

export function environmentOf({ backend, build, flushMethod }: BuildOptions): LogEnvironment {
  const { storage, reason } = chooseStorage({ backend });
  if (build === "sound" && flushMethod === undefined) return { storage, reason };
  const altered: Storage = {
    ...storage,
    files: brokenFiles(storage.files, build),
    createWriter: (options) => storage.createWriter(build === "without block flush" || build === "without any flush" ? { ...options, flush: "never" } : options),
    probe: async (directory, millisMax) => {
      const measured = await storage.probe(directory, millisMax);
      return { ...measured, flushMethod: flushMethod ?? measured.flushMethod };
    },
  };
  return { storage: altered, reason: `${reason}, ${build}` };
}

function brokenFiles(files: FileSystem, build: Build): FileSystem {
  if (build === "sound" || build === "without block flush") return files;
  const ignored = { syncDirectory: () => Promise.resolve() };
  if (build === "without directory sync") return { ...files, ...ignored };
  return { ...files, ...ignored, open: async (path, mode) => neverSynced(await files.open(path, mode)) };
}

function neverSynced(file: StorageFile): StorageFile {
  return {
    path: file.path,
    size: () => file.size(),
    readAt: (into, position) => file.readAt(into, position),
    writeAt: (bytes, position) => file.writeAt(bytes, position),
    sync: () => Promise.resolve(),
    close: () => file.close(),
  };
}
