// The program of a log's own thread: opens the log, serves whoever attaches, ends when the log is closed.

import { parentPort, workerData } from "node:worker_threads";
import { assert } from "../base/assert.js";
import { LaneLog } from "../log/lane-log.js";
import type { LogOptions } from "../log/options.js";
import { sentError } from "./error-transfer.js";
import { LaneServer } from "./lane-server.js";
import { ReclaimRelay } from "./reclaim-relay.js";
import type { AttachRequest, FromLane, LaneThreadData } from "./port-messages.js";

const { directory, options, reclaim } = workerData as LaneThreadData;
const owner = parentPort;
assert(owner !== null, "the lane's thread is started by the thread that owns the log");

let server: LaneServer | null = null;
const early: AttachRequest[] = [];

function attach(request: unknown): void {
  if (typeof request !== "object" || request === null || (request as { ringwall?: unknown }).ringwall !== "attach") return;
  const { memory, port } = request as AttachRequest;
  if (server === null) early.push(request as AttachRequest);
  else server.add(memory, port);
}

owner.once("message", attach);
// Node's types of this version don't know it yet.
(process as unknown as { on(event: "workerMessage", listener: (value: unknown) => void): void }).on("workerMessage", attach);

const relay = new ReclaimRelay();

try {
  const log = await LaneLog.open(directory, { ...(options as LogOptions), reclaim: relay.options(reclaim), lane: "inline" });
  server = new LaneServer(log, options, relay);
  for (const request of early.splice(0)) attach(request);
} catch (error) {
  const refusal: FromLane = { kind: "refused", error: sentError(error) };
  owner.postMessage(refusal);
}
