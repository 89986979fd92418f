// `bench soak`: what it samples, what it makes of the samples, and the disk that stalls in the middle.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { memoryTrendOf } from "#src/cli/bench/soak/memory-trend.js";
import { errorOf } from "../cli/ringwall.js";
import { diskRefusal } from "../crash/disk.js";
import { uringRefusal } from "../log/log-fixture.js";
import { demandContext, demandNumbers, documentOf, numberAt, quick, runBench, type Document } from "./run-bench.js";

const [, , ...space] = quick;
const load = ["soak", "--callers", "8", ...space];

describe("the trend of memory", () => {
  test("a line: its slope by seconds and by records", () => {
    const points = [0, 1, 2, 3].map((second) => ({ second, records: 10 * second, bytes: 1000 + 50 * second }));
    assert.deepEqual(memoryTrendOf(points), { bytesMin: 1000, bytesMedian: 1075, bytesMax: 1150, slopeBytesPerSecond: 50, slopeBytesPerRecord: 5 });
  });

  test("least squares: what one point is off weighs by its distance from the middle", () => {
    const bytes = [0, 0, 0, 0, 100];
    const { slopeBytesPerSecond } = memoryTrendOf(bytes.map((value, second) => ({ second, records: second, bytes: value })));
    assert.equal(slopeBytesPerSecond, 20);
  });

  test("no line is determined: 0", () => {
    assert.equal(memoryTrendOf([]).slopeBytesPerSecond, 0);
    assert.deepEqual(memoryTrendOf([{ second: 1, records: 1, bytes: 7 }]), { bytesMin: 7, bytesMedian: 7, bytesMax: 7, slopeBytesPerSecond: 0, slopeBytesPerRecord: 0 });
  });
});

for (const lane of ["inline", "thread"]) {
  test(`lane ${lane}: a series of samples, and its trend behind the time to settle`, async () => {
    const document = await documentOf([...load, "--lane", lane, "--seconds", "1", "--settle", "0.4"]);
    demandContext(document);
    demandNumbers(document, ["rss.bytesMin", "rss.bytesMedian", "rss.bytesMax", "heapUsed.bytesMedian", "external.bytesMedian", "recordsPerSecond", "ackMicrosP99", "descriptorsFirst", "descriptorsLast"]);
    assert.equal(typeof numberAt(document, "rss.slopeBytesPerSecond"), "number");
    const series = document["series"] as Readonly<Record<string, readonly number[]>>;
    const seconds = series["second"] as readonly number[];
    assert.ok(seconds.length >= 2 && seconds.length <= 10, String(seconds.length));
    for (const name of ["rssBytes", "heapUsedBytes", "externalBytes", "arrayBufferBytes", "records", "recordsPerSecond", "ackMicrosP99", "descriptors", "segmentFiles"]) assert.equal(series[name]?.length, seconds.length, name);
    const settled = (series["rssBytes"] as readonly number[]).filter((_, index) => (seconds[index] as number) > 0.4);
    assert.equal(numberAt(document, "rss.bytesMax"), Math.max(...settled));
    assert.ok((document["records"] as number) > 0);
  });
}

const backends = [
  { backend: "fs", skip: false },
  { backend: "uring", skip: uringRefusal ?? false },
] as const;
const refusal = diskRefusal("ext4");

describe("a disk that stalls", refusal === null ? {} : { skip: refusal }, () => {
  for (const { backend, skip } of backends) {
    test(`${backend}: what is accepted meanwhile is bounded, more is refused, nothing is lost, and it goes on`, { skip }, async () => {
      const document = await documentOf([...load, "--backend", backend, "--seconds", "2", "--stall", "1"]);
      demandContext(document);
      const stall = document["stall"] as Document;
      demandNumbers(stall, ["seconds", "rssBytesBefore", "rssBytesMax", "turnMillisMax"]);
      const [accepted, limit, refused] = ["acceptedBytes", "limitBytes", "refused"].map((name) => stall[name] as number) as [number, number, number];
      assert.equal(limit, 2 * 8 * 64 * 1024);
      assert.ok(accepted > 0 && accepted <= limit && refused > 0, JSON.stringify(stall));
      assert.equal(stall["recordsLost"], 0);
    });
  }
});

test("times that leave nothing are refused", async () => {
  for (const [args, message] of [[["--settle", "5", "--seconds", "5"], /--settle/], [["--stall", "4", "--seconds", "5"], /half of --seconds/]] as const) {
    const result = await runBench([...load, ...args, "--json"]);
    assert.equal(result.code, 2);
    assert.match(errorOf(result).message, message);
  }
});
