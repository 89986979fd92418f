// Backups: what a copy holds, of which moment, beside a writer and from one; what stops them, and what then is left.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { Log, type LogOptions, type Partition } from "#src/index.js";
import { verifyLog } from "#src/cli/verify/verify-log.js";
import { LaneLog } from "#src/log/lane-log.js";
import { resolveOptions } from "#src/log/options.js";
import { chooseStorage } from "#src/storage/choose.js";
import type { FileSystem } from "#src/storage/storage.js";
import { RemoteWriter } from "./child-process.js";
import { contents, crashCopy, freshPath, laneFiles, listing, onEachBackend, refused, small, withLog } from "./log-fixture.js";

async function demandSound(directory: string): Promise<void> {
  const { findings } = await verifyLog({ directory, backend: "fs", isProgressWanted: false });
  assert.deepEqual(findings, []);
}

/** The copy is sound, reads the same read-only and for a writer, and takes records. */
async function demandLog(directory: string, options: LogOptions, body: (log: Log) => Promise<void>): Promise<void> {
  await demandSound(directory);
  await withLog(directory, { ...options, readOnly: true }, body);
  await withLog(directory, { ...options, create: false }, async (log) => {
    await body(log);
    await log.partition("afterwards").append("x");
  });
  await demandSound(directory);
}

function counter(at: number): string {
  return `${at} `.padEnd(20 + ((at * 7919) % 3000), "+");
}

async function fill(partition: Partition, count: number): Promise<void> {
  for (let at = 1; at <= count; at += 100) await Promise.all(Array.from({ length: Math.min(100, count + 1 - at) }, (_, more) => partition.append(counter(at + more))));
}

async function demandCounted(partition: Partition, from: number): Promise<number> {
  const all = await contents(partition);
  for (const [at, text] of all.entries()) assert.equal(text, counter(partition.firstSeq + at));
  assert.ok(partition.durableSeq >= from, `${partition.name}: ${partition.durableSeq} of at least ${from}`);
  return partition.durableSeq;
}

