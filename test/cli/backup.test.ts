// `ringwall backup` as users run it.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { Log, type BackupReport, type RepairReport } from "#src/index.js";
import { errorOf, ringwall, start, withPlace } from "./ringwall.js";

const lines = Array.from({ length: 20_000 }, (_, index) => `line ${String(index + 1)} ${"payload ".repeat(20)}`);

test("0 and a copy that says the same, in words and in JSON; 2 for a target that is taken and for no log; --help says how", async () => {
  await withPlace(async (log, directory) => {
    assert.equal((await ringwall(["append", log, "a", "--segment-bytes", "1MiB"], { input: `${lines.join("\n")}\n` })).code, 0);
    const [first, second] = [path.join(directory, "first"), path.join(directory, "second")];
    const words = await ringwall(["backup", log, first]);
    assert.equal(words.code, 0, words.stderr);
    assert.match(words.text, /first: \d+ segments, .* in \d/);
    const json = await ringwall(["backup", log, second, "--json", "--progress", "--bytes-per-second", "1GiB"]);
    assert.equal(json.code, 0, json.stderr);
    assert.match(json.stderr, /backup/);
    const report = JSON.parse(json.text) as BackupReport & { seconds: number };
    assert.equal(report.directory, second);
    assert.ok(report.segments > 1 && report.copiedBytes + report.clonedBytes > 3_000_000 && report.seconds > 0);
    for (const copy of [first, second]) {
      assert.equal((await ringwall(["verify", copy])).code, 0);
      assert.equal((await ringwall(["cat", copy, "a"])).text, `${lines.join("\n")}\n`);
    }
    const taken = await ringwall(["backup", log, first, "--json"]);
    assert.deepEqual([taken.code, errorOf(taken).code], [2, "RINGWALL_INVALID_ARGUMENT"]);
    assert.equal((await ringwall(["backup", path.join(directory, "nothing"), path.join(directory, "third")])).code, 2);
    assert.equal((await ringwall(["backup", log])).code, 2);
    const help = await ringwall(["backup", "--help"]);
    assert.equal(help.code, 0);
    assert.match(help.text, /superblock is written last/);
  });
});

test("interrupted: 130, and nothing is left", async () => {
  await withPlace(async (log, directory) => {
    assert.equal((await ringwall(["append", log, "a", "--segment-bytes", "1MiB"], { input: `${lines.join("\n")}\n` })).code, 0);
    const target = path.join(directory, "copy");
    const running = start(["backup", log, target, "--bytes-per-second", "64KiB"]);
    while (!fs.existsSync(path.join(target, "lane-00", "00000001.segment"))) await new Promise((resolve) => setImmediate(resolve));
    running.child.kill("SIGINT");
    const ended = await running.end();
    assert.equal(ended.code, 130);
    assert.match(ended.stderr, /nothing is left/);
    assert.ok(!fs.existsSync(target));
  });
});

test("a finished backup of a running log: verify finds nothing wrong, inspect shows it, repair has every record of it", async () => {
  await withPlace(async (log, directory) => {
    const copy = path.join(directory, "copy");
    const running = await Log.open(log, { segmentBytes: 1024 ** 2, lanes: 2 });
    try {
      for (const name of ["a", "b", "c"]) {
        await Promise.all(lines.slice(0, 8000).map((line) => running.partition(name).append(line)));
        await running.partition(name).trim(3001);
      }
      await running.backup(copy);
      await running.partition("a").append("behind the backup");
    } finally {
      await running.close();
    }
    const verified = await ringwall(["verify", copy]);
    assert.equal(verified.code, 0, verified.text);
    assert.match(verified.text, /^sound: 2 lanes/m);
    const inspected = await ringwall(["inspect", copy, "--json"]);
    assert.equal(inspected.code, 0, inspected.stderr);
    const { notes, lanes } = JSON.parse(inspected.text) as { readonly notes: readonly string[]; readonly lanes: readonly { readonly problem: string | null; readonly segments: readonly { readonly damage: readonly unknown[] }[] }[] };
    assert.deepEqual([notes, lanes.map(({ problem }) => problem)], [[], [null, null]]);
    assert.deepEqual(lanes.flatMap(({ segments }) => segments.flatMap(({ damage }) => damage)), []);
    const repaired = await ringwall(["repair", copy, "--to", path.join(directory, "repaired"), "--json"]);
    assert.equal(repaired.code, 0, repaired.text);
    const report = JSON.parse(repaired.text) as RepairReport;
    assert.deepEqual([report.complete, report.records, report.damaged], [true, 15_000, []]);
    for (const name of ["a", "b", "c"]) assert.equal((await ringwall(["cat", path.join(directory, "repaired"), name])).text, `${lines.slice(3000, 8000).join("\n")}\n`);
  });
});

test("a backup that was killed: verify and repair refuse it as what it is, inspect says so; without its mark repair copies what has come of it", async () => {
  await withPlace(async (log, directory) => {
    assert.equal((await ringwall(["append", log, "a", "--segment-bytes", "1MiB"], { input: `${lines.join("\n")}\n` })).code, 0);
    const [copy, target] = [path.join(directory, "copy"), path.join(directory, "repaired")];
    const running = start(["backup", log, copy, "--bytes-per-second", "2MiB"]);
    while (!fs.existsSync(path.join(copy, "lane-00", "00000002.segment"))) await new Promise((resolve) => setImmediate(resolve));
    running.child.kill("SIGKILL");
    await running.end();
    for (const args of [["verify", copy], ["repair", copy, "--to", target], ["repair", copy, "--dry-run"], ["cat", copy, "a"]]) {
      const refused = await ringwall([...args, "--json"]);
      assert.equal(refused.code, 2, args.join(" "));
      assert.equal(errorOf(refused).code, "RINGWALL_NOT_A_LOG");
      assert.match(errorOf(refused).message, /interrupted backup/);
    }
    assert.ok(!fs.existsSync(target));
    const inspected = await ringwall(["inspect", copy]);
    assert.equal(inspected.code, 0, inspected.stderr);
    assert.match(inspected.text.split("\n")[0] ?? "", /an interrupted backup/);
    assert.match(inspected.text, /segment 1\b/);
    fs.rmSync(path.join(copy, "backup-incomplete"));
    const repaired = await ringwall(["repair", copy, "--to", target, "--json"]);
    const report = JSON.parse(repaired.text) as RepairReport;
    assert.deepEqual([repaired.code, report.complete, report.isLossUnknown], [1, false, true]);
    assert.ok(report.records > 3000, String(report.records));
    assert.equal((await ringwall(["cat", target, "a"])).text, `${lines.slice(0, report.records).join("\n")}\n`);
  });
});

test("a backup that was killed before its first lane: inspect and verify say what it is", async () => {
  await withPlace(async (log) => {
    fs.mkdirSync(log);
    fs.writeFileSync(path.join(log, "backup-incomplete"), "");
    assert.equal(errorOf(await ringwall(["verify", log, "--json"])).code, "RINGWALL_NOT_A_LOG");
    assert.match((await ringwall(["inspect", log])).text, /an interrupted backup/);
  });
});
