// Moved records and recovery: what follows from their frames, and what a damaged lane says of them.

import assert from "node:assert/strict";
import { readFileSync, rmSync } from "node:fs";
import { describe, test } from "node:test";
import { frameFlag, frameKind } from "#src/format/frame.js";
import { readBatches } from "#src/log/reader.js";
import type { RecoveredLane } from "#src/recovery/recovered-lane.js";
import { define, entry, group, moved, record, trim, truncate, type LogBuilder, type TestFrame } from "./log-builder.js";
import { withLane } from "../log/read-only.js";
import { buildForgottenTruncation, recover, withLog } from "./recovering.js";

function flip(log: LogBuilder, segment: number, offset: number): void {
  log.write(segment, offset, Uint8Array.of(readFileSync(log.path(segment))[offset]! ^ 1));
}

function stretches(lane: RecoveredLane, segment: number): unknown {
  const index = lane.segments.find((known) => known.segment === segment)?.index;
  return [...(index?.moved ?? [])].map(([id, all]) => [id, all.map(({ firstSequence, lastSequence, records }) => [firstSequence, lastSequence, records])]);
}

const losses = (lane: RecoveredLane): unknown => lane.report.lost.map(({ name, firstSequence, lastSequence }) => [name, firstSequence, lastSequence]);

/** Segment 1 holds a 1 to 4 and b 1; segment 2 copies of a 2 to 4, and a 5; segment 3 something behind. */
function build(log: LogBuilder): void {
  log.rotate();
  log.block([define(1, "a"), define(2, "b"), record(1, 1, "one"), record(1, 2, "two"), record(1, 3, "three"), record(1, 4, "four"), record(2, 1, "b"), trim(1, 2), trim(2, 2)]);
  log.rotate([entry(1, "a", 4, 2), entry(2, "b", 1, 2)]);
  log.block([moved(1, 2, "two"), moved(1, 3, "three"), moved(1, 4, "four"), record(1, 5, "five")]);
  log.rotate([entry(1, "a", 5, 2), entry(2, "b", 1, 2)]);
  log.block([record(1, 6, "six")]);
  log.block([record(1, 7, "seven")]);
}

/** As `build`, and segment 1 is freed. */
function buildFreed(log: LogBuilder): void {
  build(log);
  log.laneRecord = { ...log.laneRecord, firstSegment: 2 };
  rmSync(log.path(1));
}

