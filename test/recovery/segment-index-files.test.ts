// Index files of sealed segments: trusted without a look at the segment, and rebuilt where they can't be.

import assert from "node:assert/strict";
import { copyFileSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { portableKernels } from "#src/format/kernels.js";
import { indexName } from "#src/format/names.js";
import { loadSegmentIndex } from "#src/recovery/load-segment-index.js";
import { writeSegmentIndex } from "#src/recovery/write-segment-index.js";
import type { SegmentIndex } from "#src/core/segment-index.js";
import { nodeFileSystem } from "#src/storage/node-files.js";
import { FailingFiles } from "./failing-files.js";
import { alignment, baseTime, define, entry, group, record, type LogBuilder } from "./log-builder.js";
import { readBack, type Content } from "./read-back.js";
import { recover, withLog } from "./recovering.js";

const files = nodeFileSystem();

function indexPath(log: LogBuilder, segment: number): string {
  return `${log.directory}/${indexName(segment)}`;
}

function load(log: LogBuilder, segment: number): Promise<SegmentIndex> {
  return loadSegmentIndex({ files, directory: log.directory, lane: 0, uuid: log.uuid, alignment, kernels: portableKernels, segment });
}

/** Four segments of one partition, ten records each; the first three with their index files. */
async function sealThree(log: LogBuilder): Promise<Content> {
  for (let segment = 1; segment <= 4; segment++) {
    log.rotate(segment === 1 ? [] : [entry(1, "a", (segment - 1) * 10)]);
    for (let block = 0; block < 5; block++) {
      const first = (segment - 1) * 10 + block * 2 + 1;
      const frames = [record(1, first, `r${String(first)}`), record(1, first + 1, `r${String(first + 1)}`)];
      log.block(segment === 1 && block === 0 ? [define(1, "a"), ...frames] : frames);
    }
  }
  const lane = await recover(log);
  for (const { index } of lane.segments.slice(0, 3)) await writeSegmentIndex({ files, directory: log.directory, index: index!, uuid: log.uuid, lane: 0 });
  return { a: Array.from({ length: 40 }, (_, index) => `${String(index + 1)}:r${String(index + 1)}`) };
}

test("trusted: sealed segments with a good index are not read at all", async () => {
  await withLog(async (log) => {
    const content = await sealThree(log);
    const watched = new FailingFiles(files);
    const lane = await recover(log, { files: watched });
    assert.deepEqual(lane.segments.map(({ segment, index }) => [segment, index !== null]), [[1, false], [2, false], [3, false], [4, true]]);
    assert.deepEqual([1, 2, 3].map((segment) => watched.read.get(log.path(segment)) ?? 0), [0, 0, 0]);
    assert.deepEqual(lane.report.notes, []);
    assert.equal(lane.nextBlock, 25);
    assert.deepEqual(await readBack(log, lane), content);
  });
});

test("an index file holds everything that a scan finds", async () => {
  await withLog(async (log) => {
    await sealThree(log);
    for (const segment of [1, 2, 3]) {
      const stored = await load(log, segment);
      rmSync(indexPath(log, segment));
      assert.deepEqual(await load(log, segment), stored);
    }
  });
});

test("scanning on demand: with trustIndexes off every segment is read, and damage in a sealed one is found", async () => {
  await withLog(async (log) => {
    const content = await sealThree(log);
    const lane = await recover(log, { trustIndexes: false });
    assert.deepEqual(await readBack(log, lane), content);
    assert.ok(lane.segments.every(({ index }) => index !== null));
    log.write(2, alignment * 3, new Uint8Array(alignment));
    assert.equal((await recover(log)).report.verdict, "clean");
    const checked = await recover(log, { readOnly: true, trustIndexes: false });
    assert.deepEqual(checked.report.lost, [{ partition: 1, name: "a", firstSequence: 13, lastSequence: 14 }]);
  });
});

for (const segment of [1, 2, 3]) {
  test(`rebuilt: the index of segment ${String(segment)} is missing, damaged anywhere, or another segment's`, async () => {
    await withLog(async (log) => {
      const content = await sealThree(log);
      const good = readFileSync(indexPath(log, segment));
      const check = async (title: string): Promise<void> => {
        const watched = new FailingFiles(files);
        const lane = await recover(log, { files: watched });
        assert.deepEqual(await readBack(log, lane), content, title);
        assert.notEqual(lane.segments[segment - 1]?.index ?? null, null, title);
        // The last sealed one lies next to the current segment: both are scanned as one.
        if (segment < 3) assert.match(lane.report.notes.join(), new RegExp(`segment ${String(segment)}: its index was missing or damaged`), title);
        const others = [1, 2, 3].filter((other) => other !== segment && other !== segment + 1 && (segment < 3 || other < 3));
        for (const other of others) assert.equal(watched.read.get(log.path(other)) ?? 0, 0, title);
      };
      rmSync(indexPath(log, segment));
      await check("missing");
      for (let byte = 0; byte < 128; byte++) {
        const damaged = Buffer.from(good);
        damaged[byte] = damaged[byte]! ^ 0x10;
        writeFileSync(indexPath(log, segment), damaged);
        await check(`byte ${String(byte)}`);
      }
      writeFileSync(indexPath(log, segment), good.subarray(0, 50));
      await check("cut");
      copyFileSync(indexPath(log, segment === 1 ? 2 : 1), indexPath(log, segment));
      await check("another's");
    });
  });
}

test("a damaged body behind a good header: the segment is scanned when its index is needed", async () => {
  await withLog(async (log) => {
    const content = await sealThree(log);
    for (const segment of [1, 2, 3]) {
      const bytes = readFileSync(indexPath(log, segment));
      bytes[bytes.length - 1]! ^= 1;
      writeFileSync(indexPath(log, segment), bytes);
    }
    assert.deepEqual(await readBack(log, await recover(log)), content);
  });
});

test("an index that stops before its segment does is not trusted", async () => {
  await withLog(async (log) => {
    log.rotate();
    log.block([define(1, "a"), record(1, 1, "one")]);
    const early = (await recover(log)).segments[0]!.index!;
    log.block([record(1, 2, "two")]);
    log.rotate([entry(1, "a", 2)]);
    log.block([record(1, 3, "three")]);
    await writeSegmentIndex({ files, directory: log.directory, index: early, uuid: log.uuid, lane: 0 });
    const lane = await recover(log);
    assert.deepEqual([lane.report.verdict, await readBack(log, lane)], ["clean", { a: ["1:one", "2:two", "3:three"] }]);
  });
});

test("an index with records of a partition that was never made contradicts the log: the next partition would have them", async () => {
  for (const isMoved of [false, true]) {
    await withLog(async (log) => {
      await sealThree(log);
      rmSync(indexPath(log, 1));
      const { index } = (await recover(log)).segments[0]!;
      const forged = await load(log, 1);
      const made = isMoved ? forged.movedStretch(2, 1) : index!.run(2);
      made.note(1, alignment, 64, 2, baseTime);
      await writeSegmentIndex({ files, directory: log.directory, index: isMoved ? forged : index!, uuid: log.uuid, lane: 0 });
      await assert.rejects(recover(log), /00000001\.index names partition 2, and 1 were ever made/);
      const { report } = await recover(log, { readOnly: true });
      assert.deepEqual([report.verdict, report.lost, report.damaged.map(({ segment }) => segment)], ["damaged", [], [1]]);
    });
  }
});

test("the next segment's first block is missing: the state comes from the sealed segment, which is scanned after all", async () => {
  await withLog(async (log) => {
    await sealThree(log);
    const first = log.blocks.find((block) => block.segment === 4)!;
    log.write(4, first.offset, new Uint8Array(log.segmentBytes - first.offset));
    const lane = await recover(log);
    assert.deepEqual([lane.report.verdict, lane.nextBlock, lane.segments.length], ["clean", first.sequence, 3]);
    assert.equal(lane.table.byName("a")?.lastSequence, 30);
    assert.notEqual(lane.segments[2]?.index, null);
    assert.equal(existsSync(indexPath(log, 3)), false, "the segment goes on: its index file goes");
    assert.equal(existsSync(indexPath(log, 2)), true);
  });
});

test("the index of a durable segment counts for H: a log cut back behind it is damaged", async () => {
  await withLog(async (log) => {
    await sealThree(log);
    rmSync(log.path(4));
    rmSync(log.path(3));
    await assert.rejects(recover(log), { code: "RINGWALL_DAMAGED" });
  });
});

test("the current segment begins inside a group: the segment before is scanned too, with or without its index", async () => {
  await withLog(async (log) => {
    log.rotate();
    log.block([define(1, "a"), record(1, 1, "one")]);
    const frames = group(record(1, 2, "two"), record(1, 3, "three"), record(1, 4, "four"));
    log.block(frames.slice(0, 1));
    log.rotate([entry(1, "a", 1)]);
    log.block(frames.slice(1));
    const whole = await recover(log);
    assert.deepEqual(await readBack(log, whole), { a: ["1:one", "2:two", "3:three", "4:four"] });
    await writeSegmentIndex({ files, directory: log.directory, index: whole.segments[0]!.index!, uuid: log.uuid, lane: 0 });
    const lane = await recover(log);
    assert.deepEqual([lane.report.damaged, await readBack(log, lane)], [[], { a: ["1:one", "2:two", "3:three", "4:four"] }]);
  });
});

test("a group goes on over the end of a segment whose index is written, and is lost behind it: the index does not bring it back", async () => {
  await withLog(async (log) => {
    log.rotate();
    log.block([define(1, "a"), record(1, 1, "one")]);
    const frames = group(record(1, 2, "dead"), record(1, 3, "dead"));
    log.block(frames.slice(0, 1));
    log.rotate([entry(1, "a", 1)]);
    // The writer's index counts what it placed, as it does while the group is on its way.
    const index = (await recover(log, { readOnly: true })).segments[0]!.index!;
    index.goesOn = true;
    index.voids.length = 0;
    index.run(1).note(2, log.blocks[2]!.offset, 64, 4, baseTime + 1);
    await writeSegmentIndex({ files, directory: log.directory, index, uuid: log.uuid, lane: 0 });
    for (const readOnly of [true, false]) {
      const lane = await recover(log, { readOnly });
      assert.deepEqual([lane.report.verdict, await readBack(log, lane)], ["clean", { a: ["1:one"] }]);
      assert.equal(existsSync(indexPath(log, 1)), readOnly);
    }
    log.reopen();
    log.block([record(1, 2, "alive")]);
    log.rotate([entry(1, "a", 2)]);
    assert.deepEqual(await readBack(log, await recover(log)), { a: ["1:one", "2:alive"] });
    assert.equal((await load(log, 1)).runs.get(1)?.lastSequence, 1);
  });
});

test("loading the index of a segment in which a group of its neighbours begins or ends sees the whole group", async () => {
  await withLog(async (log) => {
    log.rotate();
    log.block([define(1, "a"), record(1, 1, "one")]);
    const frames = group(record(1, 2, "two"), record(1, 3, "three"), record(1, 4, "four"));
    log.block(frames.slice(0, 1));
    log.rotate([entry(1, "a", 1)]);
    log.block(frames.slice(1, 2));
    log.rotate([entry(1, "a", 1)]);
    log.block(frames.slice(2));
    log.rotate([entry(1, "a", 4)]);
    for (const [segment, sequence] of [[1, 2], [2, 3], [3, 4]] as const) assert.equal((await load(log, segment)).runs.get(1)?.lastSequence, sequence);
  });
});

test("loading the index of a segment that is gone says trimmed; of one that is damaged or missing between others, damaged", async () => {
  await withLog(async (log) => {
    await sealThree(log);
    for (const segment of [1, 2, 3]) rmSync(indexPath(log, segment));
    log.write(3, alignment * 3, new Uint8Array(alignment));
    await assert.rejects(load(log, 3), { code: "RINGWALL_DAMAGED" });
    rmSync(log.path(2));
    await assert.rejects(load(log, 2), { code: "RINGWALL_DAMAGED" });
    rmSync(log.path(1));
    await assert.rejects(load(log, 1), { code: "RINGWALL_TRIMMED" });
  });
});

test("writing an index replaces an older one and what an interrupted write left", async () => {
  await withLog(async (log) => {
    await sealThree(log);
    const index = await load(log, 1);
    writeFileSync(`${indexPath(log, 1)}.new`, "half");
    writeFileSync(indexPath(log, 1), "old");
    await writeSegmentIndex({ files, directory: log.directory, index, uuid: log.uuid, lane: 0 });
    assert.equal(existsSync(`${indexPath(log, 1)}.new`), false);
    assert.deepEqual(await load(log, 1), index);
  });
});
