// The example as its user has it: the module at its place in the repository, which imports the package by its name.

import { fileURLToPath, pathToFileURL } from "node:url";
import type { LogOptions } from "#src/index.js";
import type { RaftLogStore } from "../../examples/raft-log-store/raft-log-store.mjs";

const modulePath = fileURLToPath(new URL("../../../examples/raft-log-store/raft-log-store.mjs", import.meta.url));

export async function openStore(directory: string, options: LogOptions): Promise<RaftLogStore> {
  const { RaftLogStore: Store } = (await import(pathToFileURL(modulePath).href)) as { RaftLogStore: typeof RaftLogStore };
  return Store.open(directory, options);
}
