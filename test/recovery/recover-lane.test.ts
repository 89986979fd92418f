// Recovery of one lane whose bytes are sound as far as they were acknowledged: clean ends, torn tails, epochs, groups.

import assert from "node:assert/strict";
import { existsSync, readFileSync, truncateSync } from "node:fs";
import { test } from "node:test";
import { blockFlag, blockHeaderBytes } from "#src/format/block.js";
import { frameFlag } from "#src/format/frame.js";
import { blocksInFlightUnbounded } from "#src/format/superblock.js";
import { nodeFileSystem } from "#src/storage/node-files.js";
import { FailingFiles } from "./failing-files.js";
import { alignment, checkpoint, define, entry, fragments, group, record, trim, truncate, type LogBuilder, type TestFrame } from "./log-builder.js";
import { readBack } from "./read-back.js";
import { kernelsHere, recover, withLog } from "./recovering.js";

/** Segment 1 with partition "a" and its records 1 to 3, in blocks 1 to 3. */
function begin(log: LogBuilder): void {
  log.rotate();
  log.block([define(1, "a"), record(1, 1, "one")]);
  log.block([record(1, 2, "two"), record(1, 3, "three")]);
}

const three = ["1:one", "2:two", "3:three"];

test("a new log: nothing written, nothing wrong", async () => {
  await withLog(async (log) => {
    log.laneRecord = { ...log.laneRecord, epoch: 0, state: "closed" };
    const lane = await recover(log);
    assert.deepEqual([lane.report.verdict, lane.nextBlock, lane.previousChecksum, lane.segments.length], ["clean", 1, 0, 0]);
  });
});

test("a new log whose first segment was only prepared: the file is free", async () => {
  await withLog(async (log) => {
    log.prepare(1);
    const lane = await recover(log);
    assert.deepEqual([lane.report.verdict, lane.nextBlock, lane.freeFiles], ["clean", 1, [log.path(1)]]);
  });
});

test("all-zero files: a segment and one prepared ahead whose headers never arrived are free", async () => {
  await withLog(async (log) => {
    log.laneRecord = { ...log.laneRecord, epoch: 0, state: "closed" };
    log.prepare(1, false);
    log.prepare(2, false);
    const lane = await recover(log);
    assert.deepEqual([lane.report.verdict, lane.nextBlock, lane.freeFiles], ["clean", 1, [log.path(1), log.path(2)]]);
  });
});

for (const kernels of kernelsHere) {
  test(`clean (${kernels.name}): a closed log comes back whole, and nothing behind its seal is read`, async () => {
    await withLog(async (log) => {
      begin(log);
      log.seal();
      log.prepare(2);
      const lane = await recover(log, { kernels });
      assert.equal(lane.report.verdict, "clean");
      assert.deepEqual(await readBack(log, lane), { a: three });
      assert.deepEqual([lane.nextBlock, lane.report.horizon, lane.report.firstInvalidBlock], [5, 4, 5]);
      const state = lane.table.byName("a");
      assert.deepEqual([state?.lastSequence, state?.placedSequence, state?.durableSequence], [3, 3, 3]);
      assert.deepEqual(lane.freeFiles, [log.path(2)]);
      assert.equal(lane.report.scannedRecords, 3);
    });
  });

  test(`chunks (${kernels.name}): blocks that span chunk borders of any size are read whole`, async () => {
    await withLog(async (log) => {
      begin(log);
      const text = "x".repeat(9000);
      log.block([record(1, 4, text), record(1, 5, text)]);
      log.block([record(1, 6, text)]);
      for (const chunkBytes of [4096, 8192, 12288, 20480, 65536]) {
        const lane = await recover(log, { kernels, chunkBytes });
        assert.deepEqual(await readBack(log, lane), { a: [...three, `4:${text}`, `5:${text}`, `6:${text}`] }, String(chunkBytes));
      }
    });
  });
}

test("the writer died without a seal: everything valid counts, also what no horizon covers", async () => {
  await withLog(async (log) => {
    begin(log);
    const lane = await recover(log);
    assert.deepEqual([lane.report.verdict, lane.report.horizon, lane.nextBlock], ["clean", 2, 4]);
    assert.deepEqual(await readBack(log, lane), { a: three });
  });
});

