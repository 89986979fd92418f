// A group that goes on in the next segment keeps the one in which it began.

import assert from "node:assert/strict";
import { test } from "node:test";
import { compareWithLists } from "./list-model.js";
import { contents, crashCopy, freshPath, onEachBackend, small, withLog } from "./log-fixture.js";

onEachBackend("a group over two segments", (backend) => {
  test("a batch of which all that lies in the first segment is trimmed: what lies in the second survives crash and close", async () => {
    const directory = freshPath();
    const copy = await withLog(directory, { backend, ...small }, async (log) => {
      await log.partition("b").append("b1");
      await log.partition("b").trim(2);
      const items = Array.from({ length: 80 }, () => ({ partition: "a", data: Buffer.alloc(15_000) as string | Buffer }));
      await log.write([...items, { partition: "b", data: "b2" }]);
      await log.partition("a").trim(81);
      return crashCopy(directory);
    });
    for (const place of [copy, directory]) {
      await withLog(place, { backend, ...small }, async (log) => {
        assert.deepEqual(await contents(log.partition("b")), ["b2"]);
        assert.deepEqual(await contents(log.partition("a")), []);
        assert.equal(await log.partition("b").append("b3"), 3);
      });
    }
  });

  test("any sequence of operations with records and batches over many blocks agrees with a list in memory", async (t) => {
    await compareWithLists(t, { backend, blocksPerRecordMax: 7 });
  });
});
