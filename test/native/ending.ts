// A program that ends, or is ended, while an operation is in flight. Run by ending.test.ts, as a Worker or as a process.

import { closeSync, constants, openSync, writeSync } from "node:fs";
import { isMainThread, parentPort, workerData } from "node:worker_threads";
import { binding } from "./addon.js";
import { operation, SmallRing } from "./uring.js";

export interface Ending {
  readonly how: "waits" | "spins in the callback" | "returns" | "exits" | "throws in the callback";
  /** A FIFO: a read from it stays in flight. */
  readonly fifo: string;
}

const argument = process.argv[2];
const ending = (isMainThread ? argument && JSON.parse(argument) : workerData) as Ending | undefined;
if (ending !== undefined) begin(ending);

function begin({ how, fifo }: Ending): void {
  const native = binding();
  const pipe = openSync(fifo, constants.O_RDWR | constants.O_NONBLOCK);
  const memory = native.allocate(1 << 20);
  if (typeof memory === "number") throw new Error(`allocate: ${String(memory)}`);
  const ring = new SmallRing(native);
  const watch = native.watch(ring.descriptor, () => {
    ring.take();
    parentPort?.postMessage("called");
    if (how === "throws in the callback") throw new Error("thrown by the callback");
    if (how === "spins in the callback") for (;;);
  });
  if (typeof watch === "number") throw new Error(`watch: ${String(watch)}`);
  ring.push({ code: operation.read, descriptor: pipe, memory, bytes: 1 << 20, id: 1 });
  native.ringEnter(ring.descriptor, 1, 0, 0);

  if (how === "returns") return;
  native.watchKeepsAlive(watch, true);
  if (how === "exits") process.exit();
  if (how === "waits") parentPort?.postMessage("in flight");
  else writeSync(pipe, "x");
  if (how === "throws in the callback") {
    process.on("uncaughtException", (error) => {
      native.watchClose(watch);
      ring.close();
      closeSync(pipe);
      process.stdout.write(`uncaught: ${error.message}`);
    });
  }
}
