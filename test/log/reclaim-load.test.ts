// Writers as fast as they can beside records that have to be moved: disk use stays within the factor, and nobody waits for ever.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { Log, type LogOptions, type Partition } from "#src/index.js";
import { contents, freshPath, laneFiles, onEachBackend, refused, small, withLog } from "./log-fixture.js";

const kilobyte = "x".repeat(1000);
/** A record of a kilobyte, with its frame and its share of headers, padding and checkpoints. */
const recordBytes = 1150;
/** As test/sim/reclaim-bound.test.ts has it. */
const segmentsBesideMax = 8;
const segmentBytes = small.segmentBytes!;

interface Writers {
  readonly partitions: readonly Partition[];
  /** Records that stay of each; of those that are not there, all. */
  readonly keeps: readonly (number | undefined)[];
  readonly callers: number;
  readonly records: number;
}

/** Callers append to all partitions in turn, each the next record once its last one is durable. */
async function write({ partitions, keeps, callers, records }: Writers): Promise<void> {
  let left = records;
  await Promise.all(Array.from({ length: callers }, async () => {
    for (let at = left--; at > 0; at = left--) {
      const index = at % partitions.length;
      const partition = partitions[index]!;
      const keep = keeps[index];
      await partition.append(`${partition.name} ${kilobyte}`);
      if (keep !== undefined && partition.lastSeq - partition.firstSeq >= 2 * keep + 50) await partition.trim(partition.lastSeq + 1 - keep);
    }
  }));
}

function liveBytes(log: Log): number {
  return log.partitions().reduce((sum, { firstSeq, lastSeq }) => sum + (lastSeq - firstSeq + 1) * recordBytes, 0);
}

/** One bit of the record of the first segment that begins so. */
function damage(directory: string, text: string): void {
  const file = path.join(directory, "lane-00", laneFiles(directory, ".segment")[0]!);
  const bytes = fs.readFileSync(file);
  bytes[bytes.indexOf(text) + 100]! ^= 1;
  fs.writeFileSync(file, bytes);
}

/** Looks at disk use in each turn of the event loop until all is written. */
async function demandWithin(log: Log, factor: number, writing: Promise<void>): Promise<void> {
  let isOver = false;
  const ended = writing.finally(() => { isOver = true; });
  const allowed = new Map<number, number>();
  const before = new Map<number, number>();
  while (!isOver) {
    await new Promise((resolve) => setImmediate(resolve));
    const lanes = log.stats();
    for (const { lane, segmentsKept } of lanes) {
      // Where live records die, use follows: until it has, nothing but copies makes it grow.
      const limit = Math.max((factor * liveBytes(log)) / lanes.length + segmentsBesideMax * segmentBytes, Math.min(allowed.get(lane) ?? 0, before.get(lane) ?? 0));
      assert.ok(segmentsKept * segmentBytes <= limit, `${String(segmentsKept)} segments, ${String(limit)} bytes allowed: ${JSON.stringify(lanes)}`);
      allowed.set(lane, limit);
      before.set(lane, segmentsKept * segmentBytes);
    }
  }
  await ended;
}

