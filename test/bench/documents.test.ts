// The documents of the benches: their shape, on every backend; what they measured is not judged here.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { uringRefusal } from "../log/log-fixture.js";
import { demandContext, demandNumbers, documentOf, quick, type Document } from "./run-bench.js";

const figures = ["recordsPerSecond", "megabytesPerSecond", "ackMicros.p50", "ackMicros.p99", "ackMicros.p999", "blocks", "recordsPerBlock", "cpuMicrosPerRecord", "rssBytesMax", "othersCores"];
const append = ["append", "--seconds", "0.3", "--warm-up", "0.1", "--enqueue-records", "1000", ...quick];

const backends = [
  { backend: "fs", skip: false },
  { backend: "uring", skip: uringRefusal ?? false },
] as const;

for (const { backend, skip } of backends) {
  describe(`on ${backend}`, { skip }, () => {
    test("append: figures of a trimmed log, with spread, enqueue, options and machine", async () => {
      const document = await documentOf([...append, "--backend", backend, "--callers", "8"]);
      demandContext(document);
      demandNumbers(document, [...figures, "enqueueNanos.p50", "enqueueNanos.p99", "seconds", "deviceBytesPerByte", "instrumentation.nanosPerRecord"]);
      demandNumbers(document["spread"] as Document, figures.flatMap((name) => [`min.${name}`, `max.${name}`]));
      assert.deepEqual([document["bench"], document["backend"], document["rounds"]], ["append", backend, 2]);
      assert.equal(typeof document["flushMethod"], "string");
      const warmUp = document["warmUp"] as Document;
      assert.equal(warmUp["kind"], "until segments are recycled");
      assert.ok((warmUp["segmentsReleased"] as number) >= 3, JSON.stringify(warmUp));
      assert.equal((document["options"] as Document)["callers"], 8);
    });

    test("append --compare baseline and --floor: rivals with the same figures, and ratios", async () => {
      const document = await documentOf([...append, "--backend", backend, "--callers", "8", "--compare", "baseline", "--floor", "--enqueue-records", "0"]);
      demandContext(document);
      demandNumbers(document["baseline"] as Document, figures.map((name) => `median.${name}`));
      demandNumbers(document["floor"] as Document, ["waiting.median.ackMicros.p50", "waiting.median.ackMicros.p99", "waiting.median.writesPerSecond"]);
      assert.equal(typeof (document["floor"] as Document)["method"], "string");
      const ratios = document["ratios"] as Document;
      demandNumbers(ratios, ["recordsPerSecondToBaseline.median", "recordsPerSecondToBaseline.min", "ackP50ToFloorWaiting.median", "ackP50ToFloorWaiting.max", "recordsPerSecondToFloorWaiting.median"]);
      assert.equal("ackP50ToFloorPolling" in ratios, backend === "uring", "only a ring can be polled");
      assert.equal("enqueue" in document, false, "no enqueue phase was asked for");
    });

    test("append with batches, partitions, interval and without trimming", async () => {
      const document = await documentOf([...append, "--backend", backend, "--callers", "3", "--batch", "10", "--partitions", "4", "--durability", "interval", "--interval-ms", "5", "--no-trim"]);
      demandContext(document);
      demandNumbers(document, figures);
      assert.equal((document["warmUp"] as Document)["kind"], "none: the log grows");
    });

    test("enqueue: rate and quantiles of the call", async () => {
      const document = await documentOf(["enqueue", "--backend", backend, "--records", "5000", ...quick]);
      demandContext(document);
      demandNumbers(document, ["recordsPerSecond", "megabytesPerSecond", "enqueueNanos.p50", "enqueueNanos.p99", "drains", "spread.max.enqueueNanos.p99"]);
    });

    test("recover: the killed writer's log is read to its last byte", async () => {
      const document = await documentOf(["recover", "--backend", backend, "--bytes", "2MiB", "--sealed-bytes", "3MiB", "--record-bytes", "1000", "--repeat", "2"]);
      demandContext(document);
      demandNumbers(document, ["create.median.openMillis", "empty.median.openMillis", "sealed.median.openMillis", "unclean.median.openMillis", "unclean.median.megabytesPerSecond", "unclean.forWriting.openMillis"]);
      const unclean = document["unclean"] as Document;
      assert.ok((unclean["scannedBytes"] as number) >= 2 * 1024 ** 2, String(unclean["scannedBytes"]));
      assert.equal(unclean["scannedRecords"], Math.ceil((2 * 1024 ** 2) / 1000));
      assert.ok(((document["sealed"] as Document)["segments"] as number) >= 3, "one log has several segments");
    });

    test("recover --damage: by index little is read, without it all, and every damaged page is named", async () => {
      const document = await documentOf(["recover", "--backend", backend, "--bytes", "12MiB", "--segment-bytes", "1MiB", "--sealed-bytes", "1MiB", "--record-bytes", "1000", "--repeat", "2", "--damage"]);
      demandContext(document);
      const parts = ["incremental", "full", "damaged"].map((name) => document[name] as Document) as [Document, Document, Document];
      for (const part of parts) demandNumbers(part, ["median.openMillis", "min.megabytesPerSecond", "max.recordsPerSecond", "segments", "scannedBytes"]);
      const [incremental, full, damaged] = parts;
      assert.ok((incremental["scannedBytes"] as number) < (full["scannedBytes"] as number) / 2, String(incremental["scannedBytes"]));
      assert.equal(full["scannedRecords"], Math.ceil((12 * 1024 ** 2) / 1000));
      assert.deepEqual([incremental["verdict"] === "damaged", full["verdict"] === "damaged", damaged["verdict"]], [false, false, "damaged"]);
      assert.ok((damaged["pagesDamaged"] as number) >= 5 && (damaged["recordsLost"] as number) > 0 && (damaged["rangesNamed"] as number) > 0, JSON.stringify(damaged));
      assert.equal(damaged["pagesUnnamed"], 0);
    });

    test("floor: single writes and large ones, and how they were made", async () => {
      const document = await documentOf(["floor", "--backend", backend, "--seconds", "0.1", "--repeat", "2"]);
      demandContext(document);
      demandNumbers(document, ["waiting.median.ackMicros.p50", "waiting.median.ackMicros.p99", "large.median.megabytesPerSecond", "large.bytes", "large.depth"]);
      assert.equal("polling" in document, backend === "uring");
      assert.match(String(document["method"]), backend === "uring" ? /^io_uring / : /^pwritev2 |^fs\.writeSync /);
    });
  });
}

test("without the addon the floor says that it is fs.writeSync", async () => {
  const document = await documentOf(["floor", "--seconds", "0.1", "--repeat", "1"], { RINGWALL_NATIVE: "off" });
  assert.match(String(document["method"]), /^fs\.writeSync /);
});
