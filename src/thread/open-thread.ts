// Starting a log's thread, and attaching to one: the first messages between two threads, and what can go wrong with them.

import workerThreads, { MessageChannel, Worker, type MessagePort, type Transferable } from "node:worker_threads";
import { RingwallError } from "../base/errors.js";
import type { LogHandle } from "../log/log.js";
import type { ResolvedOptions, ResolvedReclaim } from "../log/options.js";
import { BoardReader } from "./board.js";
import { Connection } from "./connection.js";
import { receivedError } from "./error-transfer.js";
import type { AttachRequest, FromLane, LaneThreadData, SentReclaim } from "./port-messages.js";
import { ProducerMemory } from "./producer-memory.js";
import { ThreadLog } from "./thread-log.js";

type Opened = Extract<FromLane, { kind: "opened" }>;
type PostToThread = (threadId: number, value: unknown, transfer: readonly Transferable[]) => Promise<void>;

export async function openThread(directory: string, options: ResolvedOptions): Promise<ThreadLog> {
  const { reclaim, ...cloneable } = options;
  const data: LaneThreadData = { directory, options: cloneable, reclaim: sentReclaim(reclaim) };
  // Flags of the program, such as loaders and --input-type, are not for this file.
  const worker = new Worker(new URL("./lane-thread.js", import.meta.url), { workerData: data, execArgv: [], name: "ringwall lane" });
  const ended = new Promise<void>((resolve) => worker.once("exit", () => { resolve(); }));
  let death: unknown = undefined;
  worker.on("error", (error) => { death = error; });
  const { port1: port, port2 } = new MessageChannel();
  const memory = new ProducerMemory();
  const request: AttachRequest = { ringwall: "attach", memory: memory.buffer, port: port2 };
  const refused = new Promise<never>((_, reject) => {
    worker.once("message", (message: FromLane) => { if (message.kind === "refused") reject(receivedError(message.error)); });
    worker.once("exit", () => { reject(new RingwallError("RINGWALL_UNAVAILABLE", "the log's thread ended while it was starting", { cause: death, place: { path: directory } })); });
  });
  worker.postMessage(request, [port2]);
  let opened: Opened;
  try {
    opened = await Promise.race([firstMessage(port), refused]);
  } catch (error) {
    port.close();
    await ended;
    throw error;
  }
  worker.unref();
  const connection = new Connection({ port, memory, board: new BoardReader(opened.board), directory, wakesByRing: opened.wakesByRing, reclaim });
  worker.on("error", (error) => { connection.noteDeath(error); });
  const handle: LogHandle = { ringwall: "log", threadId: worker.threadId, board: opened.board };
  const threadEnded = async (): Promise<void> => {
    worker.ref();
    await ended;
  };
  return threadLog(connection, opened, handle, threadEnded);
}

export async function attachToThread(handle: LogHandle): Promise<ThreadLog> {
  demandHandle(handle);
  const post = (workerThreads as { postMessageToThread?: PostToThread }).postMessageToThread;
  if (post === undefined) {
    throw new RingwallError("RINGWALL_UNAVAILABLE", `Node ${process.version} can't send a message to any thread`, { remedy: "Attaching needs Node 20.19, 22.5 or later." });
  }
  const board = new BoardReader(handle.board);
  if (board.state === "closed") throw endedError();
  const { port1: port, port2 } = new MessageChannel();
  const memory = new ProducerMemory();
  const request: AttachRequest = { ringwall: "attach", memory: memory.buffer, port: port2 };
  const unsent = new Promise<never>((_, reject) => {
    post(handle.threadId, request, [port2]).catch((error: unknown) => { reject(endedError(error)); });
  });
  // The request goes over the main thread, so only the lane's thread knows when it has come.
  const bell = setInterval(() => { board.ringBell(); }, 1);
  let opened: Opened;
  try {
    opened = await Promise.race([firstMessage(port), unsent]);
  } catch (error) {
    port.close();
    throw error;
  } finally {
    clearInterval(bell);
  }
  const connection = new Connection({ port, memory, board, directory: opened.info.directory, wakesByRing: opened.wakesByRing, reclaim: null });
  return threadLog(connection, opened, handle, null);
}

function sentReclaim(reclaim: ResolvedReclaim | null): SentReclaim | null {
  if (reclaim === null) return null;
  const { onReclaim, onStopped, ...rest } = reclaim;
  return { ...rest, asks: onReclaim !== undefined, tells: onStopped !== undefined };
}

function threadLog(connection: Connection, opened: Opened, handle: LogHandle, threadEnded: (() => Promise<void>) | null): ThreadLog {
  const { lanes } = opened.info;
  const how = opened.wakesByRing ? ", with few system calls while records come" : "";
  const laneReason = `asked for with { lane: "thread" }: thread ${String(handle.threadId)} runs ${lanes === 1 ? "the lane" : `all ${String(lanes)} lanes`}${how}`;
  return new ThreadLog({ connection, info: { ...opened.info, lane: "thread", laneReason }, recordBytesMax: opened.recordBytesMax, handle, threadEnded });
}

/** Keeps the event loop alive until it is there. Messages behind it wait for the next listener. */
function firstMessage(port: MessagePort): Promise<Opened> {
  return new Promise((resolve, reject) => {
    const onClose = (): void => { reject(endedError()); };
    port.once("close", onClose);
    port.once("message", (message: FromLane) => {
      port.off("close", onClose);
      if (message.kind === "opened") resolve(message);
      else reject(endedError());
    });
  });
}

function endedError(cause?: unknown): RingwallError {
  return new RingwallError("RINGWALL_CLOSED", "the log is closed", { ...(cause === undefined ? {} : { cause }), remedy: "Open it again." });
}

function demandHandle(handle: unknown): asserts handle is LogHandle {
  const { ringwall, threadId, board } = (typeof handle === "object" && handle !== null ? handle : {}) as Partial<LogHandle>;
  if (ringwall === "log" && Number.isInteger(threadId) && board instanceof SharedArrayBuffer) return;
  throw new RingwallError("RINGWALL_INVALID_ARGUMENT", "a log is attached to with what its `share()` gave", { remedy: "Send log.share() to this thread." });
}
