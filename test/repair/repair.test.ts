// Repair through the public function: what it saves, under which names, what it says is missing, and what it never touches.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { describe, test } from "node:test";
import { Log, repairLog, type LogOptions, type RepairReport } from "#src/index.js";
import { LaneLog } from "#src/log/lane-log.js";
import { resolveOptions } from "#src/log/options.js";
import { chooseStorage } from "#src/storage/choose.js";
import { contents, crashCopy, freshPath, laneFiles, listing, refused, small, withLog } from "../log/log-fixture.js";

const options: LogOptions = { ...small, backend: "fs" };

function zero(directory: string, place: { readonly segment: string; readonly from: number; readonly to: number; readonly lane?: number }): void {
  const file = path.join(directory, `lane-0${String(place.lane ?? 0)}`, place.segment);
  const bytes = fs.readFileSync(file);
  fs.writeFileSync(file, bytes.fill(0, place.from, place.to));
}

async function times(directory: string): Promise<Record<string, number[]>> {
  return withLog(directory, { readOnly: true, backend: "fs" }, async (log) => {
    const all: Record<string, number[]> = {};
    for (const partition of log.partitions()) {
      all[partition.name] = [];
      for await (const record of partition.read()) all[partition.name]!.push(record.time);
    }
    return all;
  });
}

async function all(directory: string): Promise<Record<string, { readonly first: number; readonly texts: string[] }>> {
  return withLog(directory, { backend: "fs", create: false }, async (log) => {
    const found: Record<string, { first: number; texts: string[] }> = {};
    for (const partition of log.partitions()) found[partition.name] = { first: partition.firstSeq, texts: await contents(partition) };
    return found;
  });
}

/** What a log can hold, closed. */
async function mixed(lanes = 1): Promise<string> {
  const directory = freshPath();
  await withLog(directory, { ...options, lanes }, async (log) => {
    for (let index = 1; index <= 400; index++) await log.partition(index % 3 === 0 ? "events" : "orders").append(`${String(index)} ${"x".repeat(index % 300)}`);
    await log.partition("orders").appendBatch(["one", "two", "three"]);
    await log.partition("pages").append("p".repeat(200_000));
    log.rotate();
    await log.partition("events").append("behind the rotation");
    await log.partition("empty").append("trimmed");
    await log.partition("empty").trim(2);
    await log.partition("cut").append("gone");
    await log.partition("cut").truncate(0);
    await log.partition("orders").trim(100);
    await log.partition("events").truncate(120);
    await log.partition("events").append("written anew");
  });
  return directory;
}

