// Threads that come, go and die: what happens to the others, to what was pending, to the log.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import { test } from "node:test";
import { Log, RingwallError, type LogHandle, type Partition } from "#src/index.js";
import { contents, freshPath, refused, small, withLog } from "../log/log-fixture.js";
import { onEachRing, openWithThread, said, startProducer } from "./thread-fixture.js";

/** For threads that attach to nothing. */
const noHandle: LogHandle = { ringwall: "log", threadId: 0, board: new SharedArrayBuffer(8) };

onEachRing("the lane's thread", (options) => {
  const { backend } = options;
  test("four threads and the owner append to one log at once: each in its order, sequences without a hole, blocks shared", async () => {
    const directory = freshPath();
    const log = await Log.open(directory, { ...options, ...small, lane: "thread" });
    const producers = [0, 1, 2, 3].map((index) => startProducer(log.share(), { action: index === 3 ? "share on" : "append", partition: "all", count: 500 }));
    const own = Promise.all(Array.from({ length: 500 }, (_, index) => log.partition("all").append(`own ${index}`)));
    const sequences = [...(await Promise.all(producers.map(said))), await own] as number[][];
    for (const one of sequences) assert.deepEqual(one, [...one].sort((a, b) => a - b), "acknowledged in the order of the calls");
    assert.deepEqual(sequences.flat().sort((a, b) => a - b), Array.from({ length: 2500 }, (_, index) => index + 1));
    assert.ok((log.stats()[0]?.blocks ?? Number.NaN) < 2500, "one block carries records of several threads");
    const all = await contents(log.partition("all"));
    assert.deepEqual(all.filter((record) => record.startsWith("own")), Array.from({ length: 500 }, (_, index) => `own ${index}`));
    await log.close();
    await withLog(directory, { backend }, async (again) => assert.equal(again.partition("all").durableSeq, 2500));
  });

  for (const how of ["terminated", "throw", "exit"] as const) {
    test(`a producer's thread ends (${how}) with appends on their way: the others and the log go on`, async () => {
      const directory = freshPath();
      const log = await Log.open(directory, { ...options, ...small, lane: "thread" });
      const other = startProducer(log.share(), { action: "append for ever", partition: "other" });
      const dying = startProducer(log.share(), { action: how === "terminated" ? "append for ever" : how, partition: "dying" });
      dying.on("error", (error) => assert.equal(error.message, "of this thread alone"));
      const ended = new Promise((resolve) => dying.once("exit", resolve));
      await Promise.all([said(other), new Promise((resolve) => dying.once("message", resolve))]);
      if (how === "terminated") await dying.terminate();
      await ended;
      const before = log.partition("other").durableSeq;
      for await (const record of log.partition("other").tail({ from: before + 100 })) if (record.seq > before) break;
      assert.equal(await log.partition("own").append("x"), 1);
      await other.terminate();
      await log.close();
      await withLog(directory, { backend }, async (again) => {
        const dead = await contents(again.partition("dying"));
        assert.ok(dead.length > 0);
        if (how !== "terminated") assert.equal(dead[0], "whole");
      });
    });
  }

  test("a producer's thread ends in the middle of a record: no part of it is in the log", async () => {
    const directory = freshPath();
    const log = await Log.open(directory, { ...options, ...small, lane: "thread" });
    const dying = startProducer(log.share(), { action: "half a record", partition: "p" });
    assert.equal(await said(dying), "half");
    // Goes through the same thread behind the pieces.
    assert.equal(await log.partition("q").append("meanwhile"), 1);
    await dying.terminate();
    assert.equal(await log.partition("p").append("after"), 2);
    await log.close();
    await withLog(directory, { backend }, async (again) => assert.deepEqual(await contents(again.partition("p")), ["whole", "after"]));
  });

  test("many producers come and go: what one had is given back", async () => {
    await using log = await Log.open(freshPath(), { ...options, ...small, lane: "thread" });
    for (let round = 1; round <= 40; round++) {
      const attached = await Log.attach(log.share());
      assert.equal(await attached.partition("p").append("x"), round);
      await attached.close();
      await refused("RINGWALL_CLOSED", () => attached.partition("p").append("x"));
    }
  });

  test("the owner closes: what was called before is durable, attached logs end with RINGWALL_CLOSED, also what waits there", async () => {
    const directory = freshPath();
    const log = await Log.open(directory, { ...options, ...small, lane: "thread" });
    const attached = startProducer(log.share(), { action: "pending", partition: "p" });
    await said(attached);
    const settled: number[] = [];
    const appends = Array.from({ length: 2000 }, (_, index) => log.partition("own").append(`${index}`.padEnd((index % 50) * 40)).then(() => settled.push(index)));
    const large = log.partition("large").append(new Uint8Array(3 * 1024 * 1024));
    const closing = log.close();
    assert.equal(log.close(), closing);
    await refused("RINGWALL_CLOSED", () => log.partition("own").append("late"));
    await closing;
    assert.deepEqual(settled, Array.from({ length: 2000 }, (_, index) => index), "settled when close resolves");
    assert.equal(await large, 1);
    await Promise.all(appends);
    attached.postMessage("go on");
    assert.deepEqual(await said(attached), ["RINGWALL_CLOSED", "RINGWALL_CLOSED", "RINGWALL_CLOSED", "closed"]);
    await refused("RINGWALL_CLOSED", () => Log.attach(log.share()));
    await withLog(directory, { backend }, async (again) => {
      assert.deepEqual(["own", "large", "p"].map((name) => again.partition(name).lastSeq), [2000, 1, 1]);
      assert.equal(again.info.recovery[0]?.verdict, "clean");
    });
  });

  test("the lane's thread dies: everything pending is unknown, in every thread; what was acknowledged is there", async () => {
    const directory = freshPath();
    const { log, lane } = await openWithThread(directory, { ...options, ...small });
    const attached = await Log.attach(log.share());
    await Promise.all([log.partition("p").append("kept"), attached.partition("q").append("kept")]);
    const pending = [log.partition("p").append(new Uint8Array(20 * 1024 * 1024)), attached.partition("q").append(new Uint8Array(20 * 1024 * 1024)), log.sync(), attached.partition("q").tail({ from: 10 }).next()];
    const outcomes = Promise.allSettled(pending);
    await lane.terminate();
    for (const outcome of await outcomes) assert.equal(((outcome as PromiseRejectedResult).reason as RingwallError).code, "RINGWALL_POISONED");
    for (const one of [log, attached]) {
      await refused("RINGWALL_POISONED", () => one.partition("p").append("x"));
      await refused("RINGWALL_POISONED", () => one.partition("p").get(1));
      await refused("RINGWALL_POISONED", () => one.close());
    }
    await refused("RINGWALL_CLOSED", () => Log.attach(log.share()));
    await withLog(directory, { backend }, async (again) => {
      for (const name of ["p", "q"]) assert.equal((await contents(again.partition(name)))[0], "kept");
      assert.equal(await again.partition("r").append("goes on"), 1);
    });
  });

  test("a poisoned lane: every thread hears of it, with its cause, and so does close", async () => {
    const directory = freshPath();
    const log = await Log.open(directory, { ...options, ...small, lane: "thread" });
    const attached = await Log.attach(log.share());
    await attached.partition("p").append("kept");
    // The lane's directory is away: the next segment can't be made, which is no full disk.
    fs.renameSync(`${directory}/lane-00`, `${directory}/moved`);
    const failing = async (): Promise<void> => { for (;;) { log.rotate(); await attached.partition("p").append("x"); } };
    const poison = await refused("RINGWALL_POISONED", failing);
    assert.equal(poison.place.path, `${directory}/lane-00`);
    assert.ok(poison.cause instanceof RingwallError, "the failure that poisoned it");
    fs.renameSync(`${directory}/moved`, `${directory}/lane-00`);
    attached.partition("p").enqueue("nobody waits for this");
    await refused("RINGWALL_POISONED", () => attached.sync());
    await refused("RINGWALL_POISONED", () => log.partition("q").append("x"));
    await refused("RINGWALL_POISONED", () => attached.close());
    await refused("RINGWALL_POISONED", () => log.close());
    await withLog(directory, { backend }, async (again) => assert.equal((await contents(again.partition("p")))[0], "kept"));
  });

  test("the main thread is blocked: the others append on", async () => {
    const log = await Log.open(freshPath(), { ...options, ...small, lane: "thread" });
    const counter = new Int32Array(new SharedArrayBuffer(4));
    const producers = ["a", "b"].map((partition) => startProducer(log.share(), { action: "append for ever", partition, counter }));
    await Promise.all(producers.map(said));
    const goal = Atomics.load(counter, 0) + 500;
    for (let now = Atomics.load(counter, 0); now < goal; now = Atomics.load(counter, 0)) {
      assert.notEqual(Atomics.wait(counter, 0, now, 30_000), "timed-out", "appends are acknowledged while this thread does nothing");
    }
    assert.ok(log.partition("a").durableSeq > 0, "known without a turn of this thread's event loop");
    await Promise.all(producers.map((producer) => producer.terminate()));
    await log.close();
  });

  test("a producer that is blocked holds up nobody, and gets its answers later", async () => {
    await using log = await Log.open(freshPath(), { ...options, ...small, lane: "thread" });
    const gate = new Int32Array(new SharedArrayBuffer(4));
    const blocked = startProducer(log.share(), { action: "blocked", partition: "blocked", count: 5000, counter: gate });
    const saying = said(blocked);
    // What it published before it stopped is appended, and more than its ring holds waits in its own thread.
    for await (const record of log.partition("blocked").tail()) if (record.seq === 100) break;
    for (let index = 1; index <= 100; index++) assert.equal(await log.partition("own").append("x"), index);
    Atomics.store(gate, 0, 1);
    Atomics.notify(gate, 0);
    assert.deepEqual(await saying, Array.from({ length: 5000 }, (_, index) => index + 1));
  });
});

