// Reading what is whole: every shape in which records lie on disk, with each kernel.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { nativeKernels, portableKernels, type Kernels } from "#src/format/kernels.js";
import { get, read, readBatches, type LogRecord, type ReadOptions } from "#src/log/reader.js";
import type { PartitionState } from "#src/core/partition-table.js";
import { loadNative } from "#src/native/binding.js";
import { LaneBuilder } from "./lane-builder.js";

const native = loadNative();
const kernelsUnderTest: readonly (readonly [string, Kernels | null])[] = [
  ["portable", portableKernels],
  ["native", native.kind === "loaded" ? nativeKernels(native.binding) : null],
];

/** Bytes that name their record, so that a mix-up shows. */
function content(partition: string, sequence: number, bytes: number): Uint8Array {
  const data = new Uint8Array(bytes);
  const tag = Buffer.from(`${partition}:${String(sequence)}:`);
  for (let at = 0; at < bytes; at++) data[at] = (tag[at % tag.length] as number) ^ (at >>> 8);
  return data;
}

async function collect(builder: LaneBuilder, state: PartitionState, options: ReadOptions = {}): Promise<LogRecord[]> {
  const all: LogRecord[] = [];
  for await (const records of readBatches(builder, state, options)) {
    assert.ok(records.length > 0, "no batch is empty");
    all.push(...records);
  }
  return all;
}

function assertRecords(records: readonly LogRecord[], name: string, first: number, last: number, bytesOf: (sequence: number) => number): void {
  assert.deepEqual(
    records.map((record) => record.seq),
    Array.from({ length: last - first + 1 }, (_, index) => first + index),
  );
  for (const record of records) {
    assert.ok(Buffer.from(record.data).equals(content(name, record.seq, bytesOf(record.seq))), `content of record ${record.seq}`);
    assert.ok(record.time > 1_700_000_000_000 && record.time < 1_800_000_000_000);
  }
}

async function fill(builder: LaneBuilder, state: PartitionState, count: number, bytesOf: (sequence: number) => number): Promise<void> {
  for (let index = 0; index < count; index++) {
    const sequence = state.lastSequence + 1;
    await builder.append(state, content(state.name, sequence, bytesOf(sequence)));
  }
}