test("torn tail: cutting the last block at any byte keeps every earlier record", async () => {
  await withLog(async (log) => {
    begin(log);
    const last = log.block([record(1, 4, "four"), record(1, 5, "five")]);
    const bytes = readFileSync(log.path()).subarray(last.offset, last.offset + last.bytes);
    const data = last.framesEnd - last.offset;
    for (let cut = 0; cut <= data + 16; cut++) {
      log.write(1, last.offset, Buffer.concat([bytes.subarray(0, cut), Buffer.alloc(last.bytes - cut)]));
      const lane = await recover(log, { kernels: kernelsHere[cut % kernelsHere.length]! });
      // The padding behind the frames is not part of them, nor are a payload's last zeros.
      const whole = cut >= data || bytes.subarray(cut, data).every((byte) => byte === 0);
      assert.deepEqual(await readBack(log, lane), { a: whole ? [...three, "4:four", "5:five"] : three }, `cut at ${String(cut)}`);
      assert.equal(lane.nextBlock, whole ? 5 : 4);
      if (cut >= blockHeaderBytes && !whole) assert.equal(lane.report.verdict, "torn tail");
    }
  });
});

test("torn tail: cutting a large last block at every 512 bytes, over zeros and over stale bytes", async () => {
  await withLog(async (log) => {
    begin(log);
    const text = "y".repeat(3000);
    const last = log.block([4, 5, 6, 7, 8].map((sequence) => record(1, sequence, text)));
    const bytes = readFileSync(log.path()).subarray(last.offset, last.offset + last.bytes);
    for (let cut = 0; cut < last.framesEnd - last.offset; cut += 512) {
      for (const filler of [0, 0xa5]) {
        log.write(1, last.offset, Buffer.concat([bytes.subarray(0, cut), Buffer.alloc(last.bytes - cut, filler)]));
        const lane = await recover(log);
        assert.deepEqual([lane.nextBlock, lane.report.verdict], [4, cut === 0 ? "clean" : "torn tail"], `cut at ${String(cut)}`);
        assert.deepEqual(await readBack(log, lane), { a: three });
      }
    }
  });
});

test("torn tail: the file itself ends inside the last block", async () => {
  await withLog(async (log) => {
    begin(log);
    const last = log.block([record(1, 4, "z".repeat(10_000))]);
    truncateSync(log.path(), last.offset + 5000);
    const lane = await recover(log);
    assert.deepEqual(await readBack(log, lane), { a: three });
    assert.equal(lane.nextBlock, 4);
  });
});

test("in flight: g is missing, g+1 and g+2 are there: they are dropped and named", async () => {
  await withLog(async (log) => {
    begin(log);
    log.block([record(1, 4, "four")], { lost: true, horizon: 3 });
    log.block([record(1, 5, "five")], { horizon: 3 });
    log.block([record(1, 6, "six")], { horizon: 3 });
    const lane = await recover(log);
    assert.deepEqual([lane.report.verdict, lane.report.horizon, lane.report.firstInvalidBlock], ["torn tail", 3, 4]);
    assert.deepEqual(lane.report.discardedBlocks, [5, 6]);
    assert.deepEqual(await readBack(log, lane), { a: three });
  });
});

test("in flight over a segment's end: the last block of one is missing, the next segment's checkpoint is there", async () => {
  await withLog(async (log) => {
    begin(log);
    log.block([record(1, 4, "four")], { lost: true, horizon: 3 });
    log.rotate([entry(1, "a", 4)], { horizon: 3 });
    const lane = await recover(log);
    assert.deepEqual([lane.report.verdict, lane.nextBlock, lane.report.discardedBlocks], ["torn tail", 4, [5]]);
    assert.deepEqual(lane.freeFiles, [log.path(2)]);
    assert.deepEqual(await readBack(log, lane), { a: three });
  });
});

test("in flight without bound (durability none): any number of blocks may lie behind a hole", async () => {
  await withLog(async (log) => {
    begin(log);
    log.laneRecord = { ...log.laneRecord, blocksInFlightMax: blocksInFlightUnbounded };
    log.block([record(1, 4, "four")], { lost: true, horizon: 0 });
    for (let sequence = 5; sequence < 12; sequence++) log.block([record(1, sequence, "late")], { horizon: 0 });
    const lane = await recover(log);
    assert.deepEqual([lane.report.verdict, lane.nextBlock], ["torn tail", 4]);
  });
});

