// The files of a log that must not change: reading passes and is counted, everything else is refused.

import { assert } from "../base/assert.js";
import type { FileSystem } from "../storage/storage.js";

/** `onRead` gets the bytes of each read. */
export function readOnlyFiles(inner: FileSystem, onRead: (bytes: number) => void): FileSystem {
  const refuse = (): never => refuseWrite();
  return {
    list: (path) => inner.list(path),
    open: async (path, mode) => {
      if (mode !== "read" && mode !== "scan") refuseWrite();
      const file = await inner.open(path, mode);
      return {
        path: file.path,
        size: () => file.size(),
        readAt: async (into, position) => {
          const bytes = await file.readAt(into, position);
          onRead(bytes);
          return bytes;
        },
        writeAt: refuse,
        sync: refuse,
        close: () => file.close(),
      };
    },
    makeDirectory: refuse,
    rename: refuse,
    remove: refuse,
    syncDirectory: refuse,
  };
}

function refuseWrite(): never {
  assert(false, "repair only reads the damaged log");
}
