// A lane opened for reading only, on a log made block by block.

import { chooseKernels } from "#src/format/kernels.js";
import { ReadOnlyLane } from "#src/log/read-only-lane.js";
import { chooseStorage } from "#src/storage/choose.js";
import { alignment, type LogBuilder } from "../recovery/log-builder.js";
import { recover } from "../recovery/recovering.js";

export async function withLane(log: LogBuilder, body: (lane: ReadOnlyLane) => Promise<void>): Promise<void> {
  const { storage } = chooseStorage({ backend: "fs" });
  const anew = () => recover(log, { readOnly: true });
  const looks = {
    anew, onward: async () => ({ kind: "anew" as const, recovered: await anew() }), isUnchanged: () => Promise.resolve(false), close: () => Promise.resolve(), superblock: null, lastBlock: 0,
  };
  const lane = new ReadOnlyLane({
    lane: 0, directory: log.directory, uuid: log.uuid, alignment, kernels: chooseKernels(), storage, looks, recovered: await anew(),
  });
  try {
    await body(lane);
  } finally {
    await lane.close();
    await storage.close();
  }
}
