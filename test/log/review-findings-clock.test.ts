// A frame's time has 32 bits of milliseconds above its segment's base time: a segment that was made ready long ago is renewed.

import assert from "node:assert/strict";
import fs from "node:fs";
import { test } from "node:test";
import { LaneLog } from "#src/log/lane-log.js";
import { resolveOptions } from "#src/log/options.js";
import { chooseStorage } from "#src/storage/choose.js";
import type { LogOptions } from "#src/index.js";
import { freshPath, onEachBackend, small, withLog, type Backend } from "./log-fixture.js";

const dayMillis = 24 * 60 * 60 * 1000;

onEachBackend("a clock that leaps", (backend) => {
  for (const days of [10, 13, 30, 60, 1000]) {
    test(`${days} days forward with the next segment ready: every record has the time of its append`, async () => {
      const directory = freshPath();
      let now = Date.UTC(2030, 0, 1);
      const log = await openAt(directory, backend, () => now);
      const partition = log.partition("p");
      const times: number[] = [];
      // More than half a segment: the next one is made ready.
      for (let count = 0; count < 45; count++) {
        await partition.append(Buffer.alloc(15_000));
        times.push(now);
      }
      while (!fs.existsSync(`${directory}/lane-00/00000002.segment`)) await new Promise((resolve) => setImmediate(resolve));
      for (let leap = 0; leap < 4; leap++) {
        now += days * dayMillis;
        if (leap % 2 === 0) log.rotate();
        await partition.append("x");
        times.push(now);
      }
      await log.close();
      assert.deepEqual(await timesOf(directory, backend), times);
    });
  }

  for (const days of [10, 60, 1000]) {
    test(`${days} days back, for good: times stand still until it has caught up, in each next segment and after each opening`, async () => {
      const directory = freshPath();
      const start = Date.UTC(2030, 0, 1);
      let now = start;
      const times: number[] = [];
      for (let opening = 0; opening < 3; opening++) {
        const log = await openAt(directory, backend, () => now);
        const partition = log.partition("p");
        for (let segment = 0; segment < 3; segment++) {
          await partition.append("x");
          times.push(start);
          log.rotate();
          now = start - days * dayMillis;
          // More than half a segment: the next one is made ready.
          await Promise.all(Array.from({ length: 45 }, () => partition.append(Buffer.alloc(15_000))));
          times.push(...Array.from({ length: 45 }, () => start));
        }
        await log.close();
      }
      assert.deepEqual(await timesOf(directory, backend), times);
    });

    test(`${days} days forward while a block is open: what follows has a time, and never an earlier one`, async () => {
      const directory = freshPath();
      const start = Date.UTC(1970, 0, 1);
      let now = start;
      const log = await openAt(directory, backend, () => now, { durability: { mode: "interval", ms: 60_000 } });
      const partition = log.partition("p");
      await partition.append("x");
      now += days * dayMillis;
      await partition.append("x");
      await log.sync();
      await partition.append("x");
      await log.close();
      const times = await timesOf(directory, backend);
      assert.deepEqual([times[0], times[2]], [start, now]);
      assert.ok(times[1]! >= start && times[1]! <= now);
    });
  }
});

async function openAt(directory: string, backend: Backend, now: () => number, options: LogOptions = {}): Promise<LaneLog> {
  const { storage } = chooseStorage({ backend });
  return LaneLog.openOn({ storage: { ...storage, clock: { ...storage.clock, now } }, reason: "rigged" }, directory, resolveOptions({ backend, ...small, ...options }));
}

async function timesOf(directory: string, backend: Backend): Promise<number[]> {
  const times: number[] = [];
  await withLog(directory, { backend, ...small }, async (log) => {
    for await (const { time } of log.partition("p").read()) times.push(time);
  });
  return times;
}
