// What an acknowledgement means in each durability mode, seen from copies of the directory and from read-only openings.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Log, type LogOptions } from "#src/index.js";
import { contents, crashCopy, freshPath, onEachBackend, small, untilDurable, withLog } from "./log-fixture.js";

/** So long that a test which waited for it would be ended. */
const never = 3_600_000;

onEachBackend("durability", (backend) => {
  const open = (directory: string, durability: NonNullable<LogOptions["durability"]>): Promise<Log> => Log.open(directory, { backend, ...small, durability });
  const afterCrash = (directory: string): Promise<string[]> => withLog(crashCopy(directory), { backend, ...small }, (log) => contents(log.partition("p")));

  test("sync: each acknowledged record is in a copy taken at once", async () => {
    const directory = freshPath();
    const log = await open(directory, { mode: "sync" });
    for (let index = 1; index <= 5; index++) {
      await log.partition("p").append(`${index}`);
      assert.equal(log.partition("p").durableSeq, index);
      assert.deepEqual(await afterCrash(directory), Array.from({ length: index }, (_, at) => `${at + 1}`));
    }
    await log.close();
  });

  test("interval: acknowledged at once and not yet durable; not readable before it is", async () => {
    const directory = freshPath();
    const log = await open(directory, { mode: "interval", ms: never });
    const partition = log.partition("p");
    assert.equal(await partition.append("1"), 1);
    assert.deepEqual(await partition.appendBatch(["2", "3"]), { first: 2, last: 3 });
    assert.deepEqual(await log.write([{ partition: "p", data: "4" }, { partition: "q", data: "1" }]), [4, 1]);
    assert.equal(partition.enqueue("5"), 5);
    assert.deepEqual([partition.lastSeq, partition.durableSeq], [5, 0]);
    assert.equal(await partition.get(1), undefined);
    assert.deepEqual(await contents(partition), []);
    assert.deepEqual(await afterCrash(directory), []);
    await log.sync();
    assert.deepEqual([partition.durableSeq, log.partition("q").durableSeq], [5, 1]);
    assert.deepEqual(await afterCrash(directory), ["1", "2", "3", "4", "5"]);
    await partition.append("6");
    await log.close();
    assert.deepEqual(await withLog(directory, { backend }, (again) => contents(again.partition("p"))), ["1", "2", "3", "4", "5", "6"]);
  });

  test("interval: durable once the time is over, for the writer and for a read-only opening beside it", async () => {
    const directory = freshPath();
    const log = await open(directory, { mode: "interval", ms: 30 });
    const began = performance.now();
    await log.partition("p").append("1");
    const reader = await Log.open(directory, { backend, readOnly: true });
    await Promise.all([untilDurable(log.partition("p"), 1), untilDurable(reader.partition("p"), 1)]);
    assert.ok(performance.now() - began < 10_000);
    assert.deepEqual(await contents(reader.partition("p")), ["1"]);
    // The timer is armed anew for what comes later.
    await log.partition("p").append("2");
    assert.equal(log.partition("p").durableSeq, 1);
    await untilDurable(log.partition("p"), 2);
    await reader.close();
    await log.close();
  });

  test("interval: recordsMax records are made durable without waiting for the time, in one partition or several", async () => {
    const directory = freshPath();
    const log = await open(directory, { mode: "interval", ms: never, recordsMax: 10 });
    const partition = log.partition("p");
    for (let index = 1; index <= 9; index++) await (index % 3 === 0 ? log.partition("q") : partition).append(`${index}`);
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual([partition.durableSeq, log.partition("q").durableSeq], [0, 0]);
    await partition.append("10");
    await Promise.all([untilDurable(partition, 7), untilDurable(log.partition("q"), 3)]);
    for (let index = 0; index < 10; index++) partition.enqueue("more");
    await untilDurable(partition, 17);
    await log.close();
  });

  test("interval: full blocks go out by themselves; what is lost in a crash is a tail, never a hole", async () => {
    const directory = freshPath();
    const log = await open(directory, { mode: "interval", ms: never, recordsMax: 1_000_000 });
    const partition = log.partition("p");
    for (let index = 1; index <= 100; index++) await partition.append(`${index}`.padEnd(1000));
    await untilDurable(partition, 60);
    const kept = await afterCrash(directory);
    assert.ok(kept.length >= 60 && kept.length < 100, `${kept.length} kept`);
    assert.deepEqual(kept, Array.from({ length: kept.length }, (_, index) => `${index + 1}`.padEnd(1000)));
    await log.close();
  });

  test("none: acknowledged is in the operating system: a copy taken at once has it, and sync works", async () => {
    const directory = freshPath();
    const log = await open(directory, { mode: "none" });
    const partition = log.partition("p");
    const records = Array.from({ length: 300 }, (_, index) => `${index}`.padEnd(1 + index * 50));
    assert.deepEqual(await Promise.all(records.map((record) => partition.append(record))), records.map((_, index) => index + 1));
    assert.deepEqual(await afterCrash(directory), records);
    await log.sync();
    await partition.append("after the sync");
    log.rotate();
    await partition.append("in the next segment");
    assert.deepEqual(await afterCrash(directory), [...records, "after the sync", "in the next segment"]);
    await log.sync();
    await log.close();
    await withLog(directory, { backend }, async (again) => {
      assert.equal(again.info.recovery[0]!.verdict, "clean");
      assert.equal((await contents(again.partition("p"))).length, 302);
    });
  });

  test("one log under each mode in turn", async () => {
    const directory = freshPath();
    const modes = [{ mode: "none" }, { mode: "sync" }, { mode: "interval", ms: 5 }, { mode: "none" }, { mode: "interval", ms: never }, { mode: "sync" }] as const;
    const expected: string[] = [];
    for (const [round, durability] of modes.entries()) {
      const log = await open(directory, durability);
      assert.equal(log.info.durability.mode, durability.mode);
      assert.deepEqual(await contents(log.partition("p")), expected);
      for (let index = 0; index < 20; index++) {
        expected.push(`${round} ${durability.mode} ${index}`);
        await log.partition("p").append(expected[expected.length - 1] as string);
      }
      await log.close();
    }
    await withLog(directory, { backend }, async (log) => assert.deepEqual(await contents(log.partition("p")), expected));
  });
});
