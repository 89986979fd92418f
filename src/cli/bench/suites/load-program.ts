// One thread of a load: callers on a log of its own, or on one that it attaches to, while they are told to.

import { parentPort, workerData } from "node:worker_threads";
import { assert } from "../../../base/assert.js";
import { Log } from "../../../thread/log.js";
import { runCallersIn } from "../caller-loops.js";
import { benchPartition, LogContender } from "../log-contender.js";
import { logFactsOf } from "../log-settings.js";
import { makePayloads } from "../payloads.js";
import { Trimmer } from "../trimmer.js";
import type { LoadOrder, LoadReply, LoadRequest } from "./load-thread.js";
import { SharedWindow, WindowPart } from "./shared-window.js";

const port = parentPort;
assert(port !== null, "a load runs in a thread of its own");
const { directory, wanted, load, firstPartition, fills, windowBuffer } = workerData as LoadRequest;
const window = new SharedWindow(windowBuffer);

const log = wanted.kind === "own" ? await Log.open(directory, wanted.options) : await Log.attach(wanted.handle);
if (fills) await LogContender.over(log, directory, load).warmUp(0, () => window.is("over"));
const partitions = Array.from({ length: load.partitions }, (_, index) => benchPartition(log, firstPartition + index));
const items = makePayloads(load.bytes);
const trimmer = new Trimmer(log, partitions);

async function run(): Promise<LoadReply> {
  const part = new WindowPart(window, () => { if (load.trims) trimmer.check(); });
  await runCallersIn({ callers: load.callers, everyCall: load.everyCall, items, appenders: partitions }, part);
  await trimmer.settled();
  return { kind: "ran", calls: part.calls, ackMillis: part.samples.kept() };
}

async function obey(order: LoadOrder): Promise<void> {
  if (order === "run") port?.postMessage(await run());
  else {
    await log.close();
    port?.close();
  }
}

port.on("message", (order: LoadOrder) => {
  // What is thrown here ends the thread, and its owner hears of it.
  void obey(order);
});
port.postMessage({ kind: "ready", facts: logFactsOf(log) } satisfies LoadReply);