test("a new epoch begins at the cut, and dead blocks behind it never come back", async () => {
  await withLog(async (log) => {
    begin(log);
    const offset = log.offset;
    log.block([record(1, 4, "dead")], { lost: true, horizon: 3 });
    log.block([record(1, 5, "dead")], { horizon: 3 });
    log.block([record(1, 6, "dead")], { horizon: 3 });
    log.offset = offset;
    log.nextBlock = 4;
    log.previousChecksum = log.blocks[2]!.checksum;
    log.reopen();
    const empty = await recover(log);
    assert.deepEqual([empty.report.verdict, empty.nextBlock, empty.report.discardedBlocks], ["clean", 4, []]);
    log.block([record(1, 4, "alive")]);
    const lane = await recover(log);
    assert.deepEqual([lane.report.verdict, lane.nextBlock], ["clean", 5]);
    assert.deepEqual(await readBack(log, lane), { a: [...three, "4:alive"] });
  });
});

test("leftovers of an epoch before the last lie behind the tail with a sequence below the current epoch's first block", async () => {
  await withLog(async (log) => {
    begin(log);
    const offset = log.offset;
    const checksum = log.previousChecksum;
    // Epoch 1 wrote a large block that got lost, and one behind it: block 5, far down the file.
    log.block([record(1, 4, "x".repeat(20_000))], { lost: true, horizon: 3 });
    log.block([record(1, 5, "dead")], { horizon: 3 });
    // Epoch 2 wrote four small blocks in the space of the large one; epoch 3 begins at block 8, before that leftover.
    Object.assign(log, { offset, nextBlock: 4, previousChecksum: checksum });
    log.reopen();
    for (let sequence = 4; sequence < 8; sequence++) log.block([record(1, sequence, "alive")]);
    log.reopen();
    const lane = await recover(log);
    assert.deepEqual([lane.report.verdict, lane.nextBlock], ["clean", 8]);
    assert.deepEqual(await readBack(log, lane), { a: [...three, "4:alive", "5:alive", "6:alive", "7:alive"] });
  });
});

test("a new epoch begins in the next segment: what the old one had in flight before that is neither tail nor damage", async () => {
  await withLog(async (log) => {
    begin(log);
    const { previousChecksum, offset } = log;
    log.block([record(1, 4, "dead")], { lost: true, horizon: 3 });
    log.block([record(1, 5, "dead")], { horizon: 3 });
    log.block([record(1, 6, "dead")], { horizon: 3 });
    Object.assign(log, { nextBlock: 4, previousChecksum, offset });
    log.reopen();
    log.rotate([entry(1, "a", 3)]);
    for (let sequence = 4; sequence < 9; sequence++) log.block([record(1, sequence, "alive")]);
    const content = { a: [...three, ...[4, 5, 6, 7, 8].map((sequence) => `${String(sequence)}:alive`)] };
    assert.deepEqual(await readBack(log, await recover(log)), content);
    // From the next epoch on the superblock says nothing about that place any more.
    log.reopen();
    const lane = await recover(log);
    assert.deepEqual([lane.report.verdict, await readBack(log, lane)], ["clean", content]);
    log.block([record(1, 9, "third epoch")]);
    assert.equal((await recover(log)).report.verdict, "clean");
  });
});

test("leftovers behind the end of a segment that a later epoch left early are dead", async () => {
  await withLog(async (log) => {
    begin(log);
    const { previousChecksum, offset } = log;
    log.block([record(1, 4, "x".repeat(9000))], { lost: true, horizon: 3 });
    log.block([record(1, 5, "dead")], { horizon: 3 });
    Object.assign(log, { nextBlock: 4, previousChecksum, offset });
    log.reopen();
    log.block([record(1, 4, "alive")]);
    log.rotate([entry(1, "a", 4)]);
    log.block([record(1, 5, "alive")]);
    log.reopen();
    log.block([record(1, 6, "alive")]);
    const lane = await recover(log);
    assert.deepEqual([lane.report.verdict, await readBack(log, lane)], ["clean", { a: [...three, "4:alive", "5:alive", "6:alive"] }]);
  });
});

