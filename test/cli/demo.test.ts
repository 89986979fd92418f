// The demo is a proof only if it ends well on a sound log and badly on one that lost something.

import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import { LaneLog as Log } from "#src/log/lane-log.js";
import { AckLedger } from "#src/cli/demo/acknowledgements.js";
import { Corpus, findNodeModules } from "#src/cli/demo/corpus.js";
import { contentMark, partitionName } from "#src/cli/demo/demo-shape.js";
import { readBack } from "#src/cli/demo/read-back.js";
import { crc32c } from "#src/base/crc32c.js";
import { demoPath, ringwall, start, withPlace } from "./ringwall.js";

interface Result {
  readonly directory: string;
  readonly acknowledged: number;
  readonly ackMicros: { readonly p50: number; readonly p99: number };
  readonly writer: { readonly backend: string };
  readonly found: { readonly records: number; readonly lost: number; readonly wrong: number; readonly unacknowledged: number };
}

for (const native of ["", "off"]) {
  test(`one second of writing and a kill lose nothing${native === "off" ? ", without the addon too" : ""}`, async () => {
    const result = await ringwall(["--seconds", "1", "--json"], { program: demoPath, env: { RINGWALL_NATIVE: native } });
    assert.equal(result.code, 0, result.stderr);
    const { acknowledged, found, ackMicros, writer, directory } = JSON.parse(result.text) as Result;
    assert.ok(acknowledged > 1000, String(acknowledged));
    assert.deepEqual([found.lost, found.wrong], [0, 0]);
    assert.equal(found.records, acknowledged + found.unacknowledged);
    assert.ok(ackMicros.p50 > 0 && ackMicros.p50 <= ackMicros.p99);
    if (native === "off") assert.equal(writer.backend, "fs");
    assert.ok(!existsSync(path.dirname(directory)), "the temporary directory is removed");
  });
}

test("Ctrl-C ends the demo with 130 and removes its directory", async () => {
  const places = (): string[] => readdirSync(os.tmpdir()).filter((name) => name.startsWith("ringwall-demo-")).sort();
  const before = places();
  const demo = start(["--seconds", "60"], { program: demoPath });
  await demo.until((text) => text.startsWith("writing for 60 s"));
  demo.child.kill("SIGINT");
  assert.equal((await demo.end()).code, 130);
  assert.deepEqual(places().filter((name) => !before.includes(name)), []);
});

test("a directory that is not empty is refused", async () => {
  const result = await ringwall(["--dir", os.tmpdir(), "--seconds", "1"], { program: demoPath });
  assert.equal(result.code, 2);
  assert.match(result.stderr, /^ringwall: .* is not empty/);
});

/** A log with `count` good records in partition 0, and a ledger that claims `claimed` of them. */
async function judge(count: number, claimed: number, forge: (n: number, record: Buffer) => Buffer): Promise<{ readonly lost: number; readonly wrong: number; readonly unacknowledged: number }> {
  const corpus = Corpus.load(findNodeModules());
  let verdict = { lost: -1, wrong: -1, unacknowledged: -1 };
  await withPlace(async (directory) => {
    await using log = await Log.open(directory, { backend: "fs" });
    for (let n = 0; n < count; n++) await log.partition(partitionName(0)).append(forge(n, corpus.record(0, n)));
    const ledger = new AckLedger(16);
    const facts = Buffer.from("{}");
    const heading = Buffer.alloc(4);
    heading.writeUInt32LE(facts.length);
    const entries = Array.from({ length: claimed }, (_, n) => {
      const entry = Buffer.alloc(16);
      [0, n + 1, contentMark(crc32c(corpus.record(0, n), 0)), 100].forEach((value, index) => entry.writeUInt32LE(value, index * 4));
      return entry;
    });
    // In odd pieces, as a pipe gives them.
    const bytes = Buffer.concat([heading, facts, ...entries]);
    for (let at = 0; at < bytes.length; at += 7) ledger.handleBytes(bytes.subarray(at, at + 7));
    assert.equal(ledger.count, claimed);
    const { lost, wrong, unacknowledged } = await readBack(log, ledger, corpus, new AbortController().signal);
    verdict = { lost, wrong, unacknowledged };
  });
  return verdict;
}

test("the comparison finds what is lost, what is changed, and what is in another's place", async () => {
  const same = (_: number, record: Buffer): Buffer => record;
  assert.deepEqual(await judge(20, 15, same), { lost: 0, wrong: 0, unacknowledged: 5 });
  assert.deepEqual(await judge(10, 15, same), { lost: 5, wrong: 0, unacknowledged: 0 });
  const changed = await judge(10, 10, (n, record) => {
    if (n === 4) record[record.length - 1]! ^= 1;
    return record;
  });
  assert.deepEqual(changed, { lost: 0, wrong: 1, unacknowledged: 0 });
  const corpus = Corpus.load(findNodeModules());
  assert.equal((await judge(10, 10, (n) => corpus.record(0, n + 1))).wrong, 10);
});
