// Producers: a call that is repeated is appended once.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Log, type LogOptions } from "#src/index.js";
import { contents, crashCopy, freshPath, onEachBackend, refused, seeded, small, ways, withLog, withWay } from "./log-fixture.js";

onEachBackend("producers", (backend) => {
  const options: LogOptions = { backend, ...small };

  for (const way of ways) {
    describe(way, () => {
      test("a repeated call gets the sequences of the first: in flight, when it is durable, and after reopening", async () => {
        const directory = freshPath();
        await withWay(way, directory, options, async (log) => {
          const p = log.partition("p");
          await p.append("plain");
          assert.deepEqual(await Promise.all([p.append("a", { producer: "x", seq: 1 }), p.append("a", { producer: "x", seq: 1 }), p.append("b", { producer: "y", seq: 40 })]), [2, 2, 3]);
          assert.deepEqual(await p.appendBatch(["c", "d"], { producer: "x", seq: 2 }), { first: 4, last: 5 });
          assert.deepEqual(await p.appendBatch(["c", "d"], { producer: "x", seq: 2 }), { first: 4, last: 5 });
          assert.equal(await log.partition("q").append("other", { producer: "x", seq: 1 }), 1);
        });
        await withWay(way, directory, options, async (log) => {
          const p = log.partition("p");
          const again = [p.append("a", { producer: "x", seq: 1 }), p.append("b", { producer: "y", seq: 40 }), p.append("e", { producer: "y", seq: 41 }), p.append("f", { producer: "x", seq: 3 })];
          assert.deepEqual(await Promise.all(again), [2, 3, 6, 7]);
          assert.deepEqual(await p.appendBatch(["c", "d"], { producer: "x", seq: 2 }), { first: 4, last: 5 });
          assert.deepEqual(await contents(p), ["plain", "a", "b", "c", "d", "e", "f"]);
          assert.deepEqual(log.partitions().map(({ name }) => name), ["p", "q"]);
        });
      });

      test("a number that is left out, or too old, is refused, and says what is due", async () => {
        await withWay(way, freshPath(), options, async (log) => {
          const p = log.partition("p");
          await Promise.all(Array.from({ length: 1030 }, (_, index) => p.append("x", { producer: "x", seq: index + 1 })));
          const gap = await refused("RINGWALL_OUT_OF_SEQUENCE", () => p.append("x", { producer: "x", seq: 1032 }));
          assert.deepEqual([gap.place, gap.details], [{ partition: "p" }, { producer: "x", seq: 1032, next: 1031, oldest: 7 }]);
          await refused("RINGWALL_OUT_OF_SEQUENCE", () => p.append("x", { producer: "x", seq: 6 }));
          assert.equal(await p.append("x", { producer: "x", seq: 7 }), 7);
          assert.equal(p.lastSeq, 1030);
          for (const producer of ["", "x".repeat(257), "\ud800", 5, undefined]) await refused("RINGWALL_INVALID_ARGUMENT", () => p.append("x", { producer: producer as string, seq: 1 }));
          for (const seq of [0, -1, 1.5, "1", Number.NaN, 2 ** 52, undefined]) await refused("RINGWALL_INVALID_ARGUMENT", () => p.append("x", { producer: "x", seq: seq as number }));
          await refused("RINGWALL_INVALID_ARGUMENT", () => p.append("x", { producer: "x", sequence: 1 } as never));
          await refused("RINGWALL_INVALID_ARGUMENT", () => p.append("x", null as never));
          await refused("RINGWALL_INVALID_ARGUMENT", () => log.partition("x".repeat(1024)).append("x", { producer: "x", seq: 1 }));
        });
      });

      test("what a truncation took away is due again, however it came, also after reopening; what a trim forgot is known", async () => {
        const directory = freshPath();
        await withWay(way, directory, options, async (log) => {
          const p = log.partition("p");
          for (const seq of [1, 2, 3, 4]) await p.append(`${seq}`, { producer: "x", seq });
          await p.truncate(3);
          assert.equal(await p.append("plain"), 4);
          assert.equal(await p.append("4 again", { producer: "x", seq: 4 }), 5);
          await p.appendBatch(["y", "z"], { after: 3 });
          assert.equal(await p.append("4 once more", { producer: "x", seq: 4 }), 6);
          await log.write([{ partition: "p", truncate: 2 }, { partition: "p", data: "instead" }]);
          await p.trim(2);
        });
        await withWay(way, directory, options, async (log) => {
          const p = log.partition("p");
          assert.equal(await p.append("4", { producer: "x", seq: 3 }), 4);
          assert.equal(await p.append("1", { producer: "x", seq: 1 }), 1);
          await p.truncate(2);
          assert.equal(await p.append("2", { producer: "x", seq: 2 }), 2);
          await refused("RINGWALL_OUT_OF_SEQUENCE", () => p.append("4", { producer: "x", seq: 4 }));
          assert.equal(await p.append("three", { producer: "x", seq: 3 }), 3);
          assert.deepEqual(await contents(p), ["2", "three"]);
        });
        await withWay(way, directory, options, async (log) => {
          // While what is known is being read.
          const p = log.partition("p");
          const repeated = p.append("three", { producer: "x", seq: 3 });
          await p.truncate(2);
          assert.equal(await repeated, 3);
          assert.equal(await p.append("2", { producer: "x", seq: 2 }), 2);
        });
      });

      test("the bytes are those at the call, also while what is known is being read", async () => {
        const directory = freshPath();
        await withWay(way, directory, options, async (log) => void (await log.partition("p").append("1", { producer: "x", seq: 1 })));
        await withWay(way, directory, options, async (log) => {
          const data = Buffer.from("2");
          const first = log.partition("p").append(data, { producer: "x", seq: 2 });
          data.write("3");
          const second = log.partition("p").append(data, { producer: "x", seq: 3 });
          data.write("4");
          assert.deepEqual([await first, await second], [2, 3]);
          assert.deepEqual(await contents(log.partition("p")), ["1", "2", "3"]);
        });
      });
    });
  }

  test("whatever a crash leaves: all repeated with the same numbers, each is there once, in the order of its producer", async (t) => {
    const random = seeded(t);
    const directory = freshPath();
    const producers = ["a", "b", "c"];
    const copies: { directory: string; sent: Map<string, number>; acknowledged: Map<string, number> }[] = [];
    await withLog(directory, options, async (log) => {
      const p = log.partition("p");
      const sent = new Map<string, number>();
      const acknowledged = new Map<string, number>();
      for (let round = 0; round < 40; round++) {
        const calls = Array.from({ length: 1 + random(40) }, () => {
          const producer = producers[random(3)]!;
          const seq = (sent.get(producer) ?? 0) + 1;
          sent.set(producer, seq);
          const data = `${producer}${seq}`.padEnd(random(400));
          return p.append(data, { producer, seq }).then(() => acknowledged.set(producer, seq));
        });
        if (random(3) === 0) p.enqueue("plain");
        if (round % 5 === 0) copies.push({ directory: crashCopy(directory), sent: new Map(sent), acknowledged: new Map(acknowledged) });
        await Promise.all(calls);
      }
    });
    for (const copy of copies) {
      await withLog(copy.directory, options, async (log) => {
        const p = log.partition("p");
        const before = await contents(p);
        for (const [producer, seq] of copy.acknowledged) assert.ok(before.some((text) => text.trim() === `${producer}${seq}`));
        const calls: Promise<number>[] = [];
        for (const [producer, last] of copy.sent) for (let seq = 1; seq <= last; seq++) calls.push(p.append(`${producer}${seq}`, { producer, seq }));
        await Promise.all(calls);
        const after = (await contents(p)).map((text) => text.trim()).filter((text) => text !== "plain");
        for (const producer of producers) assert.deepEqual(after.filter((text) => text.startsWith(producer)), Array.from({ length: copy.sent.get(producer) ?? 0 }, (_, index) => `${producer}${index + 1}`));
      });
    }
  });

  test("more calls than are kept in the hidden partition: it is written anew, and what is known stays known", async () => {
    const directory = freshPath();
    await withLog(directory, options, async (log) => {
      const p = log.partition("p");
      await p.append("old", { producer: "silent", seq: 5 });
      for (let round = 0; round < 12; round++) await Promise.all(Array.from({ length: 1000 }, (_, index) => p.append("x", { producer: "busy", seq: 1000 * round + index + 1 })));
    });
    await withLog(directory, options, async (log) => {
      const p = log.partition("p");
      assert.equal(await p.append("old", { producer: "silent", seq: 5 }), 1);
      assert.deepEqual(await Promise.all([p.append("x", { producer: "busy", seq: 11_990 }), p.append("x", { producer: "busy", seq: 10_977 }), p.append("y", { producer: "busy", seq: 12_001 })]), [11_991, 10_978, 12_002]);
      await refused("RINGWALL_OUT_OF_SEQUENCE", () => p.append("x", { producer: "busy", seq: 10_976 }));
    });
  });

  test("closing while what is known is being read: each call is appended or refused, and a repetition finds out", async () => {
    const directory = freshPath();
    await withLog(directory, options, async (log) => void (await log.partition("p").append("1", { producer: "x", seq: 1 })));
    const log = await Log.open(directory, options);
    let settled = 0;
    const calls = [1, 2, 3].map((seq) => log.partition("p").append(`${seq}`, { producer: "x", seq }).catch(() => null).finally(() => settled++));
    await log.close();
    await Promise.resolve();
    assert.equal(settled, 3, "all are settled when close has resolved");
    await Promise.all(calls);
    await refused("RINGWALL_CLOSED", () => log.partition("p").append("1", { producer: "x", seq: 1 }));
    await withLog(directory, options, async (again) => {
      for (const seq of [1, 2, 3]) assert.equal(await again.partition("p").append(`${seq}`, { producer: "x", seq }), seq);
      assert.deepEqual(await contents(again.partition("p")), ["1", "2", "3"]);
    });
  });
});
