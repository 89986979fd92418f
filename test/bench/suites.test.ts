// The suites on every backend: the shape of their documents, and that the work was done. Figures are not judged here.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { OrderTables } from "#src/cli/bench/suites/order-tables.js";
import { uringRefusal } from "../log/log-fixture.js";
import { demandNumbers, demandSuite, documentsOf, numberAt, quick, runBench, withDirectory } from "./run-bench.js";

const round = ["--seconds", "0.1", ...quick];
const callers = [...round, "--warm-up", "0.05"];
const appendFigures = ["recordsPerSecond", "megabytesPerSecond", "ackMicros.p50", "ackMicros.p99", "blocks", "recordsPerBlock", "cpuMicrosPerRecord", "seconds"];
const threadFigures = ["recordsPerSecond", "megabytesPerSecond", "ackMicros.p50", "ackMicros.p99", "cpuMicrosPerRecord", "rssBytesMax", "seconds"];

const backends = [
  { backend: "fs", skip: false },
  { backend: "uring", skip: uringRefusal ?? false },
] as const;

const depths = ["4", "3", "2", "1"].map((name) => ({ name, note: /./ }));
const gathered = [{ name: "off", note: /vectored writes: off/ }, { name: "on", note: /vectored writes: up to 1048576 bytes/ }];
const variants = {
  fs: [...depths, ...gathered, { name: "dsync", note: /^flush: dsync$/m }, { name: "separate", note: /^flush: separate$/m }],
  uring: [
    { name: "on", note: /registered buffers: on/ },
    { name: "off", note: /registered buffers: off: not wanted/ },
    { name: "on", note: /registered files: on/ },
    { name: "off", note: /registered files: off: not wanted/ },
    { name: "off", note: /ring: (?!SQPOLL)/ },
    { name: "on", note: /ring: SQPOLL/ },
    { name: "wait", note: /./ },
    { name: "spin", note: /./ },
    ...depths,
    ...gathered,
    { name: "dsync", note: /^flush: dsync$/m },
    { name: "linked", note: /^flush: linked$/m },
    { name: "separate", note: /^flush: separate$/m },
  ],
} as const;

