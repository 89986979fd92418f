// Partitions that are named, read and waited for before they have a record: all who wait hear of the first one, whoever makes it, on
// whatever lane, and names that nobody holds any longer cost nothing.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Log, Partition } from "#src/index.js";
import { holdings } from "../leaks/holdings.js";
import { freshPath, onEachBackend, refused, small, text, ways, withLog, withWay } from "./log-fixture.js";

/** The first record from a sequence on. A tail that never hears fails its test instead of holding it up. */
async function firstOf(partition: Partition, from = 1): Promise<string> {
  const ending = new AbortController();
  const timer = setTimeout(() => { ending.abort(); }, 30_000);
  try {
    for await (const record of partition.tail({ from, signal: ending.signal })) return text(record);
    throw new Error("the tail ended");
  } finally {
    clearTimeout(timer);
  }
}

onEachBackend("unborn", (backend) => {
  const options = { backend, ...small };

  for (const way of ways) {
    test(`${way}: whoever waits under a name that was dropped hears of the next partition of that name`, async () => {
      await withWay(way, freshPath(), options, async (log) => {
        const [one, other] = [log.partition("x"), log.partition("x")];
        await one.append("old");
        const third = log.partition("x");
        assert.equal(third.lastSeq, 1);
        await one.drop();
        const heard = [one, other, third, log.partition("x")].map((partition) => firstOf(partition));
        assert.equal(await third.get(1), undefined);
        await log.partition("x").append("new");
        assert.deepEqual(await Promise.all(heard), ["new", "new", "new", "new"]);
        assert.deepEqual([one, other, third].map(({ firstSeq, lastSeq, durableSeq }) => [firstSeq, lastSeq, durableSeq]), [[1, 1, 1], [1, 1, 1], [1, 1, 1]]);
      });
    });
  }

  test("a reader of several lanes hears of a partition wherever it is made, and again where it is made anew", async () => {
    const directory = freshPath();
    await withLog(directory, { ...options, lanes: 3 }, async (log) => {
      await log.partition("there").append("there");
      await withLog(directory, { backend, readOnly: true }, async (reader) => {
        for (const [name, lane] of [["x", 2], ["y", 0], ["z", 1]] as const) {
          const [early, asked] = [reader.partition(name), reader.partition(name, { lane: 1 })];
          assert.deepEqual([early.lane, early.lastSeq, await early.get(1), await early.times()], [-1, 0, undefined, undefined]);
          const heard = [firstOf(early), firstOf(asked)];
          await log.partition(name, { lane }).append(`${name} 1`);
          assert.deepEqual(await Promise.all(heard), [`${name} 1`, `${name} 1`]);
          assert.deepEqual([early, asked, reader.partition(name)].map((partition) => [partition.lane, partition.lastSeq]), [[lane, 1], [lane, 1], [lane, 1]]);
          assert.equal(text((await early.get(1))!), `${name} 1`);
        }
        assert.deepEqual(names(reader), names(log));
      });
    });
    // Opened anew, a dropped name is free for another lane.
    await withLog(directory, options, (log) => log.partition("x").drop());
    await withLog(directory, { backend, readOnly: true }, async (reader) => {
      const early = reader.partition("x");
      const heard = firstOf(early);
      await withLog(directory, options, async (log) => {
        await log.partition("x", { lane: 1 }).append("anew");
        assert.equal(await heard, "anew");
        assert.equal(early.lane, 1);
        await early.tail({ from: 1 }).return(undefined);
        const behind = firstOf(early, 2);
        await log.partition("x").append("more");
        assert.equal(await behind, "more");
      });
    });
  });

  test("a tail that waits on every lane ends when it is left, or aborted, or its log closed", async () => {
    const directory = freshPath();
    await withLog(directory, { ...options, lanes: 2 }, async () => {
      const ended = await withLog(directory, { backend, readOnly: true }, async (reader) => {
        const nobody = reader.partition("nobody");
        await refused("RINGWALL_INVALID_ARGUMENT", () => nobody.tail({ from: 0 }));
        const left = nobody.tailBatches();
        const pending = left.next();
        assert.deepEqual([await left.return(undefined), await pending, await left.next()], Array(3).fill({ done: true, value: undefined }));
        const aborting = new AbortController();
        const aborted = nobody.tail({ signal: aborting.signal });
        const waits = aborted.next();
        aborting.abort(new Error("enough"));
        assert.equal(((await refused("RINGWALL_ABORTED", () => waits)).cause as Error).message, "enough");
        assert.deepEqual(await aborted.next(), { done: true, value: undefined });
        await refused("RINGWALL_ABORTED", () => nobody.tail({ signal: AbortSignal.abort() }).next());
        const closed = nobody.tail().next();
        closed.catch(() => undefined);
        return { closed };
      });
      await refused("RINGWALL_CLOSED", () => ended.closed);
    });
  });

  test("names that were dropped, or only asked for, are forgotten", async () => {
    const nameOf = (round: string, index: number): string => `${round} ${String(index)} ${"n".repeat(1000)}`;
    const directory = freshPath();
    await withLog(directory, options, async (log) => {
      const churn = async (round: string): Promise<number> => {
        for (let index = 0; index < 1000; index++) {
          const partition = log.partition(nameOf(round, index));
          await Promise.all([partition.append("x"), partition.drop()]);
          assert.equal(log.partition(nameOf(`${round}, asked for`, index)).lastSeq, 0);
        }
        log.rotate();
        await log.partition("kept").append("kept");
        return (await holdings()).heapBytes;
      };
      const before = await churn("first");
      let after = 0;
      for (let round = 2; round <= 6; round++) after = await churn(`round ${String(round)}`);
      // Some that are gone are kept until there are twice as many.
      assert.ok(after - before < 4_000_000, `${String(after - before)} bytes for names of 10 MB`);
    });
  });
});

function names(log: Log): (readonly [string, number])[] {
  return log.partitions().map(({ name, lane }) => [name, lane] as const).sort();
}
