// A writer that ends, or is ended, in the middle of its work, as a Worker or as a process; run by abrupt-end.test.ts.
// As a process it takes its task as JSON in its first argument and prints every acknowledged sequence.

import fs from "node:fs";
import { isMainThread, parentPort, workerData } from "node:worker_threads";
import { Log, type LogOptions, type Partition } from "#src/index.js";

export interface Task {
  readonly how: "writes on" | "exits" | "throws" | "returns" | "forgets";
  readonly backend: "uring" | "fs";
  readonly directory: string;
  /** The highest acknowledged sequence, for a Worker. */
  readonly acknowledged?: Int32Array;
}

export const options: LogOptions = { segmentBytes: 1024 * 1024, bufferBytes: 16 * 1024, bufferCount: 4 };
/** So many records are written without looking back, by who returns or forgets. */
export const unheededCount = 400;
/** From here on who exits, throws or is terminated does so. */
const enough = 300;

/** What the record with that sequence consists of. */
export function contentOf(seq: number): Uint8Array {
  return new Uint8Array((seq * 37) % 3000).fill(seq & 0xff);
}

const argument = process.argv[2];
const task = (isMainThread ? argument && JSON.parse(argument) : workerData) as Task | undefined;
if (task?.how !== undefined) await begin(task);

async function begin({ how, backend, directory, acknowledged }: Task): Promise<void> {
  if (how === "forgets") return await forget(backend, directory);
  const log = await Log.open(directory, { backend, ...options });
  const partition = log.partition("p");
  const goal = partition.lastSeq + enough;
  const heard = (seq: number): void => {
    if (acknowledged === undefined) fs.writeSync(1, `${String(seq)}\n`);
    else Atomics.store(acknowledged, 0, seq);
    if (seq === goal) parentPort?.postMessage("enough");
    if (seq >= goal && how === "exits") process.exit();
    if (seq >= goal && how === "throws") process.nextTick(() => { throw new Error("thrown in the middle of a write"); });
  };
  if (how === "returns") for (let count = 0; count < unheededCount; count++) void append(partition).then(heard);
  else for (let caller = 0; caller < 32; caller++) void writeOn(partition, heard);
}

function append(partition: Partition): Promise<number> {
  return partition.append(contentOf(partition.lastSeq + 1));
}

async function writeOn(partition: Partition, heard: (seq: number) => void): Promise<void> {
  for (;;) heard(await append(partition));
}

/** Everything that JavaScript could collect while the writes are in flight is collected: log, partition, promises, data. */
async function forget(backend: "uring" | "fs", directory: string): Promise<void> {
  const gc = globalThis.gc as () => void;
  await (async () => {
    const log = await Log.open(directory, { backend, ...options });
    const partition = log.partition("p");
    for (let count = 0; count < unheededCount; count++) void append(partition);
  })();
  for (let round = 0; round < 60; round++) {
    gc();
    // What is freed is written over, if anything still reads it.
    for (let count = 0; count < 20; count++) new Uint8Array(16 * 1024).fill(0xee);
    await new Promise((resolve) => setImmediate(resolve));
  }
  fs.writeSync(1, "collected\n");
}
