// Suites that need programs of others: what they do with them, and what they say without them.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import { test } from "node:test";
import { parseSummary } from "#src/cli/bench/suites/syscall-counter.js";
import { errorOf } from "../cli/ringwall.js";
import { uringRefusal } from "../log/log-fixture.js";
import { demandSuite, documentsOf, numberAt, quick, runBench, withDirectory, type Document } from "./run-bench.js";

function missing(program: string): string | false {
  return spawnSync(program, ["--version"], { stdio: "ignore" }).error === undefined ? false : `${program} is not installed`;
}

test("syscalls: every contender's calls are counted and named by strace", { skip: missing("strace") }, async () => {
  const documents = await documentsOf(["syscalls", "--counter", "strace", "--callers", "4", "--seconds", "0.3", ...quick]);
  const contenders = (uringRefusal ?? null) === null ? ["uring", "uring, SQPOLL", "lane thread", "lane thread, SQPOLL", "fs"] : ["fs"];
  demandSuite(documents, { bench: "syscalls", contenders, rounds: 2, worked: ["callsPerSecond", "logThreadRecordsPerSecond", "callsPerRecord", "recordsPerSecond"] });
  for (const document of documents) {
    const byName = numberAt(document, "facts.callsPerSecondByName") as Record<string, number>;
    const writes = { "uring": "io_uring_enter", "lane thread": "io_uring_enter", "fs": "pwrite64" }[document["contender"] as string];
    if (writes !== undefined) assert.ok((byName[writes] ?? 0) > 0, JSON.stringify(byName));
    assert.equal(numberAt(document, "settings.sqpoll"), String(document["contender"]).endsWith("SQPOLL"));
    const ofThread = numberAt(document, "facts.logThreadCallsPerSecondByName") as Record<string, number>;
    if (document["contender"] === "lane thread") assert.ok((ofThread["io_uring_enter"] ?? 0) > 0, `the lane's own thread is the one that is counted: ${JSON.stringify(ofThread)}`);
  }
});

const backends = [
  { backend: "fs", skip: missing("fio") },
  { backend: "uring", skip: uringRefusal ?? missing("fio") },
] as const;
for (const { backend, skip } of backends) {
  test(`fio on ${backend}: each workload with the ratio of the log to fio`, { skip }, async () => {
    const documents = await documentsOf(["fio", "--backend", backend, "--bytes", "8MiB", "--seconds", "0.2", ...quick]);
    demandSuite(documents, { bench: "fio", contenders: ["fio write-1m", "fio write-1m-dsync", backend, "fio write-4k-dsync", backend, "fio read-1m", backend, "fio randread-4k", backend, "fio randread-4k-deep", backend], rounds: 2, worked: ["operationsPerSecond"] });
    const references = documents.filter(({ contender }) => contender === backend).map((document) => numberAt(document, "ratios.to"));
    assert.deepEqual(references, ["fio write-1m", "fio write-4k-dsync", "fio read-1m", "fio randread-4k", "fio randread-4k-deep"]);
    const gets = documents.filter((document) => document["contender"] === backend && typeof numberAt(document, "settings.depth") === "number");
    assert.equal(gets.length, 2);
    // A page at least for each record: out of the page cache it would be none.
    for (const document of gets) assert.ok((numberAt(document, "median.deviceBytesPerGet") as number) >= 4096, "the device was read");
  });
}

for (const { suite, pattern } of [{ suite: "syscalls", pattern: /package strace/ }, { suite: "fio", pattern: /package fio/ }]) {
  test(`${suite}: without its program the error names the package, and nothing is written`, async () => {
    await withDirectory(async (directory) => {
      const result = await runBench([suite, "--dir", directory, "--json"], { PATH: directory });
      assert.equal(result.code, 2, result.text);
      assert.equal(errorOf(result).code, "NOT_INSTALLED");
      assert.match(String((errorOf(result) as unknown as Document)["message"]), pattern);
      assert.deepEqual(fs.readdirSync(directory), []);
    });
  });
}

test("strace's table: calls by name, with errors and without, and no total", () => {
  const table = `% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 60.00    0.000120           3        40         2 futex
 40.00    0.000080           8        10           io_uring_enter
------ ----------- ----------- --------- --------- ----------------
100.00    0.000200           4        50         2 total
`;
  assert.deepEqual(parseSummary(table), { futex: 40, io_uring_enter: 10 });
});
