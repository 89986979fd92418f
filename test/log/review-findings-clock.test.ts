// A frame's time has 32 bits of milliseconds above its segment's base time: a segment that was made ready long ago is renewed.

import assert from "node:assert/strict";
import fs from "node:fs";
import { test } from "node:test";
import { LaneLog } from "#src/log/lane-log.js";
import { resolveOptions } from "#src/log/options.js";
import { chooseStorage } from "#src/storage/choose.js";
import { freshPath, onEachBackend, small, withLog } from "./log-fixture.js";

const dayMillis = 24 * 60 * 60 * 1000;

onEachBackend("a clock that leaps", (backend) => {
  for (const days of [10, 13, 30, 60, 1000]) {
    test(`${days} days forward with the next segment ready: every record has the time of its append`, async () => {
      const directory = freshPath();
      const { storage } = chooseStorage({ backend });
      let now = Date.UTC(2030, 0, 1);
      const clock = { ...storage.clock, now: () => now };
      const log = await LaneLog.openOn({ storage: { ...storage, clock }, reason: "rigged" }, directory, resolveOptions({ backend, ...small }));
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
      await withLog(directory, { backend, ...small }, async (again) => {
        const found: number[] = [];
        for await (const { time } of again.partition("p").read()) found.push(time);
        assert.deepEqual(found, times);
      });
    });
  }
});