onEachBackend("reclaim under load", (backend) => {
  const options: LogOptions = { ...small, backend };

  test("a partition that is never trimmed grows beside others that are: disk use stays within the factor at every look", async () => {
    await withLog(freshPath(), options, async (log) => {
      const partitions = ["old", "a", "b", "c", "d", "e", "f", "g"].map((name) => log.partition(name));
      await demandWithin(log, 2, write({ partitions, keeps: [undefined, 0, 10, 100, 0, 0, 0, 0], callers: 64, records: 60_000 }));
      assert.equal(log.partition("old").firstSeq, 1);
      const texts = await contents(log.partition("old"));
      assert.equal(texts.length, 7500);
      assert.ok(texts.every((each) => each === `old ${kilobyte}`));
      assert.ok(log.stats()[0]!.bytesMoved > 0);
    });
  });

  test("old records without a dead one between them, then writers whose records die: within the factor", async () => {
    await withLog(freshPath(), { ...options, reclaim: { factor: 1.5 } }, async (log) => {
      const old = log.partition("old");
      await Promise.all(Array.from({ length: 8000 }, () => old.append(`old ${kilobyte}`)));
      await demandWithin(log, 1.5, write({ partitions: [log.partition("busy")], keeps: [0], callers: 64, records: 40_000 }));
      const [stats] = log.stats();
      assert.ok(stats!.bytesMoved > 4_000_000, JSON.stringify(stats));
      assert.ok(stats!.reclaimHolds > 0 && stats!.reclaimHoldMicros > 0, "the owner sees that writers were held");
      assert.equal((await contents(old)).length, 8000);
    });
  });

  test("`bytesPerSecond` holds up to the bound, and not beyond", async () => {
    await withLog(freshPath(), { ...options, reclaim: { bytesPerSecond: 1024 } }, async (log) => {
      const old = log.partition("old");
      await Promise.all(Array.from({ length: 1500 }, () => old.append(`old ${kilobyte}`)));
      await demandWithin(log, 2, write({ partitions: [log.partition("busy")], keeps: [0], callers: 64, records: 30_000 }));
      assert.ok(log.stats()[0]!.bytesMoved >= 1_000_000, "more than a second brings");
    });
  });

  test("each of several lanes stays within it", async () => {
    await withLog(freshPath(), { ...options, lanes: 2 }, async (log) => {
      const partitions = Array.from({ length: 8 }, (_, at) => log.partition(`p${String(at)}`, { lane: at % 2 }));
      await demandWithin(log, 2, write({ partitions, keeps: [undefined, undefined, 0, 0, 10, 10, 0, 0], callers: 64, records: 40_000 }));
      assert.ok(log.stats().every(({ bytesMoved }) => bytesMoved > 0));
    });
  });

  test("what is damaged can't be moved, and nobody waits for it", async () => {
    const directory = freshPath();
    await withLog(directory, { ...options, reclaim: false }, async (log) => {
      await Promise.all(Array.from({ length: 30 }, (_, at) => log.partition("bad").append(`bad ${String(at + 1)} ${kilobyte}`)));
      await write({ partitions: [log.partition("busy")], keeps: [0], callers: 64, records: 8000 });
    });
    damage(directory, "bad 17 ");
    await withLog(directory, options, async (log) => {
      await write({ partitions: [log.partition("busy")], keeps: [0], callers: 64, records: 20_000 });
      assert.equal(log.stats()[0]!.reclaimStoppedAt, 1);
      assert.ok(log.stats()[0]!.segmentsKept > 20);
    });
  });

  test("what is damaged is being truncated, behind records that are held: it goes on, and so do the writers", async () => {
    const directory = freshPath();
    await withLog(directory, { ...options, reclaim: false }, async (log) => {
      const old = log.partition("old");
      await Promise.all(Array.from({ length: 600 }, () => old.append(`old ${kilobyte}`)));
      await Promise.all(Array.from({ length: 30 }, (_, at) => log.partition("bad").append(`bad ${String(at + 1)} ${kilobyte}`)));
      await write({ partitions: [log.partition("busy")], keeps: [0], callers: 64, records: 8000 });
    });
    damage(directory, "bad 17 ");
    await withLog(directory, { ...options, reclaim: { factor: 1.2 } }, async (log) => {
      const [bad, busy] = [log.partition("bad"), log.partition("busy")];
      const before = log.stats()[0]!.reclaimHolds;
      const writing = write({ partitions: [busy], keeps: [0], callers: 64, records: 20_000 });
      const truncating = (async () => {
        while (log.stats()[0]!.reclaimHolds === before) await new Promise((resolve) => setImmediate(resolve));
        await bad.truncate(10);
      })();
      await Promise.all([writing, truncating]);
      assert.deepEqual((await contents(bad)).map((text) => text.slice(0, 6).trim()), Array.from({ length: 10 }, (_, at) => `bad ${String(at + 1)}`));
      assert.equal((await contents(log.partition("old"))).length, 600);
    });
  });

  test("the owner may append when it is asked, and wait for that", async () => {
    let log: Log | null = null;
    let asked = 0;
    const onReclaim = async (): Promise<void> => {
      asked++;
      await log!.partition("told").append("asked");
    };
    log = await Log.open(freshPath(), { ...options, reclaim: { onReclaim } });
    const old = log.partition("old");
    await Promise.all(Array.from({ length: 3000 }, () => old.append(`old ${kilobyte}`)));
    await write({ partitions: [log.partition("busy")], keeps: [0], callers: 64, records: 30_000 });
    assert.ok(asked > 0);
    assert.equal(log.partition("told").lastSeq, asked);
    await log.close();
  });

  test("closed while writers are held: what was accepted is durable, the rest is refused", async () => {
    const directory = freshPath();
    const log = await Log.open(directory, { ...options, reclaim: { factor: 1.2 } });
    const old = log.partition("old");
    const busy = log.partition("busy");
    await Promise.all(Array.from({ length: 8000 }, () => old.append(`old ${kilobyte}`)));
    const before = log.stats()[0]!.reclaimHolds;
    const writing = refused("RINGWALL_CLOSED", () => write({ partitions: [busy], keeps: [0], callers: 64, records: 1_000_000 }));
    while (log.stats()[0]!.reclaimHolds === before) await new Promise((resolve) => setImmediate(resolve));
    const accepted = Promise.all(Array.from({ length: 300 }, () => old.append(`old ${kilobyte}`)));
    const trimmed = busy.trim(busy.lastSeq + 1);
    const truncated = old.truncate(8200);
    await Promise.all([log.close(), accepted, trimmed, truncated]);
    await writing;
    await withLog(directory, options, async (again) => assert.equal((await contents(again.partition("old"))).length, 8200));
  });
});

test("within the factor in the lane's own thread, too", async () => {
  await withLog(freshPath(), { ...small, lane: "thread" }, async (log) => {
    const partitions = ["old", "a", "b", "c"].map((name) => log.partition(name));
    await write({ partitions, keeps: [undefined, 0, 10, 0], callers: 64, records: 30_000 });
    const [stats] = log.stats();
    assert.ok(stats!.segmentsKept * segmentBytes <= 2 * liveBytes(log) + segmentsBesideMax * segmentBytes, JSON.stringify(stats));
    assert.ok(stats!.bytesMoved > 0);
    assert.equal((await contents(log.partition("old"))).length, 7500);
  });
});