test("a higher epoch without its start flag, and a start flag without a higher epoch, do not continue the chain", async () => {
  for (const change of [{ epoch: 2, flags: 0 }, { epoch: 1, flags: blockFlag.epochStart }]) {
    await withLog(async (log) => {
      begin(log);
      log.laneRecord = { ...log.laneRecord, epoch: change.epoch, epochOffset: change.epoch === 2 ? log.offset : alignment };
      log.block([record(1, 4, "four")], { ...change, horizon: 3 });
      assert.equal((await recover(log)).nextBlock, 4);
    });
  }
});

test("a block that names another block before it does not continue the chain", async () => {
  await withLog(async (log) => {
    begin(log);
    log.block([record(1, 4, "four")], { previousChecksum: 12345, horizon: 3 });
    const lane = await recover(log);
    assert.deepEqual([lane.nextBlock, lane.report.verdict], [4, "torn tail"]);
  });
});

test("misplaced writes: blocks written at another offset or in another segment are no blocks", async () => {
  await withLog(async (log) => {
    begin(log);
    log.block([record(1, 4, "four")], { seedOffset: log.offset + alignment, horizon: 3, unchained: true });
    assert.deepEqual([(await recover(log)).nextBlock, (await recover(log)).report.verdict], [4, "clean"]);
    log.block([record(1, 4, "four")], { seedSegment: 7, horizon: 3, unchained: true });
    assert.deepEqual([(await recover(log)).nextBlock, (await recover(log)).report.verdict], [4, "clean"]);
  });
});

test("recycled file: blocks of its earlier life are neither tail nor damage", async () => {
  await withLog(async (log) => {
    begin(log);
    log.prepare(2);
    const place = { offset: log.offset, segment: 1 };
    Object.assign(log, { segment: 2, offset: alignment });
    for (let block = 0; block < 6; block++) {
      log.block([record(1, 90 + block, "of an earlier life")], { seedSegment: 1, sequence: 90 + block, horizon: 80, unchained: true });
      log.offset += alignment;
    }
    Object.assign(log, place);
    const lane = await recover(log);
    assert.deepEqual([lane.report.verdict, lane.nextBlock, lane.freeFiles], ["clean", 4, [log.path(2)]]);
  });
});

test("files prepared ahead come before those that were trimmed, so that none is renamed onto another", async () => {
  await withLog(async (log) => {
    begin(log);
    log.rotate([entry(1, "a", 3)]);
    log.laneRecord = { ...log.laneRecord, firstSegment: 2 };
    log.prepare(3);
    log.prepare(4, false);
    assert.deepEqual((await recover(log)).freeFiles, [log.path(3), log.path(4), log.path(1)]);
  });
});

test("segments: records, trims and truncations before the first kept segment come from its checkpoint", async () => {
  await withLog(async (log) => {
    begin(log);
    log.rotate([entry(1, "a", 3)]);
    log.block([record(1, 4, "four"), define(2, "b"), record(2, 1, "eins")]);
    log.block([trim(1, 3), truncate(2, 0), record(2, 1, "uno")]);
    const truncatedAt = log.blocks.at(-1)!.frames[1]!;
    log.rotate([entry(1, "a", 4, 3), entry(2, "b", 1, 1, [{ segment: 2, offset: truncatedAt, after: 0 }])]);
    log.block([record(1, 5, "five"), record(2, 2, "dos")]);
    const all = await recover(log);
    assert.deepEqual(all.report.damaged, []);
    assert.deepEqual(await readBack(log, all), { a: ["3:three", "4:four", "5:five"], b: ["1:uno", "2:dos"] });
    log.laneRecord = { ...log.laneRecord, firstSegment: 3 };
    const rest = await recover(log);
    assert.deepEqual(rest.segments.map(({ segment }) => segment), [3]);
    assert.deepEqual([rest.table.byName("a")?.firstSequence, rest.table.byName("a")?.lastSequence, rest.table.byName("b")?.lastSequence], [3, 5, 2]);
    assert.deepEqual(await readBack(log, rest), { a: ["5:five"], b: ["2:dos"] });
  });
});

