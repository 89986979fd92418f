// Quantiles, medians and ratios: the arithmetic behind every figure.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { runCallers } from "#src/cli/bench/caller-loops.js";
import { makeBatches, makePayloads } from "#src/cli/bench/payloads.js";
import { Samples } from "#src/cli/bench/samples.js";
import { medianOf, ratioOf, spreadOf } from "#src/cli/bench/spread.js";

describe("samples", () => {
  test("quantiles by the nearest rank, scaled", () => {
    const samples = new Samples();
    for (let value = 1000; value >= 1; value--) samples.record(value);
    assert.deepEqual(samples.quantiles(10), { p50: 5000, p99: 9900, p999: 9990, max: 10_000 });
  });

  test("none: zeros; one: itself", () => {
    const samples = new Samples();
    assert.deepEqual(samples.quantiles(1), { p50: 0, p99: 0, p999: 0, max: 0 });
    samples.record(7);
    assert.deepEqual(samples.quantiles(1), { p50: 7, p99: 7, p999: 7, max: 7 });
  });

  test("a full ring keeps the newest and counts all", () => {
    const samples = new Samples(4);
    for (let value = 1; value <= 10; value++) samples.record(value);
    assert.equal(samples.count, 10);
    assert.deepEqual(samples.quantiles(1), { p50: 8, p99: 10, p999: 10, max: 10 });
  });
});

describe("rounds", () => {
  test("each figure by itself, nested ones too", () => {
    const rounds = [{ a: 1, inner: { b: 30 } }, { a: 3, inner: { b: 10 } }, { a: 2, inner: { b: 20 } }];
    assert.deepEqual(spreadOf(rounds), { median: { a: 2, inner: { b: 20 } }, min: { a: 1, inner: { b: 10 } }, max: { a: 3, inner: { b: 30 } } });
  });

  test("the median of an even number is the middle's mean", () => {
    assert.equal(medianOf([4, 1, 3, 2]), 2.5);
  });

  test("ratios pair the rounds", () => {
    assert.deepEqual(ratioOf([10, 30], [5, 10]), { median: 2.5, min: 2, max: 3 });
  });
});

test("payloads are as long as asked, and different", () => {
  for (const bytes of [1, 2, 7, 100, 1024, 100_000]) {
    const payloads = makePayloads(bytes);
    assert.ok(payloads.every((payload) => payload.length === bytes), String(bytes));
    if (bytes >= 100) assert.equal(new Set(payloads.map((payload) => Buffer.from(payload).toString("latin1"))).size, payloads.length);
  }
  assert.ok(makeBatches(10, 3).every((batch) => batch.length === 3));
});

describe("callers", () => {
  const window = { seconds: 0.02, rampSeconds: 0.01, onOpen: () => undefined, onShut: () => undefined, onTick: () => undefined, isStopped: () => false };

  test("appends that never leave the microtask queue still end", async () => {
    const figures = await runCallers({ callers: 3, items: [new Uint8Array(1)], appenders: [{ append: () => Promise.resolve() }], everyCall: 4 }, window);
    assert.ok(figures.calls > 0 && figures.seconds >= 0.02);
  });

  test("the first failure ends all callers", async () => {
    let calls = 0;
    const appender = { append: async () => { if (++calls === 50) throw new Error("enough"); } };
    await assert.rejects(runCallers({ callers: 3, items: [1], appenders: [appender], everyCall: 1 }, { ...window, seconds: 60 }), /enough/);
  });

  test("an append that ends long after the window does not open it again", async () => {
    let isShut = false;
    let opened = 0;
    let calls = 0;
    const late = async (): Promise<void> => {
      while (!isShut) await new Promise((resolve) => setImmediate(resolve));
      const until = performance.now() + 50;
      while (performance.now() < until);
    };
    const prompt = async (): Promise<void> => { await new Promise((resolve) => setImmediate(resolve)); };
    const appender = { append: () => (calls++ === 0 ? late() : prompt()) };
    const figures = await runCallers({ callers: 2, items: [1], appenders: [appender], everyCall: 1 }, { ...window, onOpen: () => { opened++; }, onShut: () => { isShut = true; } });
    assert.equal(opened, 1);
    assert.ok(figures.calls > 0);
  });

  test("items and appenders are taken in turn", async () => {
    const seen = [new Set<number>(), new Set<number>()];
    const appenders = seen.map((items) => ({ append: async (item: number) => { items.add(item); } }));
    await runCallers({ callers: 2, items: [1, 2, 3], appenders, everyCall: 1 }, window);
    assert.deepEqual(seen.map((items) => items.size), [3, 3]);
  });
});
