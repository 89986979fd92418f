// Reading a log that changes meanwhile: tails, aborts, early ends, trims, truncations and recycled files.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { RingwallError } from "#src/base/errors.js";
import type { PartitionState } from "#src/core/partition-table.js";
import { SegmentIndex } from "#src/core/segment-index.js";
import { get, read, readBatches, tail, tailBatches } from "#src/log/reader.js";
import { SegmentFiles, segmentFilesOf } from "#src/log/segment-files.js";
import { alignment, LaneBuilder } from "./lane-builder.js";

function content(sequence: number): Uint8Array {
  return new Uint8Array(200).fill(sequence & 0xff);
}

async function fill(builder: LaneBuilder, state: PartitionState, count: number): Promise<void> {
  for (let index = 0; index < count; index++) await builder.append(state, content(state.lastSequence + 1));
}

test("a tail first yields what is there, then each record as it becomes durable", async () => {
  await using builder = await LaneBuilder.create({ blockBytes: 8192 });
  const orders = builder.partition("orders");
  const other = builder.partition("other");
  await fill(builder, orders, 100);
  await builder.cut();
  const records = tail(builder, orders, { from: 50 });
  for (let round = 0; round < 12; round++) {
    const last = orders.durableSequence;
    for (let sequence = round === 0 ? 50 : last - 29; sequence <= last; sequence++) {
      const { value } = await records.next();
      assert.equal(value!.seq, sequence);
      assert.deepEqual(Buffer.from(value!.data), Buffer.from(content(sequence)));
    }
    const pending = records.next();
    await builder.waited();
    await fill(builder, orders, 1);
    await fill(builder, other, 200);
    if (round % 4 === 2) await builder.rotate();
    if (round % 4 === 3) await builder.beginEpoch();
    await fill(builder, orders, 30);
    await builder.cut();
    assert.equal((await pending).value!.seq, last + 1);
  }
  await records.return(undefined);
});

test("a tail does not return what is written and not durable", async () => {
  await using builder = await LaneBuilder.create();
  const orders = builder.partition("orders");
  await fill(builder, orders, 3);
  await builder.cut();
  const batches = tailBatches(builder, orders);
  assert.equal((await batches.next()).value!.length, 3);
  await fill(builder, orders, 3);
  await builder.cut(false);
  const pending = batches.next();
  await builder.waited();
  builder.makeDurable();
  assert.deepEqual((await pending).value!.map((record) => record.seq), [4, 5, 6]);
  await batches.return(undefined);
});

test("blocks in flight behind the durable ones are not taken for damage, and are read once they are there", async () => {
  await using builder = await LaneBuilder.create({ blockBytes: 8192 });
  const orders = builder.partition("orders");
  await fill(builder, orders, 40);
  await builder.cut();
  const { endOffset } = builder.index;
  await fill(builder, orders, 40);
  await builder.cut(false);
  orders.durableSequence = 40;
  const path = builder.segmentPath();
  const { readFile } = await import("node:fs/promises");
  const written = (await readFile(path)).subarray(endOffset);
  await builder.overwrite(endOffset, new Uint8Array(written.length));
  const batches = tailBatches(builder, orders);
  let last = 0;
  while (last < 40) for (const record of (await batches.next()).value!) assert.equal(record.seq, ++last);
  assert.equal(last, 40);
  const pending = batches.next();
  await builder.waited();
  await builder.overwrite(endOffset, written);
  builder.makeDurable();
  for (const record of (await pending).value!) assert.equal(record.seq, ++last);
  while (last < 80) for (const record of (await batches.next()).value!) assert.equal(record.seq, ++last);
  await batches.return(undefined);
});

test("a tail may begin behind the end and waits for it", async () => {
  await using builder = await LaneBuilder.create();
  const orders = builder.partition("orders");
  const records = tail(builder, orders, { from: 5 });
  const pending = records.next();
  await builder.waited();
  await fill(builder, orders, 7);
  await builder.cut();
  assert.equal((await pending).value!.seq, 5);
  await records.return(undefined);
});

test("an abort ends a waiting tail with RINGWALL_ABORTED and the signal's reason, and leaves no listener", async () => {
  await using builder = await LaneBuilder.create();
  const orders = builder.partition("orders");
  const controller = new AbortController();
  const pending = tail(builder, orders, { signal: controller.signal }).next();
  await builder.waited();
  const reason = new Error("enough");
  controller.abort(reason);
  await assert.rejects(pending, { code: "RINGWALL_ABORTED", cause: reason });
  assert.equal(builder.waiters.length, 0);
});

