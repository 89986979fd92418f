// Segments of a running log: rotation by size and on demand, indexes, what reopening has to look at, many partitions, lanes.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { Log, type Partition } from "#src/index.js";
import { chooseKernels } from "#src/format/kernels.js";
import { recoverLane } from "#src/recovery/recover-lane.js";
import { readSuperblock } from "#src/recovery/superblock-file.js";
import { nodeFileSystem } from "#src/storage/node-files.js";
import { RemoteWriter } from "./child-process.js";
import { contents, crashCopy, freshPath, laneFiles, onEachBackend, refused, small, uringRefusal, withLog } from "./log-fixture.js";

async function fill(partition: Partition, count: number, bytes: number): Promise<void> {
  await Promise.all(Array.from({ length: count }, () => partition.append(`${partition.lastSeq + 1} `.padEnd(bytes, "."))));
}

async function enqueueMany(log: Log, names: Iterable<string>, data: string): Promise<void> {
  for (const name of names) {
    if (log.needDrain) await log.drain();
    log.partition(name).enqueue(data);
  }
  await log.sync();
}

onEachBackend("segments", (backend) => {
  const options = { backend, ...small };

  test("rotation by size: no segment is larger than asked, each sealed one has its index, all is read over the borders", async () => {
    const directory = freshPath();
    await withLog(directory, options, async (log) => {
      await fill(log.partition("p"), 1000, 9000);
      await fill(log.partition("q"), 10, 300_000);
      assert.equal((await contents(log.partition("p"))).length, 1000);
    });
    const segments = laneFiles(directory, ".segment");
    assert.ok(segments.length >= 11, segments.join());
    for (const name of segments) assert.ok(fs.statSync(path.join(directory, "lane-00", name)).size <= 1024 * 1024, name);
    await withLog(directory, options, async (log) => {
      const { segmentsKept } = log.stats()[0]!;
      assert.deepEqual(laneFiles(directory, ".index"), segments.slice(0, segmentsKept - 1).map((name) => name.replace("segment", "index")));
      assert.equal((await contents(log.partition("p"))).length, 1000);
      assert.equal((await contents(log.partition("q"))).length, 10);
    });
  });

  test("rotate on demand: the next record begins a segment; many calls are one; an empty segment is not ended", async () => {
    await withLog(freshPath(), options, async (log) => {
      const partition = log.partition("p");
      log.rotate();
      await partition.append("1");
      assert.equal(log.stats()[0]!.segments, 1);
      for (let seq = 2; seq <= 5; seq++) {
        log.rotate();
        log.rotate();
        await partition.append(`${seq}`);
        assert.equal(log.stats()[0]!.segments, seq);
      }
      assert.deepEqual(await contents(partition), ["1", "2", "3", "4", "5"]);
    });
  });

  test("freeing makes the horizon known that covers the first kept segment's checkpoint: a reader beside the writer misses no partition", async () => {
    const directory = freshPath();
    await withLog(directory, options, async (log) => {
      const partition = log.partition("p");
      for (let seq = 1; seq <= 3; seq++) await partition.append(`${seq}`);
      // The checkpoint goes into the block of the trim, which no later block's horizon covers yet.
      log.rotate();
      await partition.trim(4);
      const { superblock } = await readSuperblock(nodeFileSystem(), directory);
      const { firstSegment, horizon } = superblock.lanes[0]!;
      const files = { files: nodeFileSystem(), directory: path.join(directory, "lane-00"), lane: 0, superblock, kernels: chooseKernels(), readOnly: true };
      const { segments, table } = await recoverLane({ ...files, liveWriter: true });
      assert.deepEqual([firstSegment, segments.map(({ segment }) => segment)], [2, [2]]);
      assert.ok(horizon >= segments[0]!.index!.firstBlock, `the superblock states ${horizon}`);
      assert.deepEqual([...table].map(({ name, firstSequence }) => [name, firstSequence]), [["p", 4]]);
    });
  });

  test("reopening looks at the newest segment only, and finds every partition; without indexes it looks at all", async () => {
    const directory = freshPath();
    await withLog(directory, options, async (log) => {
      for (let round = 0; round < 20; round++) {
        await fill(log.partition(`p${round}`), 100, 9000);
      }
    });
    const check = (log: Log): void => {
      assert.deepEqual(log.partitions().map(({ name, lastSeq }) => [name, lastSeq]), Array.from({ length: 20 }, (_, round) => [`p${round}`, 100]));
    };
    await withLog(directory, options, async (log) => {
      const [report] = log.info.recovery;
      assert.equal(report!.verdict, "clean");
      assert.ok(report!.segments >= 20, JSON.stringify(report));
      assert.ok(report!.scannedBytes <= 1024 * 1024, `${report!.scannedBytes} bytes of ${report!.segments} segments`);
      check(log);
      assert.equal((await contents(log.partition("p3"))).length, 100);
    });
    for (const name of laneFiles(directory, ".index")) fs.rmSync(path.join(directory, "lane-00", name));
    await withLog(directory, options, async (log) => {
      assert.ok(log.info.recovery[0]!.scannedBytes > 10 * 1024 * 1024);
      check(log);
      assert.equal((await contents(log.partition("p3"))).length, 100);
    });
    // Written anew while it was open.
    await withLog(directory, options, async (log) => assert.ok(log.info.recovery[0]!.scannedBytes <= 1024 * 1024));
  });

  test("reports: a clean close, an opening without one, a torn tail", async () => {
    const directory = freshPath();
    const log = await Log.open(directory, options);
    assert.deepEqual([log.info.recovery[0]!.verdict, log.info.recovery[0]!.segments], ["clean", 0]);
    await fill(log.partition("p"), 5, 100);
    const crashed = crashCopy(directory);
    await log.close();
    for (const place of [directory, crashed]) {
      await withLog(place, options, async (again) => {
        const [report] = again.info.recovery;
        assert.deepEqual([report!.lane, report!.verdict, report!.lost, report!.damaged, report!.lostExact], [0, "clean", [], [], true]);
        assert.ok(report!.firstInvalidBlock > report!.horizon);
        assert.equal(report!.scannedRecords, 5);
      });
    }
    // Zeros over the last block of a crashed log: nothing says that it was ever durable.
    const torn = freshPath();
    const writer = await Log.open(torn, { ...options, durability: { mode: "interval", ms: 3_600_000 } });
    for (const data of ["1", "2", "3"]) {
      await writer.partition("p").append(data);
      await writer.sync();
    }
    const copy = crashCopy(torn);
    await writer.close();
    const segment = path.join(copy, "lane-00", laneFiles(copy, ".segment")[0] as string);
    const bytes = fs.readFileSync(segment);
    // Blocks of 4 KiB behind the header page: the third holds "3"; a fourth would be the beacon.
    assert.equal(bytes.readUInt32LE(3 * 4096), 0x4b42_5752);
    bytes.fill(0, 3 * 4096, 5 * 4096);
    fs.writeFileSync(segment, bytes);
    await withLog(copy, options, async (again) => {
      assert.deepEqual(await contents(again.partition("p")), ["1", "2"]);
      assert.equal(await again.partition("p").append("3 anew"), 3);
    });
  });

  test("a writer killed in the middle of appends, over and over: everything acknowledged is there, sequences go on", async () => {
    const directory = freshPath();
    let acknowledged = 0;
    for (let round = 0; round < 4; round++) {
      const writer = await RemoteWriter.open(backend, directory);
      ({ last: acknowledged } = await writer.order({ action: "append", count: 50, bytes: 3000 }));
      // Under way when it dies.
      writer.order({ action: "append", count: 500, bytes: 3000 }).catch(() => undefined);
      await new Promise((resolve) => setImmediate(resolve));
      await writer.kill();
      await withLog(directory, options, async (log) => {
        const texts = await contents(log.partition("p"));
        assert.ok(texts.length >= acknowledged, `${texts.length} of ${acknowledged}`);
        texts.forEach((data, index) => assert.equal(data, `${index + 1} `.padEnd(3000, ".")));
        assert.deepEqual(log.info.recovery[0]!.lost, []);
      });
    }
  });

  test("10 000 partitions, reopened: each with its record, found without looking at all segments", async () => {
    const directory = freshPath();
    const names = Array.from({ length: 10_000 }, (_, index) => `partition ${index}`);
    await withLog(directory, { backend, segmentBytes: 4 * 1024 * 1024 }, async (log) => {
      await enqueueMany(log, names, "x".repeat(500));
      await enqueueMany(log, names.slice(0, 100), "second");
    });
    await withLog(directory, { backend, segmentBytes: 4 * 1024 * 1024 }, async (log) => {
      assert.deepEqual(log.partitions().map((partition) => partition.name), names);
      for (const index of [0, 99, 100, 5000, 9999]) {
        assert.deepEqual(await contents(log.partition(`partition ${index}`)), ["x".repeat(500), ...(index < 100 ? ["second"] : [])]);
      }
      assert.equal(await log.partition("partition 7").append("third"), 3);
    });
  });

  test("lanes: partitions spread from their first mention on, not only once they have a record", async () => {
    await withLog(freshPath(), { ...options, lanes: 3 }, async (log) => {
      const partitions = ["a", "b", "c", "d", "e", "f"].map((name) => log.partition(name));
      assert.deepEqual(partitions.map(({ lane }) => lane), [0, 1, 2, 0, 1, 2]);
      await Promise.all(partitions.map((partition) => partition.append("x")));
      assert.deepEqual(log.stats().map((lane) => lane.partitions), [2, 2, 2]);
      assert.equal(log.partition("g").lane, 0);
    });
  });

  test("lanes: partitions spread, stay where they are, are placed by number or beside another; no atomic write over two", async () => {
    const directory = freshPath();
    const lanes = 4;
    const homes = new Map<string, number>();
    let copy = "";
    await withLog(directory, { ...options, lanes }, async (log) => {
      assert.equal(log.info.lanes, lanes);
      for (let index = 0; index < 8; index++) {
        const partition = log.partition(`p${index}`);
        await partition.append(`${index}`);
        homes.set(partition.name, partition.lane);
      }
      assert.deepEqual([...new Set(homes.values())].sort(), [0, 1, 2, 3], "the emptiest lane is taken");
      const placed = log.partition("placed", { lane: 2 });
      const companion = log.partition("companion", { with: "placed" });
      assert.deepEqual([placed.lane, companion.lane], [2, 2]);
      assert.deepEqual(await log.write([{ partition: "placed", data: "a" }, { partition: "companion", data: "b" }]), [1, 1]);
      const elsewhere = log.partition("elsewhere", { lane: 3 });
      const error = await refused("RINGWALL_CROSS_LANE", () => log.write([{ partition: "placed", data: "x" }, { partition: "elsewhere", data: "x" }]));
      assert.match(error.message, /"placed" on lane 2, "elsewhere" on lane 3.*with: other/s);
      assert.deepEqual([placed.lastSeq, elsewhere.lastSeq], [1, 0]);
      await refused("RINGWALL_CROSS_LANE", () => log.partition("placed", { lane: 0 }));
      await refused("RINGWALL_CROSS_LANE", () => log.partition("placed", { with: "elsewhere" }));
      for (const lane of [-1, 4, 1.5, "0"]) await refused("RINGWALL_INVALID_OPTION", () => log.partition("new", { lane: lane as number }));
      await Promise.all([...homes.keys()].map((name) => fill(log.partition(name), 50, 9000)));
      await log.sync();
      homes.set("placed", 2).set("companion", 2);
      copy = crashCopy(directory);
    });
    for (const place of [copy, directory]) {
      // The option counts only when a log is created.
      await withLog(place, { ...options, lanes: 1 }, async (log) => {
        assert.deepEqual([log.info.lanes, log.info.recovery.length, log.stats().length], [lanes, lanes, lanes]);
        for (const [name, lane] of homes) assert.equal(log.partition(name).lane, lane, name);
        for (let index = 0; index < 8; index++) assert.equal((await contents(log.partition(`p${index}`))).length, 51);
        await refused("RINGWALL_CROSS_LANE", () => log.partition("companion", { lane: 1 }));
        assert.equal(await log.partition("companion").append("on"), 2);
      });
    }
  });
});

