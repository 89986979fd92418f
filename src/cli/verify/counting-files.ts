// A file system that tells how many bytes were read through it: for progress.

import type { FileSystem } from "../../storage/storage.js";

export function countingFiles(inner: FileSystem, onRead: (bytes: number) => void): FileSystem {
  return {
    ...inner,
    open: async (path, mode) => {
      const file = await inner.open(path, mode);
      return {
        path: file.path,
        size: () => file.size(),
        readAt: async (into, position) => {
          const bytes = await file.readAt(into, position);
          onRead(bytes);
          return bytes;
        },
        writeAt: (bytes, position) => file.writeAt(bytes, position),
        sync: () => file.sync(),
        close: () => file.close(),
      };
    },
  };
}
