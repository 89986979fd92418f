// Recovery of a lane that lost what it had acknowledged: it must be noticed, named exactly, and never papered over.

import assert from "node:assert/strict";
import { readFileSync, renameSync, rmSync } from "node:fs";
import { test } from "node:test";
import { RingwallError } from "#src/base/errors.js";
import { blockFlag } from "#src/format/block.js";
import type { LostRange, RecoveredLane, RecoveryReport } from "#src/recovery/recovered-lane.js";
import { nodeFileSystem } from "#src/storage/node-files.js";
import { FailingFiles } from "./failing-files.js";
import { alignment, checkpoint, define, entry, group, record, trim, truncate, type LogBuilder } from "./log-builder.js";
import { readBack } from "./read-back.js";
import { kernelsHere, recover, withLog } from "./recovering.js";

/** Two partitions in turns, one record of each per block: block 2 defines them, blocks up to `last` hold sequence block - 1. */
function inTurns(log: LogBuilder, last: number): void {
  if (log.nextBlock === 1) log.rotate();
  for (let block = log.nextBlock; block <= last; block++) {
    const sequence = block - 1;
    const frames = [record(1, sequence, `a${String(sequence)}`), record(2, sequence, `b${String(sequence)}`)];
    log.block(block === 2 ? [define(1, "a"), define(2, "b"), ...frames] : frames);
  }
}

function flip(log: LogBuilder, segment: number, offset: number, bit = 0): void {
  const byte = readFileSync(log.path(segment))[offset]!;
  log.write(segment, offset, Uint8Array.of(byte ^ (1 << bit)));
}

function lost(partition: number, name: string | null, firstSequence: number, lastSequence: number): LostRange {
  return { partition, name, firstSequence, lastSequence };
}

/** A writer is refused with the same report that a reader gets. */
async function recoverDamaged(log: LogBuilder, change: Parameters<typeof recover>[1] = {}): Promise<RecoveredLane> {
  const before = readFileSync(log.path(log.segment));
  const lane = await recover(log, { ...change, readOnly: true });
  assert.equal(lane.report.verdict, "damaged");
  await assert.rejects(recover(log, change), (error) => {
    assert.ok(error instanceof RingwallError);
    assert.equal(error.code, "RINGWALL_DAMAGED");
    assert.match(error.message, /readOnly.*verify.*repair/);
    assert.deepEqual({ ...(error.details as RecoveryReport), millis: 0 }, { ...lane.report, millis: 0 });
    return true;
  });
  assert.deepEqual(readFileSync(log.path(log.segment)), before, "nothing is repaired by looking");
  return lane;
}

const all = (last: number, ...without: readonly number[]): { a: string[]; b: string[] } => {
  const sequences = Array.from({ length: last }, (_, index) => index + 1).filter((sequence) => !without.includes(sequence));
  return { a: sequences.map((sequence) => `${String(sequence)}:a${String(sequence)}`), b: sequences.map((sequence) => `${String(sequence)}:b${String(sequence)}`) };
};