test("100 000 partitions: opened, appended to, trimmed one by one, some dropped, and recovered; what is dead goes, what lives is found", async () => {
  const directory = freshPath();
  const names = Array.from({ length: 100_000 }, (_, index) => `p${index}`);
  const dropped = names.filter((_, index) => index % 10 === 3);
  await withLog(directory, {}, async (log) => {
    await enqueueMany(log, names, "x");
    log.rotate();
    await enqueueMany(log, names, "y");
    log.rotate();
    assert.equal(await log.partition("p77777").append("z"), 3);
    // One after the other in groups: each is durable, and each looks whether the first segments are dead.
    const trim = async (from: number, to: number): Promise<void> => {
      for (let at = from; at < to; at += 5000) await Promise.all(names.slice(at, Math.min(to, at + 5000)).map((name) => log.partition(name).trim(2)));
    };
    await trim(0, 99_999);
    assert.equal(log.stats()[0]!.segmentsKept, 3, "one partition still lives in the first segment");
    await trim(99_999, 100_000);
    assert.equal(log.stats()[0]!.segmentsKept, 2);
    for (let at = 0; at < dropped.length; at += 5000) await Promise.all(dropped.slice(at, at + 5000).map((name) => log.partition(name).drop()));
    assert.equal(log.stats()[0]!.partitions, 90_000);
  });
  await withLog(directory, {}, async (log) => {
    assert.equal(log.partitions().length, 90_000);
    for (const name of [dropped[0]!, dropped[9999]!]) assert.equal(log.partition(name).lastSeq, 0);
    assert.equal(await log.partition("p13").append("anew"), 1);
    for (const index of [0, 50_000, 77_777, 99_999]) {
      const partition = log.partition(`p${index}`);
      assert.deepEqual([partition.firstSeq, await contents(partition)], [2, index === 77_777 ? ["y", "z"] : ["y"]]);
    }
  });
  await withLog(crashCopy(directory), {}, async (log) => {
    assert.equal(log.partitions().length, 90_001);
    assert.deepEqual(await contents(log.partition("p13")), ["anew"]);
    assert.equal(await log.partition("p99999").append("after"), 3);
  });
});

