// The program of a producer thread: attaches, does one thing, tells what came of it.

import { parentPort, Worker, workerData } from "node:worker_threads";
import { Log, RingwallError, type LogHandle } from "#src/index.js";

export interface Order {
  readonly handle: LogHandle;
  readonly action: "append" | "append for ever" | "half a record" | "share on" | "throw" | "exit" | "pending" | "own log" | "owner" | "blocked" | "backup";
  readonly partition: string;
  readonly count?: number;
  /** Acknowledged appends are counted here; for "blocked" the gate. */
  readonly counter?: Int32Array;
  readonly directory?: string;
}

const order = workerData as Order;
const { action, partition: name, count = 0, counter } = order;
const say = (message: unknown): void => parentPort?.postMessage(message);

function code(error: unknown): string {
  return error instanceof RingwallError ? error.code : String(error);
}

async function act(): Promise<void> {
  if (action === "own log") {
    await using log = await Log.open(order.directory as string);
    say(await Promise.all(Array.from({ length: count }, (_, index) => log.partition(name).append(`${index}`))));
    return;
  }
  if (action === "owner") {
    const log = await Log.open(order.directory as string, { lane: "thread" });
    await log.partition(name).append("kept");
    say(log.share());
    // An idle log keeps no thread alive, and this one is to be terminated.
    parentPort?.on("message", () => undefined);
    return;
  }
  const log = await Log.attach(order.handle);
  const partition = log.partition(name);
  switch (action) {
    case "append": {
      const sequences = await Promise.all(Array.from({ length: count }, (_, index) => partition.append(`${name} ${index}`)));
      await log.close();
      say(sequences);
      break;
    }
    case "append for ever":
      for (let index = 0; ; index++) {
        await Promise.all(Array.from({ length: 8 }, () => partition.append(`${index}`)));
        if (counter !== undefined) {
          Atomics.add(counter, 0, 8);
          Atomics.notify(counter, 0);
        }
        if (index === 0) say("going");
      }
    case "half a record":
      await partition.append("whole");
      // The ring takes a part of it; the rest never follows, since this thread never comes back to its event loop.
      void partition.append(new Uint8Array(8 * 1024 * 1024));
      say("half");
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
      break;
    case "blocked": {
      const appends = Promise.all(Array.from({ length: count }, (_, index) => partition.append(`${index}`.padEnd(1000))));
      Atomics.wait(counter as Int32Array, 0, 0);
      say(await appends);
      await log.close();
      break;
    }
    case "share on": {
      const worker = new Worker(new URL("./producer.js", import.meta.url), { workerData: { ...order, handle: log.share(), action: "append" } satisfies Order });
      say(await new Promise((resolve, reject) => worker.once("message", resolve).once("error", reject)));
      await log.close();
      break;
    }
    case "backup":
      await log.backup(order.directory as string, { bytesPerSecond: 1024 * 1024, onProgress: () => { say("going"); } });
      break;
    case "throw":
    case "exit":
      await partition.append("whole");
      void partition.append("published, and nobody waits for it").catch(() => undefined);
      say("going");
      if (action === "exit") process.exit(0);
      setImmediate(() => { throw new Error("of this thread alone"); });
      break;
    case "pending": {
      await partition.append("first");
      const waiting = partition.tail({ from: 1000 }).next().then(() => "a record", code);
      parentPort?.once("message", () => {
        void (async () => say([await waiting, await partition.append("late").then(() => "appended", code), await partition.get(1).then(() => "read", code), await log.close().then(() => "closed", code)]))();
      });
      say("going");
      break;
    }
  }
}

await act();
