// A lane opened for reading only, on a log made block by block: what a later look may change.

import assert from "node:assert/strict";
import { test } from "node:test";
import { frameFlag } from "#src/format/frame.js";
import { get, readBatches } from "#src/log/reader.js";
import { define, entry, record } from "../recovery/log-builder.js";
import { withLog } from "../recovery/recovering.js";
import { withLane } from "./read-only.js";

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

test("the beginning of a record that was left off never gets another record's rest", async () => {
  await withLog(async (log) => {
    log.rotate();
    log.block([
      define(1, "a"), record(1, 1, "one"), record(1, 2, "left off, ", frameFlag.recordGoesOn), record(1, 2, "two"),
      record(1, 3, "the rest of three", frameFlag.recordContinued), record(1, 4, "four"),
    ]);
    log.block([]);
    await withLane(log, async (lane) => {
      const state = lane.table.byName("a")!;
      const found = async (sequence: number) => Buffer.from((await get(lane, state, sequence))!.data).toString();
      const batches = readBatches(lane, state);
      assert.deepEqual((await batches.next()).value!.map(({ seq, data }) => [seq, Buffer.from(data).toString()]), [[1, "one"], [2, "two"]]);
      await assert.rejects(batches.next(), { code: "RINGWALL_DAMAGED" });
      assert.deepEqual([await found(1), await found(2), await found(4)], ["one", "two", "four"]);
      await assert.rejects(get(lane, state, 3), { code: "RINGWALL_DAMAGED" });
    });
  });
});

test("every record in front of damage and behind it is found alone, however far behind its index entry", async () => {
  await withLog(async (log) => {
    log.rotate();
    const texts = Array.from({ length: 60 }, (_, at) => `${String(at + 1)} `.padEnd(2024, "x"));
    const records = (from: number, to: number) => texts.slice(from - 1, to).map((text, at) => record(1, from + at, text));
    log.block([define(1, "a"), ...records(1, 20)]);
    const lost = log.block(records(21, 23));
    log.block(records(24, 60));
    log.block([]);
    log.write(lost.segment, lost.offset, new Uint8Array(lost.bytes));
    await withLane(log, async (lane) => {
      const state = lane.table.byName("a")!;
      for (const [at, text] of texts.entries()) {
        if (at + 1 >= 21 && at + 1 <= 23) await assert.rejects(get(lane, state, at + 1), { code: "RINGWALL_DAMAGED" });
        else assert.equal(Buffer.from((await get(lane, state, at + 1))!.data).toString(), text, `record ${String(at + 1)}`);
      }
    });
  }, 1024 * 1024);
});