describe("a sound log", () => {
  test("moved records are repaired with their times, in front of what was appended later", async () => {
    const directory = freshPath();
    await withLog(directory, { ...options, reclaim: { bytesPerSecond: 2 ** 40 } }, async (log) => {
      for (let seq = 1; seq <= 30; seq++) await log.partition(seq % 2 === 0 ? "even" : "odd").append(`old ${String(seq)}`);
      for (let round = 0; round < 8; round++) {
        await Promise.all(Array.from({ length: 1200 }, () => log.partition("busy").append("x".repeat(1000))));
        await log.partition("busy").trim(log.partition("busy").lastSeq - 3);
      }
      while (log.stats()[0]!.segmentsReclaimed === 0) await new Promise((resolve) => setImmediate(resolve));
    });
    const target = freshPath();
    const report = await repairLog(directory, target);
    assert.deepEqual(report.partitions.flatMap(({ missing }) => missing), []);
    assert.deepEqual(await all(target), await all(directory));
    assert.deepEqual(await times(target), await times(directory));
  });

  for (const lanes of [1, 3]) {
    test(`comes back whole, with ${String(lanes)} ${lanes === 1 ? "lane" : "lanes"}: records, sequences, times, trims, truncations; nothing else changes`, async () => {
      const directory = await mixed(lanes);
      const before = listing(directory);
      const target = freshPath();
      const report = await repairLog(directory, target, { backend: "fs" });
      assert.deepEqual(listing(directory), before);
      assert.deepEqual([report.complete, report.recordsMissing, report.damaged], [true, 0, []]);
      assert.deepEqual(await times(target), await times(directory));
      assert.deepEqual(await all(target), await all(directory));
      assert.notEqual(report.targetUuid, report.uuid);
    });
  }

  test("a dry run reports the same and writes nothing", async () => {
    const directory = await mixed();
    const target = freshPath();
    const dry = await repairLog(directory, target, { backend: "fs", dryRun: true });
    assert.equal(fs.existsSync(target), false);
    const real = await repairLog(directory, target, { backend: "fs" });
    assert.deepEqual([dry.partitions, dry.records, dry.target], [real.partitions, real.records, null]);
  });

  test("a killed log without its superblock: everything is there, and that the end is unproved is said", async () => {
    const directory = freshPath();
    const log = await Log.open(directory, options);
    for (let index = 1; index <= 50; index++) await log.partition("a").append(String(index));
    const copy = crashCopy(directory);
    await log.close();
    fs.rmSync(path.join(copy, "superblock"));
    const report = await repairLog(copy, freshPath(), { backend: "fs" });
    assert.deepEqual([report.records, report.isLossUnknown, report.complete], [50, true, false]);
    fs.rmSync(path.join(directory, "superblock"));
    assert.equal((await repairLog(directory, freshPath(), { backend: "fs" })).complete, true, "a seal proves the end");
  });

  test("times over years: segments made ready before a long silence don't bend them", async () => {
    const directory = freshPath();
    let now = 1_500_000_000_000;
    const { storage, reason } = chooseStorage({ backend: "fs" });
    const clock = { ...storage.clock, now: () => now };
    const log = await LaneLog.openOn({ storage: { ...storage, clock }, reason }, directory, resolveOptions(options));
    for (let year = 0; year < 6; year++) {
      await log.partition("slow").append(`year ${String(year)}`);
      await log.partition(`new ${String(year)}`).append("x");
      now += 200 * 86_400_000;
      log.rotate();
    }
    await log.close();
    assert.equal((await times(directory))["slow"]!.at(-1), 1_500_000_000_000 + 1000 * 86_400_000);
    const target = freshPath();
    assert.equal((await repairLog(directory, target, { backend: "fs" })).complete, true);
    assert.deepEqual(await times(target), await times(directory));
  });
});