for (const { backend, skip } of backends) {
  describe(`suites on ${backend}`, { skip }, () => {
    test("batch: a line per number of callers, whole batches in every block", async () => {
      const documents = await documentsOf(["batch", "--backend", backend, "--callers", "1,3", "--batch", "10", "--bytes", "200", ...callers]);
      demandSuite(documents, { bench: "batch", contenders: [`${backend}, 1 caller`, `${backend}, 3 callers`], rounds: 2, worked: appendFigures });
      assert.equal(numberAt(documents[1] ?? {}, "settings.batch"), 10);
      for (const document of documents) assert.ok((numberAt(document, "median.recordsPerBlock") as number) >= 9, "batches of ten");
      assert.equal(numberAt(documents[0] ?? {}, "warmUp.kind"), "until segments are recycled");
    });

    test("latency: so many records, enqueued and durable apart", async () => {
      const documents = await documentsOf(["latency", "--backend", backend, "--records", "100", "--text", "test data", ...quick]);
      demandSuite(documents, { bench: "latency", contenders: [`enqueue, ${backend}`, `durable append, ${backend}`], rounds: 2, worked: ["callMicros.p50", "callMicros.p99", "recordsPerSecond"] });
      for (const document of documents) assert.deepEqual([numberAt(document, "settings.records"), numberAt(document, "settings.bytes"), numberAt(document, "max.drains")], [100, 9, 0]);
    });

    test("producers: a line per number of callers", async () => {
      const documents = await documentsOf(["producers", "--backend", backend, "--callers", "1,20", ...callers]);
      demandSuite(documents, { bench: "producers", contenders: [`${backend}, 1 caller`, `${backend}, 20 callers`], rounds: 2, worked: appendFigures });
      assert.deepEqual(documents.map((document) => numberAt(document, "settings.callers")), [1, 20]);
      assert.equal(numberAt(documents[0] ?? {}, "facts.backend"), backend);
    });

    test("atomic: a line per kind of call, on one log", async () => {
      const documents = await documentsOf(["atomic", "--backend", backend, "--callers", "5", "--bytes", "200", ...callers]);
      const contenders = ["append", "append with a producer's number", "record and cursor", "write over two partitions"];
      demandSuite(documents, { bench: "atomic", contenders, rounds: 2, worked: appendFigures });
      assert.deepEqual(documents.map((document) => numberAt(document, "settings.call")), ["append", "numbered", "moving", "pair"]);
    });

    test("open: a line per number of partitions, with what they keep in memory", async () => {
      const documents = await documentsOf(["open", "--backend", backend, "--partitions", "10,2000", "--bytes", "1MiB", "--record-bytes", "100", ...round]);
      demandSuite(documents, { bench: "open", contenders: ["10 partitions", "2000 partitions"], rounds: 2, worked: ["openMillis", "scannedBytes", "segments"] });
      const heap = numberAt(documents[1] ?? {}, "median.heapBytesPerPartition") as number;
      assert.ok(heap > 50 && heap < 1000, `${heap} bytes per partition`);
    });

    test("tailers: every record comes to every tail", async () => {
      const documents = await documentsOf(["tailers", "--backend", backend, "--tailers", "1,20", ...round]);
      demandSuite(documents, { bench: "tailers", contenders: ["1 tail", "20 tails"], rounds: 2, worked: ["recordsPerSecond", "cpuMicrosPerRecord", "recordsPerBatch", "records"] });
      assert.equal(numberAt(documents[1] ?? {}, "ratios.to"), "1 tail");
    });

    test("reclaim: every pattern leaves live records in old segments, and they are moved where that is on", async () => {
      const documents = await documentsOf(["reclaim", "--backend", backend, "--callers", "64", "--bytes", "4096", "--live", "4MiB", "--segment-bytes", "1MiB", "--buffer-bytes", "64KiB", "--seconds", "0.5", ...quick]);
      const patterns = ["oldest-kept", "one-trimmed", "at-random", "in-turn", "lifetimes"];
      demandSuite(documents, { bench: "reclaim", contenders: patterns.flatMap(() => ["reclaim", "no reclaim"]), rounds: 2, worked: ["recordsPerSecond", "ackMicros.p99", "deviceBytesPerByte", "diskBytesPerLiveByte.p50", "diskBytesPerPromisedByte.max", "seconds"] });
      for (const document of documents) {
        const [moved, held, holds] = ["movedBytesPerByte", "holdShare", "holdsPerSecond"].map((path) => numberAt(document, `median.${path}`) as number);
        assert.ok(held! >= 0 && held! < 1.1 && holds! >= 0, `held for ${String(held)} of the time, ${String(holds)} times a second`);
        if (document["contender"] === "no reclaim") assert.deepEqual([moved, held, holds], [0, 0, 0], String(document["group"]));
      }
      assert.ok(documents.some((document) => (numberAt(document, "median.segmentsReclaimed") as number) > 0), "something was moved");
      assert.equal((await runBench(["reclaim", "--backend", backend, "--patterns", "none", ...quick])).code, 2);
    });

    test("partitions: ratios to the first", async () => {
      const documents = await documentsOf(["partitions", "--backend", backend, "--callers", "4", "--partitions", "1,50", ...callers]);
      demandSuite(documents, { bench: "partitions", contenders: ["1 partition", "50 partitions"], rounds: 2, worked: appendFigures });
      assert.equal(documents[0]?.["ratios"], undefined);
      assert.equal(numberAt(documents[1] ?? {}, "ratios.to"), "1 partition");
      demandNumbers((documents[1]?.["ratios"] as { of: Record<string, Record<string, unknown>> }).of["recordsPerSecond"] ?? {}, ["median", "min", "max"]);
    });

    test("threads: one log inline, and with producers in several threads", async () => {
      const documents = await documentsOf(["threads", "--backend", backend, "--callers", "5", "--producers", "1,2", ...callers]);
      demandSuite(documents, { bench: "threads", contenders: ["inline", "lane thread, 1 producer", "lane thread, 2 producers"], rounds: 2, worked: threadFigures });
      assert.deepEqual(documents.map((document) => ["lane", "logs", "threads"].map((name) => numberAt(document, `settings.${name}`))), [["inline", 1, 1], ["thread", 1, 1], ["thread", 1, 2]]);
      assert.deepEqual(documents.map((document) => numberAt(document, "ratios.to")), [undefined, "inline", "inline"]);
      assert.equal(numberAt(documents[1] ?? {}, "facts.backend"), backend);
    });

    test("lanes: several of one log, and a log for each worker", async () => {
      const documents = await documentsOf(["lanes", "--backend", backend, "--callers", "4", "--lanes", "1,2", "--workers", "1,2", ...callers]);
      demandSuite(documents, { bench: "lanes", contenders: ["1 lane", "2 lanes", "1 worker", "2 workers"], rounds: 2, worked: threadFigures });
      assert.deepEqual(documents.map((document) => ["lanes", "logs", "partitions"].map((name) => numberAt(document, `settings.${name}`))), [[1, 1, 2], [2, 1, 2], [1, 1, 1], [1, 2, 1]]);
      assert.deepEqual(documents.map((document) => numberAt(document, "ratios.to")), [undefined, "1 lane", undefined, "1 worker"]);
    });

    test("modes: each feature is really on and off, by what the backend says", async () => {
      const documents = await documentsOf(["modes", "--backend", backend, "--callers", "2", ...callers]);
      demandSuite(documents, { bench: "modes", contenders: variants[backend].map(({ name }) => `${name}, 2 callers`), rounds: 2, worked: appendFigures });
      for (const [index, { note }] of variants[backend].entries()) {
        const facts = documents[index]?.["facts"] as { readonly flushMethod: string; readonly backendNotes: readonly string[] };
        const said = [...facts.backendNotes, `flush: ${facts.flushMethod}`].join("\n");
        assert.match(said, note, String(documents[index]?.["group"]));
      }
    });

    test("storage: four workloads, one at a time and batched; reads and writes where they belong", async () => {
      const documents = await documentsOf(["storage", "--backend", backend, "--seconds", "0.1", "--repeat", "2", "--file-bytes", "1MiB", "--depth", "4", "--sync-every", "5"]);
      const contenders = [backend, `${backend}, batched`];
      demandSuite(documents, { bench: "storage", contenders: [contenders, contenders, contenders, contenders].flat(), rounds: 2, worked: ["operationsPerSecond", "operationMicros.p50", "cpuMicrosPerOperation", "seconds"] });
      for (const document of documents) {
        const done = ["reads", "writes", "syncs"].map((name) => (numberAt(document, `median.${name}`) as number) > 0);
        const expected = { "sync-each": [false, true, false], "periodic-sync": [false, true, true], "random-read": [true, false, false], "mixed": [true, true, false] };
        assert.deepEqual(done, expected[numberAt(document, "settings.workload") as keyof typeof expected], String(document["group"]));
      }
    });

    test("read: three ways, one also beside a large heap; every byte of every record", async () => {
      const documents = await documentsOf(["read", "--backend", backend, "--record-bytes", "1024,100", "--bytes", "2MiB", ...round]);
      const contenders = ["readBatches", "readBatches, 64 MiB heap", "for await", "get"].map((way) => `${way}, ${backend}`);
      demandSuite(documents, { bench: "read", contenders: [...contenders, ...contenders], rounds: 2, worked: ["recordsPerSecond", "megabytesPerSecond", "records", "seconds"] });
      assert.equal(numberAt(documents[0] ?? {}, "settings.records"), 2048);
      assert.deepEqual(documents.map((document) => (numberAt(document, "settings.objects") as number) > 0), [false, true, false, false, false, true, false, false]);
      demandNumbers(documents[3] ?? {}, ["median.getMicros.p50", "median.getMicros.p99"]);
    });

    test("transactions: both kinds, on a log, on the baseline and on nothing", async () => {
      const documents = await documentsOf(["transactions", "--backend", backend, "--callers", "8", "--warehouses", "1", ...callers]);
      demandSuite(documents, { bench: "transactions", contenders: [backend, "portable baseline", "no log"], rounds: 2, worked: ["transactionsPerSecond", "commitMicros.p50", "newOrders", "payments", "cpuMicrosPerTransaction"] });
      assert.equal(numberAt(documents[0] ?? {}, "ratios.to"), "portable baseline");
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

test("modes: a feature that the backend does not have is refused", async () => {
  const result = await runBench(["modes", "--backend", "fs", "--features", "sqpoll"]);
  assert.equal(result.code, 2);
  assert.match(result.stderr, /--features: sqpoll .*blocks-in-flight, gathered-writes, flush/);
});

test("transactions leave tables that add up, and refuse one in a hundred orders", () => {
  const tables = new OrderTables(1, 7);
  const records = { newOrder: 0, payment: 0, refused: 0 };
  for (let transaction = 0; transaction < 20_000; transaction++) {
    const record = tables.transact();
    if (record === null) records.refused++;
    else records[record[0] === 1 ? "newOrder" : "payment"]++;
  }
  tables.demandConsistent();
  assert.deepEqual(records, { newOrder: tables.newOrders, payment: tables.payments, refused: tables.refused });
  assert.ok(records.refused > 50 && records.refused < 200, String(records.refused));
  assert.ok(Math.abs(records.newOrder - records.payment) < 1000, JSON.stringify(records));
});

test("lists that are none are refused", async () => {
  for (const list of ["1,,2", "0", "many", ""]) {
    const result = await runBench(["producers", "--callers", list]);
    assert.equal(result.code, 2, list);
    assert.match(result.stderr, /--callers/);
  }
});
