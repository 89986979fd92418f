// Golden directories: what earlier versions wrote is opened, read to the last byte and gone on with, by every later one.

import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { Log } from "#src/index.js";

/** The sources, not the build: the directories are no output of the compiler. */
const golden = fileURLToPath(new URL("../../../test/golden/", import.meta.url));
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), "ringwall-golden-"));
after(() => fs.rmSync(scratch, { recursive: true, force: true }));
let serial = 0;

function unpacked(name: string): string {
  const target = path.join(scratch, `log-${serial++}`);
  for (const entry of fs.readdirSync(path.join(golden, name), { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const file = path.join(entry.parentPath, entry.name);
    const to = path.join(target, path.relative(path.join(golden, name), file)).replace(/\.gz$/, "");
    fs.mkdirSync(path.dirname(to), { recursive: true });
    fs.writeFileSync(to, gunzipSync(fs.readFileSync(file)));
  }
  return target;
}

const longName = "Namen: ä 日本 😀";

/** Every record by partition: [sequence, text]. */
function expectedRecords(last: readonly string[]): Record<string, [number, string][]> {
  const orders: [number, string][] = [];
  for (let seq = 4; seq <= 15; seq++) orders.push([seq, `order ${seq}`]);
  for (let seq = 16; seq <= 18; seq++) orders.push([seq, `order ${seq}, anew`]);
  orders.push([19, "x".repeat(50_000)], [20, "atomic 1"], ...last.map((data, index): [number, string] => [21 + index, data]));
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, index) => index)).toString("latin1");
  const batch = Array.from({ length: 30 }, (_, index): [number, string] => [4 + index, `${index}`.padEnd(1000, "b")]);
  return { orders, [longName]: [[1, ""], [2, bytes], [3, "atomic 2"], ...batch], "new in a batch": [[1, "atomic 3"]], "on another lane": [[1, "instead"]] };
}

async function records(log: Log): Promise<{ found: Record<string, [number, string][]>; times: number[] }> {
  const found: Record<string, [number, string][]> = {};
  const times: number[] = [];
  for (const partition of log.partitions()) {
    const list: [number, string][] = (found[partition.name] = []);
    for await (const { seq, time, data } of partition.read()) {
      list.push([seq, Buffer.from(data).toString("latin1")]);
      times.push(time);
    }
  }
  return { found, times };
}

const logs = [
  { name: "v1/closed", last: ["second epoch"], report: { verdict: "clean", horizonIsLast: true } },
  { name: "v1/unclean", last: ["second epoch, never closed", "the last one acknowledged"], report: { verdict: "clean", horizonIsLast: false } },
];

for (const { name, last, report } of logs) {
  for (const options of [{ readOnly: true }, { backend: "fs" }, { backend: "auto" }] as const) {
    test(`${name}, opened with ${JSON.stringify(options)}: every record, and the report`, async () => {
      const log = await Log.open(unpacked(name), options);
      assert.deepEqual([log.info.uuid, log.info.lanes, log.info.alignment, log.info.flushMethod], ["00112233445566778899aabbccddeeff", 2, 4096, "dsync"]);
      const { found, times } = await records(log);
      assert.deepEqual(found, expectedRecords(last));
      const firstMillis = Date.UTC(2026, 0, 1);
      // The script's clock goes on by a second before each operation; two truncations, a trim and their kind fall between.
      assert.deepEqual([times[0], times[11], times[12]], [firstMillis + 4000, firstMillis + 15_000, firstMillis + 24_000], "times as they were written");
      assert.ok(times.every((time) => time > firstMillis && time < firstMillis + 60_000 && time % 1000 === 0));
      assert.equal(log.partition("orders").firstSeq, 4);
      const [first, second] = log.info.recovery;
      for (const each of [first, second]) {
        assert.deepEqual([each!.verdict, each!.damaged, each!.lost, each!.lostExact, each!.discardedBlocks, each!.discardedFrames], [report.verdict, [], [], true, [], 0]);
      }
      assert.equal(first!.segments, 2);
      assert.equal(second!.segments, 1);
      // A seal covers everything; without it the last block is only valid.
      assert.equal(first!.firstInvalidBlock - first!.horizon, report.horizonIsLast ? 1 : 2);
      await log.close();
    });
  }

  test(`${name}: writing goes on`, async () => {
    const directory = unpacked(name);
    for (let round = 0; round < 2; round++) {
      const log = await Log.open(directory, { segmentBytes: 1024 * 1024 });
      const due = 21 + last.length + 2 * round;
      assert.equal(await log.partition("orders").append("on"), due);
      log.rotate();
      assert.equal(await log.partition("orders").append("and on"), due + 1);
      assert.deepEqual(await log.write([{ partition: longName, data: "a" }, { partition: "new in a batch", data: "b" }]), [34 + round, 2 + round]);
      await log.close();
    }
  });
}

test("the directories are small", () => {
  const bytes = fs.readdirSync(golden, { recursive: true, withFileTypes: true }).reduce((sum, entry) => sum + (entry.isFile() && entry.name.endsWith(".gz") ? fs.statSync(path.join(entry.parentPath, entry.name)).size : 0), 0);
  assert.ok(bytes > 0 && bytes < 100_000, `${bytes} bytes`);
});
