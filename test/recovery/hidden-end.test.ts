// Ends that are none: a former superblock put back, a file removed or cut off, where what is left proves that there was more.

import assert from "node:assert/strict";
import { readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { RingwallError } from "#src/base/errors.js";
import type { RecoveredLane, RecoveryReport } from "#src/recovery/recovered-lane.js";
import { writeSegmentIndex } from "#src/recovery/write-segment-index.js";
import { nodeFileSystem } from "#src/storage/node-files.js";
import { FailingFiles } from "./failing-files.js";
import { alignment, define, entry, record, type LogBuilder } from "./log-builder.js";
import { readBack } from "./read-back.js";
import { recover, withLog } from "./recovering.js";

const files = nodeFileSystem();

/** A writer is refused, a reader is told. */
async function recoverDamaged(log: LogBuilder, row: string): Promise<RecoveredLane> {
  const lane = await recover(log, { readOnly: true });
  assert.deepEqual([lane.report.verdict, lane.report.row], ["damaged", row]);
  const watched = new FailingFiles(files);
  await assert.rejects(recover(log, { files: watched }), (error) => {
    assert.ok(error instanceof RingwallError);
    assert.deepEqual([error.code, (error.details as RecoveryReport).row], ["RINGWALL_DAMAGED", row]);
    return true;
  });
  assert.deepEqual(watched.written, [], "nothing is written by a refused opening");
  return lane;
}

/** Segment 1 with records 1 to 4, sealed; the lane record of that close is returned. */
function closedOnce(log: LogBuilder): LogBuilder["laneRecord"] {
  log.rotate();
  log.block([define(1, "a"), record(1, 1, "one"), record(1, 2, "two")]);
  log.block([record(1, 3, "three"), record(1, 4, "four")]);
  log.seal();
  return log.laneRecord;
}

const eight = ["1:one", "2:two", "3:three", "4:four", "5:five", "6:six", "7:seven", "8:eight"];

/** A second epoch behind the seal, over two segments. */
function goOn(log: LogBuilder, isBehindSeal: boolean): void {
  log.reopen();
  if (isBehindSeal) log.block([record(1, 5, "five"), record(1, 6, "six")]);
  log.rotate([entry(1, "a", isBehindSeal ? 6 : 4)]);
  log.block(isBehindSeal ? [record(1, 7, "seven"), record(1, 8, "eight")] : ["five", "six", "seven", "eight"].map((text, index) => record(1, 5 + index, text)));
}

for (const [where, isBehindSeal] of [["right behind the seal", true], ["in the next segment", false]] as const) {
  for (const isClosed of [false, true]) {
    test(`former superblock: a later epoch that begins ${where} and was ${isClosed ? "closed" : "killed"} is refused, and a reader sees its records`, async () => {
      await withLog(async (log) => {
        const former = closedOnce(log);
        goOn(log, isBehindSeal);
        if (isClosed) log.seal();
        log.laneRecord = former;
        const lane = await recoverDamaged(log, "older superblock");
        assert.deepEqual(await readBack(log, lane), { a: eight });
        assert.deepEqual([lane.report.lost, lane.report.lostExact], [[], true]);
        assert.match(lane.report.damaged.map(({ reason }) => reason).join(), /epoch 2, the superblock knows none above 1/);
      });
    });
  }
}

test("former superblock: sealed segments of the later epoch, trusted by their indexes, don't hide it", async () => {
  await withLog(async (log) => {
    const former = closedOnce(log);
    goOn(log, true);
    const whole = await recover(log, { readOnly: true });
    await writeSegmentIndex({ files, directory: log.directory, index: whole.segments[0]!.index!, uuid: log.uuid, lane: 0 });
    log.laneRecord = former;
    await recoverDamaged(log, "older superblock");
  });
});

test("former superblock: where the later epoch's first block is damaged too, a scan of everything still meets it", async () => {
  await withLog(async (log) => {
    const former = closedOnce(log);
    log.reopen();
    const first = log.block([record(1, 5, "five")]);
    log.block([record(1, 6, "six")]);
    log.write(1, first.offset, new Uint8Array(64));
    log.laneRecord = former;
    const lane = await recover(log, { readOnly: true, trustIndexes: false });
    assert.equal(lane.report.row, "older superblock");
  });
});

test("former superblock of an epoch that was open: the blocks of a later one are met, also behind segments that were freed since", async () => {
  await withLog(async (log) => {
    log.rotate();
    log.block([define(1, "a"), record(1, 1, "one"), record(1, 2, "two")]);
    const former = log.laneRecord;
    goOn(log, true);
    log.laneRecord = former;
    await recoverDamaged(log, "older superblock");
    rmSync(log.path(1));
    await recoverDamaged(log, "older superblock");
  });
});

test("a segment cut off at a block's border inside H: the report names the place", async () => {
  await withLog(async (log) => {
    closedOnce(log);
    truncateSync(log.path(1), log.blocks[2]!.offset);
    const { report } = await recoverDamaged(log, "lost block");
    assert.deepEqual(report.damaged, [{ segment: 1, path: log.path(1), from: log.blocks[2]!.offset, to: log.blocks[2]!.offset, reason: "blocks 3 to 4 are not valid: the file ends here" }]);
    assert.equal(report.lostExact, false);
  });
});

test("newest segment of a killed log removed, emptied, zeroed or overwritten: the index of the one before proves that there was one", async () => {
  await withLog(async (log) => {
    log.rotate();
    log.block([define(1, "a"), record(1, 1, "one"), record(1, 2, "two")]);
    log.rotate([entry(1, "a", 2)]);
    log.block([record(1, 3, "three")]);
    const whole = await recover(log, { readOnly: true });
    const bytes = readFileSync(log.path(2));
    rmSync(log.path(2));
    assert.equal((await recover(log, { readOnly: true })).report.verdict, "clean", "without an index nothing on disk speaks of it");
    await writeSegmentIndex({ files, directory: log.directory, index: whole.segments[0]!.index!, uuid: log.uuid, lane: 0 });
    for (const prepared of [[], [3]]) {
      for (const segment of prepared) log.prepare(segment);
      const lane = await recoverDamaged(log, "missing file");
      assert.deepEqual(lane.report.damaged.map(({ path, reason }) => [path, reason]), [[log.path(2), "the file is missing"]]);
      assert.deepEqual([lane.report.lost, lane.report.lostExact], [[], false]);
      assert.deepEqual(await readBack(log, lane), { a: ["1:one", "2:two"] });
    }
    for (const left of [Buffer.alloc(0), Buffer.alloc(bytes.length), readFileSync(log.path(1))]) {
      writeFileSync(log.path(2), left);
      const lane = await recoverDamaged(log, "missing file");
      assert.deepEqual(lane.report.damaged.map(({ path, reason }) => [path, reason]), [[log.path(2), "neither its header nor any block of it is valid"]]);
      assert.equal(lane.report.lostExact, false);
    }
    // As a power loss leaves it before its first block is durable.
    writeFileSync(log.path(2), Buffer.concat([bytes.subarray(0, alignment), Buffer.alloc(bytes.length - alignment)]));
    assert.equal((await recover(log)).report.verdict, "clean");
  });
});

test("a file is missing between the chain's end and a block of the window: no torn tail, for its name was durable first", async () => {
  await withLog(async (log) => {
    log.rotate();
    log.block([define(1, "a"), record(1, 1, "one")]);
    log.rotate([entry(1, "a", 1)], { horizon: 1 });
    log.rotate([entry(1, "a", 1)], { horizon: 1 });
    rmSync(log.path(2));
    await recoverDamaged(log, "missing file");
  });
});

test("every segment of a log removed that was killed in its first epoch: the superblock proves that there was one", async () => {
  await withLog(async (log) => {
    log.rotate();
    log.block([define(1, "a"), record(1, 1, "one")]);
    rmSync(log.path(1));
    const { report } = await recoverDamaged(log, "missing file");
    assert.equal(report.lostExact, false);
    assert.equal(log.laneRecord.epochOffset, alignment);
  });
});