for (const [name, kernels] of kernelsUnderTest) {
  suite(`reading whole logs, ${name} kernels`, { skip: kernels === null ? "the native addon did not load" : false }, () => {
    const create = (blockBytes = 64 * 1024): Promise<LaneBuilder> => LaneBuilder.create({ kernels: kernels ?? portableKernels, blockBytes });

    test("an empty partition yields nothing and has no record", async () => {
      await using builder = await create();
      const orders = builder.partition("orders");
      assert.deepEqual(await collect(builder, orders), []);
      assert.deepEqual(await collect(builder, orders, { from: 7 }), []);
      assert.equal(await get(builder, orders, 1), undefined);
    });

    test("one record: its sequence, time and bytes", async () => {
      await using builder = await create();
      const orders = builder.partition("orders");
      await fill(builder, orders, 1, () => 5);
      await builder.cut();
      assertRecords(await collect(builder, orders), "orders", 1, 1, () => 5);
      const record = await get(builder, orders, 1);
      assertRecords([record!], "orders", 1, 1, () => 5);
    });

    test("records of 0 to 40 bytes, and of every length around a window's end", async () => {
      await using builder = await create();
      const orders = builder.partition("orders");
      const bytesOf = (sequence: number): number => (sequence <= 200 ? sequence % 41 : (sequence * 37) % 3000);
      await fill(builder, orders, 3000, bytesOf);
      await builder.cut();
      assertRecords(await collect(builder, orders), "orders", 1, 3000, bytesOf);
    });

    test("every start, end and limit gives exactly that range", async () => {
      await using builder = await create(8192);
      const orders = builder.partition("orders");
      const other = builder.partition("other");
      const bytesOf = (sequence: number): number => (sequence * 61) % 700;
      for (let round = 0; round < 30; round++) {
        await fill(builder, orders, 10, bytesOf);
        await fill(builder, other, 40, bytesOf);
        if (round % 7 === 6) await builder.rotate();
      }
      await builder.cut();
      for (let from = 1; from <= 300; from += 3) {
        const to = Math.min(300, from + ((from * 13) % 90));
        assertRecords(await collect(builder, orders, { from, to }), "orders", from, to, bytesOf);
        assertRecords(await collect(builder, orders, { from, limit: to - from + 1 }), "orders", from, to, bytesOf);
        assertRecords([(await get(builder, orders, from))!], "orders", from, from, bytesOf);
      }
      assertRecords(await collect(builder, other), "other", 1, 1200, bytesOf);
      assert.deepEqual(await collect(builder, orders, { from: 5, to: 4 }), []);
      assert.deepEqual(await collect(builder, orders, { limit: 0 }), []);
      assert.deepEqual(await collect(builder, orders, { from: 301 }), []);
    });

    test("single records come in the same order as batches, also when asked for ahead", async () => {
      await using builder = await create();
      const orders = builder.partition("orders");
      await fill(builder, orders, 9000, () => 40);
      await builder.cut();
      const all: LogRecord[] = [];
      for await (const record of read(builder, orders, { from: 3 })) all.push(record);
      assertRecords(all, "orders", 3, 9000, () => 40);
      const iterator = read(builder, orders, { limit: 4500 });
      const results = await Promise.all(Array.from({ length: 4502 }, () => iterator.next()));
      assert.deepEqual(results.map((result) => result.value?.seq), [...Array.from({ length: 4500 }, (_, index) => index + 1), undefined, undefined]);
    });

    test("records larger than a block, across blocks and across segments with a checkpoint between", async () => {
      await using builder = await create(16384);
      const orders = builder.partition("orders");
      const other = builder.partition("other");
      const bytesOf = (sequence: number): number => (sequence % 5 === 0 ? 60_000 + sequence : 100);
      await fill(builder, other, 3, () => 10);
      await fill(builder, orders, 21, bytesOf);
      builder.rotateInRecord = true;
      await fill(builder, orders, 6, bytesOf);
      builder.rotateInRecord = false;
      await fill(builder, other, 3, () => 10);
      await fill(builder, orders, 20, bytesOf);
      await builder.cut();
      assertRecords(await collect(builder, orders), "orders", 1, 47, bytesOf);
      for (let sequence = 1; sequence <= 47; sequence++) assertRecords([(await get(builder, orders, sequence))!], "orders", sequence, sequence, bytesOf);
    });

    test("records of a megabyte and more, cut by windows", async () => {
      await using builder = await create(4 * 1024 * 1024);
      const orders = builder.partition("orders");
      const bytesOf = (sequence: number): number => (sequence % 3 === 0 ? 2_500_000 : sequence % 3 === 1 ? 300_000 : 10);
      await fill(builder, orders, 12, bytesOf);
      await builder.cut();
      assertRecords(await collect(builder, orders), "orders", 1, 12, bytesOf);
      for (const sequence of [1, 2, 3, 12]) assertRecords([(await get(builder, orders, sequence))!], "orders", sequence, sequence, bytesOf);
    });

    test("voids count for nothing, and epochs change within a segment", async () => {
      await using builder = await create();
      const orders = builder.partition("orders");
      for (let epoch = 0; epoch < 5; epoch++) {
        await fill(builder, orders, 50, () => 300);
        await builder.appendIncomplete(orders, content("never", 1, 500));
        await builder.beginEpoch();
      }
      await fill(builder, orders, 50, () => 300);
      await builder.cut();
      assertRecords(await collect(builder, orders), "orders", 1, 300, () => 300);
      for (const sequence of [50, 51, 100, 101, 251, 300]) assertRecords([(await get(builder, orders, sequence))!], "orders", sequence, sequence, () => 300);
    });

    test("truncated records stay hidden, what was written instead is read", async () => {
      await using builder = await create(8192);
      const orders = builder.partition("orders");
      const old = (sequence: number): number => 100 + (sequence % 3);
      const anew = (sequence: number): number => 200 + (sequence % 3);
      await fill(builder, orders, 400, old);
      await builder.rotate();
      await fill(builder, orders, 400, old);
      await builder.truncate(orders, 600);
      await fill(builder, orders, 100, anew);
      await builder.rotate();
      await fill(builder, orders, 50, old);
      await builder.rotate();
      await builder.truncate(orders, 300);
      await fill(builder, orders, 600, anew);
      await builder.truncate(orders, 850);
      await fill(builder, orders, 50, old);
      await builder.cut();
      const bytesOf = (sequence: number): number => (sequence <= 300 || sequence > 850 ? old(sequence) : anew(sequence));
      assertRecords(await collect(builder, orders), "orders", 1, 900, bytesOf);
      for (const sequence of [1, 300, 301, 400, 401, 600, 601, 750, 850, 851, 900]) {
        assertRecords([(await get(builder, orders, sequence))!], "orders", sequence, sequence, bytesOf);
      }
      assert.equal(await get(builder, orders, 901), undefined);
    });

    test("a get near index entries reads its neighbourhood only", async () => {
      await using builder = await create(1024 * 1024);
      const orders = builder.partition("orders");
      await fill(builder, orders, 4000, () => 1000);
      await builder.cut();
      const run = builder.index.runs.get(orders.id)!;
      for (let entry = 0; entry < run.entryCount; entry += 5) {
        const { sequence } = run.entry(entry);
        for (const near of [sequence - 1, sequence, sequence + 1]) {
          if (near < 1) continue;
          const before = builder.files.bytesRead;
          assertRecords([(await get(builder, orders, near))!], "orders", near, near, () => 1000);
          assert.ok(builder.files.bytesRead - before <= 64 * 1024, `${builder.files.bytesRead - before} bytes for record ${near}`);
        }
      }
    });

    test("a sparse partition is read without reading the log", async () => {
      await using builder = await create(256 * 1024);
      const rare = builder.partition("rare");
      const busy = builder.partition("busy");
      for (let round = 0; round < 20; round++) {
        await fill(builder, busy, 1000, () => 1000);
        await fill(builder, rare, 2, () => 100);
        if (round === 9) await builder.rotate();
      }
      await builder.cut();
      assertRecords(await collect(builder, rare), "rare", 1, 40, () => 100);
      assert.ok(builder.files.bytesRead < 20 * 1024 * 1000 * 0.1, `${builder.files.bytesRead} bytes read`);
      assertRecords(await collect(builder, busy), "busy", 1, 20_000, () => 1000);
    });

    test("only durable records are returned", async () => {
      await using builder = await create();
      const orders = builder.partition("orders");
      await fill(builder, orders, 10, () => 100);
      await builder.cut();
      await fill(builder, orders, 10, () => 100);
      await builder.cut(false);
      await fill(builder, orders, 10, () => 100);
      assertRecords(await collect(builder, orders), "orders", 1, 10, () => 100);
      assert.equal(await get(builder, orders, 11), undefined);
    });
  });
}

