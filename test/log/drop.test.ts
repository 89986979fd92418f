// A partition is dropped: its records are gone, its name is free, its id is never used again; before and after crashes.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Log } from "#src/index.js";
import { contents, crashCopy, freshPath, onEachBackend, refused, small, text, withLog } from "./log-fixture.js";

const filled = (count: number, word = "old"): string[] => Array.from({ length: count }, (_, index) => `${word} ${index + 1}`);

onEachBackend("drop", (backend) => {
  const options = { backend, ...small };

  test("the partition is gone, another takes its name from sequence 1; also after a crash, and after many segments", async () => {
    const directory = freshPath();
    const copy = await withLog(directory, options, async (log) => {
      const [a, b] = [log.partition("a"), log.partition("b")];
      await a.appendBatch(filled(10));
      await b.append("b");
      await a.trim(4);
      await a.drop();
      assert.deepEqual([a.firstSeq, a.lastSeq, a.durableSeq, await a.get(5)], [1, 0, 0, undefined]);
      assert.deepEqual(log.partitions().map(({ name }) => name), ["b"]);
      await a.drop();
      await log.partition("nobody").drop();
      assert.equal(await a.append("new 1"), 1);
      assert.equal(await log.partition("a").append("new 2"), 2);
      return crashCopy(directory);
    });
    for (const place of [copy, directory]) {
      await withLog(place, options, async (log) => {
        assert.deepEqual(log.partitions().map(({ name }) => name), ["b", "a"]);
        assert.deepEqual(await contents(log.partition("a")), filled(2, "new"));
        for (let round = 0; round < 3; round++) {
          log.rotate();
          await log.partition("b").append("b");
        }
      });
      await withLog(place, options, async (log) => {
        assert.deepEqual(await contents(log.partition("a")), filled(2, "new"));
        await log.partition("a").drop();
      });
      await withLog(place, options, async (log) => assert.deepEqual(log.partitions().map(({ name }) => name), ["b"]));
    }
  });

  test("the last id given out is not given out again, though no checkpoint lists it: an old segment names nobody else's records", async () => {
    const directory = freshPath();
    await withLog(directory, options, async (log) => {
      await log.partition("kept").append("kept");
      await log.partition("last").appendBatch(filled(20));
      await log.partition("last").drop();
      log.rotate();
      await log.partition("kept").append("kept");
    });
    await withLog(directory, options, async (log) => {
      const fresh = log.partition("fresh");
      // A segment without it lies between: a search for its records that knew of the old ones would look there.
      for (let round = 0; round < 2; round++) {
        log.rotate();
        await log.partition("kept").append("kept");
      }
      assert.equal(await fresh.append("fresh 1"), 1);
      assert.deepEqual(await contents(fresh), ["fresh 1"]);
    });
    await withLog(directory, { ...options, readOnly: true }, async (log) => assert.deepEqual(await contents(log.partition("fresh")), ["fresh 1"]));
  });

  test("its segments are free once nothing else is in them", async () => {
    await withLog(freshPath(), options, async (log) => {
      const [large, other] = [log.partition("large"), log.partition("other")];
      for (let index = 0; index < 60; index++) await large.append(Buffer.alloc(60_000));
      await other.append("x");
      assert.ok(log.stats()[0]!.segmentsKept > 3);
      await large.drop();
      assert.ok(log.stats()[0]!.segmentsKept <= 2, `${log.stats()[0]!.segmentsKept} are kept`);
    });
  });

  test("calls in a row: what came before goes with it, what comes behind is the new partition's, whatever waits for space", async () => {
    const directory = freshPath();
    await withLog(directory, { ...options, bufferCount: 2 }, async (log) => {
      const [a, b] = [log.partition("a"), log.partition("b")];
      await a.append("old 1");
      const large = b.append(new Uint8Array(3 * 1024 * 1024));
      const before = a.append("old 2");
      const unborn = log.partition("c").append("c 1");
      const dropped = [a.drop(), log.partition("c").drop()];
      assert.equal(a.lastSeq, 0);
      const behind = a.append("new 1");
      log.rotate();
      const more = log.write([{ partition: "a", data: "new 2" }, { partition: "c", data: "c anew" }]);
      assert.deepEqual([await before, await unborn, await behind, await more], [2, 1, 1, [2, 1]]);
      await Promise.all([large, ...dropped]);
    });
    await withLog(directory, options, async (log) => {
      assert.deepEqual(await contents(log.partition("a")), filled(2, "new"));
      assert.deepEqual(await contents(log.partition("c")), ["c anew"]);
    });
  });

  test("readers and tails of it end with RINGWALL_DROPPED, those of the next partition of that name see that one", async () => {
    await withLog(freshPath(), options, async (log) => {
      const p = log.partition("p");
      await p.appendBatch(filled(5));
      const reader = p.read();
      const tail = p.tail({ from: 5 });
      assert.equal(text((await reader.next()).value!), "old 1");
      assert.equal(text((await tail.next()).value!), "old 5");
      const waiting = refused("RINGWALL_DROPPED", () => tail.next());
      await p.drop();
      await waiting;
      await p.append("new 1");
      assert.equal(text((await p.tail({ from: 1 }).next()).value!), "new 1");
      await reader.return(undefined);
    });
  });

  test("a log that is open read-only beside the writer sees the drop and the partition that comes after it", async () => {
    const directory = freshPath();
    await withLog(directory, options, async (log) => {
      await log.partition("p").appendBatch(filled(5));
      await log.partition("q").append("q");
      await log.sync();
      await withLog(directory, { ...options, readOnly: true }, async (reader) => {
        const tail = reader.partition("p").tail({ from: 1 });
        for (let seq = 1; seq <= 5; seq++) assert.equal((await tail.next()).value!.seq, seq);
        const waiting = refused("RINGWALL_DROPPED", () => tail.next());
        await log.partition("p").drop();
        await log.partition("p").append("new 1");
        await log.partition("q").append("q");
        await waiting;
        const next = await reader.partition("p").tail({ from: 1 }).next();
        assert.equal(text(next.value!), "new 1");
      });
    });
  });

  test("in the thread of the lanes: as inline", async () => {
    const directory = freshPath();
    await withLog(directory, { ...options, lane: "thread" }, async (log) => {
      const p = log.partition("p");
      await p.appendBatch(filled(5));
      const tail = p.tail({ from: 5 });
      await tail.next();
      const waiting = refused("RINGWALL_DROPPED", () => tail.next());
      await p.drop();
      await waiting;
      assert.deepEqual([p.firstSeq, p.lastSeq, log.partitions().length], [1, 0, 0]);
      assert.equal(await p.append("new 1"), 1);
      assert.deepEqual([await contents(p), log.partitions().length], [["new 1"], 1]);
    });
    await withLog(directory, options, async (log) => assert.deepEqual(await contents(log.partition("p")), ["new 1"]));
  });

  test("in a log of several lanes the name stays on its lane while the log is open", async () => {
    const directory = freshPath();
    await withLog(directory, { ...options, lanes: 3 }, async (log) => {
      const p = log.partition("p", { lane: 2 });
      await p.append("old");
      await p.drop();
      const again = log.partition("p");
      assert.equal(again.lane, 2);
      assert.equal(await p.append("new 1"), 1);
      assert.equal(await again.append("new 2"), 2);
    });
    await withLog(directory, { ...options, lanes: 3 }, async (log) => assert.deepEqual(await contents(log.partition("p")), filled(2, "new")));
  });

  test("what was known of its producers goes with it: a call repeated to the next partition of that name is a new one", async () => {
    const directory = freshPath();
    await withLog(directory, options, async (log) => {
      const p = log.partition("p");
      const call = { producer: "one", seq: 7 };
      await p.append("before");
      assert.equal(await p.append("old", call), 2);
      assert.equal(await p.append("old", call), 2);
      await p.drop();
      assert.equal(await p.append("new", call), 1);
    });
    await withLog(directory, options, async (log) => {
      assert.equal(await log.partition("p").append("new", { producer: "one", seq: 7 }), 1);
      assert.deepEqual(await contents(log.partition("p")), ["new"]);
    });
  });

  test("a read-only log refuses it", async () => {
    const directory = freshPath();
    await withLog(directory, options, async (log) => void (await log.partition("p").append("x")));
    const log = await Log.open(directory, { ...options, readOnly: true });
    await refused("RINGWALL_READ_ONLY", () => log.partition("p").drop());
    await log.close();
  });
});
