// A thread with reads in flight that nothing completes. Run by read-ring.test.ts.

import { parentPort, workerData } from "node:worker_threads";
import { loadNative } from "#src/native/binding.js";
import { openReadRing } from "#src/storage/uring/read-ring.js";

const native = loadNative();
if (native.kind === "absent") throw new Error(native.reason);
const verdict = openReadRing(native.binding, { registeredBuffers: true });
if (verdict.kind === "refused") throw new Error(verdict.reason);
const { fifo } = workerData as { readonly fifo: number };
for (let read = 0; read < 40; read++) void verdict.ring.read({ descriptor: fifo, path: "fifo", into: new Uint8Array(4096), position: 0 });
setImmediate(() => parentPort?.postMessage("in flight"));
