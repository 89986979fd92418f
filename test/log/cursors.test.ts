// Cursors: positions that the log keeps for its consumers.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { contents, crashCopy, freshPath, onEachBackend, refused, small, ways, withLog, withWay } from "./log-fixture.js";

onEachBackend("cursors", (backend) => {
  for (const way of ways) {
    describe(way, () => {
      test("set, get, move back, delete; each cursor its own; also after reopening", async () => {
        const directory = freshPath();
        await withWay(way, directory, { backend, ...small }, async (log) => {
          const cursor = log.cursor("billing");
          assert.equal(await cursor.get(), 0);
          assert.deepEqual(log.cursors(), []);
          await cursor.delete();
          await cursor.set(7);
          assert.equal(await cursor.get(), 7);
          await cursor.set(3);
          await log.cursor("größe/😀").set(2 ** 52);
          await log.cursor("gone").set(1);
          await log.cursor("gone").delete();
          await log.cursor("zero").set(0);
          // Deleted before the move is durable, and set anew before that is.
          await Promise.all([log.cursor("again").set(9), log.cursor("again").delete(), log.cursor("again").set(2), log.cursor("again").delete()]);
          assert.equal(await log.cursor("again").get(), 0);
          assert.deepEqual(log.cursors().map(({ name }) => name), ["billing", "größe/😀", "zero"]);
        });
        await withWay(way, directory, { backend, ...small }, async (log) => {
          assert.deepEqual(log.cursors().map(({ name }) => name), ["billing", "größe/😀", "zero"]);
          assert.deepEqual(await Promise.all(["billing", "größe/😀", "gone", "zero", "never"].map((name) => log.cursor(name).get())), [3, 2 ** 52, 0, 0, 0]);
          await log.cursor("gone").set(5);
          assert.equal(await log.cursor("gone").get(), 5);
        });
        await withLog(directory, { backend, readOnly: true }, async (log) => {
          assert.deepEqual(await Promise.all(log.cursors().map(async (cursor) => [cursor.name, await cursor.get()])), [["billing", 3], ["größe/😀", 2 ** 52], ["zero", 0], ["gone", 5]]);
        });
      });

      test("a move and the records beside it are one write", async () => {
        const directory = freshPath();
        await withWay(way, directory, { backend, ...small }, async (log) => {
          await log.partition("a").appendBatch(["1", "2", "3"]);
          for await (const { seq, data } of log.partition("a").read()) {
            assert.deepEqual(await log.write([{ partition: "b", data: `${Buffer.from(data).toString()}!` }, { cursor: "worker", seq }, { partition: "b", data: "-" }]), [2 * seq - 1, seq, 2 * seq]);
          }
          assert.equal(await log.cursor("worker").get(), 3);
          assert.deepEqual(await contents(log.partition("b")), ["1!", "-", "2!", "-", "3!", "-"]);
        });
      });

      test("hidden partitions are not listed, not counted, and no user's", async () => {
        await withWay(way, freshPath(), { backend, ...small }, async (log) => {
          await log.write([{ partition: "p", data: "x" }, { cursor: "c", seq: 1 }]);
          assert.deepEqual(log.partitions().map(({ name }) => name), ["p"]);
          await refused("RINGWALL_INVALID_ARGUMENT", () => log.partition("\0cursor:c"));
          await refused("RINGWALL_INVALID_ARGUMENT", () => log.write([{ partition: "\0cursor:c", data: "x" }]));
          for (const name of ["", "x".repeat(1017), "\ud800", 5, null]) await refused("RINGWALL_INVALID_ARGUMENT", () => log.cursor(name as string));
          for (const seq of [-1, 1.5, Number.NaN, 2 ** 52 + 2, "1", undefined]) await refused("RINGWALL_INVALID_ARGUMENT", () => log.cursor("c").set(seq as number));
          await log.cursor("x".repeat(1016)).set(1);
          assert.equal(await log.cursor("c").get(), 1);
        });
      });

      test("several lanes: a cursor lives where it is first written, and can't be written with another lane's partitions", async () => {
        await withWay(way, freshPath(), { backend, ...small, lanes: 2 }, async (log) => {
          log.partition("a", { lane: 0 });
          log.partition("b", { lane: 1 });
          await log.write([{ cursor: "of b", seq: 1 }, { partition: "b", data: "x" }]);
          await log.write([{ cursor: "of a", seq: 1 }, { partition: "a", data: "x" }]);
          const error = await refused("RINGWALL_CROSS_LANE", () => log.write([{ cursor: "of a", seq: 2 }, { partition: "b", data: "y" }]));
          assert.match(error.message, /cursor "of a" on lane 0, "b" on lane 1/);
          await log.cursor("placed", { with: "b" }).set(1);
          await log.write([{ cursor: "placed", seq: 2 }, { cursor: "of b", seq: 2 }, { partition: "b", data: "z" }]);
          assert.deepEqual(await Promise.all(["of a", "of b", "placed"].map((name) => log.cursor(name).get())), [1, 2, 2]);
        });
      });
    });
  }

  test("at any moment of a crash the position is that of the last result", async () => {
    const directory = freshPath();
    await withLog(directory, { backend, ...small }, async (log) => {
      const copies: string[] = [];
      for (let seq = 1; seq <= 300; seq++) {
        const done = log.write([{ partition: "results", data: `${seq}`.padEnd(500) }, { cursor: "worker", seq }]);
        if (seq % 30 === 0) copies.push(crashCopy(directory));
        await done;
      }
      for (const copy of copies) {
        await withLog(copy, { backend, ...small }, async (found) => {
          assert.equal(await found.cursor("worker").get(), found.partition("results").lastSeq);
        });
      }
    });
  });

  test("what a cursor left behind is forgotten by itself, and one that rests holds no segment", async () => {
    const directory = freshPath();
    await withLog(directory, { backend, ...small }, async (log) => {
      await log.cursor("resting").set(42);
      await log.cursor("reader").set(1);
      const partition = log.partition("p");
      for (let round = 0; round < 8; round++) {
        await Promise.all(Array.from({ length: 1000 }, (_, index) => log.write([{ partition: "p", data: "x".repeat(500) }, { cursor: "reader", seq: 1000 * round + index + 1 }])));
        await partition.trim(partition.lastSeq + 1);
      }
      assert.ok(log.stats()[0]!.segmentsKept <= 2, `${log.stats()[0]!.segmentsKept} segments are kept`);
      assert.deepEqual([await log.cursor("resting").get(), await log.cursor("reader").get()], [42, 8000]);
    });
    await withLog(directory, { backend, ...small }, async (log) => {
      assert.deepEqual([await log.cursor("resting").get(), await log.cursor("reader").get()], [42, 8000]);
    });
  });

  test("a log of cursors alone does not grow: it trims itself", async () => {
    const directory = freshPath();
    await withLog(directory, { backend, ...small }, async (log) => {
      const cursor = log.cursor("c");
      await log.cursor("resting").set(1);
      for (let round = 0; round < 10; round++) {
        log.rotate();
        await Promise.all(Array.from({ length: 1200 }, (_, index) => cursor.set(index)));
      }
      // What is freed in the background is freed while moves go on.
      let moves = 0;
      for (; log.stats()[0]!.segmentsKept > 3; moves++) {
        assert.ok(moves < 3000, `${log.stats()[0]!.segmentsKept} segments are kept`);
        await cursor.set(moves);
      }
      assert.equal(await log.cursor("resting").get(), 1);
    });
  });

  test("a reading of the position beside a thousand moves finds one of them", async () => {
    await withLog(freshPath(), { backend, ...small }, async (log) => {
      const cursor = log.cursor("c");
      await cursor.set(1);
      const moves = Promise.all(Array.from({ length: 5000 }, (_, index) => cursor.set(index + 2)));
      let last = 0;
      while (last < 5001) {
        const found = await cursor.get();
        assert.ok(found >= last, `${found} after ${last}`);
        last = found;
      }
      await moves;
    });
  });
});
