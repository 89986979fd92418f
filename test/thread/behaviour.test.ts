// What a log does, it does alike wherever its lane runs: inline, in a thread, and attached to that thread.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Log, LogOptions } from "#src/index.js";
import { contents, freshPath, refused, small, text } from "../log/log-fixture.js";
import { onEachRing, openAs, ways } from "./thread-fixture.js";

onEachRing("a log", (backendOptions) => {
  const { backend } = backendOptions;
  // The lane's own thread alone differs there.
  const all = backendOptions.sqpoll === undefined ? ways : (["thread"] as const);
  for (const way of all) {
    const withIt = async (body: (log: Log) => Promise<void>, options: LogOptions = {}): Promise<void> => {
      const { log, end } = await openAs(way, freshPath(), { ...backendOptions, ...small, ...options });
      try {
        await body(log);
      } finally {
        await end();
      }
    };
    describe(way, () => {
      test("append, batch, atomic write, enqueue and sync: sequences, and every byte read back", () =>
        withIt(async (log) => {
          const p = log.partition("p");
          assert.deepEqual([p.firstSeq, p.lastSeq, p.durableSeq, p.lane], [1, 0, 0, 0]);
          assert.equal(await p.append("grüße"), 1);
          assert.equal(await p.append(new Uint8Array([1, 2, 3])), 2);
          assert.equal(await p.append(""), 3);
          assert.deepEqual(await p.appendBatch(["a", Buffer.from("b"), ""]), { first: 4, last: 6 });
          assert.deepEqual(await log.write([{ partition: "p", data: "x" }, { partition: "q", data: "y" }, { partition: "p", data: "z" }]), [7, 1, 8]);
          p.enqueue("later");
          await log.sync();
          assert.deepEqual([p.firstSeq, p.lastSeq, p.durableSeq], [1, 9, 9]);
          assert.deepEqual(await contents(p), ["grüße", "\u0001\u0002\u0003", "", "a", "b", "", "x", "z", "later"]);
          assert.deepEqual(log.partitions().map(({ name, lastSeq }) => [name, lastSeq]), [["p", 9], ["q", 1]]);
          assert.equal(log.info.lane, way === "inline" ? "inline" : "thread");
          assert.equal(log.info.backend, backend);
          assert.ok(log.info.laneReason.length > 0);
          assert.equal(log.info.systemThreadId === process.pid, way === "inline", "of the thread that runs the lane");
        }));

      test("a tail that comes back when a truncation and all segments up to it are gone is told of it", () =>
        withIt(async (log) => {
          const p = log.partition("p");
          const appendTo = async (last: number): Promise<void> => void (await Promise.all(Array.from({ length: last - p.lastSeq }, (_, at) => p.append(String(at)))));
          await appendTo(20);
          const tail = p.tail({ from: 1 });
          for (let seq = 1; seq <= 20; seq++) assert.equal((await tail.next()).value?.seq, seq);
          await p.truncate(12);
          log.rotate();
          await appendTo(14);
          await p.trim(14);
          log.rotate();
          await appendTo(30);
          await p.trim(15);
          await assert.rejects(tail.next(), { code: "RINGWALL_NOT_FOUND", details: { partition: "p", truncatedAfter: 12 } });
          const again = p.tail({ from: 15 });
          for (let seq = 15; seq <= 30; seq++) assert.equal((await again.next()).value?.seq, seq);
          await again.return(undefined);
        }));

      test("the bytes are taken at the call: what is done to them afterwards changes nothing", () =>
        withIt(async (log) => {
          const p = log.partition("p");
          const appends = [10, 5000, 100_000, 3_000_000].map((bytes, index) => {
            const data = new Uint8Array(bytes).fill(index + 1);
            const append = p.append(data);
            data.fill(99);
            return append;
          });
          assert.deepEqual(await Promise.all(appends), [1, 2, 3, 4]);
          for (const [index, bytes] of [10, 5000, 100_000, 3_000_000].entries()) {
            const record = await p.get(index + 1);
            assert.ok(record !== undefined && record.data.length === bytes && record.data.every((byte) => byte === index + 1));
          }
        }));

      test("shared memory that can grow is appended as it is at the call", () =>
        withIt(async (log) => {
          const buffer = new SharedArrayBuffer(10, { maxByteLength: 1_000_000 });
          const data = new Uint8Array(buffer);
          const appends = [log.partition("p").append(data), log.partition("p").appendBatch([data]), log.write([{ partition: "p", data }])];
          buffer.grow(1_000_000);
          await Promise.all(appends);
          assert.deepEqual((await contents(log.partition("p"))).map((record) => record.length), [10, 10, 10]);
        }));

      test("thousands of appends at once, of all sizes: acknowledged in the order of their calls", () =>
        withIt(async (log) => {
          const order: number[] = [];
          const sizes = [0, 7, 300, 3000, 40_000];
          await Promise.all(Array.from({ length: 3000 }, (_, index) => log.partition(`p${index % 3}`).append(`${index}`.padEnd(sizes[index % 5]!)).then(() => order.push(index))));
          assert.deepEqual(order, Array.from({ length: 3000 }, (_, index) => index));
          for (const part of [0, 1, 2]) assert.deepEqual((await contents(log.partition(`p${part}`))).map((record) => parseInt(record, 10)), Array.from({ length: 1000 }, (_, index) => 3 * index + part));
        }));

      test("trim and truncate: what is gone, what stays, and what is refused", () =>
        withIt(async (log) => {
          const p = log.partition("p");
          for (let index = 1; index <= 10; index++) p.enqueue(`${index}`);
          await log.sync();
          await p.trim(4);
          await p.truncate(8);
          assert.deepEqual([p.firstSeq, p.lastSeq], [4, 8]);
          assert.equal(await p.append("new"), 9);
          assert.deepEqual(await contents(p), ["4", "5", "6", "7", "8", "new"]);
          const trimmed = await refused("RINGWALL_TRIMMED", () => p.get(2));
          assert.deepEqual([trimmed.place, trimmed.details], [{ lane: 0, partition: "p", sequence: 2 }, { partition: "p", firstSequence: 4 }]);
          assert.match(trimmed.message, /Read from 4 on/);
          await refused("RINGWALL_TRIMMED", () => p.read({ from: 1 }).next());
          await refused("RINGWALL_INVALID_ARGUMENT", () => p.trim(11));
          await refused("RINGWALL_INVALID_ARGUMENT", () => p.truncate(1));
          await refused("RINGWALL_INVALID_ARGUMENT", () => p.trim(Number.NaN));
        }));

      test("reading: ranges, the end, tails that wait, are left and are aborted", () =>
        withIt(async (log) => {
          const p = log.partition("p");
          await p.appendBatch(Array.from({ length: 100 }, (_, index) => `${index + 1}`));
          const some: string[] = [];
          for await (const record of p.read({ from: 20, to: 30, limit: 3 })) some.push(`${record.seq}:${text(record)}`);
          assert.deepEqual(some, ["20:20", "21:21", "22:22"]);
          assert.equal(await p.get(101), undefined);
          assert.deepEqual(await log.partition("never written").read().next(), { done: true, value: undefined });
          const tail = p.tail({ from: 100 });
          assert.equal((await tail.next()).value?.seq, 100);
          const next = tail.next();
          await p.append("101");
          assert.equal((await next).value?.seq, 101);
          const waiting = tail.next();
          await tail.return(undefined);
          assert.equal((await waiting).done, true);
          const abort = new AbortController();
          const aborted = p.tail({ from: 500, signal: abort.signal }).next();
          abort.abort(new Error("enough"));
          assert.equal(((await refused("RINGWALL_ABORTED", () => aborted)).cause as Error).message, "enough");
          assert.throws(() => p.read({ from: 0 }), { code: "RINGWALL_INVALID_ARGUMENT" });
        }));

      test("what can't be appended is refused in the caller's thread, and takes no sequence", () =>
        withIt(
          async (log) => {
            const p = log.partition("p");
            await refused("RINGWALL_RECORD_TOO_LARGE", () => p.append(new Uint8Array(101)));
            await refused("RINGWALL_INVALID_ARGUMENT", () => p.append(5 as unknown as string));
            await refused("RINGWALL_INVALID_ARGUMENT", () => p.appendBatch([]));
            await refused("RINGWALL_INVALID_ARGUMENT", () => log.write([{ partition: "", data: "x" }]));
            assert.throws(() => log.partition("\ud800"), { code: "RINGWALL_INVALID_ARGUMENT" });
            // A misspelt option would count for nothing.
            await refused("RINGWALL_INVALID_ARGUMENT", () => p.append("x", { producer: "x", sequence: 1 } as never));
            await refused("RINGWALL_INVALID_ARGUMENT", () => p.appendBatch(["x"], { behind: 0 } as never));
            await refused("RINGWALL_INVALID_ARGUMENT", () => log.backup(freshPath(), { bytesASecond: 1 } as never));
            assert.throws(() => p.read({ start: 5 } as never), { code: "RINGWALL_INVALID_ARGUMENT" });
            assert.throws(() => p.tail({ limit: 5 } as never), { code: "RINGWALL_INVALID_ARGUMENT" });
            assert.equal(await p.append("x"), 1);
          },
          { recordBytesMax: 100 },
        ));

      test("memory is bounded: past the limit enqueue throws, drain makes room, nothing is lost", () =>
        withIt(async (log) => {
          const p = log.partition("p");
          let refusals = 0;
          for (let index = 0; index < 400; ) {
            try {
              p.enqueue(`${index}`.padEnd(30_000));
              index++;
            } catch (error) {
              assert.equal((error as { code: string }).code, "RINGWALL_BACKPRESSURE");
              assert.ok(log.needDrain);
              refusals++;
              await log.drain();
              assert.equal(log.needDrain, false);
            }
          }
          await log.sync();
          assert.ok(refusals > 0, "the limit was reached");
          assert.deepEqual((await contents(p)).map((record) => parseInt(record, 10)), Array.from({ length: 400 }, (_, index) => index));
        }));

      test("lanes: partitions are placed and refused alike, and stats count each lane", () =>
        withIt(
          async (log) => {
            const a = log.partition("a", { lane: 1 });
            await a.append("x");
            assert.equal(a.lane, 1);
            await log.partition("b", { with: "a" }).append("y");
            assert.deepEqual(await log.write([{ partition: "a", data: "1" }, { partition: "b", data: "2" }, { partition: "new", data: "3" }]), [2, 2, 1]);
            await log.partition("c", { lane: 0 }).append("z");
            await refused("RINGWALL_CROSS_LANE", () => log.write([{ partition: "a", data: "1" }, { partition: "c", data: "2" }]));
            assert.throws(() => log.partition("a", { lane: 0 }), { code: "RINGWALL_CROSS_LANE" });
            assert.throws(() => log.partition("d", { lane: 3 }), { code: "RINGWALL_INVALID_OPTION" });
            assert.deepEqual(log.partitions().map(({ name, lane }) => [name, lane]), [["c", 0], ["a", 1], ["b", 1], ["new", 1]]);
            assert.equal(log.stats().length, 3);
          },
          { lanes: 3 },
        ));

      test("under interval durability an append resolves at once, and the record is durable soon after", () =>
        withIt(
          async (log) => {
            const p = log.partition("p");
            assert.equal(await p.append("x"), 1);
            for await (const record of p.tail({ from: 1 })) {
              assert.equal(text(record), "x");
              break;
            }
            while (p.durableSeq < 1) await new Promise((resolve) => setImmediate(resolve));
          },
          { durability: { mode: "interval", ms: 5 } },
        ));
    });
  }
});
