// Opening and closing gives back every descriptor and every mapping. `npm run leaks` does it ten thousand times.

import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import { describe, test } from "node:test";
import { Log } from "#src/index.js";
import { freshPath, onEachBackend, small } from "../log/log-fixture.js";
import { judge, type Sample } from "./campaign.js";
import { buffersBytes, runCycles } from "./cycles.js";
import { holdings, type Holdings } from "./holdings.js";

/** What must be equal to the last one, however often logs are opened and closed. */
function exact({ descriptors, rings }: Holdings): Partial<Holdings> {
  return { descriptors, rings };
}

describe("leaks", { skip: process.platform === "linux" ? false : "reads /proc" }, () => {
  onEachBackend("open and close", (backend) => {
    test("100 times: as many descriptors and rings afterwards as after the tenth, and no buffers", async (t) => {
      const root = fs.mkdtempSync(`${fs.existsSync("/dev/shm") ? "/dev/shm" : os.tmpdir()}/ringwall-cycles-`);
      t.after(() => fs.rmSync(root, { recursive: true }));
      await runCycles({ backend, root, from: 0, cycles: 10 });
      const before = await holdings();
      await runCycles({ backend, root, from: 10, cycles: 100 });
      const after = await holdings();
      t.diagnostic(`${JSON.stringify(before)} → ${JSON.stringify(after)}`);
      assert.deepEqual(exact(after), exact(before));
      assert.ok(after.anonymousBytes - before.anonymousBytes < 20 * buffersBytes, "buffers of every fifth cycle");
    });

    test("a log that is not closed shows, until it is", async () => {
      const before = await holdings();
      const log = await Log.open(freshPath(), { backend, ...small });
      await log.partition("p").append("x");
      const open = await holdings();
      assert.ok(open.descriptors > before.descriptors, "descriptors");
      if (backend === "uring") {
        assert.ok(open.rings > before.rings, "rings");
      }
      await log.close();
      assert.deepEqual(exact(await holdings()), exact(before));
    });
  });
});

/** Twenty samples of a run in which `grown` grows by so much a cycle, and memory moves up and down by a megabyte. */
function samplesOf(grown: keyof Sample | null, perCycle: number): Sample[] {
  return Array.from({ length: 20 }, (_, index): Sample => {
    const cycle = 500 * (index + 1);
    const noise = index % 2 === 0 ? 0 : 1 << 20;
    const sample = { cycle, descriptors: 20, rings: 0, anonymousBytes: 1e8 + noise, mappings: 300, residentBytes: 1e8 + noise, heapBytes: 8e6 };
    return grown === null ? sample : { ...sample, [grown]: sample[grown] + Math.floor(perCycle * cycle) };
  });
}

test("leaks: what grows is named, and movement up and down is not growth", () => {
  assert.deepEqual(judge(samplesOf(null, 0)).findings, []);
  const growths: readonly [keyof Sample, number, RegExp][] = [
    ["descriptors", 1 / 4000, /^descriptors/],
    ["rings", 1 / 4000, /^mapped rings/],
    ["mappings", 1 / 50, /^mappings/],
    ["residentBytes", 4096, /^resident memory/],
    ["anonymousBytes", 4096, /^mapped memory/],
    ["heapBytes", 400, /^the JavaScript heap/],
  ];
  for (const [grown, perCycle, due] of growths) {
    const { findings } = judge(samplesOf(grown, perCycle));
    assert.equal(findings.length, 1, grown);
    assert.match(findings[0] as string, due);
  }
});
