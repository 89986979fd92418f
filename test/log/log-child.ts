// A process of its own for one scenario of the public library: `log-child.js <scenario> <backend> <directory> [argument]`.
// Answers in lines of JSON; obeys lines on its standard input where the scenario says so.

import fs from "node:fs";
import { createInterface } from "node:readline";
import { Log, RingwallError, type LogOptions } from "#src/index.js";
import { nodeFileSystem } from "#src/storage/node-files.js";

const [, , scenario = "", backend = "auto", directory = "", argument = ""] = process.argv;
const options: LogOptions = { backend: backend as "auto" | "uring" | "fs", segmentBytes: 1024 * 1024, bufferBytes: 16 * 1024, bufferCount: 4 };

function answer(value: unknown): void {
  fs.writeSync(1, `${JSON.stringify(value)}\n`);
}

function describe(error: unknown): unknown {
  return error instanceof RingwallError ? { code: error.code, message: error.message, cause: error.cause instanceof RingwallError ? error.cause.code : null } : { untyped: String(error) };
}

/** Appends, answers, and then has nothing more to do: the process must end though the log is open. */
async function leaveOpen(): Promise<void> {
  const log = await Log.open(directory, options);
  await log.partition("p").append("1");
  const tail = log.partition("p").tail({ from: 2 });
  const next = tail.next();
  await log.partition("p").append("2");
  answer({ tailed: (await next).value?.seq });
}

/** CPU of one second of idleness with everything open: a log, a tail that waits, a partition that was written. */
async function idle(): Promise<void> {
  const log = await Log.open(directory, options);
  const partition = log.partition("p");
  await partition.append("1");
  partition.tail({ from: 2 }).next().catch(() => undefined);
  // The beacon is part of becoming idle, not of being idle.
  const reader = await Log.open(directory, { ...options, readOnly: true });
  await reader.partition("p").tail({ from: 1 }).next();
  await reader.close();
  const before = process.cpuUsage();
  const blocks = log.stats()[0]?.blocks;
  // The measured second itself: a timer that keeps the loop turning once.
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const used = process.cpuUsage(before);
  answer({ micros: used.user + used.system, blocksWritten: (log.stats()[0]?.blocks ?? 0) - (blocks ?? 0) });
  await log.close();
}

/** Appends until the first failure; then what happens to everything else. */
async function writeUntilRefused(): Promise<void> {
  const log = await Log.open(directory, { ...options, segmentBytes: 64 * 1024 * 1024 });
  const partition = log.partition("p");
  if (argument === "descriptors") {
    await partition.append("0");
    breakSegments();
  }
  let acknowledged = partition.durableSeq;
  const outcomes: unknown[] = [];
  for (let round = 0; round < 10_000 && outcomes.length === 0; round++) {
    const results = await Promise.allSettled(Array.from({ length: 20 }, () => partition.append(Buffer.alloc(5000, 1))));
    for (const result of results) {
      if (result.status === "fulfilled") acknowledged = Math.max(acknowledged, result.value);
      else outcomes.push(describe(result.reason));
    }
  }
  const tried = async (action: () => unknown): Promise<unknown> => {
    try {
      return { value: (await action()) ?? null };
    } catch (error) {
      return describe(error);
    }
  };
  answer({
    acknowledged,
    pending: outcomes[0],
    append: await tried(() => partition.append("x")),
    enqueue: await tried(() => partition.enqueue("x")),
    batch: await tried(async () => (await partition.appendBatch(["x"])).first),
    write: await tried(() => log.write([{ partition: "p", data: "x" }])),
    trim: await tried(() => partition.trim(2)),
    truncate: await tried(() => partition.truncate(0)),
    sync: await tried(() => log.sync()),
    drain: await tried(() => log.drain()),
    get: await tried(async () => (await partition.get(1))?.seq),
    tail: await tried(() => {
      const waiting = new AbortController();
      const next = partition.tail({ from: partition.durableSeq + 1, signal: waiting.signal }).next();
      // Whoever is not refused at once would wait for ever.
      setTimeout(() => waiting.abort(), 100);
      return next;
    }),
    close: await tried(() => log.close()),
  });
}

/** Puts a descriptor that can't be written in the place of every open segment: the next write really fails. */
function breakSegments(): void {
  for (const name of fs.readdirSync("/proc/self/fd")) {
    let target = "";
    try {
      target = fs.readlinkSync(`/proc/self/fd/${name}`);
    } catch {
      continue;
    }
    if (!target.endsWith(".segment")) continue;
    fs.closeSync(Number(name));
    // The lowest free number is the one just closed.
    fs.openSync("/proc/self/status", "r");
  }
}

/** A writer that does what it is told, line by line. */
async function obey(): Promise<void> {
  const log = await Log.open(directory, { ...options, ...(argument === "" ? {} : (JSON.parse(argument) as LogOptions)) });
  answer({ open: true });
  for await (const line of createInterface({ input: process.stdin })) {
    const { action, partition: name = "p", count = 1, bytes = 0, value = 0 } = JSON.parse(line) as { action: string; partition?: string; count?: number; bytes?: number; value?: number };
    const partition = log.partition(name);
    if (action === "append") await Promise.all(Array.from({ length: count }, () => partition.append(`${partition.lastSeq + 1} `.padEnd(bytes, "."))));
    else if (action === "trim") await partition.trim(value);
    else if (action === "truncate") await partition.truncate(value);
    else if (action === "rotate") log.rotate();
    else if (action === "close") {
      await log.close();
      answer({ closed: true });
      process.stdin.destroy();
      return;
    }
    answer({ done: action, last: partition.lastSeq, stats: log.stats()[0] });
  }
}

/** Opens as the argument says and answers how that went. */
async function tryOpen(): Promise<void> {
  try {
    const log = await Log.open(directory, JSON.parse(argument === "" ? "{}" : argument) as LogOptions);
    answer({ opened: true });
    await log.close();
  } catch (error) {
    answer(describe(error));
  }
}

/** A promise that fails with nobody to look at it: what the detector in log-fixture.ts must find. */
async function unhandled(): Promise<void> {
  const files = nodeFileSystem();
  void files.open(`${directory}/nothing`, "read");
  await new Promise((resolve) => setImmediate(resolve));
}

const scenarios: Readonly<Record<string, () => Promise<void>>> = { leaveOpen, idle, writeUntilRefused, obey, tryOpen, unhandled };

const run = scenarios[scenario];
if (run === undefined) throw new Error(`there is no scenario ${scenario}`);
await run();
