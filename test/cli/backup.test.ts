// `ringwall backup` as users run it.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import type { BackupReport } from "#src/index.js";
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
