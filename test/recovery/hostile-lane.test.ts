// Lanes whose every checksum is right and whose contents no writer wrote: a contradiction with its place, never an
// assertion, and no more work or memory than their bytes are worth.

import assert from "node:assert/strict";
import { test } from "node:test";
import { RingwallError } from "#src/index.js";
import { frameFlag } from "#src/format/frame.js";
import type { RecoveredLane } from "#src/recovery/recovered-lane.js";
import { checkpoint, define, entry, record, trim, truncate, type LogBuilder, type TestFrame } from "./log-builder.js";
import { recover, withLog } from "./recovering.js";

const largest = 2 ** 52;

/** Recovers a lane of one block behind a checkpoint of the partition "a" with 9 records, read-only. */
async function withFrames(frames: readonly TestFrame[]): Promise<RecoveredLane> {
  return built((lane) => {
    lane.rotate([entry(1, "a", 9)]);
    lane.block(frames);
  });
}

async function built(build: (lane: LogBuilder) => void): Promise<RecoveredLane> {
  let recovered: RecoveredLane | null = null;
  await withLog(async (lane) => {
    build(lane);
    recovered = await recover(lane, { readOnly: true });
  });
  assert.ok(recovered !== null);
  return recovered;
}

const contradictions: readonly (readonly [title: string, frames: readonly TestFrame[], reason: RegExp])[] = [
  ["a truncation below a trim", [trim(1, 5), truncate(1, 2)], /can't be truncated after 2/],
  ["a definition out of order", [define(3, "c")], /partition 3 can't be defined/],
  ["a definition of 0", [define(0, "c")], /partition 0 can't be defined/],
  ["a definition with a name that is taken", [define(2, "a")], /partition 2 can't be defined as "a"/],
  ["a definition without a name", [define(2, "")], /partition \d can't be defined as ""/],
  ["a definition with a name that is too long", [define(2, "x".repeat(1025))], /partition 2 can't be defined/],
  ["a definition with a name that is no UTF-8", [{ ...define(2, "x"), payload: Uint8Array.of(2, 0, 0, 0, 0xff) }], /partition 2 can't be defined/],
  ["a trim beyond all sequences", [trim(1, largest + 1)], /beyond all sequences/],
  ["a truncation beyond all sequences", [truncate(1, 2 ** 60)], /beyond all sequences/],
  ["a record beyond all sequences", [trim(1, largest), record(1, largest, "last"), record(1, largest + 1, "more")], /has sequence 4503599627370497/],
  ["a partition that nobody defined", [record(0xffff_ffff, 1, "x")], /partition 4294967295 is not defined/],
  ["a checkpoint where none is due", checkpoint([entry(1, "a", 9)]), /a checkpoint stands where none is due/],
];

for (const [title, frames, reason] of contradictions) {
  test(`${title} is a contradiction`, async () => {
    const { report } = await withFrames(frames);
    assert.equal(report.verdict, "damaged");
    assert.match(report.damaged.map((range) => range.reason).join("; "), reason);
    assert.deepEqual(report.damaged.map(({ segment, from }) => [segment, from >= 4096]), report.damaged.map(() => [1, true]), "each with its place");
  });
}

test("a writer is refused, with a code and the place", async () => {
  await withLog(async (lane) => {
    lane.rotate([entry(1, "a", 9)]);
    const { frames: [, second] } = lane.block([trim(1, 5), truncate(1, 2)]);
    await assert.rejects(recover(lane), (error) => error instanceof RingwallError && error.code === "RINGWALL_DAMAGED" && error.place.segment === 1 && error.place.offset === second);
  });
});

test("names in a group stay with their definitions when one of them is none", async () => {
  const { table, report } = await withFrames([
    { ...define(2, ""), flags: frameFlag.groupGoesOn },
    { ...define(2, "b"), flags: frameFlag.groupContinued | frameFlag.groupGoesOn },
    { ...record(2, 1, "x"), flags: frameFlag.groupContinued },
  ]);
  assert.equal(report.verdict, "damaged");
  assert.deepEqual([...table].map(({ id, name }) => [id, name]), [[1, "a"], [2, "b"]]);
});

test("an absurd partition id behind a gap defines no more partitions than the gap can have held", async () => {
  const { table, report } = await built((lane) => {
    lane.rotate([entry(1, "a", 9)]);
    lane.block([record(1, 10, "lost")], { lost: true });
    lane.block([record(0xffff_ffff, 1, "x"), record(100, 1, "y"), record(1, 11, "z")]);
    lane.block([]);
  });
  assert.equal(report.verdict, "damaged");
  assert.equal(report.lostExact, false);
  assert.deepEqual(table.byName("a")?.lastSequence, 11);
  assert.equal(table.byId(0xffff_ffff), undefined);
  // The lost block of 4096 bytes can have held 128 definitions: so partition 100 is believed.
  assert.equal(table.size, 100);
});

test("a first segment behind freed ones that has half a checkpoint is damage, however high its blocks count", async () => {
  const { report } = await built((lane) => {
    lane.nextBlock = 2 ** 40;
    lane.laneRecord = { ...lane.laneRecord, firstSegment: 7, epochSegment: 7 };
    lane.enter(7);
    lane.block(checkpoint(Array.from({ length: 40 }, (_, index) => entry(index + 1, `p${String(index)}`, 1)), 1100).slice(0, 1));
  });
  assert.equal(report.verdict, "damaged");
  assert.ok(report.discardedBlocks.length <= 1);
});

test("names that stand for lost ones are given out around a partition that is called so", async () => {
  const { table } = await built((lane) => {
    lane.rotate([entry(1, "\u0000name lost: 3", 9)]);
    lane.block([define(2, "b"), record(2, 1, "lost")], { lost: true });
    lane.block([record(3, 1, "y")]);
    lane.block([]);
  });
  assert.deepEqual([...table].map(({ id }) => id), [1, 2, 3]);
});