onEachBackend("backup", (backend) => {
  const options: LogOptions = { ...small, backend };

  test("of a log that is written meanwhile: all that was acknowledged before, of one moment, batches whole, trims and truncations with it", async () => {
    const [directory, target] = [freshPath(), freshPath()];
    await withLog(directory, options, async (log) => {
      let isOver = false;
      let acknowledged = 0;
      const writing = (async () => {
        for (let at = 1; !isOver; at++) {
          await log.write([{ partition: "a", data: counter(at) }, { partition: "b", data: counter(at) }]);
          acknowledged = at;
          if (at % 50 === 0) await log.partition("a").trim(at - 20);
          await log.partition("t").append(String(at));
          if (at % 10 === 0) await log.partition("t").truncate(log.partition("t").lastSeq - 5);
          if (at % 30 === 0) log.rotate();
        }
      })();
      while (acknowledged < 200) await new Promise((resolve) => setImmediate(resolve));
      const before = acknowledged;
      const { segments, restarts } = await log.backup(target);
      const after = acknowledged;
      isOver = true;
      await writing;
      assert.ok(segments > 1);
      assert.equal(restarts, 0);
      await demandLog(target, options, async (copy) => {
        const last = await demandCounted(copy.partition("b"), before);
        assert.ok(last <= after + 1);
        assert.equal(copy.partition("a").durableSeq, last, "a batch is whole or not there");
        assert.ok(copy.partition("a").firstSeq >= before - 80, "trims are in it");
        await demandCounted(copy.partition("a"), before);
        await contents(copy.partition("t"));
        assert.equal(copy.info.uuid, log.info.uuid);
      });
    });
  });

  test("lanes are copied as of one moment: what was written after what is in the copy of another lane", async () => {
    const [directory, target] = [freshPath(), freshPath()];
    await withLog(directory, { ...options, lanes: 2 }, async (log) => {
      const first = log.partition("first", { lane: 0 });
      const second = log.partition("second", { lane: 1 });
      let isOver = false;
      const writing = (async () => {
        for (let at = 1; !isOver; at++) {
          await first.append(counter(at));
          await second.append(counter(at));
        }
      })();
      while (second.durableSeq < 50) await new Promise((resolve) => setImmediate(resolve));
      await log.backup(target);
      isOver = true;
      await writing;
      await demandLog(target, options, async (copy) => {
        const [a, b] = [await demandCounted(copy.partition("first"), 50), await demandCounted(copy.partition("second"), 50)];
        assert.ok(a === b || a === b + 1, `${a} and ${b}`);
      });
    });
  });

  test("a segment is kept while it is copied, and freed afterwards", { timeout: 60_000 }, async () => {
    const [directory, target] = [freshPath(), freshPath()];
    await withLog(directory, options, async (log) => {
      const partition = log.partition("p");
      await fill(partition, 2000);
      const released = (): number => log.stats()[0]!.segmentsReleased;
      const trims: Promise<void>[] = [];
      await log.backup(target, { onProgress: () => { if (trims.length === 0) trims.push(partition.trim(2001).then(() => assert.equal(released(), 0))); } });
      await Promise.all(trims);
      // Behind the release that the end of the backup began.
      while (released() === 0) await new Promise((resolve) => setImmediate(resolve));
      await demandLog(target, options, async (copy) => assert.equal(await demandCounted(copy.partition("p"), 2000), 2000));
    });
  });

  test("beside a writer in another process that frees segments under the copy: it begins anew, and the copy is whole", async () => {
    const [directory, target] = [freshPath(), freshPath()];
    const writer = await RemoteWriter.open(backend, directory);
    await writer.order({ action: "append", count: 600, bytes: 9000 });
    await withLog(directory, { backend, readOnly: true }, async (reader) => {
      let freed = 0;
      let pieces = 0;
      // At most a MiB or so is read between two pieces; the writer frees what is just being read.
      const report = await reader.backup(target, {
        bytesPerSecond: 8 * 1024 * 1024,
        onProgress: () => {
          if (pieces++ === 2) void writer.order({ action: "trim", value: 500 }).then(({ stats }) => (freed = stats.segmentsReleased));
        },
      });
      assert.ok(freed > 0, "segments were freed meanwhile");
      assert.ok(report.restarts > 0, "the copy began anew");
      await demandLog(target, { backend }, async (copy) => {
        assert.equal(copy.partition("p").firstSeq, 500);
        assert.deepEqual((await contents(copy.partition("p"))).map((text) => Number.parseInt(text, 10)), Array.from({ length: 101 }, (_, at) => 500 + at));
      });
    });
    await writer.kill();
  });

  test("a file that the writer recycles while a reader copies it is not part of the copy", async () => {
    const [directory, target] = [freshPath(), freshPath()];
    await withLog(directory, { ...options, backend: "fs" }, async (log) => {
      await fill(log.partition("p"), 1500);
      const { storage } = chooseStorage({ backend: "fs" });
      const oldest = path.join(directory, "lane-00", "00000001.segment");
      let isArmed = false;
      const open: FileSystem["open"] = async (name, mode) => {
        const file = await storage.files.open(name, mode);
        if (isArmed && mode === "scan" && path.resolve(name) === oldest) {
          isArmed = false;
          await log.partition("p").trim(1400);
          while (fs.existsSync(oldest)) await log.partition("q").append(Buffer.alloc(10_000, 1));
        }
        return file;
      };
      const files: FileSystem = { ...storage.files, clone: () => Promise.resolve(false), open };
      const reader = await LaneLog.openOn({ storage: { ...storage, files }, reason: "a test" }, directory, resolveOptions({ readOnly: true }));
      isArmed = true;
      assert.ok((await reader.backup(target)).restarts > 0);
      await reader.close();
      await demandLog(target, options, async (copy) => {
        assert.equal(copy.partition("p").firstSeq, 1400);
        assert.equal(await demandCounted(copy.partition("p"), 1500), 1500);
      });
    });
  });

  test("of a closed log, of a killed one, of an empty one, and of the copy itself", async () => {
    const directory = freshPath();
    await withLog(directory, options, async (log) => {
      const empty = freshPath();
      await log.backup(empty);
      await demandLog(empty, options, (copy) => Promise.resolve(assert.equal(copy.partition("p").durableSeq, 0)));
      await fill(log.partition("p"), 500);
    });
    const killed = freshPath();
    const writer = await RemoteWriter.open(backend, killed);
    await writer.order({ action: "append", count: 50, bytes: 9000 });
    await writer.kill();
    for (const [source, count] of [[directory, 500], [killed, 50]] as const) {
      const [target, next] = [freshPath(), freshPath()];
      await withLog(source, { backend, readOnly: true }, (log) => log.backup(target));
      await withLog(target, { backend, readOnly: true }, (log) => log.backup(next));
      for (const copy of [target, next]) {
        await demandLog(copy, { ...options, segmentBytes: 2 * 1024 * 1024 }, (log) => Promise.resolve(assert.equal(log.partition("p").durableSeq, count)));
      }
    }
  });

  test("a signal ends it: nothing is left, an empty directory stays, and the log goes on", async () => {
    const directory = freshPath();
    await withLog(directory, options, async (log) => {
      await fill(log.partition("p"), 2000);
      for (const isThere of [false, true]) {
        const target = freshPath();
        if (isThere) fs.mkdirSync(target);
        const abort = new AbortController();
        const error = await refused("RINGWALL_ABORTED", () => log.backup(target, { signal: abort.signal, onProgress: () => { abort.abort("enough"); } }));
        assert.equal(error.cause, "enough");
        assert.equal(fs.existsSync(target), isThere);
        if (isThere) assert.deepEqual(fs.readdirSync(target), []);
      }
      await refused("RINGWALL_ABORTED", () => log.backup(freshPath(), { signal: AbortSignal.abort() }));
      await log.partition("p").append("more");
    });
  });

  test("targets that are not empty, not a directory, the log itself or in it, or without a parent are refused and stay as they were", async () => {
    const directory = freshPath();
    await withLog(directory, options, async (log) => {
      await log.partition("p").append("x");
      const full = freshPath();
      fs.mkdirSync(full);
      fs.writeFileSync(path.join(full, "letter"), "dear");
      const file = freshPath();
      fs.writeFileSync(file, "a file");
      const before = listing(full);
      for (const target of [full, directory, path.join(directory, "lane-00"), path.join(directory, "copy"), `${directory}/../${path.basename(directory)}/copy`]) {
        await refused("RINGWALL_INVALID_ARGUMENT", () => log.backup(target));
      }
      assert.deepEqual(listing(full), before);
      assert.ok(!fs.existsSync(path.join(directory, "copy")));
      await assert.rejects(log.backup(file), { name: "RingwallError" });
      assert.equal(fs.readFileSync(file, "utf8"), "a file");
      await assert.rejects(log.backup(path.join(freshPath(), "deep")), { name: "RingwallError" });
      await refused("RINGWALL_INVALID_ARGUMENT", () => log.backup(""));
      await refused("RINGWALL_INVALID_ARGUMENT", () => log.backup(freshPath(), { bytesPerSecond: 0 }));
      await refused("RINGWALL_INVALID_ARGUMENT", () => log.backup(freshPath(), { signal: {} as AbortSignal }));
    });
    await refused("RINGWALL_CLOSED", async () => {
      const log = await Log.open(directory, options);
      await log.close();
      await log.backup(freshPath());
    });
  });

  test("what a crash leaves in the middle of it does not open as a log, and no second backup takes it for an empty place", async () => {
    const [directory, target] = [freshPath(), freshPath()];
    await withLog(directory, options, async (log) => {
      await fill(log.partition("p"), 2000);
      const left: string[] = [];
      await log.backup(target, { onProgress: () => { left.push(copied(target)); } });
      assert.ok(left.length > 3);
      for (const half of left) {
        for (const readOnly of [false, true]) await assert.rejects(Log.open(half, { ...options, readOnly }), { name: "RingwallError" });
        const error = await refused("RINGWALL_INVALID_ARGUMENT", () => log.backup(half));
        assert.match(error.message, /interrupted backup/);
      }
    });
  });

  test("closing the log ends it: nothing is left", async () => {
    const [directory, target] = [freshPath(), freshPath()];
    const log = await Log.open(directory, options);
    await fill(log.partition("p"), 2000);
    const closed: Promise<void>[] = [];
    await refused("RINGWALL_CLOSED", () => log.backup(target, { onProgress: () => { if (closed.length === 0) closed.push(log.close()); } }));
    await Promise.all(closed);
    assert.ok(!fs.existsSync(target));
    await refused("RINGWALL_CLOSED", () => log.backup(target));
  });

  test("a damaged log is not backed up but repaired", async () => {
    const directory = freshPath();
    await withLog(directory, options, async (log) => {
      await fill(log.partition("p"), 300);
    });
    const damaged = crashCopy(directory);
    const file = fs.openSync(path.join(damaged, "lane-00", laneFiles(damaged, ".segment")[0] as string), "r+");
    fs.writeSync(file, Buffer.alloc(100, 7), 0, 100, 20_000);
    fs.closeSync(file);
    const target = freshPath();
    await withLog(damaged, { backend, readOnly: true }, (log) => refused("RINGWALL_DAMAGED", () => log.backup(target)));
    assert.ok(!fs.existsSync(target));
  });
});

/** As a crash leaves it now. */
function copied(directory: string): string {
  const copy = freshPath();
  fs.cpSync(directory, copy, { recursive: true });
  return copy;
}
