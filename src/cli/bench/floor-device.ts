// What the device gives without a log: the floor that a log's latency is compared with.
//
// A device is asked in the way in which the log would ask it, as directly as this process can: a bare ring; without
// io_uring pwritev2; without the addon fs.writeSync. `method` says which, for they are not the same floor.

import fs from "node:fs";
import { loadNative } from "../../native/binding.js";
import { openUring } from "../../storage/uring/uring-storage.js";
import { fromNodeError } from "../../storage/system-error.js";
import { PwriteFloor, WriteSyncFloor } from "./floor-blocking.js";
import { floorFileBytes, floorLargeBytes, floorPageBytes, type FloorDevice } from "./floor-layout.js";
import { RingFloor } from "./floor-ring.js";

/** Pre-writes the file. `backend` "fs" leaves io_uring out. `writeBytes`: of the single writes, whole pages. */
export function openFloor(path: string, backend: "auto" | "uring" | "fs", writeBytes = floorPageBytes): FloorDevice {
  prepare(path);
  const native = loadNative();
  if (native.kind === "absent") return new WriteSyncFloor(path, writeBytes);
  if (backend === "fs" || openUring().kind === "refused") return new PwriteFloor(native.binding, path, writeBytes);
  return new RingFloor(native.binding, path, writeBytes);
}

function prepare(path: string): void {
  try {
    const descriptor = fs.openSync(path, "wx");
    const zeros = Buffer.alloc(floorLargeBytes);
    for (let at = 0; at < floorFileBytes; at += zeros.length) fs.writeSync(descriptor, zeros, 0, zeros.length, at);
    fs.fsyncSync(descriptor);
    fs.closeSync(descriptor);
  } catch (error) {
    throw fromNodeError(error, { operation: "prepare the file of the floor", path });
  }
}
