// A log with a lane thread, producers on it, and the thread itself for those who end it.

import { once } from "node:events";
import { describe } from "node:test";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { Log, type LogHandle, type LogOptions } from "#src/index.js";
import { onEachBackend, uringRefusal } from "../log/log-fixture.js";
import type { Order } from "./producer.js";

const program = fileURLToPath(new URL("./producer.js", import.meta.url));

/** The same tests on every backend, and on io_uring also where the lane's thread stays out of its event loop. */
export function onEachRing(title: string, body: (options: LogOptions & { readonly backend: "uring" | "fs" }) => void): void {
  onEachBackend(title, (backend) => { body({ backend }); });
  if (uringRefusal === null) describe(`${title} on uring, SQPOLL`, () => { body({ backend: "uring", sqpoll: { idleMs: 5 } }); });
}

/** Where a log's lane may run, as its user sees it. */
export const ways = ["inline", "thread", "attached"] as const;

/** A log, the one that was opened, and how to end it with whatever it hangs on. */
export async function openAs(way: (typeof ways)[number], directory: string, options: LogOptions): Promise<{ log: Log; owner: Log; end: () => Promise<void> }> {
  const owner = await Log.open(directory, way === "inline" ? options : { ...options, lane: "thread" });
  if (way !== "attached") return { log: owner, owner, end: () => owner.close() };
  const log = await Log.attach(structuredClone(owner.share()));
  return { log, owner, end: async () => void (await log.close(), await owner.close()) };
}

export function startProducer(handle: LogHandle, order: Omit<Order, "handle">): Worker {
  return new Worker(program, { workerData: { handle, ...order } satisfies Order });
}

/** The first thing that a producer says. */
export async function said(worker: Worker): Promise<unknown> {
  const [message] = (await once(worker, "message")) as [unknown];
  return message;
}

/** Opens with a lane thread, and hands that thread out too. */
export async function openWithThread(directory: string, options: LogOptions): Promise<{ log: Log; lane: Worker }> {
  const started = once(process, "worker") as Promise<[Worker]>;
  const log = await Log.open(directory, { ...options, lane: "thread" });
  const [lane] = await started;
  return { log, lane };
}