for (const kernels of kernelsHere) {
  test(`damage below H (${kernels.name}): one damaged payload costs its record, and the report names it`, async () => {
    await withLog(async (log) => {
      inTurns(log, 12);
      const block = log.blocks[4]!;
      flip(log, 1, block.frames[0]! + 24);
      const lane = await recoverDamaged(log, { kernels });
      assert.deepEqual(lane.report.lost, [lost(1, "a", 4, 4)]);
      assert.equal(lane.report.lostExact, true);
      assert.deepEqual([lane.report.firstInvalidBlock, lane.report.horizon], [5, 11]);
      assert.deepEqual(lane.report.damaged.map(({ segment, from, to }) => ({ segment, from, to })), [{ segment: 1, from: block.frames[0], to: block.frames[1] }]);
      assert.deepEqual(await readBack(log, lane), { a: all(11, 4).a, b: all(11).b });
      assert.deepEqual([lane.table.byName("a")?.lastSequence, lane.nextBlock], [11, 13]);
    });
  });

  test(`damage below H (${kernels.name}): a damaged block header costs no record whose frame is whole`, async () => {
    await withLog(async (log) => {
      inTurns(log, 12);
      flip(log, 1, log.blocks[4]!.offset + 8);
      const lane = await recoverDamaged(log, { kernels });
      assert.deepEqual(lane.report.lost, []);
      assert.deepEqual(await readBack(log, lane), all(11));
    });
  });

  test(`damage below H (${kernels.name}): a zero page inside a large block costs that page's records`, async () => {
    await withLog(async (log) => {
      log.rotate();
      const text = "x".repeat(1000);
      log.block([define(1, "a"), ...Array.from({ length: 20 }, (_, index) => record(1, index + 1, text))]);
      for (let block = 3; block < 6; block++) log.block([record(1, 18 + block, "after")]);
      const { offset, frames } = log.blocks[1]!;
      log.write(1, offset + 2 * alignment, new Uint8Array(alignment));
      const lane = await recoverDamaged(log, { kernels });
      const hit = frames.slice(1).flatMap((at, index) => (at + 1024 > offset + 2 * alignment && at < offset + 3 * alignment ? [index + 1] : []));
      assert.deepEqual(lane.report.lost, [lost(1, "a", hit[0]!, hit.at(-1)!)]);
      assert.equal((await readBack(log, lane))["a"]?.length, 23 - hit.length);
    });
  });
}

for (const kernels of kernelsHere) {
  test(`damage below H (${kernels.name}): a large block without its header is searched in windows, and no frame falls between them`, async () => {
    await withLog(async (log) => {
      log.rotate();
      const text = "x".repeat(1999);
      const count = 3000;
      log.block([define(1, "a"), record(1, 1, "first")]);
      const block = log.block(Array.from({ length: count }, (_, index) => record(1, index + 2, text)));
      for (let sequence = 0; sequence < 3; sequence++) log.block([record(1, count + 2 + sequence, "after")]);
      assert.ok(block.bytes > 5 * 1024 * 1024);
      flip(log, 1, block.offset + 20);
      flip(log, 1, block.frames[1500]! + 100);
      const lane = await recover(log, { kernels, readOnly: true });
      assert.deepEqual([lane.report.verdict, lane.report.lost], ["damaged", [lost(1, "a", 1502, 1502)]]);
      assert.equal(lane.report.scannedRecords, 1 + count - 1 + 3);
    }, 8 * 1024 * 1024);
  });
}

test("damage below H: a zeroed block costs its records and nothing else", async () => {
  await withLog(async (log) => {
    inTurns(log, 12);
    log.write(1, log.blocks[6]!.offset, new Uint8Array(alignment));
    const lane = await recoverDamaged(log);
    assert.deepEqual(lane.report.lost, [lost(1, "a", 6, 6), lost(2, "b", 6, 6)]);
    assert.deepEqual(await readBack(log, lane), all(11, 6));
  });
});

test("a group goes on behind a checkpoint and its beginning is lost: what that took away is unknown, and the report does not swear to it", async () => {
  await withLog(async (log) => {
    log.rotate();
    log.block([define(1, "a"), define(2, "b"), record(1, 1, "old")]);
    const [begins, ends] = group(truncate(1, 0), record(1, 1, "new"));
    const last = log.block([record(2, 1, "lost"), begins!]);
    log.rotate([entry(1, "a", 1), entry(2, "b", 1)]);
    log.block([ends!]);
    log.block([]);
    for (const frame of [0, 1]) flip(log, 1, last.frames[frame]! + 12);
    const { report } = await recoverDamaged(log);
    assert.deepEqual([report.lost, report.lostExact], [[lost(2, "b", 1, 1)], false]);
  });
});

test("a truncation is lost with all that was written anew up to the old end: the report does not swear to it, and the next checkpoint names it", async () => {
  for (const hasCheckpoint of [false, true]) {
    await withLog(async (log) => {
      log.rotate();
      log.block([define(1, "a"), record(1, 1, "one"), record(1, 2, "two"), record(1, 3, "three")]);
      const anew = log.block([truncate(1, 1), record(1, 2, "zwei"), record(1, 3, "drei")]);
      log.block([record(1, 4, "vier")]);
      if (hasCheckpoint) log.rotate([{ ...entry(1, "a", 4), truncations: [{ segment: 1, offset: anew.frames[0]!, after: 1 }] }]);
      log.block([]);
      for (const frame of anew.frames) flip(log, 1, frame + 12);
      const { report } = await recoverDamaged(log);
      assert.deepEqual([report.lost, report.lostExact], hasCheckpoint ? [[lost(1, "a", 2, 4)], true] : [[], false]);
    });
  }
});

