// Many tails of one partition: one of them reads, all see the same, and nobody sees what is trimmed, truncated or not durable.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { RingwallError } from "#src/base/errors.js";
import type { PartitionState } from "#src/core/partition-table.js";
import type { LogRecord } from "#src/log/block-cursor.js";
import { tailBatches } from "#src/log/reader.js";
import { sharedTailsOf } from "#src/log/shared-tails.js";
import { LaneBuilder } from "./lane-builder.js";

type Tail = AsyncGenerator<readonly LogRecord[], undefined, undefined>;

function content(sequence: number, version = 0): Uint8Array {
  return new Uint8Array(200).fill((sequence + 100 * version) & 0xff);
}

async function fill(builder: LaneBuilder, state: PartitionState, count: number, version = 0): Promise<void> {
  for (let index = 0; index < count; index++) await builder.append(state, content(state.lastSequence + 1, version));
}

/** The records up to `last`, each as it was written. */
async function follow(tail: Tail, from: number, last: number, version = 0): Promise<void> {
  for (let expected = from; expected <= last; ) {
    for (const { seq, data } of (await tail.next()).value!) {
      assert.equal(seq, expected++);
      assert.deepEqual(Buffer.from(data), Buffer.from(content(seq, version)));
    }
  }
}

test("two hundred tails cost the reads of one; each record comes to all, in order, over rotations and epochs", async () => {
  const readsOf = async (count: number): Promise<number> => {
    await using builder = await LaneBuilder.create({ blockBytes: 8192 });
    const orders = builder.partition("orders");
    await fill(builder, orders, 10);
    await builder.cut();
    const tails = Array.from({ length: count }, () => tailBatches(builder, orders, { from: 1 }));
    await Promise.all(tails.map((tail) => follow(tail, 1, 10)));
    const before = builder.files.reads;
    for (let round = 0; round < 10; round++) {
      const last = orders.lastSequence;
      if (round % 4 === 2) await builder.rotate();
      if (round % 4 === 3) await builder.beginEpoch();
      await fill(builder, orders, 50);
      await builder.cut();
      await Promise.all(tails.map((tail) => follow(tail, last + 1, last + 50)));
    }
    const reads = builder.files.reads - before;
    await Promise.all(tails.map((tail) => tail.return(undefined)));
    assert.equal(sharedTailsOf(builder).bytes, 0, "nothing is kept for nobody");
    return reads;
  };
  assert.equal(await readsOf(200), await readsOf(1));
});

test("what is shared is frozen, and bounded in bytes; a tail that fell behind reads for itself and misses nothing", async () => {
  await using builder = await LaneBuilder.create({ blockBytes: 64 * 1024 });
  const orders = builder.partition("orders");
  const [slow, ...quick] = Array.from({ length: 4 }, () => tailBatches(builder, orders, { from: 1 })) as [Tail, ...Tail[]];
  await fill(builder, orders, 1);
  await builder.cut();
  await Promise.all([slow, ...quick].map((tail) => follow(tail, 1, 1)));
  for (let round = 0; round < 100; round++) {
    const last = orders.lastSequence;
    await fill(builder, orders, 500);
    await builder.cut();
    await Promise.all(quick.map((tail) => follow(tail, last + 1, last + 500)));
    assert.ok(sharedTailsOf(builder).bytes <= 8 * 1024 * 1024);
  }
  assert.ok(sharedTailsOf(builder).bytes > 4 * 1024 * 1024, "the bound was reached");
  await follow(slow, 2, orders.lastSequence);
  await fill(builder, orders, 1);
  await builder.cut();
  const [first, second] = await Promise.all(quick.map(async (tail) => (await tail.next()).value!));
  assert.equal(first, second);
  assert.ok(Object.isFrozen(first));
  await Promise.all([slow, ...quick].map((tail) => tail.return(undefined)));
});

test("what was shared before a truncation or a trim is given to nobody behind it", async () => {
  await using builder = await LaneBuilder.create({ blockBytes: 8192 });
  const orders = builder.partition("orders");
  await fill(builder, orders, 20);
  await builder.cut();
  const [ahead, level, behind, late] = Array.from({ length: 4 }, (_, at) => tailBatches(builder, orders, { from: at === 3 ? 5 : 1 })) as [Tail, Tail, Tail, Tail];
  // One after the other: the second takes what the first has read.
  await fill(builder, orders, 20);
  await builder.cut();
  const before = builder.files.reads;
  await Promise.all([follow(ahead, 1, 40), follow(level, 1, 40)]);
  assert.ok(builder.files.reads > before);
  await builder.truncate(orders, 10);
  await fill(builder, orders, 30, 1);
  await builder.cut();
  await assert.rejects(ahead.next(), { code: "RINGWALL_NOT_FOUND" });
  const records: LogRecord[] = [];
  while (records.length < 40) records.push(...(await behind.next()).value!);
  assert.deepEqual(records.map(({ seq, data }) => [seq, data[0]]), Array.from({ length: 40 }, (_, at) => [at + 1, content(at + 1, at < 10 ? 0 : 1)[0]]));
  orders.trim(20);
  await assert.rejects(late.next(), { code: "RINGWALL_TRIMMED" });
  await Promise.all([ahead, level, behind, late].map((tail) => tail.return(undefined)));
});

