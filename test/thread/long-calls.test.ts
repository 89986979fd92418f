// What takes long and has callbacks, backups and reclaim, does alike inline, from the thread that opened the log, and from one that attached.

import assert from "node:assert/strict";
import { once } from "node:events";
import fs from "node:fs";
import path from "node:path";
import { describe, test } from "node:test";
import type { BackupProgress, Log, LogOptions, Partition, ReclaimEvent, RingwallError } from "#src/index.js";
import { contents, freshPath, laneFiles, refused, small, withLog } from "../log/log-fixture.js";
import { onEachRing, openAs, said, startProducer, ways } from "./thread-fixture.js";

async function fill(partition: Partition, count: number): Promise<void> {
  const first = partition.lastSeq + 1;
  await Promise.all(Array.from({ length: count }, (_, at) => partition.append(`${String(first + at)} `.padEnd(1000, "+"))));
}

async function demandCopy(directory: string, partition: string, count: number): Promise<void> {
  await withLog(directory, { readOnly: true }, async (copy) => {
    assert.deepEqual((await contents(copy.partition(partition))).map((record) => parseInt(record, 10)), Array.from({ length: count }, (_, at) => at + 1));
  });
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}

onEachRing("a log", (backendOptions) => {
  const all = backendOptions.sqpoll === undefined ? ways : (["thread"] as const);
  for (const way of all) {
    const withIt = async (body: (log: Log, owner: Log) => Promise<void>, options: LogOptions = {}): Promise<void> => {
      const { log, owner, end } = await openAs(way, freshPath(), { ...backendOptions, ...small, ...options });
      try {
        await body(log, owner);
      } finally {
        await end();
      }
    };
    describe(way, () => {
      test("backup: all that was accepted before the call is in it, and its progress is told", () =>
        withIt(async (log) => {
          const p = log.partition("p");
          await fill(p, 3000);
          // Accepted, and not durable when the backup is called.
          for (let at = 3001; at <= 4000; at++) {
            if (log.needDrain) await log.drain();
            p.enqueue(`${String(at)} `.padEnd(1000, "+"));
          }
          const target = freshPath();
          const told: BackupProgress[] = [];
          const report = await log.backup(target, { bytesPerSecond: 2 ** 40, onProgress: (progress) => { told.push(progress); } });
          assert.ok(told.length > 2);
          assert.deepEqual(told.map(({ bytes }) => bytes), told.map(({ bytes }) => bytes).sort((a, b) => a - b));
          assert.equal(told.at(-1)!.bytes, report.copiedBytes + report.clonedBytes);
          assert.equal(report.directory, target);
          assert.ok(report.segments > 2 && report.restarts === 0);
          await demandCopy(target, "p", 4000);
          assert.equal(await p.append("goes on"), 4001);
        }));

      test("backup: aborted before, meanwhile, or by what onProgress throws, it leaves nothing", () =>
        withIt(async (log) => {
          await fill(log.partition("p"), 3000);
          const target = freshPath();
          const reason = { no: "more" };
          const before = await refused("RINGWALL_ABORTED", () => log.backup(target, { signal: AbortSignal.abort(reason) }));
          assert.equal(before.cause, reason);
          const abort = new AbortController();
          const meanwhile = await refused("RINGWALL_ABORTED", () => log.backup(target, { signal: abort.signal, onProgress: () => { abort.abort(reason); } }));
          assert.equal(meanwhile.cause, reason);
          // Behind the last piece, when only the end is left to do.
          const late = new AbortController();
          await refused("RINGWALL_ABORTED", () => log.backup(target, { signal: late.signal, onProgress: ({ segments, segmentsTotal }) => { if (segments + 1 >= segmentsTotal) late.abort(); } }));
          const own = new Error("mine");
          await assert.rejects(log.backup(target, { onProgress: () => { throw own; } }), (error) => error === own);
          await assert.rejects(log.backup(target, { onProgress: () => Promise.reject(own) }), (error) => error === own);
          assert.ok(!fs.existsSync(target));
          await log.backup(target, { signal: new AbortController().signal });
          await demandCopy(target, "p", 3000);
        }));

      test("backup: bad arguments and bad targets are refused, and several may run at once", () =>
        withIt(async (log) => {
          await fill(log.partition("p"), 100);
          await refused("RINGWALL_INVALID_ARGUMENT", () => log.backup(""));
          await refused("RINGWALL_INVALID_ARGUMENT", () => log.backup(freshPath(), { bytesPerSecond: 0 }));
          await refused("RINGWALL_INVALID_ARGUMENT", () => log.backup(freshPath(), { signal: {} as AbortSignal }));
          await refused("RINGWALL_INVALID_ARGUMENT", () => log.backup(freshPath(), { onProgress: 1 as unknown as () => void }));
          await refused("RINGWALL_INVALID_ARGUMENT", () => log.backup(log.info.directory));
          const targets = [freshPath(), freshPath(), freshPath()];
          await Promise.all(targets.map((target) => log.backup(target)));
          for (const target of targets) await demandCopy(target, "p", 100);
        }));

      test("backup: closing the log meanwhile ends it, and leaves nothing", async () => {
        const { log, owner, end } = await openAs(way, freshPath(), { ...backendOptions, ...small });
        await fill(log.partition("p"), 3000);
        for (const closes of way === "attached" ? [log, owner] : [log]) {
          const target = freshPath();
          const closed: Promise<void>[] = [];
          const backingUp = closes === log ? log : owner;
          await refused("RINGWALL_CLOSED", () => backingUp.backup(target, { onProgress: () => { if (closed.length === 0) closed.push(closes.close()); } }));
          await Promise.all(closed);
          assert.ok(!fs.existsSync(target));
          await refused("RINGWALL_CLOSED", () => backingUp.backup(target));
        }
        await end();
      });

      test("reclaim: the owner is asked first, and what it trims is not moved", async () => {
        const events: ReclaimEvent[] = [];
        let log: Log | null = null;
        const onReclaim = async (event: ReclaimEvent): Promise<void> => {
          events.push(event);
          for (const { name, lastSeq } of event.partitions) await log!.partition(name).trim(lastSeq + 1);
        };
        await withIt(
          async (opened) => {
            log = opened;
            await fill(opened.partition("cache"), 200);
            const busy = opened.partition("busy");
            for (let round = 0; round < 10; round++) {
              await fill(busy, 1000);
              await busy.trim(busy.lastSeq + 1);
            }
            await until(() => opened.stats()[0]!.segmentsKept <= 5 && events.length > 0);
            assert.deepEqual(events[0]!.partitions.map(({ name, firstSeq, lastSeq }) => ({ name, firstSeq, lastSeq })), [{ name: "cache", firstSeq: 1, lastSeq: 200 }]);
            assert.equal(events[0]!.lane, 0);
            assert.equal(opened.stats()[0]!.bytesMoved, 0);
          },
          { reclaim: { onReclaim, bytesPerSecond: 2 ** 40 } },
        );
      });

      test("reclaim: a callback that throws is warned of, and one that never answers holds up neither appends nor the close", async () => {
        const warned = once(process, "warning");
        let asked = 0;
        const onReclaim = (): Promise<void> => {
          if (asked++ === 0) throw new Error("no");
          return new Promise(() => undefined);
        };
        await withIt(
          async (log) => {
            const busy = log.partition("busy");
            for (let round = 0; round < 20 && asked < 2; round++) {
              await fill(log.partition("old"), 20);
              await fill(busy, 1000);
              await busy.trim(busy.lastSeq + 1);
            }
            await until(() => asked > 1);
            const [warning] = (await warned) as [Error & { code: string }];
            assert.equal(warning.code, "RINGWALL_RECLAIM_CALLBACK");
            await fill(busy, 10);
          },
          { reclaim: { onReclaim, bytesPerSecond: 2 ** 40 } },
        );
      });

      test("reclaim: damage in the way is told to the owner", async () => {
        const directory = freshPath();
        await withLog(directory, { backend: backendOptions.backend, ...small, reclaim: false }, async (log) => {
          await fill(log.partition("bad"), 30);
          const busy = log.partition("busy");
          await fill(busy, 8000);
          await busy.trim(busy.lastSeq + 1);
        });
        const file = path.join(directory, "lane-00", laneFiles(directory, ".segment")[0]!);
        const bytes = fs.readFileSync(file);
        bytes[bytes.indexOf("17 ++") + 100]! ^= 1;
        fs.writeFileSync(file, bytes);
        const stops: RingwallError[] = [];
        const onStopped = (error: RingwallError): void => {
          stops.push(error);
        };
        const { log, end } = await openAs(way, directory, { ...backendOptions, ...small, reclaim: { onStopped, bytesPerSecond: 2 ** 40 } });
        const busy = log.partition("busy");
        await fill(busy, 2000);
        await busy.trim(busy.lastSeq + 1);
        await until(() => stops.length > 0);
        assert.deepEqual([stops[0]!.name, stops[0]!.code, stops[0]!.place.partition], ["RingwallError", "RINGWALL_DAMAGED", "bad"]);
        await end();
      });
    });
  }

  test("backup: a thread that is terminated takes its own with it, and the others' go on", async () => {
    await withLog(freshPath(), { ...backendOptions, ...small, lane: "thread" }, async (log) => {
      await fill(log.partition("p"), 3000);
      const [target, other] = [freshPath(), freshPath()];
      const worker = startProducer(log.share(), { action: "backup", partition: "p", directory: target });
      assert.equal(await said(worker), "going");
      await Promise.all([log.backup(other), worker.terminate()]);
      await demandCopy(other, "p", 3000);
      await until(() => !fs.existsSync(target));
    });
  });

  test("reclaim: off is off in a thread, too", async () => {
    await withLog(freshPath(), { ...backendOptions, ...small, lane: "thread", reclaim: false }, async (log) => {
      await fill(log.partition("old"), 20);
      const busy = log.partition("busy");
      await fill(busy, 8000);
      await busy.trim(busy.lastSeq + 1);
      assert.equal(log.stats()[0]!.segmentsReclaimed, 0);
      assert.ok(log.stats()[0]!.segmentsKept > 6);
    });
  });
});