test("records of a batch share memory that is never written again; a record from get is its own", async () => {
  await using builder = await LaneBuilder.create();
  const orders = builder.partition("orders");
  await fill(builder, orders, 2000, () => 1000);
  await builder.cut();
  const all = await collect(builder, orders);
  assert.equal(all[0]!.data.buffer, all[1]!.data.buffer);
  assertRecords(all, "orders", 1, 2000, () => 1000);
  const record = await get(builder, orders, 7);
  assert.ok(record!.data.buffer.byteLength <= 2000);
});

test("arguments that make no sense are refused at once, naming what was given", async () => {
  await using builder = await LaneBuilder.create();
  const orders = builder.partition("orders");
  const given: readonly (readonly [Record<string, unknown>, RegExp])[] = [
    [{ from: 0 }, /`from` must be a sequence.*it is 0/],
    [{ from: -1 }, /it is -1/],
    [{ from: 1.5 }, /it is 1\.5/],
    [{ from: Number.NaN }, /it is NaN/],
    [{ from: "1" }, /it is "1"/],
    [{ from: 3n }, /it is 3n/],
    [{ to: -1 }, /`to` must be/],
    [{ limit: 0.5 }, /`limit` must be/],
    [{ signal: {} }, /`signal` must be an AbortSignal/],
  ];
  for (const [options, message] of given) {
    assert.throws(() => readBatches(builder, orders, options), { code: "RINGWALL_INVALID_ARGUMENT", message });
    assert.throws(() => read(builder, orders, options), { code: "RINGWALL_INVALID_ARGUMENT", message });
  }
  await assert.rejects(get(builder, orders, 0), { code: "RINGWALL_INVALID_ARGUMENT" });
  await assert.rejects(get(builder, orders, Number.MAX_SAFE_INTEGER + 1), { code: "RINGWALL_INVALID_ARGUMENT" });
});

test("below the first kept record: refused, naming it; without a start the reading begins there", async () => {
  await using builder = await LaneBuilder.create();
  const orders = builder.partition("orders");
  await fill(builder, orders, 100, () => 100);
  await builder.cut();
  orders.trim(41);
  const expected = { code: "RINGWALL_TRIMMED", details: { partition: "orders", firstSequence: 41 }, message: /first that is kept is 41/ };
  await assert.rejects(collect(builder, orders, { from: 40 }), expected);
  await assert.rejects(get(builder, orders, 40), expected);
  assertRecords(await collect(builder, orders), "orders", 41, 100, () => 100);
  orders.trim(500);
  assert.deepEqual(await collect(builder, orders), []);
});
