// Opening and closing gives back every descriptor and every mapping. `npm run leaks` does it ten thousand times.

import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import { describe, test } from "node:test";
import { Log } from "#src/index.js";
import { freshPath, onEachBackend, small } from "../log/log-fixture.js";
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
