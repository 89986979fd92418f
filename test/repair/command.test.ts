// `ringwall repair` as users run it.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import type { RepairReport } from "#src/index.js";
import { errorOf, ringwall, withPlace } from "../cli/ringwall.js";

const lines = Array.from({ length: 5000 }, (_, index) => `line ${String(index + 1)} ${"payload ".repeat(20)}`);

test("0 for a whole log, 1 with the missing records in words and in JSON, 2 for wrong usage", async () => {
  await withPlace(async (log, directory) => {
    assert.equal((await ringwall(["append", log, "a"], { input: `${lines.join("\n")}\n` })).code, 0);
    const whole = await ringwall(["repair", log, "--to", path.join(directory, "whole")]);
    assert.equal(whole.code, 0, whole.stderr);
    assert.match(whole.text, /complete: 5 000 records .* nothing is missing/);
    assert.equal((await ringwall(["cat", path.join(directory, "whole"), "a"])).text, `${lines.join("\n")}\n`);

    const segment = path.join(log, "lane-00", "00000001.segment");
    const bytes = fs.readFileSync(segment);
    fs.writeFileSync(segment, bytes.fill(0xff, 300_000, 340_000));
    const damaged = await ringwall(["repair", log, "--to", path.join(directory, "damaged"), "--json", "--progress"]);
    assert.equal(damaged.code, 1);
    const report = JSON.parse(damaged.text) as RepairReport;
    const [missing] = report.partitions[0]!.missing;
    assert.ok(missing !== undefined && report.records + report.recordsMissing === 5000);
    const behind = await ringwall(["cat", path.join(directory, "damaged"), `a@${String(missing.lastSequence + 1)}`]);
    assert.equal(behind.text, `${lines.slice(missing.lastSequence).join("\n")}\n`);
    const words = await ringwall(["repair", log, "--dry-run"]);
    assert.equal(words.code, 1);
    assert.match(words.text, new RegExp(`MISSING +"a": records ${String(missing.firstSequence)} to ${String(missing.lastSequence)} `));
    assert.match(words.text, /acknowledged records missing/);

    assert.equal((await ringwall(["repair", log])).code, 2);
    const taken = await ringwall(["repair", log, "--to", path.join(directory, "damaged"), "--json"]);
    assert.deepEqual([taken.code, errorOf(taken).code], [2, "RINGWALL_INVALID_ARGUMENT"]);
    assert.equal((await ringwall(["repair", path.join(directory, "nothing"), "--dry-run"])).code, 2);
  });
});