test("both backends on one log, in turn, with crashes between", { skip: uringRefusal ?? false }, async () => {
  let directory = freshPath();
  const expected: string[] = [];
  for (let round = 0; round < 8; round++) {
    directory = await withLog(directory, { backend: round % 2 === 0 ? "fs" : "uring", ...small }, async (log) => {
      assert.deepEqual(await contents(log.partition("p")), expected);
      for (let index = 0; index < 30; index++) {
        expected.push(`${round} ${index} `.padEnd(index * 700, "."));
        await log.partition("p").append(expected[expected.length - 1] as string);
      }
      return round % 3 === 0 ? crashCopy(directory) : directory;
    });
  }
});

test("sizes may change from one opening to the next", async () => {
  const directory = freshPath();
  const mebibyte = 1024 * 1024;
  const expected: string[] = [];
  const sizes = [
    { bufferBytes: 16 * 1024, segmentBytes: mebibyte }, { bufferBytes: mebibyte, segmentBytes: 4 * mebibyte }, { bufferBytes: 64 * 1024, segmentBytes: mebibyte },
    { bufferBytes: 16 * mebibyte, bufferCount: 2, segmentBytes: 64 * mebibyte }, { bufferBytes: 16 * 1024, bufferCount: 2, blocksInFlight: 1, segmentBytes: mebibyte },
  ];
  for (const options of sizes) {
    await withLog(directory, options, async (log) => {
      assert.deepEqual((await contents(log.partition("p"))).map((data) => data.length), expected.map((data) => data.length));
      for (const bytes of [10, 100_000, 2_000_000, 5]) expected.push("x".repeat(bytes));
      await Promise.all(expected.slice(-4).map((data) => log.partition("p").append(data)));
    });
  }
  await withLog(directory, {}, async (log) => assert.deepEqual(await contents(log.partition("p")), expected));
});
