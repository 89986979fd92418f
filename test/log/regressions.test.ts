// Sequences of calls that once broke a log, each as it was found.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Log } from "#src/index.js";
import { contents, crashCopy, freshPath, onEachBackend, refused, small, untilDurable, withLog } from "./log-fixture.js";

onEachBackend("found once", (backend) => {
  const options = { backend, ...small };

  test("trim, then truncate below it, while both wait behind a large append: the truncation is refused", async () => {
    const directory = freshPath();
    const copy = await withLog(directory, { ...options, bufferCount: 2 }, async (log) => {
      const [a, b] = [log.partition("a"), log.partition("b")];
      for (let index = 1; index <= 20; index++) a.enqueue(`${index}`);
      await log.sync();
      const large = b.append(new Uint8Array(3 * 1024 * 1024));
      const trimmed = a.trim(10);
      await refused("RINGWALL_INVALID_ARGUMENT", () => a.truncate(5));
      const truncated = a.truncate(9);
      assert.equal(await a.append("10 anew"), 10);
      await Promise.all([large, trimmed, truncated]);
      return crashCopy(directory);
    });
    for (const place of [copy, directory]) await withLog(place, options, async (log) => assert.deepEqual(await contents(log.partition("a")), ["10 anew"]));
  });

  test("truncations of one partition are bounded by what a block can describe; the bound says what helps, and trimming does", async () => {
    const directory = freshPath();
    await withLog(directory, { ...options, bufferCount: 2 }, async (log) => {
      const [p, q] = [log.partition("p"), log.partition("q")];
      await q.append("q");
      let truncations = 0;
      const error = await refused("RINGWALL_INVALID_ARGUMENT", async () => {
        for (; truncations < 1000; truncations++) {
          await p.appendBatch(["x", "y"]);
          await p.truncate(p.lastSeq - 1);
        }
      });
      assert.ok(truncations > 500, `${truncations}`);
      assert.match(error.message, /too many truncations.*Trim/s);
      // The checkpoint of the next segment is written while both buffers are busy.
      const appends = Array.from({ length: 100 }, (_, index) => {
        if (index === 10) log.rotate();
        return q.append(Buffer.alloc(9000, index));
      });
      await Promise.all(appends);
      await p.trim(p.lastSeq + 1);
      await q.trim(q.lastSeq + 1);
      await p.appendBatch(["x", "y"]);
      await p.truncate(p.lastSeq - 1);
    });
    await withLog(directory, options, async (log) => assert.deepEqual(await contents(log.partition("p")), ["x"]));
  });

  test("more partitions than the segments of this opening can describe: refused when it is opened, with the size that does", async () => {
    const directory = freshPath();
    await withLog(directory, { backend }, async (log) => {
      for (let index = 0; index < 12_000; index++) {
        if (log.needDrain) await log.drain();
        log.partition(`a partition with a name ${index}`).enqueue("x");
      }
      await log.sync();
    });
    const error = await refused("RINGWALL_INVALID_OPTION", () => Log.open(directory, options));
    const [, bytes] = /segmentBytes of (\d+)/.exec(error.message) ?? [];
    const segmentBytes = Math.ceil(Number(bytes) / 4096) * 4096;
    await withLog(directory, { ...options, segmentBytes }, async (log) => {
      const partition = log.partition("a partition with a name 7");
      for (let index = 0; index < 100; index++) await partition.append(Buffer.alloc(100_000));
      assert.equal(partition.lastSeq, 101);
    });
    await withLog(directory, { ...options, segmentBytes }, async (log) => assert.equal(log.partitions().length, 12_000));
  });

  test("interval with a long time: close, trim and truncate do not wait for it, whatever waits for space", async () => {
    const log = await Log.open(freshPath(), { ...options, bufferCount: 2, durability: { mode: "interval", ms: 3_600_000 } });
    const partition = log.partition("p");
    const appends = Array.from({ length: 300 }, (_, index) => partition.append(Buffer.alloc(3000, index)));
    assert.ok(log.needDrain);
    await Promise.all(appends);
    await partition.trim(5);
    await partition.truncate(100);
    const more = Array.from({ length: 300 }, (_, index) => partition.append(Buffer.alloc(3000, index)));
    await log.close();
    assert.equal((await Promise.all(more)).length, 300);
  });

  test("rotation by age of a segment that holds nothing but its checkpoint does not go on for ever", async () => {
    await withLog(freshPath(), { ...options, segmentAgeMs: 5 }, async (log) => {
      await log.partition("p").append("1");
      for (let seq = 2; seq < 5; seq++) {
        while (log.stats()[0]!.segments < seq) await new Promise((resolve) => setTimeout(resolve, 1));
        const { segments } = log.stats()[0]!;
        // Ten ages later nothing has happened; the sleep is what is tested.
        await new Promise((resolve) => setTimeout(resolve, 50));
        assert.equal(log.stats()[0]!.segments, segments);
        await log.partition("p").append(`${seq}`);
        await untilDurable(log.partition("p"), seq);
      }
    });
  });
});

test("sqpoll is what the ring runs with, or the notes say why not", async (t) => {
  const log = await Log.open(freshPath(), { ...small, sqpoll: { idleMs: 50 } });
  if (log.info.backend === "uring") assert.match(log.info.backendNotes.join("\n"), /sqpoll/i);
  else t.skip(log.info.backendReason);
  assert.equal(await log.partition("p").append("x"), 1);
  await log.close();
});

test("wrong arguments are typed errors, wherever they come in", async () => {
  await withLog(freshPath(), small, async (log) => {
    const partition = log.partition("p");
    await partition.append("x");
    const anything = (value: unknown): never => value as never;
    for (const value of [null, 5, "x"]) {
      await refused("RINGWALL_INVALID_ARGUMENT", () => log.write(anything([value])));
      await refused("RINGWALL_INVALID_ARGUMENT", () => partition.read(anything(value)).next());
      await refused("RINGWALL_INVALID_ARGUMENT", () => partition.tail(anything(value)).next());
      await refused("RINGWALL_INVALID_OPTION", () => log.partition("other", anything(value)));
    }
    await refused("RINGWALL_INVALID_OPTION", () => log.partition("other", anything({ lanes: 1 })));
    await refused("RINGWALL_INVALID_OPTION", () => log.partition("other", { lane: 0, with: "p" }));
    await refused("RINGWALL_INVALID_OPTION", () => Log.open(freshPath(), anything([])));
    for (const seq of [0, -1, 1.5, "1", null, undefined, Number.NaN, 2 ** 53]) await refused("RINGWALL_INVALID_ARGUMENT", () => partition.get(anything(seq)));
  });
});