test("a tail whose records were truncated, and written anew up to its place, is told when it comes there, though another one waits there already", async () => {
  await using builder = await LaneBuilder.create();
  const orders = builder.partition("orders");
  await fill(builder, orders, 10);
  await builder.cut();
  const [quick, slow] = [tailBatches(builder, orders), tailBatches(builder, orders)];
  await Promise.all([follow(quick, 1, 10), follow(slow, 1, 10)]);
  await builder.truncate(orders, 5);
  await fill(builder, orders, 5, 1);
  await builder.cut();
  await assert.rejects(quick.next(), { code: "RINGWALL_NOT_FOUND" });
  const again = tailBatches(builder, orders, { from: 6 });
  await follow(again, 6, 10, 1);
  const waiting = again.next();
  await builder.waited();
  const told = slow.next().then(() => null, (error: unknown) => error as RingwallError);
  // What nobody tells it ends with it.
  await new Promise((resolve) => setImmediate(resolve));
  await slow.return(undefined);
  assert.deepEqual((await told)?.details, { partition: "orders", truncatedAfter: 5 });
  await again.return(undefined);
  assert.deepEqual(await waiting, { done: true, value: undefined });
});

test("records that are written and not durable come to none of them", async () => {
  await using builder = await LaneBuilder.create();
  const orders = builder.partition("orders");
  await fill(builder, orders, 3);
  await builder.cut();
  const tails = Array.from({ length: 5 }, () => tailBatches(builder, orders));
  await Promise.all(tails.map((tail) => follow(tail, 1, 3)));
  await fill(builder, orders, 3);
  await builder.cut(false);
  const pending = tails.map((tail) => tail.next());
  // One waits for the horizon, and the others for that one.
  while (builder.waiters.length < 1) await builder.waited();
  builder.makeDurable();
  for (const next of pending) assert.deepEqual((await next).value!.map(({ seq }) => seq), [4, 5, 6]);
  await Promise.all(tails.map((tail) => tail.return(undefined)));
});

test("of tails that wait at one place, each can be left or aborted alone, also the one that reads for the others", async () => {
  await using builder = await LaneBuilder.create();
  const orders = builder.partition("orders");
  await fill(builder, orders, 3);
  await builder.cut();
  const abort = new AbortController();
  const tails = Array.from({ length: 6 }, (_, at) => tailBatches(builder, orders, { from: 1, signal: at === 2 ? abort.signal : undefined })) as [Tail, Tail, Tail, Tail, Tail, Tail];
  await Promise.all(tails.map((tail) => follow(tail, 1, 3)));
  const [reading, left, aborted, ...others] = tails;
  const pending = tails.map((tail) => tail.next());
  while (builder.waiters.length < 1) await builder.waited();
  await left.return(undefined);
  assert.deepEqual(await pending[1], { done: true, value: undefined });
  abort.abort(new Error("enough"));
  await assert.rejects(pending[2]!, { code: "RINGWALL_ABORTED" });
  await assert.rejects(() => aborted.next().then(({ done }) => { assert.ok(done); throw new Error("ended"); }), /ended/);
  await reading.return(undefined);
  assert.deepEqual(await pending[0], { done: true, value: undefined });
  // Another one waits now for all that are left.
  while (builder.waiters.length < 1) await builder.waited();
  await fill(builder, orders, 2);
  await builder.cut();
  const before = builder.files.reads;
  for (const next of pending.slice(3)) assert.deepEqual((await next).value!.map(({ seq }) => seq), [4, 5]);
  assert.equal(builder.files.reads, before + 1);
  await Promise.all(others.map((tail) => tail.return(undefined)));
  assert.equal(sharedTailsOf(builder).bytes, 0);
});

test("calls of `next` that overlap are answered in order by a tail that waits for another one, and after it was left", async () => {
  await using builder = await LaneBuilder.create();
  const orders = builder.partition("orders");
  await fill(builder, orders, 1);
  await builder.cut();
  const reading = tailBatches(builder, orders, { from: 2 });
  const waiting = tailBatches(builder, orders, { from: 2 });
  const [first, second, third] = [reading.next(), waiting.next(), waiting.next(), waiting.next()].slice(1) as [ReturnType<Tail["next"]>, ReturnType<Tail["next"]>, ReturnType<Tail["next"]>];
  for (let seq = 2; seq <= 3; seq++) {
    await fill(builder, orders, 1);
    await builder.cut();
    assert.deepEqual((await (seq === 2 ? first : second)).value!.map((record) => record.seq), [seq]);
  }
  const ending = waiting.return(undefined);
  assert.deepEqual(await third, { done: true, value: undefined });
  await ending;
  await reading.return(undefined);
});