test("damage below H: several damaged places at once, and a torn tail behind them", async () => {
  await withLog(async (log) => {
    inTurns(log, 20);
    for (const block of [3, 4, 9]) log.write(1, log.blocks[block]!.offset, new Uint8Array(alignment));
    flip(log, 1, log.blocks[15]!.frames[1]! + 24);
    log.block([record(1, 20, "lost in flight")], { lost: true, horizon: 19 });
    log.block([record(1, 21, "in flight")], { horizon: 19 });
    const lane = await recoverDamaged(log);
    assert.deepEqual(lane.report.lost, [lost(1, "a", 3, 4), lost(1, "a", 9, 9), lost(2, "b", 3, 4), lost(2, "b", 9, 9), lost(2, "b", 15, 15)]);
    assert.deepEqual(await readBack(log, lane), { a: all(19, 3, 4, 9).a, b: all(19, 3, 4, 9, 15).b });
  });
});

test("the lost record is its partition's last: its damaged frame still names it, and the report does not swear to it", async () => {
  await withLog(async (log) => {
    inTurns(log, 6);
    log.block([record(1, 6, "the last of a")]);
    for (let sequence = 6; sequence < 12; sequence++) log.block([record(2, sequence, "b")]);
    flip(log, 1, log.blocks[6]!.frames[0]! + 26);
    const lane = await recoverDamaged(log);
    assert.deepEqual(lane.report.lost, [lost(1, "a", 6, 6)]);
    assert.equal(lane.report.lostExact, false);
    assert.equal(lane.table.byName("a")?.lastSequence, 6, "a reader meets the loss and not an end");
  });
});

test("the lost block held a partition's last record: the next checkpoint tells", async () => {
  await withLog(async (log) => {
    inTurns(log, 6);
    log.block([record(1, 6, "the last of a")]);
    log.write(1, log.blocks[6]!.offset, new Uint8Array(alignment));
    log.block([record(2, 6, "b6")]);
    log.rotate([entry(1, "a", 6), entry(2, "b", 6)]);
    log.block([record(2, 7, "b7")]);
    const lane = await recoverDamaged(log);
    assert.deepEqual(lane.report.lost, [lost(1, "a", 6, 6)]);
    assert.equal(lane.report.lostExact, true);
  });
});

test("a lost definition: the partition's name comes from a later checkpoint", async () => {
  await withLog(async (log) => {
    inTurns(log, 4);
    log.block([define(3, "c"), record(3, 1, "c1")]);
    log.block([record(3, 2, "c2")]);
    log.write(1, log.blocks[4]!.offset, new Uint8Array(alignment));
    log.rotate([entry(1, "a", 3), entry(2, "b", 3), entry(3, "c", 2)]);
    log.block([record(3, 3, "c3")]);
    const lane = await recoverDamaged(log);
    assert.deepEqual(lane.report.lost, [lost(3, "c", 1, 1)]);
    assert.deepEqual((await readBack(log, lane))["c"], ["2:c2", "3:c3"]);
  });
});

test("a lost definition that nothing else repeats: the range has an id and no name", async () => {
  await withLog(async (log) => {
    inTurns(log, 4);
    log.block([define(3, "c"), record(3, 1, "c1")]);
    for (let sequence = 2; sequence < 6; sequence++) log.block([record(3, sequence, "c")]);
    log.write(1, log.blocks[4]!.offset, new Uint8Array(alignment));
    const lane = await recoverDamaged(log);
    assert.deepEqual(lane.report.lost, [lost(3, null, 1, 1)]);
    assert.equal(lane.report.lostExact, false);
  });
});

