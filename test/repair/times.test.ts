// Records keep their times through a repair, whatever order the lane has them in, and `since` finds the same ones.

import assert from "node:assert/strict";
import { test } from "node:test";
import { repairLog } from "#src/index.js";
import { blockHeaderBytes } from "#src/format/block.js";
import { LaneLog } from "#src/log/lane-log.js";
import { resolveOptions } from "#src/log/options.js";
import { createSuperblock } from "#src/recovery/superblock-file.js";
import { chooseStorage } from "#src/storage/choose.js";
import { nodeFileSystem } from "#src/storage/node-files.js";
import { freshPath, small, withLog as withOpenLog } from "../log/log-fixture.js";
import { baseTime, define, entry, moved, record, type LogBuilder, type TestFrame } from "../recovery/log-builder.js";
import { withLog } from "../recovery/recovering.js";

type Times = Record<string, readonly (readonly [seq: number, time: number])[]>;

async function timesOf(directory: string, since?: number): Promise<Times> {
  return withOpenLog(directory, { readOnly: true, backend: "fs" }, async (log) => {
    const all: Record<string, [number, number][]> = {};
    for (const partition of log.partitions()) {
      all[partition.name] = [];
      for await (const { seq, time } of partition.read(since === undefined ? {} : { since })) all[partition.name]!.push([seq, time]);
    }
    return all;
  });
}

function at(frame: TestFrame, time: number): TestFrame {
  return { ...frame, time };
}

function movedAt(partition: number, sequence: number, text: string, time: number): TestFrame {
  const frame = moved(partition, sequence, text);
  const payload = Buffer.from(frame.payload);
  payload.writeBigUInt64LE(BigInt(baseTime + time), 0);
  return { ...frame, payload };
}

async function repaired(log: LogBuilder): Promise<string> {
  await createSuperblock(nodeFileSystem(), log.root, log.superblock);
  const target = freshPath();
  await repairLog(log.root, target, { backend: "fs", segmentBytes: 1024 * 1024 });
  return target;
}

test("a crash ended a round of reclaim: records that have no copy yet keep their times between those that have one", async () => {
  await withLog(async (log) => {
    log.rotate();
    log.block([define(1, "a"), define(2, "b"), at(record(1, 1, "one"), 10), at(record(2, 1, "ein"), 20), at(record(1, 2, "two"), 30), at(record(2, 2, "zwei"), 40)]);
    log.rotate([entry(1, "a", 2), entry(2, "b", 2)]);
    log.block([movedAt(1, 1, "one", 10), movedAt(1, 2, "two", 30), at(record(1, 3, "three"), 50)]);
    log.block([]);
    const target = await repaired(log);
    assert.deepEqual(await timesOf(target), {
      a: [[1, baseTime + 10], [2, baseTime + 30], [3, baseTime + 50]],
      b: [[1, baseTime + 20], [2, baseTime + 40]],
    });
    assert.deepEqual(await timesOf(target, baseTime + 25), { a: [[2, baseTime + 30], [3, baseTime + 50]], b: [[2, baseTime + 40]] });
  });
});

test("frames without their block's header keep their times", async () => {
  await withLog(async (log) => {
    log.rotate();
    log.block([define(1, "a"), at(record(1, 1, "one"), 10)]);
    log.block([at(record(1, 2, "two"), 20)]);
    log.block([at(record(1, 3, "three"), 30)]);
    log.block([]);
    log.write(1, log.blocks[2]!.offset, new Uint8Array(blockHeaderBytes));
    assert.deepEqual(await timesOf(await repaired(log)), { a: [[1, baseTime + 10], [2, baseTime + 20], [3, baseTime + 30]] });
  });
});

test("lanes whose times lie apart, with partitions that are trimmed or empty, keep their own", async () => {
  const directory = freshPath();
  let now = 1_700_000_000_000;
  const { storage, reason } = chooseStorage({ backend: "fs" });
  const clock = { ...storage.clock, now: () => now };
  const log = await LaneLog.openOn({ storage: { ...storage, clock }, reason }, directory, resolveOptions({ ...small, backend: "fs", lanes: 2 }));
  for (const name of ["old", "older", "empty"]) log.partition(name, { lane: 1 });
  for (let hour = 0; hour < 4; hour++) {
    for (const name of ["old", "older", "empty"]) await log.partition(name).append(`${name} ${String(hour)}`);
    now += 3_600_000;
  }
  for (const name of ["old", "older"]) await log.partition(name).trim(2);
  await log.partition("empty").trim(5);
  for (let hour = 0; hour < 4; hour++) {
    await log.partition("late", { lane: 0 }).append(String(hour));
    now += 3_600_000;
  }
  await log.close();
  const target = freshPath();
  assert.equal((await repairLog(directory, target, { backend: "fs" })).complete, true);
  const times = await timesOf(target);
  assert.deepEqual(times, await timesOf(directory));
  assert.deepEqual(times["old"], [1, 2, 3].map((hour) => [hour + 1, 1_700_000_000_000 + hour * 3_600_000]));
  for (const since of [1_700_000_000_000 + 2 * 3_600_000, 1_700_000_000_000 + 5 * 3_600_000]) assert.deepEqual(await timesOf(target, since), await timesOf(directory, since));
});
