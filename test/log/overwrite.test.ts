// Truncating and appending as one step: a consensus log's conflict overwrite, in one partition and over several.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Log, type Partition, type WriteItem } from "#src/index.js";
import { contents, crashCopy, freshPath, onEachBackend, refused, small, text, withLog } from "./log-fixture.js";

const old = (count: number): string[] => Array.from({ length: count }, (_, index) => `old ${index + 1}`);

onEachBackend("overwrite", (backend) => {
  const options = { backend, ...small };

  test("appendBatch with `after`: what was above it is gone, the records follow it, also after a crash", async () => {
    const directory = freshPath();
    const copy = await withLog(directory, options, async (log) => {
      const p = log.partition("p");
      assert.deepEqual(await p.appendBatch(["x"], { after: 0 }), { first: 1, last: 1 });
      assert.deepEqual(await p.appendBatch(old(10), { after: 0 }), { first: 1, last: 10 });
      assert.deepEqual(await p.appendBatch(["new 7", "new 8"], { after: 6 }), { first: 7, last: 8 });
      assert.deepEqual([p.lastSeq, p.durableSeq], [8, 8]);
      assert.deepEqual(await p.appendBatch(["9"], { after: 8 }), { first: 9, last: 9 });
      assert.equal(await p.append("10"), 10);
      assert.equal(text((await p.get(7))!), "new 7");
      return crashCopy(directory);
    });
    const expected = [...old(6), "new 7", "new 8", "9", "10"];
    for (const place of [copy, directory]) await withLog(place, options, async (log) => assert.deepEqual(await contents(log.partition("p")), expected));
  });

  test("write: several partitions are truncated and appended to in one step; one number for each item", async () => {
    const directory = freshPath();
    await withLog(directory, options, async (log) => {
      const [a, b, c] = [log.partition("a"), log.partition("b"), log.partition("c")];
      for (const partition of [a, b, c]) await partition.appendBatch(old(5));
      const items: WriteItem[] = [
        { partition: "a", truncate: 2 }, { partition: "a", data: "a3" }, { partition: "b", truncate: 5 },
        { partition: "c", truncate: 0 }, { partition: "b", data: "b6" }, { partition: "new", truncate: 0 }, { partition: "new", data: "n1" },
      ];
      assert.deepEqual(await log.write(items), [2, 3, 5, 0, 6, 0, 1]);
      assert.deepEqual([a.lastSeq, b.lastSeq, c.lastSeq], [3, 6, 0]);
      assert.deepEqual(await log.write([{ partition: "a", truncate: 3 }]), [3]);
      assert.deepEqual(await log.write([{ partition: "nobody", truncate: 0 }]), [0]);
      assert.ok(!log.partitions().some(({ name }) => name === "nobody"));
    });
    await withLog(directory, options, async (log) => {
      const found = Object.fromEntries(await Promise.all(log.partitions().map(async (partition) => [partition.name, await contents(partition)] as const)));
      assert.deepEqual(found, { a: ["old 1", "old 2", "a3"], b: [...old(5), "b6"], c: [], new: ["n1"] });
    });
  });

  test("arguments that can't be are refused, and change nothing", async () => {
    await withLog(freshPath(), options, async (log) => {
      const [p, q] = [log.partition("p"), log.partition("q")];
      await p.appendBatch(old(10));
      await p.trim(4);
      for (const after of [2, 11, -1, 1.5, Number.NaN, Number.MAX_SAFE_INTEGER, "3", null]) {
        await refused("RINGWALL_INVALID_ARGUMENT", () => p.appendBatch(["x"], { after: after as number }));
        await refused("RINGWALL_INVALID_ARGUMENT", () => log.write([{ partition: "q", data: "y" }, { partition: "p", truncate: after as number }]));
      }
      await refused("RINGWALL_INVALID_ARGUMENT", () => p.appendBatch([], { after: 5 }));
      await refused("RINGWALL_INVALID_ARGUMENT", () => p.appendBatch(["x"], null as never));
      await refused("RINGWALL_INVALID_ARGUMENT", () => p.appendBatch(["x"], { before: 5 } as never));
      await refused("RINGWALL_INVALID_ARGUMENT", () => log.write([{ partition: "p", truncate: 5, data: "x" } as never]));
      await refused("RINGWALL_INVALID_ARGUMENT", () => log.write([{ partition: "p" } as never]));
      await refused("RINGWALL_INVALID_ARGUMENT", () => log.write([{ partition: "p", truncate: 8 }, { partition: "p", truncate: 7 }]));
      await refused("RINGWALL_INVALID_ARGUMENT", () => log.write([{ partition: "p", data: "x" }, { partition: "p", truncate: 7 }]));
      assert.deepEqual([p.firstSeq, p.lastSeq, q.lastSeq], [4, 10, 0]);
      assert.deepEqual(await contents(p), old(10).slice(3));
      assert.deepEqual(await p.appendBatch(["4 anew"], { after: 3 }), { first: 4, last: 4 });
    });
  });

  test("one larger than blocks and segments: until its last block, a crash leaves the old records, and readers of the copy find every one", async () => {
    const directory = freshPath();
    const parts = Array.from({ length: 40 }, (_, index) => `new ${index} `.padEnd(60_000, "."));
    await withLog(directory, options, async (log) => {
      const p = log.partition("p");
      await p.appendBatch(old(30));
      let isDone = false;
      const overwritten = p.appendBatch(parts, { after: 10 }).then(() => { isDone = true; });
      const copies: string[] = [];
      while (!isDone && copies.length < 6) {
        copies.push(crashCopy(directory));
        await new Promise((resolve) => setImmediate(resolve));
      }
      assert.equal(p.lastSeq, 50);
      await overwritten;
      assert.deepEqual(await contents(p), [...old(10), ...parts]);
      copies.push(crashCopy(directory));
      const last = await allOf(copies.pop()!);
      assert.deepEqual(last, [...old(10), ...parts]);
      for (const copy of copies) {
        const found = await allOf(copy);
        assert.ok(found.length === 30 ? found.join() === old(30).join() : found.join() === last.join(), `${found.length} records: ${found.map((record) => record.slice(0, 8)).join()}`);
      }
    });
    await withLog(directory, options, async (log) => assert.deepEqual(await contents(log.partition("p")), [...old(10), ...parts]));
  });

  test("calls while it waits for space: sequences are those of the calls' order, and its bytes are taken at the call", async () => {
    const directory = freshPath();
    await withLog(directory, { ...options, bufferCount: 2 }, async (log) => {
      const [p, q] = [log.partition("p"), log.partition("q")];
      await p.appendBatch(old(10));
      const large = q.append(new Uint8Array(3 * 1024 * 1024));
      const data = Buffer.from("new 6");
      const overwritten = p.appendBatch([data, "new 7"], { after: 5 });
      data.fill(0);
      assert.equal(p.lastSeq, 7);
      const more = p.append("8");
      await refused("RINGWALL_INVALID_ARGUMENT", () => p.appendBatch(["x"], { after: 9 }));
      const again = p.appendBatch(["8 anew", "9 anew"], { after: 7 });
      assert.deepEqual([await overwritten, await more, await again], [{ first: 6, last: 7 }, 8, { first: 8, last: 9 }]);
      await large;
    });
    await withLog(directory, options, async (log) => assert.deepEqual(await contents(log.partition("p")), [...old(5), "new 6", "new 7", "8 anew", "9 anew"]));
  });

  test("a tail that has given records which are overwritten is told so at once, also while it waits; one that has not goes on", async () => {
    await withLog(freshPath(), options, async (log) => {
      const p = log.partition("p");
      await p.appendBatch(old(10));
      const ahead = p.tail({ from: 9 });
      const behind = p.tail({ from: 5 });
      for (const seq of [9, 10]) assert.equal((await ahead.next()).value?.seq, seq);
      assert.equal((await behind.next()).value?.seq, 5);
      const waiting = ahead.next();
      const told = refused("RINGWALL_NOT_FOUND", () => waiting);
      await p.appendBatch(["new 7"], { after: 6 });
      // Fewer records than there were: nothing will come for it to wake for.
      const error = await told;
      assert.deepEqual(error.details, { partition: "p", truncatedAfter: 6 });
      const rest = [text((await behind.next()).value!)];
      assert.deepEqual(rest, ["old 6"]);
      await behind.return(undefined);
      assert.equal(text((await p.tail({ from: 7 }).next()).value!), "new 7");
    });
  });

  test("truncating to where another truncation is on its way to resolves no sooner than that one", async () => {
    const directory = freshPath();
    const copy = await withLog(directory, { ...options, bufferCount: 2 }, async (log) => {
      const [p, q] = [log.partition("p"), log.partition("q")];
      await p.appendBatch(old(10));
      void q.append(new Uint8Array(3 * 1024 * 1024));
      void p.truncate(5);
      await Promise.race([p.truncate(5), log.write([{ partition: "p", truncate: 5 }])]);
      return crashCopy(directory);
    });
    await withLog(copy, options, async (log) => assert.deepEqual(await contents(log.partition("p")), old(5)));
  });

  test("in the thread of the lanes: as inline", async () => {
    const directory = freshPath();
    await withLog(directory, { ...options, lane: "thread" }, async (log) => {
      const p = log.partition("p");
      assert.deepEqual(await p.appendBatch(old(10), { after: 0 }), { first: 1, last: 10 });
      assert.deepEqual(await p.appendBatch(["new 7", ""], { after: 6 }), { first: 7, last: 8 });
      assert.equal(p.lastSeq, 8);
      assert.deepEqual(await log.write([{ partition: "p", truncate: 1 }, { partition: "q", data: "q1" }, { partition: "p", data: Buffer.from("new 2") }]), [1, 1, 2]);
      await refused("RINGWALL_INVALID_ARGUMENT", () => p.appendBatch(["x"], { after: 3 }));
      await refused("RINGWALL_INVALID_ARGUMENT", () => log.write([{ partition: "p", truncate: 3 }]));
      assert.deepEqual([await contents(p), await contents(log.partition("q"))], [["old 1", "new 2"], ["q1"]]);
    });
    await withLog(directory, options, async (log) => assert.deepEqual(await contents(log.partition("p")), ["old 1", "new 2"]));
  });

  /** Every record of "p" in the log that a crash left there. */
  async function allOf(directory: string): Promise<string[]> {
    const log = await Log.open(directory, options);
    try {
      return await contents(log.partition("p") as Partition);
    } finally {
      await log.close();
    }
  }
});