test("a damaged batch: its surviving records are lost with it, since it is atomic", async () => {
  await withLog(async (log) => {
    inTurns(log, 4);
    log.block(group(record(1, 4, "four"), record(2, 4, "vier"), record(1, 5, "five")));
    for (let sequence = 6; sequence < 10; sequence++) log.block([record(1, sequence, `a${String(sequence)}`)]);
    flip(log, 1, log.blocks[4]!.frames[1]! + 24);
    const lane = await recoverDamaged(log);
    assert.deepEqual(lane.report.lost, [lost(1, "a", 4, 5), lost(2, "b", 4, 4)]);
    assert.deepEqual((await readBack(log, lane))["a"], [...all(3).a, "6:a6", "7:a7", "8:a8", "9:a9"]);
  });
});

test("a lost truncation: what it may have hidden is not passed for alive", async () => {
  await withLog(async (log) => {
    inTurns(log, 6);
    log.block([truncate(1, 2)]);
    log.block([record(1, 3, "anew")]);
    for (let sequence = 4; sequence < 8; sequence++) log.block([record(1, sequence, "anew")]);
    log.write(1, log.blocks[6]!.offset, new Uint8Array(alignment));
    const lane = await recoverDamaged(log);
    assert.equal(lane.report.lostExact, false);
    const read = (await readBack(log, lane))["a"]!;
    assert.deepEqual(read.filter((text) => Number(text.split(":")[0]) > 2), ["3:anew", "4:anew", "5:anew", "6:anew", "7:anew"]);
  });
});

test("dead blocks behind a segment's end stay dead when something before them is damaged", async () => {
  await withLog(async (log) => {
    inTurns(log, 8);
    const { previousChecksum, offset, nextBlock } = log;
    log.block([record(1, 8, "dead")], { lost: true, horizon: 7 });
    log.block([record(1, 9, "dead")], { horizon: 7 });
    Object.assign(log, { nextBlock, previousChecksum, offset });
    log.reopen();
    log.rotate([entry(1, "a", 7), entry(2, "b", 7)]);
    log.block([record(1, 8, "a8"), record(2, 8, "b8")]);
    log.block([record(1, 9, "a9"), record(2, 9, "b9")]);
    log.reopen();
    log.write(1, log.blocks[4]!.offset, new Uint8Array(alignment));
    const lane = await recoverDamaged(log);
    assert.deepEqual(lane.report.lost, [lost(1, "a", 4, 4), lost(2, "b", 4, 4)]);
    assert.deepEqual(await readBack(log, lane), all(9, 4));
  });
});

test("names in blocks of a dead epoch are not believed where the name itself is lost", async () => {
  await withLog(async (log) => {
    log.rotate();
    log.block([define(1, "a"), record(1, 1, "a1")]);
    const { previousChecksum, offset, nextBlock } = log;
    log.block([record(1, 2, "dead")], { lost: true, horizon: 2 });
    log.block([define(2, "dead"), record(2, 1, "dead")], { horizon: 2 });
    Object.assign(log, { nextBlock, previousChecksum, offset });
    log.reopen();
    log.block([record(1, 2, "a2")]);
    // The segment is left here: the dead block stands in it for ever.
    log.enter(2);
    const defining = log.block([...checkpoint([entry(1, "a", 2)]), define(2, "b"), record(2, 1, "b1")], { flags: blockFlag.checkpoint });
    log.block([record(2, 2, "b2")]);
    log.reopen();
    log.block([record(2, 3, "b3")]);
    log.write(2, defining.offset, new Uint8Array(defining.bytes));
    const lane = await recoverDamaged(log);
    assert.deepEqual([...lane.table].map(({ name }) => name), ["a", "\0name lost: 2"]);
    assert.deepEqual(lane.report.lost, [lost(2, null, 1, 1)]);
  });
});

test("lost ranges that were trimmed or truncated later are missed by nobody", async () => {
  await withLog(async (log) => {
    inTurns(log, 8);
    log.write(1, log.blocks[3]!.offset, new Uint8Array(alignment));
    log.block([trim(1, 5), truncate(2, 2)]);
    for (let block = 0; block < 4; block++) log.block([record(1, 8 + block, "on")]);
    const lane = await recoverDamaged(log);
    assert.deepEqual(lane.report.lost, []);
  });
});