test("group: a batch whose end is missing at the cut is dropped as a whole", async () => {
  await withLog(async (log) => {
    begin(log);
    const [first, second, third] = group(record(1, 4, "four"), record(1, 5, "five"), record(1, 6, "six"));
    const block = log.block([first!, second!]);
    log.block([third!], { lost: true });
    const lane = await recover(log);
    assert.deepEqual(await readBack(log, lane), { a: three });
    assert.equal(lane.nextBlock, 5);
    assert.equal(lane.report.discardedFrames, 2);
    assert.deepEqual(lane.segments[0]?.index?.voids, [{ from: block.frames[0], to: block.framesEnd }]);
    // The next epoch gives the sequences out anew; the dropped frames stay dropped.
    log.nextBlock = 5;
    log.offset = block.offset + block.bytes;
    log.previousChecksum = block.checksum;
    log.reopen();
    log.block([record(1, 4, "vier")]);
    assert.deepEqual(await readBack(log, await recover(log)), { a: [...three, "4:vier"] });
  });
});

test("group: a record in fragments over blocks counts when its last fragment is there, and not before", async () => {
  await withLog(async (log) => {
    begin(log);
    const parts = fragments(1, 4, "first ", "second ", "third");
    log.block([parts[0]!]);
    log.block([parts[1]!]);
    assert.deepEqual(await readBack(log, await recover(log)), { a: three });
    log.block([parts[2]!]);
    const lane = await recover(log);
    assert.deepEqual(await readBack(log, lane), { a: [...three, "4:first second third"] });
    assert.equal(lane.segments[0]?.index?.runs.get(1)?.payloadBytes, "onetwothreefirst second third".length);
  });
});

test("group over segments: a checkpoint stands in its middle and speaks of the state before it", async () => {
  await withLog(async (log) => {
    begin(log);
    const frames = group(record(1, 4, "four"), define(2, "b"), record(2, 1, "eins"), record(1, 5, "five"), ...[record(2, 2, "zwei")]);
    log.block(frames.slice(0, 3));
    log.rotate([entry(1, "a", 3)]);
    log.block(frames.slice(3, 4));
    assert.deepEqual(await readBack(log, await recover(log)), { a: three }, "incomplete");
    const dropped = await recover(log);
    assert.deepEqual(dropped.segments.map(({ index }) => index?.voids.length), [1, 1]);
    log.block(frames.slice(4));
    const lane = await recover(log);
    assert.deepEqual(lane.report.damaged, []);
    assert.deepEqual(await readBack(log, lane), { a: [...three, "4:four", "5:five"], b: ["1:eins", "2:zwei"] });
  });
});

test("group over segments: the next epoch begins before its end, and both parts stay dropped", async () => {
  await withLog(async (log) => {
    begin(log);
    const frames = group(record(1, 4, "dead"), record(1, 5, "dead"), record(1, 6, "dead"));
    log.block(frames.slice(0, 1));
    log.rotate([entry(1, "a", 3)]);
    log.block(frames.slice(1, 2));
    log.reopen();
    log.block([record(1, 4, "alive")]);
    assert.deepEqual(await readBack(log, await recover(log)), { a: [...three, "4:alive"] });
  });
});

/** As `begin`; then a group takes records 2 and 3 away and writes both anew, the last one in a block of its own. */
function beginOverwrite(log: LogBuilder): TestFrame {
  begin(log);
  const [cut, second, third] = group(truncate(1, 1), record(1, 2, "zwei"), record(1, 3, "drei"));
  log.block([cut!, second!]);
  return third!;
}

test("truncate in a group: nothing is hidden before the group's last frame is there, and then all of it is replaced", async () => {
  await withLog(async (log) => {
    const last = beginOverwrite(log);
    const incomplete = await recover(log);
    assert.deepEqual(await readBack(log, incomplete), { a: three });
    const state = incomplete.table.byName("a");
    assert.deepEqual([state?.lastSequence, state?.truncations, incomplete.segments[0]?.index?.runs.get(1)?.lastSequence], [3, [], 3]);
    log.block([last]);
    const complete = await recover(log);
    assert.deepEqual(await readBack(log, complete), { a: ["1:one", "2:zwei", "3:drei"] });
    assert.equal(complete.report.lost.length, 0);
  });
});

test("truncate in a group that a new epoch cuts off: it hides nothing, then or later", async () => {
  await withLog(async (log) => {
    beginOverwrite(log);
    log.reopen();
    log.block([record(1, 4, "four")]);
    assert.deepEqual(await readBack(log, await recover(log)), { a: [...three, "4:four"] });
    log.rotate([entry(1, "a", 4)]);
    const lane = await recover(log);
    assert.deepEqual([lane.report.verdict, lane.table.byName("a")?.truncations], ["clean", []]);
    assert.deepEqual(await readBack(log, lane), { a: [...three, "4:four"] });
  });
});