describe("a lane with moved records", () => {
  test("copies change no state, and the index of their segment has them apart from fresh records", async () => {
    await withLog(async (log) => {
      build(log);
      const lane = await recover(log, {});
      assert.equal(lane.report.verdict, "clean");
      assert.deepEqual([...lane.table].map(({ name, firstSequence, lastSequence }) => [name, firstSequence, lastSequence]), [["a", 2, 7], ["b", 2, 1]]);
      assert.deepEqual(stretches(lane, 2), [[1, [[2, 4, 3]]]]);
      assert.deepEqual([...lane.segments[1]!.index!.runs].map(([id, run]) => [id, run.firstSequence, run.lastSequence]), [[1, 5, 5]]);
    });
  });

  test("a copy in fragments counts when it is whole, and never in part", async () => {
    for (const isWhole of [true, false]) {
      await withLog(async (log) => {
        log.rotate();
        log.block([define(1, "a"), record(1, 1, "in fragments")]);
        log.rotate([entry(1, "a", 1)]);
        const [first, second] = group(moved(1, 1, "in frag", frameFlag.recordGoesOn), { ...record(1, 1, "ments", frameFlag.recordContinued), kind: frameKind.moved });
        log.block([first!]);
        if (isWhole) log.block([second!]);
        const lane = await recover(log, {});
        assert.equal(lane.report.verdict, "clean");
        assert.deepEqual(stretches(lane, 2), isWhole ? [[1, [[1, 1, 1]]]] : []);
      });
    }
  });

  for (const [what, frames] of Object.entries<TestFrame[]>({
    "of no partition": [moved(3, 1, "x")],
    "above its partition's last": [moved(1, 2, "x")],
    "below its partition's first": [record(1, 2, "two"), trim(1, 2), moved(1, 1, "x")],
    "of a record that is truncated": [truncate(1, 0), moved(1, 1, "x")],
    "without its time": [{ ...moved(1, 1, ""), payload: new Uint8Array(7) }],
    "that goes on as a fresh record": group(moved(1, 1, "x", frameFlag.recordGoesOn), record(1, 1, "y", frameFlag.recordContinued)),
  })) {
    test(`a contradiction: a copy ${what}`, async () => {
      await withLog(async (log) => {
        log.rotate();
        log.block([define(1, "a"), record(1, 1, "one")]);
        log.rotate([entry(1, "a", 1)]);
        log.block(frames);
        const lane = await recover(log, { readOnly: true });
        assert.equal(lane.report.verdict, "damaged");
        assert.equal(lane.report.row, "contradiction");
      });
    });
  }

  test("segments were freed: what was moved on is not lost", async () => {
    await withLog(async (log) => {
      buildFreed(log);
      assert.equal((await recover(log, {})).report.verdict, "clean");
      // Damage elsewhere: the report names that, and no copy.
      flip(log, 3, log.blocks[4]!.frames[0]! + 25);
      const lane = await recover(log, { readOnly: true });
      assert.equal(lane.report.verdict, "damaged");
      assert.deepEqual(losses(lane), []);
    });
  });

  test("a damaged copy is a loss, named, when there is no other", async () => {
    await withLog(async (log) => {
      buildFreed(log);
      flip(log, 2, log.blocks[3]!.frames[1]! + 33);
      const lane = await recover(log, { readOnly: true });
      assert.equal(lane.report.verdict, "damaged");
      assert.deepEqual(losses(lane), [["a", 3, 3]]);
    });
  });

  test("the report swears to lost copies that no checkpoint follows, when every missing frame is one of them, and not else", async () => {
    for (const [what, isFreed, damagedFrames, exact] of [
      ["one copy", true, [1], true],
      ["two copies", true, [1, 2], true],
      ["a copy and a trim", true, [1, 3], false],
      ["a copy whose record is there", false, [1], false],
    ] as const) {
      await withLog(async (log) => {
        log.rotate();
        log.block([define(1, "a"), record(1, 1, "one"), record(1, 2, "two"), record(1, 3, "three")]);
        log.rotate([entry(1, "a", 3)]);
        const copies = log.block([moved(1, 1, "one"), moved(1, 2, "two"), moved(1, 3, "three"), trim(1, 1), record(1, 4, "four")]);
        log.block([record(1, 5, "five")]);
        if (isFreed) {
          log.laneRecord = { ...log.laneRecord, firstSegment: 2 };
          rmSync(log.path(1));
        }
        for (const frame of damagedFrames) flip(log, 2, copies.frames[frame]! + 12);
        const { report } = await recover(log, { readOnly: true });
        assert.deepEqual([report.verdict, report.lostExact], ["damaged", exact], what);
        assert.deepEqual(report.lost.map(({ firstSequence, lastSequence }) => [firstSequence, lastSequence]), !isFreed ? [] : damagedFrames.length === 2 && exact ? [[2, 3]] : [[2, 2]], what);
      });
    }
  });

  test("a whole block of copies is gone: each of them is named", async () => {
    await withLog(async (log) => {
      buildFreed(log);
      const block = log.blocks[3]!;
      log.write(2, block.offset, new Uint8Array(block.bytes));
      assert.deepEqual(losses(await recover(log, { readOnly: true })), [["a", 2, 5]]);
    });
  });

  test("an old superblock is put back and keeps a freed segment, whose record was truncated and written anew in a segment that is gone: its copy is read", async () => {
    await withLog(async (log) => {
      buildForgottenTruncation(log);
      const lane = await recover(log, { readOnly: true });
      assert.equal(lane.report.verdict, "damaged");
      assert.deepEqual(losses(lane), []);
      await withLane(log, async (reader) => {
        const found: string[] = [];
        for await (const records of readBatches(reader, reader.table.byName("a")!, {})) found.push(...records.map(({ data }) => Buffer.from(data).toString()));
        assert.deepEqual(found, ["one", "two", "three"]);
      });
    });
  });

  test("the record is damaged and its copy is whole: nothing is lost; both damaged: it is", async () => {
    await withLog(async (log) => {
      build(log);
      flip(log, 1, log.blocks[1]!.frames[4]! + 24);
      assert.deepEqual(losses(await recover(log, { readOnly: true })), []);
      flip(log, 2, log.blocks[3]!.frames[1]! + 33);
      assert.deepEqual(losses(await recover(log, { readOnly: true })), [["a", 3, 3]]);
    });
  });
});