test("each thread a log of its own: nothing is shared", async () => {
  const directories = [freshPath(), freshPath()];
  const workers = directories.map((directory) => startProducer(noHandle, { action: "own log", partition: "p", count: 100, directory }));
  const ends = workers.map((worker) => once(worker, "exit"));
  for (const sequences of await Promise.all(workers.map(said))) assert.equal((sequences as number[]).length, 100);
  await Promise.all(ends);
  for (const directory of directories) await withLog(directory, {}, async (log) => assert.equal(log.partition("p").durableSeq, 100));
});

test("the thread that opened the log ends without closing it: those that are attached hear that what was pending is unknown", async () => {
  const directory = freshPath();
  const owner = startProducer(noHandle, { action: "owner", partition: "p", directory });
  const attached = await Log.attach((await said(owner)) as LogHandle);
  assert.equal(await attached.partition("p").append("kept too"), 2);
  const pending = attached.partition("p").append(new Uint8Array(20 * 1024 * 1024));
  const outcome = refused("RINGWALL_POISONED", () => pending);
  await owner.terminate();
  await outcome;
  await refused("RINGWALL_POISONED", () => attached.close());
  await withLog(directory, {}, async (log) => assert.deepEqual((await contents(log.partition("p"))).slice(0, 2), ["kept", "kept too"]));
});