describe("a log with losses", () => {
  /** 300 records of 1 KB, one block each; blocks in the middle are gone. */
  async function holed(): Promise<{ readonly directory: string; readonly report: (namesTo?: "first" | "last") => Promise<{ readonly report: RepairReport; readonly target: string }> }> {
    const directory = freshPath();
    await withLog(directory, options, async (log) => {
      for (let index = 1; index <= 300; index++) await log.partition("orders").append(`record ${String(index)}`);
    });
    zero(directory, { segment: laneFiles(directory, ".segment")[0]!, from: 4096 * 101, to: 4096 * 111 });
    return {
      directory,
      report: async (namesTo) => {
        const target = freshPath();
        return { report: await repairLog(directory, target, { backend: "fs", namesTo }), target };
      },
    };
  }

  test("records behind it keep their sequences in a partition named after the first of them", async () => {
    const { report: run } = await holed();
    const { report, target } = await run();
    const [orders] = report.partitions;
    const lost = orders!.missing[0]!;
    assert.equal(orders!.missing.length, 1);
    assert.equal(lost.lastSequence - lost.firstSequence, 9);
    const found = await all(target);
    const behind = `orders@${String(lost.lastSequence + 1)}`;
    assert.deepEqual(Object.keys(found), ["orders", behind]);
    assert.equal(found["orders"]!.texts.length, lost.firstSequence - 1);
    assert.deepEqual([found[behind]!.first, found[behind]!.texts[0], found[behind]!.texts.at(-1)], [lost.lastSequence + 1, `record ${String(lost.lastSequence + 1)}`, "record 300"]);
    assert.equal(report.recordsMissing, 10);
    assert.ok(report.damaged.some(({ from, to }) => from <= 4096 * 101 && to >= 4096 * 111), "the damaged bytes are named");
  });

  test("names to the last part: new records go on behind all that ever were acknowledged", async () => {
    const { report: run } = await holed();
    const { target } = await run("last");
    await withLog(target, { backend: "fs" }, async (log) => {
      assert.deepEqual(log.partitions().map(({ name }) => name).sort(), ["orders", "orders@1"]);
      assert.equal(await log.partition("orders").append("new"), 301);
    });
  });

  test("a name that is taken is not taken twice", async () => {
    const { directory } = await holed();
    await withLog(directory, { ...options, readOnly: true }, async (log) => assert.equal(log.partitions().length, 1));
    const report = await repairLog(directory, freshPath(), { backend: "fs", dryRun: true });
    const behind = report.partitions[0]!.salvaged[1]!.name;
    const second = freshPath();
    await withLog(second, options, async (log) => {
      await log.partition(behind).append("mine");
      for (let index = 1; index <= 300; index++) await log.partition("orders").append(`record ${String(index)}`);
    });
    zero(second, { segment: laneFiles(second, ".segment")[0]!, from: 4096 * 102, to: 4096 * 112 });
    const names = (await repairLog(second, freshPath(), { backend: "fs" })).partitions.flatMap(({ salvaged }) => salvaged.map(({ name }) => name));
    assert.deepEqual(names.sort(), [behind, `${behind}~2`, "orders"].sort());
  });

  test("a segment file that is missing: what it held is named, what surrounds it is saved", async () => {
    const directory = freshPath();
    await withLog(directory, options, async (log) => {
      for (let segment = 0; segment < 3; segment++) {
        for (let index = 0; index < 20; index++) await log.partition("a").append(`${String(segment)} ${String(index)}`);
        log.rotate();
      }
    });
    fs.rmSync(path.join(directory, "lane-00", "00000002.segment"));
    const target = freshPath();
    const report = await repairLog(directory, target, { backend: "fs" });
    assert.deepEqual(report.partitions[0]!.missing, [{ firstSequence: 21, lastSequence: 40 }]);
    assert.deepEqual(Object.entries(await all(target)).map(([name, { first, texts }]) => [name, first, texts.length]), [["a", 1, 20], ["a@41", 41, 20]]);
  });

  test("a former superblock put back hides nothing", async () => {
    const directory = freshPath();
    await withLog(directory, options, async (log) => { await log.partition("a").append("first"); });
    const former = fs.readFileSync(path.join(directory, "superblock"));
    await withLog(directory, options, async (log) => { await log.partition("a").append("second"); });
    fs.writeFileSync(path.join(directory, "superblock"), former);
    const target = freshPath();
    const report = await repairLog(directory, target, { backend: "fs" });
    assert.deepEqual((await all(target))["a"]!.texts, ["first", "second"]);
    assert.ok(report.damaged.some(({ reason }) => reason.includes("older than the blocks")));
  });
});

describe("refusals", () => {
  test("a live writer, a target in use, a target inside the log, no log at all", async () => {
    const directory = await mixed();
    const target = freshPath();
    const log = await Log.open(directory, options);
    await refused("RINGWALL_LOCKED", () => repairLog(directory, target, { backend: "fs" }));
    await log.close();
    await refused("RINGWALL_INVALID_ARGUMENT", () => repairLog(directory, path.join(directory, "inside"), { backend: "fs" }));
    await refused("RINGWALL_INVALID_ARGUMENT", () => repairLog(directory, directory, { backend: "fs" }));
    fs.mkdirSync(target);
    fs.writeFileSync(path.join(target, "mine"), "");
    await refused("RINGWALL_INVALID_ARGUMENT", () => repairLog(directory, target, { backend: "fs" }));
    assert.deepEqual(fs.readdirSync(target), ["mine"]);
    await refused("RINGWALL_NOT_FOUND", () => repairLog(freshPath(), freshPath(), { backend: "fs" }));
    await refused("RINGWALL_NOT_A_LOG", () => repairLog(target, freshPath(), { backend: "fs" }));
  });

  test("aborted: the target is left without a log", async () => {
    const directory = await mixed();
    const target = freshPath();
    const controller = new AbortController();
    const onProgress = ({ step }: { readonly step: string }): void => { if (step === "copying") controller.abort(); };
    await refused("RINGWALL_ABORTED", () => repairLog(directory, target, { backend: "fs", signal: controller.signal, onProgress }));
    assert.deepEqual(fs.readdirSync(target), []);
    assert.equal((await repairLog(directory, target, { backend: "fs" })).complete, true, "and an empty target is taken");
  });
});