test("beyond W: a block too far behind the hole proves that the hole was durable", async () => {
  await withLog(async (log) => {
    inTurns(log, 4);
    log.block([record(1, 4, "lost")], { lost: true, horizon: 0 });
    for (let sequence = 5; sequence < 8; sequence++) log.block([record(1, sequence, "in window")], { horizon: 0 });
    assert.equal((await recover(log)).report.verdict, "torn tail");
    log.block([record(1, 8, "outside")], { horizon: 0 });
    await assert.rejects(recover(log), /behind the first invalid one/);
  });
});

test("the superblock's horizon counts: a log whose last blocks are gone is damaged although nothing on disk speaks of them", async () => {
  await withLog(async (log) => {
    inTurns(log, 6);
    log.seal();
    log.write(1, log.blocks[5]!.offset, new Uint8Array(2 * alignment));
    const lane = await recoverDamaged(log);
    assert.deepEqual([lane.report.firstInvalidBlock, lane.report.horizon, lane.report.lostExact], [6, 7, false]);
  });
});

test("a torn block's whole header counts for H: what it saw durable was durable", async () => {
  await withLog(async (log) => {
    inTurns(log, 6);
    const torn = log.block([record(1, 6, "x".repeat(9000))], { horizon: 6 });
    log.write(1, torn.offset + alignment, new Uint8Array(2 * alignment));
    log.write(1, log.blocks[5]!.offset, new Uint8Array(alignment));
    const lane = await recoverDamaged(log);
    assert.deepEqual([lane.report.firstInvalidBlock, lane.report.horizon], [6, 6]);
  });
});

test("blocks behind the seal of a closed log are damage", async () => {
  await withLog(async (log) => {
    inTurns(log, 4);
    log.seal();
    const { laneRecord } = log;
    log.laneRecord = { ...laneRecord, horizon: 4 };
    await assert.rejects(recover(log), /blocks follow its seal/);
  });
});

test("a segment file is missing: everything in it is lost, what follows is not", async () => {
  await withLog(async (log) => {
    inTurns(log, 4);
    log.rotate([entry(1, "a", 3), entry(2, "b", 3)]);
    log.block([record(1, 4, "a4"), record(2, 4, "b4")]);
    log.rotate([entry(1, "a", 4), entry(2, "b", 4)]);
    log.block([record(1, 5, "a5"), record(2, 5, "b5")]);
    rmSync(log.path(2));
    const lane = await recoverDamaged(log);
    assert.deepEqual(lane.report.lost, [lost(1, "a", 4, 4), lost(2, "b", 4, 4)]);
    assert.equal(lane.report.lostExact, true);
    assert.deepEqual(await readBack(log, lane), all(5, 4));
    assert.match(lane.report.damaged.map(({ path, reason }) => `${path}: ${reason}`).join("\n"), /00000002\.segment: the file is missing/);
  });
});

test("the first kept segment is missing", async () => {
  await withLog(async (log) => {
    inTurns(log, 4);
    log.rotate([entry(1, "a", 3), entry(2, "b", 3)]);
    log.block([record(1, 4, "a4"), record(2, 4, "b4")]);
    renameSync(log.path(1), `${log.root}/elsewhere`);
    const lane = await recoverDamaged(log);
    assert.deepEqual(lane.report.lost, [lost(1, "a", 1, 3), lost(2, "b", 1, 3)]);
  });
});

test("all segment files are missing from a log that had blocks", async () => {
  await withLog(async (log) => {
    inTurns(log, 4);
    log.seal();
    rmSync(log.path(1));
    await assert.rejects(recover(log), { code: "RINGWALL_DAMAGED" });
  });
});

