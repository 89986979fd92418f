// The end of a thread or process in the middle of its writes, and garbage collection under them: every acknowledged record is
// there, none is altered, and a thread leaves nothing open.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { afterEach, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { Log } from "#src/index.js";
import { holdings } from "../leaks/holdings.js";
import { contentOf, options, unheededCount, type Task } from "./abrupt-end.js";
import { freshPath, onEachBackend, type Backend } from "./log-fixture.js";

const program = fileURLToPath(new URL("abrupt-end.js", import.meta.url));

const started: Worker[] = [];
afterEach(async () => {
  await Promise.all(started.splice(0).map((worker) => worker.terminate()));
});

function startWorker(task: Omit<Task, "acknowledged">): { readonly worker: Worker; readonly acknowledged: () => number } {
  const acknowledged = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(program, { workerData: { ...task, acknowledged } satisfies Task });
  started.push(worker);
  return { worker, acknowledged: () => Atomics.load(acknowledged, 0) };
}

/** Opens the log in this thread: every record up to `acknowledged` at least, each with its own bytes. Returns how many. */
async function expectIntact(directory: string, backend: Backend, acknowledged: number): Promise<number> {
  await using log = await Log.open(directory, { backend, ...options });
  const partition = log.partition("p");
  assert.ok(partition.durableSeq >= acknowledged, `${String(partition.durableSeq)} records; ${String(acknowledged)} were acknowledged`);
  let due = 1;
  for await (const { seq, data } of partition.read()) {
    assert.equal(seq, due++);
    assert.deepEqual(Buffer.from(data), Buffer.from(contentOf(seq)), `record ${String(seq)}`);
  }
  assert.equal(due, partition.durableSeq + 1);
  return partition.durableSeq;
}

/** The first Worker of a process makes Node open files that it keeps. */
async function settledHoldings(backend: Backend): Promise<{ readonly descriptors: number; readonly rings: number }> {
  const { worker } = startWorker({ how: "returns", backend, directory: freshPath() });
  await once(worker, "exit");
  const { descriptors, rings } = await holdings();
  return { descriptors, rings };
}

function runProcess(task: Task): number[] {
  const result = spawnSync(process.execPath, ["--expose-gc", program, JSON.stringify(task)], { encoding: "utf8", timeout: 60_000 });
  assert.deepEqual([result.status, result.signal, result.stderr], [0, null, ""]);
  return result.stdout.trim().split("\n").map(Number);
}

onEachBackend("abrupt end", (backend) => {
  test("a Worker is terminated in the middle of its writes, over and over on one log", async () => {
    const before = await settledHoldings(backend);
    const directory = freshPath();
    for (let round = 0; round < 4; round++) {
      const { worker, acknowledged } = startWorker({ how: "writes on", backend, directory });
      await once(worker, "message");
      await worker.terminate();
      assert.ok(acknowledged() >= 300 * (round + 1));
      await expectIntact(directory, backend, acknowledged());
      const { descriptors, rings } = await holdings();
      assert.deepEqual({ descriptors, rings }, before, `round ${String(round)}`);
    }
  });

  test("a Worker exits, and one throws, in the middle of its writes", async () => {
    const before = await settledHoldings(backend);
    for (const how of ["exits", "throws"] as const) {
      const directory = freshPath();
      const { worker, acknowledged } = startWorker({ how, backend, directory });
      const thrown = how === "throws" ? once(worker, "error") : Promise.resolve([]);
      await new Promise((resolve) => worker.once("exit", resolve));
      if (how === "throws") assert.match(String((await thrown)[0]), /thrown in the middle/);
      assert.ok(acknowledged() >= 300);
      await expectIntact(directory, backend, acknowledged());
      const { descriptors, rings } = await holdings();
      assert.deepEqual({ descriptors, rings }, before, how);
    }
  });

  test("a Worker runs out of work with its log open: everything appended is there, nothing stays open", async () => {
    const before = await settledHoldings(backend);
    const directory = freshPath();
    const { worker, acknowledged } = startWorker({ how: "returns", backend, directory });
    assert.deepEqual(await once(worker, "exit"), [0]);
    assert.equal(acknowledged(), unheededCount);
    assert.equal(await expectIntact(directory, backend, unheededCount), unheededCount);
    const { descriptors, rings } = await holdings();
    assert.deepEqual({ descriptors, rings }, before);
  });

  test("process.exit in the middle of writes: every record acknowledged until then is there", async () => {
    const directory = freshPath();
    const heard = runProcess({ how: "exits", backend, directory });
    assert.ok(heard.length >= 300);
    await expectIntact(directory, backend, Math.max(...heard));
  });

  test("garbage collection with writes in flight and nobody who holds log, promises or data: all records, intact", async () => {
    const directory = freshPath();
    runProcess({ how: "forgets", backend, directory });
    assert.equal(await expectIntact(directory, backend, unheededCount), unheededCount);
  });
});
