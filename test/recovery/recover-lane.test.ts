// Recovery of one lane from files built byte by byte.

import assert from "node:assert/strict";
import { test } from "node:test";
import { blockFlag } from "#src/format/block.js";
import { withLog, recover } from "./recovering.js";
import { define, entry, fragments, group, record } from "./log-builder.js";
import { readBack } from "./read-back.js";

void blockFlag; void entry; void fragments; void group;

test("clean: a closed log comes back whole, and nothing behind its seal is read", async () => {
  await withLog(async (log) => {
    log.rotate();
    log.block([define(1, "a"), record(1, 1, "one")]);
    log.block([record(1, 2, "two"), record(1, 3, "three")]);
    log.seal();
    const lane = await recover(log);
    assert.equal(lane.report.verdict, "clean");
    assert.deepEqual(await readBack(log, lane), { a: ["1:one", "2:two", "3:three"] });
    assert.equal(lane.nextBlock, 5);
    assert.equal(lane.table.byName("a")?.durableSequence, 3);
  });
});