test("a signal that is aborted already, or between batches, ends the read", async () => {
  await using builder = await LaneBuilder.create();
  const orders = builder.partition("orders");
  await fill(builder, orders, 10_000);
  await builder.cut();
  await assert.rejects(readBatches(builder, orders, { signal: AbortSignal.abort("no") }).next(), { code: "RINGWALL_ABORTED", cause: "no" });
  const controller = new AbortController();
  const batches = readBatches(builder, orders, { signal: controller.signal });
  await batches.next();
  controller.abort();
  await assert.rejects(batches.next(), (error: RingwallError) => error.code === "RINGWALL_ABORTED" && (error.cause as Error).name === "AbortError");
  assert.deepEqual(await batches.next(), { done: true, value: undefined });
});

test("leaving the loop, return and dispose give every file back, also while a tail waits", async () => {
  await using builder = await LaneBuilder.create({ blockBytes: 8192 });
  const orders = builder.partition("orders");
  for (let round = 0; round < 5; round++) {
    await fill(builder, orders, 1000);
    await builder.rotate();
  }
  const before = { opened: builder.files.opened, closed: builder.files.closed };
  for await (const record of read(builder, orders)) if (record.seq === 3) break;
  for await (const records of readBatches(builder, orders)) if (records[0]!.seq > 2000) break;
  {
    await using records = read(builder, orders);
    await records.next();
  }
  const waiting = tail(builder, orders, { from: 5001 });
  const pending = waiting.next();
  await builder.waited();
  assert.deepEqual(await waiting.return(undefined), { done: true, value: undefined });
  assert.deepEqual(await pending, { done: true, value: undefined });
  assert.equal(builder.waiters.length, 0);
  await segmentFilesOf(builder).close();
  assert.equal(builder.files.opened - before.opened, builder.files.closed - before.closed);
  await assert.rejects(get(builder, orders, 1), { code: "RINGWALL_CLOSED" });
});

test("records trimmed while they are read: RINGWALL_TRIMMED, also when their file was overwritten under the reader", async () => {
  await using builder = await LaneBuilder.create({ blockBytes: 8192 });
  const orders = builder.partition("orders");
  await fill(builder, orders, 3000);
  await builder.rotate();
  await fill(builder, orders, 3000);
  await builder.cut();
  const kept = builder.index.runs.get(orders.id)!.firstSequence;
  const batches = readBatches(builder, orders);
  await batches.next();
  const slow = readBatches(builder, orders, { from: kept - 10 });
  let recycled = false;
  builder.files.beforeRead = async () => {
    if (recycled) return;
    recycled = true;
    orders.trim(kept);
    await builder.recycleFirst();
  };
  const expected = { code: "RINGWALL_TRIMMED", details: { partition: "orders", firstSequence: kept } };
  await assert.rejects(slow.next(), expected);
  await assert.rejects(async () => {
    for await (const records of batches) assert.ok(records[0]!.seq >= kept);
  }, expected);
  assert.ok(recycled);
  assert.equal((await readBatches(builder, orders).next()).value![0]!.seq, kept);
});

test("a file overwritten under the reader without a trim is damage, never wrong data", async () => {
  await using builder = await LaneBuilder.create({ blockBytes: 8192 });
  const orders = builder.partition("orders");
  await fill(builder, orders, 3000);
  await builder.cut();
  const batches = readBatches(builder, orders);
  const first = (await batches.next()).value!;
  await builder.overwrite(alignment, new Uint8Array(builder.index.endOffset - alignment).fill(0x5a));
  let last = first.length;
  await assert.rejects(async () => {
    for await (const records of batches) {
      for (const record of records) {
        assert.equal(record.seq, ++last);
        assert.deepEqual(Buffer.from(record.data), Buffer.from(content(record.seq)));
      }
    }
  }, (error: RingwallError) => {
    assert.equal(error.code, "RINGWALL_DAMAGED");
    assert.deepEqual(error.details, { partition: "orders", firstSequence: last + 1, lastSequence: 3000 });
    return true;
  });
});

