// The writing process of `bench syscalls`: callers that append while they are told to, and nothing besides.

import { Log } from "../../../thread/log.js";
import { LogContender } from "../log-contender.js";
import { logFactsOf } from "../log-settings.js";
import { makePayloads } from "../payloads.js";
import { Trimmer } from "../trimmer.js";
import type { ToldFailure } from "./told-process.js";
import type { WriterOrder, WriterReply, WriterRequest } from "./writer-process.js";

const warmUpSeconds = 0.2;
const trimEvery = 4096;

const request = JSON.parse(process.argv[2] ?? "{}") as WriterRequest;
const payloads = makePayloads(request.bytes);
let records = 0;
let isRunning = false;
let callers: Promise<unknown> = Promise.resolve();

const reply = (message: WriterReply | ToldFailure): void => { process.send?.(message); };

try {
  const log = await Log.open(request.directory, request.options);
  const facts = logFactsOf(log);
  const threadId = log.info.systemThreadId ?? process.pid;
  await LogContender.over(log, request.directory, { callers: request.callers, bytes: request.bytes, partitions: 1, batch: 1, everyCall: 16, trims: true }).warmUp(warmUpSeconds, () => false);
  const partition = log.partition("bench-0");
  const trimmer = new Trimmer(log, [partition]);
  const call = async (caller: number): Promise<void> => {
    for (let item = caller; isRunning; item++) {
      await partition.append(payloads[item % payloads.length] as Uint8Array);
      records++;
      if (records % trimEvery === 0) trimmer.check();
    }
  };
  const obey = async (order: WriterOrder): Promise<void> => {
    if (order === "run") {
      isRunning = true;
      callers = Promise.all(Array.from({ length: request.callers }, (_, caller) => call(caller)));
      // Whoever rests awaits it too, and is told.
      callers.catch(() => undefined);
    }
    if (order === "rest" || order === "close") {
      isRunning = false;
      await callers;
      await trimmer.settled();
    }
    if (order === "close") {
      await log.close();
      process.disconnect();
    } else reply({ records, facts, threadId });
  };
  process.on("message", (order: WriterOrder) => {
    obey(order).catch((error: unknown) => { reply({ failure: String(error) }); });
  });
  // Whoever started it is gone.
  process.on("disconnect", () => { process.exit(); });
  reply({ records, facts, threadId });
} catch (error) {
  reply({ failure: String(error) });
  process.disconnect();
}