function runProgram(directory: string, body: string, env: NodeJS.ProcessEnv = {}): { status: number | null; stdout: string; stderr: string } {
  const program = `
    import { Log } from ${JSON.stringify(new URL("../../../dist/index.js", import.meta.url).href)};
    const log = await Log.open(${JSON.stringify(directory)}, { lane: "thread" });
    ${body}`;
  return spawnSync(process.execPath, ["--input-type=module", "-e", program], { encoding: "utf8", timeout: 60_000, env: { ...process.env, ...env } });
}

test("an idle log with a thread does not keep the process alive, an append under way does", async () => {
  const directory = freshPath();
  const outcome = runProgram(directory, `
    log.partition("p").append("x").then((seq) => console.log("acknowledged", seq));`);
  assert.deepEqual([outcome.status, outcome.stdout, outcome.stderr], [0, "acknowledged 1\n", ""]);
  await withLog(directory, {}, async (log) => assert.deepEqual(await contents(log.partition("p")), ["x"]));
});

test("an enqueue alone is durable before the process ends by itself", async () => {
  const directory = freshPath();
  assert.equal(runProgram(directory, `log.partition("p").enqueue("x");`).status, 0);
  await withLog(directory, {}, async (log) => assert.deepEqual(await contents(log.partition("p")), ["x"]));
});

test("without the addon the thread runs on node:fs", () => {
  const outcome = runProgram(freshPath(), `console.log(log.info.backend, await log.partition("p").append("x")); await log.close();`, { RINGWALL_NATIVE: "off" });
  assert.deepEqual([outcome.stdout, outcome.stderr], ["fs 1\n", ""]);
});

test("what opening is refused with comes over whole", async () => {
  const directory = freshPath();
  await using log = await Log.open(directory, { lane: "thread" });
  const locked = await refused("RINGWALL_LOCKED", () => Log.open(directory, { lane: "thread" }));
  assert.equal(locked.place.path, directory);
  assert.equal((locked.details as { pid: number }).pid, process.pid);
  await refused("RINGWALL_NOT_FOUND", () => Log.open(freshPath(), { lane: "thread", create: false }));
  await refused("RINGWALL_INVALID_OPTION", () => Log.open(directory, { lane: "thread", readOnly: true }));
  await refused("RINGWALL_INVALID_OPTION", () => Log.open(directory, { lane: "elsewhere" as "thread" }));
  await refused("RINGWALL_INVALID_ARGUMENT", () => Log.open(5 as unknown as string, { lane: "thread" }));
  await refused("RINGWALL_INVALID_ARGUMENT", () => Log.attach({} as ReturnType<typeof log.share>));
  await withLog(freshPath(), {}, async (inline) => assert.throws(() => inline.share(), { code: "RINGWALL_INVALID_OPTION" }));
  const partition: Partition = log.partition("p");
  assert.equal(await partition.append("x"), 1);
});
