// A lane opened for reading only, on a log made block by block: what a later look may change.

import assert from "node:assert/strict";
import { test } from "node:test";
import { chooseKernels } from "#src/format/kernels.js";
import { ReadOnlyLane } from "#src/log/read-only-lane.js";
import { get } from "#src/log/reader.js";
import { chooseStorage } from "#src/storage/choose.js";
import { alignment, define, entry, record, type LogBuilder } from "../recovery/log-builder.js";
import { recover, withLog } from "../recovery/recovering.js";

async function withLane(log: LogBuilder, body: (lane: ReadOnlyLane) => Promise<void>): Promise<void> {
  const { storage } = chooseStorage({ backend: "fs" });
  const look = () => recover(log, { readOnly: true });
  const lane = new ReadOnlyLane({
    lane: 0, directory: log.directory, uuid: log.uuid, alignment, kernels: chooseKernels(), storage, look, isUnchanged: () => Promise.resolve(false), recovered: await look(),
  });
  try {
    await body(lane);
  } finally {
    await lane.close();
    await storage.close();
  }
}

test("a name that was lost and becomes known at a later look names the same partition, also for a reader that waits for it", async () => {
  await withLog(async (log) => {
    log.rotate();
    const definitions = log.block([define(1, "a"), define(2, "b"), define(3, "c")]);
    log.block([record(1, 1, "of a"), record(2, 1, "of b"), record(3, 1, "of c")]);
    log.block([]);
    log.write(definitions.segment, definitions.offset, new Uint8Array(definitions.bytes));
    await withLane(log, async (lane) => {
      const text = async (name: string, sequence: number) => Buffer.from((await get(lane, lane.table.byName(name)!, sequence))!.data).toString();
      const standIns = [...lane.table].map(({ name }) => name);
      assert.deepEqual(standIns.map((name) => name.startsWith("\0name lost")), [true, true, true]);
      // As a tail of it does.
      lane.table.reserve("b");
      log.rotate([entry(1, "a", 1), entry(2, "b", 1), entry(3, "c", 1)]);
      log.block([record(2, 2, "more of b")]);
      log.block([]);
      assert.equal(await lane.lookAgain(), true);
      assert.deepEqual([...lane.table].map(({ id, name }) => [id, name]), [[1, "a"], [2, "b"], [3, "c"]]);
      assert.deepEqual([await text("a", 1), await text("b", 1), await text("c", 1), await text("b", 2)], ["of a", "of b", "of c", "more of b"]);
      assert.equal(await text(standIns[1]!, 2), "more of b", "whoever holds the stand-in reads on");
    });
  });
});

test("a name that is lost at a later look stays known", async () => {
  await withLog(async (log) => {
    log.rotate();
    const definitions = log.block([define(1, "a"), define(2, "b")]);
    log.block([record(1, 1, "of a"), record(2, 1, "of b")]);
    log.block([]);
    await withLane(log, async (lane) => {
      log.write(definitions.segment, definitions.offset, new Uint8Array(definitions.bytes));
      log.block([record(2, 2, "more of b")]);
      log.block([]);
      assert.equal(await lane.lookAgain(), true);
      assert.deepEqual([...lane.table].map(({ id, name, durableSequence }) => [id, name, durableSequence]), [[1, "a", 1], [2, "b", 2]]);
      assert.equal(Buffer.from((await get(lane, lane.table.byName("b")!, 2))!.data).toString(), "more of b");
    });
  });
});