test("truncate in a group over segments: the checkpoint in its middle says that nothing was truncated", async () => {
  await withLog(async (log) => {
    const last = beginOverwrite(log);
    const cutAt = log.blocks[log.blocks.length - 1]!.frames[0]!;
    log.rotate([entry(1, "a", 3)]);
    assert.deepEqual(await readBack(log, await recover(log)), { a: three });
    log.block([last]);
    log.rotate([entry(1, "a", 3, 1, [{ segment: 1, offset: cutAt, after: 1 }])]);
    const lane = await recover(log);
    assert.deepEqual([lane.report.verdict, lane.report.notes], ["clean", []]);
    assert.deepEqual(await readBack(log, lane), { a: ["1:one", "2:zwei", "3:drei"] });
  });
});

test("truncate in a group whose checkpoint says that it was in force too soon: a contradiction", async () => {
  await withLog(async (log) => {
    const last = beginOverwrite(log);
    const cutAt = log.blocks[log.blocks.length - 1]!.frames[0]!;
    log.rotate([entry(1, "a", 1, 1, [{ segment: 1, offset: cutAt, after: 1 }])]);
    log.block([last]);
    assert.equal((await recover(log, { readOnly: true })).report.row, "contradiction");
  });
});

test("truncate in a group of which a frame is damaged: more may be lost than is named, and nothing is called sound", async () => {
  for (const frame of [0, 1]) {
    await withLog(async (log) => {
      const last = beginOverwrite(log);
      const at = log.blocks[log.blocks.length - 1]!.frames[frame]! + 16;
      log.block([last]);
      log.block([record(1, 4, "four")]);
      log.write(1, at, Uint8Array.of(0xff));
      const { report } = await recover(log, { readOnly: true });
      assert.deepEqual([report.verdict, report.lostExact], ["damaged", false], `frame ${frame}`);
    });
  }
});

test("a checkpoint in several frames over several blocks", async () => {
  await withLog(async (log) => {
    log.rotate();
    const names = Array.from({ length: 40 }, (_, index) => `partition ${String(index + 1)}`);
    log.block(names.map((name, index) => define(index + 1, name)));
    log.enter(2);
    const frames = checkpoint(names.map((name, index) => entry(index + 1, name, 0)), 500);
    assert.ok(frames.length > 3);
    log.block(frames.slice(0, 2), { flags: blockFlag.checkpoint });
    log.block(frames.slice(2), { flags: blockFlag.checkpoint });
    log.block([record(40, 1, "late")]);
    log.laneRecord = { ...log.laneRecord, firstSegment: 2 };
    const lane = await recover(log);
    assert.deepEqual([lane.table.size, lane.table.byName("partition 40")?.lastSequence], [40, 1]);
  });
});

test("a cut inside a segment's checkpoint moves to the segment's beginning: no epoch goes on behind half a checkpoint", async () => {
  await withLog(async (log) => {
    begin(log);
    const end = { nextBlock: log.nextBlock, previousChecksum: log.previousChecksum };
    log.enter(2);
    const frames = checkpoint([entry(1, "a", 3), entry(2, "ghost", 0)], 32);
    log.block(frames.slice(0, 1), { flags: blockFlag.checkpoint });
    log.block(frames.slice(1), { flags: blockFlag.checkpoint, lost: true });
    const lane = await recover(log);
    assert.deepEqual(lane.segments.map(({ segment }) => segment), [1]);
    assert.deepEqual({ nextBlock: lane.nextBlock, previousChecksum: lane.previousChecksum }, end);
    assert.deepEqual([lane.report.discardedBlocks, lane.freeFiles], [[4], [log.path(2)]]);
  });
});

test("the first checkpoint of a new log is torn: the log is still new", async () => {
  await withLog(async (log) => {
    log.enter(1);
    log.block([{ ...checkpoint([])[0]!, flags: frameFlag.groupGoesOn }], { flags: blockFlag.checkpoint });
    const lane = await recover(log);
    assert.deepEqual([lane.nextBlock, lane.previousChecksum, lane.segments.length, lane.freeFiles], [1, 0, 0, [log.path(1)]]);
  });
});

