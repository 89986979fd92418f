// The job queue of examples/: leases, failures, and after kills each job acknowledged once.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Log } from "#src/index.js";
import { contents, freshPath, seeded } from "../log/log-fixture.js";
import { example, runMain } from "./killed-main.js";

interface Queue {
  readonly size: number;
  enqueue(data: string, call?: { producer: string; seq: number }): Promise<number>;
  lease(ms: number): { id: number; data: Uint8Array; attempt: number } | undefined;
  acknowledge(id: number, results?: readonly { partition: string; data: string }[]): Promise<boolean>;
  fail(id: number): Promise<void>;
  close(): Promise<void>;
}

const { JobQueue } = await example<{ JobQueue: { open(directory: string, options?: { attemptsMax?: number; now?: () => number }): Promise<Queue> } }>("job-queue");

test("leases end by time, by failure and by a new life; what is done is done once; what fails too often is dead", async () => {
  const directory = freshPath();
  let now = 1000;
  let queue = await JobQueue.open(directory, { now: () => now, attemptsMax: 2 });
  for (const seq of [1, 2, 3, 3]) await queue.enqueue(`job ${seq}`, { producer: "p", seq });
  assert.deepEqual([queue.size, queue.lease(10)?.id, queue.lease(10)?.id, queue.lease(10)?.id, queue.lease(10)], [3, 1, 2, 3, undefined]);
  now += 11;
  assert.equal(queue.lease(10)?.id, 1);
  await queue.fail(2);
  assert.deepEqual([queue.lease(10)?.attempt, queue.lease(10)?.id], [2, 3]);
  assert.deepEqual(await Promise.all([queue.acknowledge(3, [{ partition: "results", data: "3" }]), queue.acknowledge(3, [{ partition: "results", data: "3" }])]), [true, false]);
  await queue.close();
  queue = await JobQueue.open(directory, { attemptsMax: 2 });
  assert.deepEqual([queue.size, queue.lease(10)?.id], [2, 1]);
  await queue.fail(2);
  await queue.enqueue("job 1", { producer: "p", seq: 1 });
  assert.deepEqual([queue.size, await queue.acknowledge(2)], [1, false]);
  await queue.close();
  await using log = await Log.open(directory);
  assert.deepEqual([await contents(log.partition("results")), await contents(log.partition("dead"))], [["3"], ["job 2"]]);
});

test("killed five times, then run to the end: each job has one result, and what is done is trimmed", async (t) => {
  const random = seeded(t);
  const directory = freshPath();
  for (let life = 0; life < 5; life++) assert.equal((await runMain("job-queue", [directory, "3000"], 2 + random(700))).how, "SIGKILL");
  const { how } = await runMain("job-queue", [directory, "3000"]);
  assert.equal(how, 0);
  await using log = await Log.open(directory);
  const results = (await contents(log.partition("results"))).map((text) => /^job (\d+) at attempt (\d+)$/.exec(text) as RegExpExecArray);
  assert.deepEqual(results.map((result) => Number(result[1])).sort((a, b) => a - b), Array.from({ length: 3000 }, (_, index) => index + 1));
  for (const [text, job, attempt] of results) assert.equal(Number(attempt), Number(job) % 10 === 0 ? 3 : 1, text);
  assert.ok(log.partition("jobs").firstSeq > 2900, String(log.partition("jobs").firstSeq));
});
