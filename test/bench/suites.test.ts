// The suites on every backend: the shape of their documents, and that the work was done. Figures are not judged here.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { uringRefusal } from "../log/log-fixture.js";
import { demandNumbers, demandSuite, documentsOf, numberAt, quick, runBench, withDirectory } from "./run-bench.js";

const round = ["--seconds", "0.1", ...quick];
const callers = [...round, "--warm-up", "0.05"];
const appendFigures = ["recordsPerSecond", "megabytesPerSecond", "ackMicros.p50", "ackMicros.p99", "blocks", "recordsPerBlock", "cpuMicrosPerRecord", "seconds"];

const backends = [
  { backend: "fs", skip: false },
  { backend: "uring", skip: uringRefusal ?? false },
] as const;

for (const { backend, skip } of backends) {
  describe(`suites on ${backend}`, { skip }, () => {
    test("batch: a line per number of callers, whole batches in every block", async () => {
      const documents = await documentsOf(["batch", "--backend", backend, "--callers", "1,3", "--batch", "10", "--bytes", "200", ...callers]);
      demandSuite(documents, { bench: "batch", contenders: [`${backend}, 1 caller`, `${backend}, 3 callers`], rounds: 2, worked: appendFigures });
      assert.equal(numberAt(documents[1] ?? {}, "settings.batch"), 10);
      for (const document of documents) assert.ok((numberAt(document, "median.recordsPerBlock") as number) >= 9, "batches of ten");
      assert.equal(numberAt(documents[0] ?? {}, "warmUp.kind"), "until segments are recycled");
    });

    test("producers: a line per number of callers", async () => {
      const documents = await documentsOf(["producers", "--backend", backend, "--callers", "1,20", ...callers]);
      demandSuite(documents, { bench: "producers", contenders: [`${backend}, 1 caller`, `${backend}, 20 callers`], rounds: 2, worked: appendFigures });
      assert.deepEqual(documents.map((document) => numberAt(document, "settings.callers")), [1, 20]);
      assert.equal(numberAt(documents[0] ?? {}, "facts.backend"), backend);
    });

    test("partitions: ratios to the first", async () => {
      const documents = await documentsOf(["partitions", "--backend", backend, "--callers", "4", "--partitions", "1,50", ...callers]);
      demandSuite(documents, { bench: "partitions", contenders: ["1 partition", "50 partitions"], rounds: 2, worked: appendFigures });
      assert.equal(documents[0]?.["ratios"], undefined);
      assert.equal(numberAt(documents[1] ?? {}, "ratios.to"), "1 partition");
      demandNumbers((documents[1]?.["ratios"] as { of: Record<string, Record<string, unknown>> }).of["recordsPerSecond"] ?? {}, ["median", "min", "max"]);
    });
  });
}

test("both backends in one run, with the ratio to node:fs of the same callers", { skip: uringRefusal ?? false }, async () => {
  const documents = await documentsOf(["producers", "--callers", "1,2", ...callers]);
  demandSuite(documents, { bench: "producers", contenders: ["uring, 1 caller", "fs, 1 caller", "uring, 2 callers", "fs, 2 callers"], rounds: 2, worked: appendFigures });
  assert.deepEqual(documents.map((document) => numberAt(document, "ratios.to")), ["fs, 1 caller", undefined, "fs, 2 callers", undefined]);
});

test("for people: a table with ranges, and the machine", async () => {
  await withDirectory(async (directory) => {
    const result = await runBench(["batch", "--backend", "fs", "--callers", "2", "--batch", "5", ...callers, "--dir", directory]);
    assert.equal(result.code, 0, result.stderr);
    assert.match(result.text, /^5 × 1024 B, durable per batch +records\/s +MB\/s +p50 µs/);
    assert.match(result.text, /\nfs, 2 callers +\d/);
    assert.match(result.text, /medians \(min\.\.max\) of 2 rounds; fs: flush /);
    assert.match(result.text, /cores; linux/);
  });
});

test("lists that are none are refused", async () => {
  for (const list of ["1,,2", "0", "many", ""]) {
    const result = await runBench(["producers", "--callers", list]);
    assert.equal(result.code, 2, list);
    assert.match(result.stderr, /--callers/);
  }
});