test("contradictions between valid blocks are damage: a hole, an unknown partition, a checkpoint that disagrees", async () => {
  const cases: [string, RegExp, (log: LogBuilder) => void][] = [
    ["hole", /has sequence 9 where 4 is due/, (log) => log.block([record(1, 9, "nine")])],
    ["unknown partition", /partition 7 is not defined/, (log) => log.block([record(7, 1, "seven")])],
    ["defined twice", /partition 2 is defined twice/, (log) => log.block([define(2, "b")])],
    ["ids not dense", /partition 5 can't be defined/, (log) => log.block([define(5, "e")])],
    ["name twice", /can't be defined as "b"/, (log) => log.block([define(3, "b")])],
    ["group breaks off", /a group breaks off/, (log) => {
      log.block(group(record(1, 4, "four"), record(1, 5, "five")).slice(0, 1));
      log.block([record(2, 4, "vier")]);
    }],
    ["group without beginning", /a group goes on that never began/, (log) => log.block(group(record(1, 3, "three"), record(1, 4, "four")).slice(1))],
    ["checkpoint disagrees", /the checkpoint disagrees on partition "a"/, (log) => log.rotate([entry(1, "a", 2), entry(2, "b", 3)])],
    ["checkpoint lacks one", /the checkpoint lacks a partition/, (log) => log.rotate([entry(1, "a", 3)])],
    ["checkpoint knows more", /which was not defined/, (log) => log.rotate([entry(1, "a", 3), entry(2, "b", 3), entry(3, "c", 1)])],
    ["no checkpoint", /does not begin with a checkpoint/, (log) => {
      log.enter(2);
      log.block([record(1, 4, "four")]);
    }],
    ["checkpoint without beginning", /part of the checkpoint is missing/, (log) => {
      log.enter(2);
      log.block(checkpoint([entry(1, "a", 3), entry(2, "b", 3)], 32).slice(1));
    }],
    ["epoch above the superblock's", /the superblock knows none above 1/, (log) => {
      log.epoch = 2;
      log.epochStart = true;
      log.block([record(1, 4, "four")]);
    }],
  ];
  for (const [title, reason, write] of cases) {
    await withLog(async (log) => {
      inTurns(log, 4);
      write(log);
      const { report } = await recoverDamaged(log);
      assert.match(report.damaged.map((range) => range.reason).join("\n"), reason, title);
    });
  }
});

test("live writer: a block that was durable and is not there is damage", async () => {
  await withLog(async (log) => {
    inTurns(log, 12);
    log.write(1, log.blocks[6]!.offset, new Uint8Array(alignment));
    const lane = await recover(log, { readOnly: true, liveWriter: true });
    assert.equal(lane.report.verdict, "damaged");
    assert.deepEqual(lane.report.lost, [lost(1, "a", 6, 6), lost(2, "b", 6, 6)]);
  });
});

test("unreadable sectors below H cost what they hold, and the scan goes on behind them", async () => {
  await withLog(async (log) => {
    inTurns(log, 12);
    const files = new FailingFiles(nodeFileSystem());
    files.failReads(log.path(1), log.blocks[6]!.offset, log.blocks[6]!.offset + 512);
    const lane = await recoverDamaged(log, { files });
    assert.deepEqual(lane.report.lost, [lost(1, "a", 6, 6), lost(2, "b", 6, 6)]);
    assert.deepEqual([lane.table.byName("a")?.lastSequence, lane.report.scannedRecords], [11, 20]);
    assert.match(lane.report.notes.join("\n"), /can't be read/);
  });
});

test("unreadable sectors behind the tail: few are a torn block, many may hide acknowledged ones", async () => {
  await withLog(async (log) => {
    inTurns(log, 6);
    const files = new FailingFiles(nodeFileSystem());
    files.failReads(log.path(1), log.offset, log.offset + 512);
    const torn = await recover(log, { files });
    assert.deepEqual([torn.report.verdict, torn.nextBlock], ["torn tail", 7]);
    files.failReads(log.path(1), log.offset, log.offset + 5 * alignment);
    await assert.rejects(recover(log, { files }), /may hide blocks that were durable/);
  });
});

test("an unreadable page in the padding of a block, or in the segment's header, costs nothing", async () => {
  await withLog(async (log) => {
    inTurns(log, 3);
    const block = log.block([record(1, 3, "a3"), record(2, 3, "b3")], { blockBytes: 3 * alignment });
    inTurns(log, 8);
    const files = new FailingFiles(nodeFileSystem());
    files.failReads(log.path(1), block.offset + 2 * alignment, block.offset + 2 * alignment + 1);
    files.failReads(log.path(1), 0, 1);
    const lane = await recover(log, { files });
    assert.equal(lane.report.verdict, "clean");
    assert.deepEqual(await readBack(log, lane), all(7));
  });
});