test("segment header: losing it loses no record, and the report says so", async () => {
  await withLog(async (log) => {
    begin(log);
    log.write(1, 0, new Uint8Array(alignment));
    const lane = await recover(log);
    assert.equal(lane.report.verdict, "clean");
    assert.deepEqual(await readBack(log, lane), { a: three });
    assert.match(lane.report.notes.join(), /header page is damaged/);
  });
});

test("padding: bytes behind the frames are nobody's", async () => {
  await withLog(async (log) => {
    begin(log);
    const last = log.blocks.at(-1)!;
    log.write(1, last.framesEnd, Buffer.alloc(last.offset + last.bytes - last.framesEnd, 0xff));
    assert.deepEqual(await readBack(log, await recover(log)), { a: three });
  });
});

test("live writer: only blocks that a horizon covers count, and what lies behind is no damage", async () => {
  await withLog(async (log) => {
    begin(log);
    log.block([record(1, 4, "four")], { horizon: 2 });
    log.block([record(1, 5, "five")], { lost: true });
    log.block([record(1, 6, "six")], { horizon: 3 });
    for (let sequence = 7; sequence < 12; sequence++) log.block([record(1, sequence, "far")], { horizon: 3 });
    const lane = await recover(log, { readOnly: true, liveWriter: true });
    assert.deepEqual([lane.report.verdict, lane.nextBlock], ["clean", 4]);
    assert.deepEqual(await readBack(log, lane), { a: three });
  });
});

test("live writer: one that opened the log anew since the superblock was read is followed", async () => {
  await withLog(async (log) => {
    begin(log);
    const { laneRecord } = log;
    log.reopen();
    log.laneRecord = laneRecord;
    log.block([record(1, 4, "four")]);
    log.block([record(1, 5, "five")]);
    const lane = await recover(log, { readOnly: true, liveWriter: true });
    assert.deepEqual(await readBack(log, lane), { a: [...three, "4:four"] });
  });
});

test("live writer: segments trimmed and used anew since the superblock was read are passed over", async () => {
  await withLog(async (log) => {
    begin(log);
    log.rotate([entry(1, "a", 3)]);
    log.block([record(1, 4, "four")]);
    log.block([]);
    log.write(1, 0, new Uint8Array(log.segmentBytes));
    log.write(1, alignment * 5, readFileSync(log.path(2)).subarray(alignment, alignment * 3));
    const lane = await recover(log, { readOnly: true, liveWriter: true });
    assert.equal(lane.report.verdict, "clean");
    assert.deepEqual(lane.segments.map(({ segment }) => segment), [2]);
  });
});

test("a writer's recovery writes accepted blocks above H again where they stand, and no others, then syncs; a reader's writes nothing", async () => {
  await withLog(async (log) => {
    begin(log);
    log.rotate([entry(1, "a", 3)], { horizon: 1 });
    log.rotate([entry(1, "a", 3)], { horizon: 3 });
    log.block([record(1, 4, "four")], { horizon: 3 });
    log.block([record(1, 5, "torn")], { horizon: 3 });
    const torn = log.blocks.at(-1)!;
    log.write(torn.segment, torn.frames[0]!, Buffer.from("not a frame"));
    const before = [2, 3].map((segment) => readFileSync(log.path(segment)));
    const above = log.blocks.slice(3, 6).map(({ segment, offset, bytes }) => `${log.path(segment)} ${String(offset)} +${String(bytes)}`);
    for (const [readOnly, synced, written] of [[true, [], []], [false, [log.path(2), log.path(3)], above]] as const) {
      const files = new FailingFiles(nodeFileSystem());
      await recover(log, { files, readOnly });
      assert.deepEqual([files.synced, files.written], [synced, written]);
    }
    assert.deepEqual([2, 3].map((segment) => readFileSync(log.path(segment))), before);
  });
});

test("a writer's recovery removes half-written index files and those of segments that go on; a reader's touches nothing", async () => {
  await withLog(async (log) => {
    begin(log);
    const { writeFileSync } = await import("node:fs");
    const stale = [`${log.directory}/00000001.index`, `${log.directory}/00000009.index`, `${log.directory}/00000001.index.new`];
    for (const path of stale) writeFileSync(path, "stale");
    await recover(log, { readOnly: true });
    assert.deepEqual(stale.map((path) => existsSync(path)), [true, true, true]);
    await recover(log);
    assert.deepEqual(stale.map((path) => existsSync(path)), [false, false, false]);
  });
});