test("records truncated behind the reader's back: it is told so, and reads no mixed history", async () => {
  await using builder = await LaneBuilder.create({ blockBytes: 8192 });
  const orders = builder.partition("orders");
  await fill(builder, orders, 100);
  await builder.cut();
  const records = tail(builder, orders, { from: 90 });
  for (let sequence = 90; sequence <= 100; sequence++) assert.equal((await records.next()).value!.seq, sequence);
  const pending = records.next();
  await builder.waited();
  await builder.truncate(orders, 95);
  await fill(builder, orders, 20);
  await builder.cut();
  await assert.rejects(pending, { code: "RINGWALL_NOT_FOUND", details: { partition: "orders", truncatedAfter: 95 } });
});

test("truncations that a new look at the disk brings again end no tail, and a new index of the segment is taken", async () => {
  await using builder = await LaneBuilder.create({ blockBytes: 8192 });
  const orders = builder.partition("orders");
  await fill(builder, orders, 100);
  await builder.truncate(orders, 50);
  await fill(builder, orders, 50);
  await builder.cut();
  const batches = tailBatches(builder, orders, { from: 90 });
  let last = 89;
  while (last < 100) for (const record of (await batches.next()).value!) assert.equal(record.seq, ++last);
  const pending = batches.next();
  await builder.waited();
  const stale = builder.index;
  const fresh = new SegmentIndex(stale.segment, stale.baseTime, stale.firstOffset);
  await fill(builder, orders, 10);
  for (const [id, run] of stale.runs) {
    fresh.restoreRun(id, run);
    for (let entry = 0; entry < run.entryCount; entry++) fresh.restoreEntry(run.entry(entry));
  }
  stale.truncate(orders.id, 100);
  await builder.cut(false);
  fresh.epochs.push(...stale.epochs);
  fresh.endOffset = stale.endOffset;
  builder.indexes.set(stale.segment, fresh);
  orders.truncations = orders.truncations.map((truncation) => ({ ...truncation }));
  builder.makeDurable();
  for (const record of (await pending).value!) assert.equal(record.seq, ++last);
  assert.equal(last, 110);
  await batches.return(undefined);
});

test("records truncated ahead of the reader: it ends, or goes on with what was written instead", async () => {
  await using builder = await LaneBuilder.create({ blockBytes: 8192 });
  const orders = builder.partition("orders");
  await fill(builder, orders, 8000);
  await builder.cut();
  const ends = readBatches(builder, orders);
  const goesOn = readBatches(builder, orders);
  const { length } = (await ends.next()).value!;
  await goesOn.next();
  await builder.truncate(orders, length + 100);
  let last = length;
  for await (const batch of ends) for (const record of batch) assert.equal(record.seq, ++last);
  assert.equal(last, length + 100);
  for (let index = 0; index < 300; index++) {
    orders.lastSequence = length + 100 + index;
    await builder.append(orders, new Uint8Array(7));
  }
  await builder.cut();
  last = length;
  for await (const batch of goesOn) for (const record of batch) {
    assert.equal(record.seq, ++last);
    assert.equal(record.data.length, last <= length + 100 ? 200 : 7);
  }
  assert.equal(last, length + 400);
});

test("segment files: at most so many stay open, forgotten ones close with their last user", async () => {
  await using builder = await LaneBuilder.create();
  for (let segment = 0; segment < 9; segment++) await builder.rotate();
  const { files } = builder;
  const base = files.opened - files.closed;
  const cache = new SegmentFiles(files, builder.directory, 4);
  for (let segment = 1; segment <= 10; segment++) (await cache.acquire(segment)).release();
  assert.equal(cache.openCount, 4);
  const opened = files.opened;
  const held = await Promise.all([10, 10, 10].map((segment) => cache.acquire(segment)));
  assert.equal(files.opened, opened, "an open file is shared");
  cache.forget(10);
  const again = await cache.acquire(10);
  assert.equal(files.opened, opened + 1, "a forgotten file is opened anew");
  assert.equal(await held[0]!.readAt(new Uint8Array(64), 0), 64);
  held[0]!.release();
  held[0]!.release();
  held[1]!.release();
  assert.equal(await held[2]!.readAt(new Uint8Array(64), 0), 64, "released twice counts once");
  await assert.rejects(cache.acquire(999), { code: "RINGWALL_NOT_FOUND" });
  await cache.close();
  await assert.rejects(held[2]!.readAt(new Uint8Array(64), 0), { code: "RINGWALL_CLOSED" }, "a parked reader meets the end");
  held[2]!.release();
  again.release();
  assert.equal(files.opened - files.closed, base);
  assert.equal(cache.openCount, 0);
  await assert.rejects(cache.acquire(1), { code: "RINGWALL_CLOSED" });
});
