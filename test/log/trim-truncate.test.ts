// Both ends of a partition move: trim gives space back, truncate takes records back; before and after crashes.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Log, Partition } from "#src/index.js";
import { compareWithLists } from "./list-model.js";
import { contents, crashCopy, freshPath, laneFiles, onEachBackend, refused, small, withLog } from "./log-fixture.js";

function padded(name: string, bytes: number): string {
  return name.padEnd(bytes, ".");
}

async function fill(partition: Partition, count: number, bytes = 0): Promise<void> {
  await Promise.all(Array.from({ length: count }, () => partition.append(padded(`${partition.lastSeq + 1}`, bytes))));
}

function numbers(first: number, last: number): string[] {
  return Array.from({ length: last - first + 1 }, (_, index) => `${first + index}`);
}

onEachBackend("trim and truncate", (backend) => {
  const options = { backend, ...small };

  /** While open, in a copy as a crash leaves it, and after a clean close. */
  async function everywhere(body: (log: Log) => Promise<void>, check: (log: Log) => Promise<void>): Promise<void> {
    const directory = freshPath();
    const copy = await withLog(directory, options, async (log) => {
      await body(log);
      await check(log);
      return crashCopy(directory);
    });
    await withLog(copy, options, check);
    await withLog(directory, options, check);
  }

  test("trim: records below go, the rest stays; get and read of what is gone are TRIMMED", async () => {
    await everywhere(
      async (log) => {
        const partition = log.partition("p");
        await fill(partition, 20);
        await partition.trim(8);
        // Not backwards, and not twice.
        await partition.trim(3);
        await partition.trim(8);
      },
      async (log) => {
        const partition = log.partition("p");
        assert.deepEqual([partition.firstSeq, partition.lastSeq, partition.durableSeq], [8, 20, 20]);
        assert.deepEqual(await contents(partition), numbers(8, 20));
        await refused("RINGWALL_TRIMMED", () => partition.get(7));
        await refused("RINGWALL_TRIMMED", () => partition.read({ from: 7 }).next());
        await refused("RINGWALL_TRIMMED", () => partition.tail({ from: 1 }).next());
        assert.equal((await partition.get(8))!.seq, 8);
        assert.equal(await partition.get(21), undefined);
      },
    );
  });

  test("a trim that asks for no more than one under way is durable no sooner than that one", async () => {
    await withLog(freshPath(), options, async (log) => {
      const partition = log.partition("p");
      await partition.appendBatch(Array.from({ length: 10 }, () => "x"));
      for (const [before, again] of [[4, 4], [6, 5], [8, 1]] as const) {
        const { horizon } = log.stats()[0]!;
        const trimmed = partition.trim(before);
        await partition.trim(again);
        assert.ok(log.stats()[0]!.horizon > horizon, `trim(${again}) behind trim(${before}) waits for its block`);
        await trimmed;
      }
      const { blocks } = log.stats()[0]!;
      await partition.trim(8);
      assert.equal(log.stats()[0]!.blocks, blocks, "one that is durable already writes nothing");
    });
  });

  test("trim of everything, to lastSeq + 1: empty, and the next append goes on behind it", async () => {
    await everywhere(
      async (log) => {
        await fill(log.partition("p"), 5);
        await log.partition("p").trim(6);
      },
      async (log) => {
        const partition = log.partition("p");
        assert.deepEqual(await contents(partition), numbers(6, partition.durableSeq));
        assert.equal(partition.firstSeq, 6);
        assert.equal(await partition.append(`${partition.lastSeq + 1}`), partition.lastSeq);
        assert.equal((await contents(partition))[0], "6");
      },
    );
  });

  test("truncate: records above go, the next append gets their sequence", async () => {
    await everywhere(
      async (log) => {
        const partition = log.partition("p");
        await fill(partition, 10);
        await partition.truncate(6);
        assert.deepEqual([partition.lastSeq, partition.durableSeq], [6, 6]);
        assert.equal(await partition.get(7), undefined);
        assert.deepEqual(await contents(partition), numbers(1, 6));
        assert.equal(await partition.append("7 anew"), 7);
        await partition.append("8 anew");
        await partition.truncate(7);
        await partition.truncate(7);
        await partition.truncate(100);
      },
      async (log) => {
        const partition = log.partition("p");
        assert.deepEqual([partition.firstSeq, partition.lastSeq], [1, 7]);
        assert.deepEqual(await contents(partition), [...numbers(1, 6), "7 anew"]);
        assert.equal(Buffer.from((await partition.get(7))!.data).toString(), "7 anew");
        assert.equal(await partition.get(8), undefined);
      },
    );
  });

  test("truncate to nothing, in one segment and over several, and begin anew", async () => {
    await everywhere(
      async (log) => {
        const partition = log.partition("p");
        await fill(partition, 30, 60_000);
        assert.ok(log.stats()[0]!.segmentsKept > 1);
        await partition.truncate(0);
        assert.deepEqual([partition.firstSeq, partition.lastSeq, partition.durableSeq], [1, 0, 0]);
        assert.deepEqual(await contents(partition), []);
        await fill(partition, 3);
      },
      async (log) => assert.deepEqual(await contents(log.partition("p")), numbers(1, 3)),
    );
  });

  test("trim, then truncate to just below the first that is kept: empty at the same place", async () => {
    await everywhere(
      async (log) => {
        const partition = log.partition("p");
        await fill(partition, 10);
        await partition.trim(5);
        await refused("RINGWALL_INVALID_ARGUMENT", () => partition.truncate(3));
        await partition.truncate(4);
        assert.deepEqual([partition.firstSeq, partition.lastSeq], [5, 4]);
        await partition.append("5 anew");
      },
      async (log) => assert.deepEqual(await contents(log.partition("p")), ["5 anew"]),
    );
  });

  test("truncate while appends are on their way: those called before go, those called after stay", async () => {
    await everywhere(
      async (log) => {
        const partition = log.partition("p");
        await fill(partition, 3);
        const before = Array.from({ length: 40 }, (_, index) => partition.append(padded(`before ${index}`, 2000)));
        const truncated = partition.truncate(5);
        assert.equal(partition.lastSeq, 5);
        const after = Array.from({ length: 40 }, (_, index) => partition.append(padded(`after ${index}`, 2000)));
        assert.deepEqual(await Promise.all(before), Array.from({ length: 40 }, (_, index) => 4 + index));
        await truncated;
        assert.deepEqual(await Promise.all(after), Array.from({ length: 40 }, (_, index) => 6 + index));
        assert.equal(partition.durableSeq, 45);
      },
      async (log) => {
        const after = Array.from({ length: 40 }, (_, index) => padded(`after ${index}`, 2000));
        assert.deepEqual(await contents(log.partition("p")), [...numbers(1, 3), padded("before 0", 2000), padded("before 1", 2000), ...after]);
      },
    );
  });

  test("several truncations and trims at once, none awaited, other partitions between", async () => {
    await everywhere(
      async (log) => {
        const [p, q] = [log.partition("p"), log.partition("q")];
        const all: Promise<unknown>[] = [p.append("1"), q.append("1"), p.append("2"), p.append("3"), p.truncate(2), p.append("3b"), p.truncate(1), p.append("2c"), q.append("2"), p.append("3c")];
        all.push(p.append(padded("4c", 60_000)), p.truncate(3), q.trim(2), p.append("4d"), q.append(padded("3", 60_000)));
        await Promise.all(all);
      },
      async (log) => {
        assert.deepEqual(await contents(log.partition("p")), ["1", "2c", "3c", "4d"]);
        assert.deepEqual(await contents(log.partition("q")), ["2", padded("3", 60_000)]);
      },
    );
  });

  test("bad arguments are refused, say what may be, and change nothing", async () => {
    await withLog(freshPath(), options, async (log) => {
      const partition = log.partition("p");
      await fill(partition, 10);
      await partition.trim(3);
      for (const value of [0, -1, 12, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, "5", null, undefined, 5n, {}]) {
        assert.match((await refused("RINGWALL_INVALID_ARGUMENT", () => partition.trim(value as number))).message, /`before` must be an integer from 1 to 11/);
      }
      for (const value of [-1, 0, 1, 1.5, Number.NaN, Number.NEGATIVE_INFINITY, "5", null, undefined, 5n, {}]) {
        assert.match((await refused("RINGWALL_INVALID_ARGUMENT", () => partition.truncate(value as number))).message, /`after` must be an integer from 2 to 10/);
      }
      assert.deepEqual(await contents(partition), numbers(3, 10));
    });
  });

  test("a partition that does not exist: nothing to trim or truncate, and it is not created", async () => {
    await withLog(freshPath(), options, async (log) => {
      await log.partition("none").trim(1);
      await log.partition("none").truncate(0);
      await refused("RINGWALL_INVALID_ARGUMENT", () => log.partition("none").trim(2));
      assert.deepEqual(log.partitions(), []);
      assert.equal(await log.partition("none").append("x"), 1);
    });
  });

  test("trim frees segments: files are used anew or go, and a floor of files is kept", async () => {
    const directory = freshPath();
    await withLog(directory, options, async (log) => {
      const partition = log.partition("p");
      await fill(partition, 1000, 12_000);
      const filled = laneFiles(directory, ".segment").length;
      assert.ok(filled >= 12, `${filled} segments`);
      await partition.trim(partition.lastSeq + 1);
      const [stats] = log.stats();
      assert.ok(stats!.segmentsReleased >= 11, JSON.stringify(stats));
      assert.equal(laneFiles(directory, ".index").length, stats!.segmentsKept - 1);
      for (let round = 0; round < 5; round++) {
        await fill(partition, 250, 12_000);
        await partition.trim(partition.lastSeq + 1);
      }
      // What follows goes into the freed files: the directory does not grow.
      assert.ok(laneFiles(directory, ".segment").length <= 10, laneFiles(directory, ".segment").join());
      assert.equal(log.stats()[0]!.segmentsReleased >= 25, true);
      assert.deepEqual(await contents(partition), []);
    });
    await withLog(directory, options, async (log) => {
      assert.equal(log.partition("p").firstSeq, 2251);
      await fill(log.partition("p"), 60, 60_000);
      assert.equal((await contents(log.partition("p"))).length, 60);
    });
  });

  for (const [what, append] of [
    ["batches", (partition: Partition) => partition.appendBatch(Array.from({ length: 100 }, () => "".padEnd(1000, "b")))],
    ["records in fragments", (partition: Partition) => partition.append("".padEnd(100_000, "f"))],
    ["records of half a segment", (partition: Partition) => partition.append("".padEnd(600_000, "h"))],
    ["records larger than a segment", (partition: Partition) => partition.append("".padEnd(2_500_000, "l"))],
  ] as const) {
    test(`trim frees segments that are written by nothing but ${what}`, async () => {
      await withLog(freshPath(), options, async (log) => {
        const partition = log.partition("p");
        while (log.stats()[0]!.segments < 12) await append(partition);
        // Nothing from here on lies in the segments before.
        const segments = log.stats()[0]!.segments;
        const mark = partition.lastSeq;
        while (log.stats()[0]!.segments < segments + 8) await append(partition);
        await partition.trim(mark + 1);
        assert.ok(log.stats()[0]!.segmentsReleased >= segments - 4, JSON.stringify(log.stats()[0]));
      });
    });
  }

  test("a segment stays as long as any partition has a record in it", async () => {
    const directory = freshPath();
    // With reclaim the record would be moved on, and its segment freed.
    await withLog(directory, { ...options, reclaim: false }, async (log) => {
      await log.partition("slow").append("keeps the first segment");
      await fill(log.partition("fast"), 300, 12_000);
      await log.partition("fast").trim(301);
      assert.equal(log.stats()[0]!.segmentsReleased, 0);
      assert.deepEqual(await contents(log.partition("slow")), ["keeps the first segment"]);
      await log.partition("slow").trim(2);
      assert.ok(log.stats()[0]!.segmentsReleased >= 3);
      assert.equal(await log.partition("slow").append("goes on"), 2);
    });
    await withLog(directory, options, async (log) => assert.deepEqual(await contents(log.partition("slow")), ["goes on"]));
  });

  test("any sequence of appends, trims, truncates, rotations, crashes and reopenings agrees with a list in memory", async (t) => {
    await compareWithLists(t, { backend, blocksPerRecordMax: 1 });
  });
});
