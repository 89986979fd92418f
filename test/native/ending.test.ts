// The end of a thread with operations in flight. The kernel goes on while JavaScript has already stopped.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, afterEach, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import type { Ending } from "./ending.js";
import { skip } from "./uring.js";

const program = fileURLToPath(new URL("ending.js", import.meta.url));
const directory = mkdtempSync(path.join(tmpdir(), "ringwall-ending-"));
after(() => rmSync(directory, { recursive: true }));
const fifo = path.join(directory, "fifo");
execFileSync("mkfifo", [fifo]);

/** How many rings this process has open. Newer libuv has its own, one or two per event loop: only differences count. */
function rings(): number {
  return readdirSync("/proc/self/fd").filter((name) => {
    try {
      return readlinkSync(`/proc/self/fd/${name}`) === "anon_inode:[io_uring]";
    } catch {
      return false; // the descriptor of the listing itself
    }
  }).length;
}

const started: Worker[] = [];
afterEach(async () => {
  await Promise.all(started.splice(0).map(async (worker) => worker.terminate()));
});

let fifos = 0;
function start(how: Ending["how"]): Worker {
  const own = path.join(directory, `fifo-${String(fifos++)}`);
  execFileSync("mkfifo", [own]);
  const worker = new Worker(program, { workerData: { how, fifo: own } satisfies Ending });
  started.push(worker);
  return worker;
}

test("a Worker is terminated with an operation in flight: its ring is closed and the process goes on", { skip }, async () => {
  const before = rings();
  for (let round = 0; round < 5; round++) {
    const workers = [start("waits"), start("waits"), start("waits")];
    await Promise.all(workers.map(async (worker) => once(worker, "message")));
    assert.ok(rings() >= before + workers.length);
    await Promise.all(workers.map(async (worker) => worker.terminate()));
    assert.equal(rings(), before);
  }
});

test("a Worker is terminated inside the callback of its watch", { skip }, async () => {
  const before = rings();
  const worker = start("spins in the callback");
  await once(worker, "message");
  await worker.terminate();
  assert.equal(rings(), before);
});

test("a Worker ends by itself: a watch alone does not keep it alive", { skip }, async () => {
  const before = rings();
  const [code] = (await once(start("returns"), "exit")) as [number];
  assert.equal(code, 0);
  assert.equal(rings(), before);
});

test("a process ends with an operation in flight, by running out of work or by exit", { skip }, () => {
  for (const how of ["returns", "exits"] as const) {
    const result = spawnSync(process.execPath, [program, JSON.stringify({ how, fifo } satisfies Ending)], { encoding: "utf8", timeout: 30_000 });
    assert.deepEqual([result.status, result.signal, result.stderr], [0, null, ""], how);
  }
});

test("an exception in the callback of a watch is an uncaught exception", { skip }, () => {
  const argument = JSON.stringify({ how: "throws in the callback", fifo } satisfies Ending);
  const result = spawnSync(process.execPath, [program, argument], { encoding: "utf8", timeout: 30_000 });
  assert.deepEqual([result.status, result.stdout, result.stderr], [0, "uncaught: thrown by the callback", ""]);
});
