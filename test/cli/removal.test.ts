// `ringwall trim` and `ringwall drop` as users run them.

import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";
import { Log } from "#src/index.js";
import { errorOf, ringwall, withPlace } from "./ringwall.js";

const lines = Array.from({ length: 20_000 }, (_, index) => `line ${String(index + 1)} ${"payload ".repeat(20)}`);

async function fill(log: string): Promise<void> {
  for (const partition of ["a", "b"]) assert.equal((await ringwall(["append", log, partition, "--segment-bytes", "1MiB"], { input: `${lines.join("\n")}\n` })).code, 0);
}

test("trim: what would go is said, and goes with --yes alone", async () => {
  await withPlace(async (log) => {
    await fill(log);
    const asked = await ringwall(["trim", log, "a", "--before", "15001", "--json"]);
    assert.deepEqual([asked.code, errorOf(asked).code], [2, "USAGE"]);
    assert.match(errorOf(asked).message, /15.000 records of "a" would go for good, sequences 1 to 15000: say --yes/);
    assert.equal((await ringwall(["cat", log, "a", "--limit", "1"])).text, `${lines[0]!}\n`);
    const done = await ringwall(["trim", log, "a", "--before", "15001", "--yes", "--json"]);
    assert.equal(done.code, 0, done.stderr);
    const { segmentsFreed, ...rest } = JSON.parse(done.text) as { segmentsFreed: number };
    assert.deepEqual(rest, { partition: "a", records: 15_000, firstSeq: 1, lastSeq: 15_000 });
    assert.ok(segmentsFreed >= 1);
    assert.equal((await ringwall(["cat", log, "a", "--from", "15001"])).text, `${lines.slice(15_000).join("\n")}\n`);
    assert.equal((await ringwall(["trim", log, "a", "--before", "15001", "--yes"])).text, "a: 0 records trimmed; 0 segments freed\n");
    const beyond = await ringwall(["trim", log, "a", "--before", "30000", "--yes", "--json"]);
    assert.deepEqual([beyond.code, errorOf(beyond).code], [2, "RINGWALL_INVALID_ARGUMENT"]);
    assert.equal((await ringwall(["trim", log, "a", "--yes"])).code, 2);
  });
});

test("drop: the partition is gone, its space comes back, the others stay, and the name is free", async () => {
  await withPlace(async (log) => {
    await fill(log);
    const asked = await ringwall(["drop", log, "a"]);
    assert.equal(asked.code, 2);
    assert.match(asked.stderr, /20.000 records of "a" would go for good/);
    const done = await ringwall(["drop", log, "a", "--yes"]);
    assert.equal(done.code, 0, done.stderr);
    assert.match(done.text, /^a: 20.000 records dropped with the partition, sequences 1 to 20000; \d+ segments? freed\n$/);
    assert.equal((await ringwall(["cat", log, "b"])).text, `${lines.join("\n")}\n`);
    assert.equal((await ringwall(["verify", log])).code, 0);
    for (const partition of ["a", "never there"]) {
      const again = await ringwall(["drop", log, partition, "--yes", "--json"]);
      assert.deepEqual([again.code, errorOf(again).code], [1, "RINGWALL_NOT_FOUND"]);
    }
    assert.equal((await ringwall(["append", log, "a"], { input: "anew\n" })).code, 0);
    assert.equal((await ringwall(["cat", log, "a"])).text, "anew\n");
  });
});

test("a log that is open elsewhere is refused with 2, and so are no log, and a name that is none", async () => {
  await withPlace(async (directory, place) => {
    const log = await Log.open(directory);
    await log.partition("a").append("x");
    const locked = await ringwall(["drop", directory, "a", "--yes", "--json"]);
    assert.deepEqual([locked.code, errorOf(locked).code], [2, "RINGWALL_LOCKED"]);
    await log.close();
    assert.equal((await ringwall(["drop", path.join(place, "nothing"), "a", "--yes"])).code, 2);
    const bad = await ringwall(["drop", directory, "", "--yes", "--json"]);
    assert.deepEqual([bad.code, errorOf(bad).code], [2, "RINGWALL_INVALID_ARGUMENT"]);
  });
});
