// Numbers at the border between bytes and memory: u64 as safe integers, halves, alignment.

import assert from "node:assert/strict";
import { test } from "node:test";
import { alignUp, highHalf, joinHalves, lowHalf, readU64, roundUp8, writeU64 } from "#src/base/numbers.js";

const interesting = [0, 1, 255, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, 2 ** 48 + 12_345, 2 ** 52 - 1, 2 ** 52];

test("a u64 is written as DataView's bigint would, and read back", () => {
  for (const value of interesting) {
    const view = new DataView(new ArrayBuffer(16));
    writeU64(view, 3, value);
    assert.equal(view.getBigUint64(3, true), BigInt(value));
    assert.equal(readU64(view, 3), value);
    assert.equal(joinHalves(lowHalf(value), highHalf(value)), value);
  }
});

test("beyond 2^52 reading gives NaN, writing is an assertion", () => {
  const view = new DataView(new ArrayBuffer(8));
  for (const value of [2n ** 52n + 1n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n]) {
    view.setBigUint64(0, value, true);
    assert.ok(Number.isNaN(readU64(view, 0)));
  }
  for (const value of [-1, 1.5, 2 ** 52 + 1, Number.NaN, Number.POSITIVE_INFINITY]) assert.throws(() => writeU64(view, 0, value), { name: "RingwallAssertionError" });
});

test("alignment goes up, and only where it must", () => {
  assert.deepEqual([0, 1, 7, 8, 9, 4095].map(roundUp8), [0, 8, 8, 8, 16, 4096]);
  assert.deepEqual([0, 1, 4096, 4097, 2 ** 40 + 1].map((value) => alignUp(value, 4096)), [0, 4096, 4096, 8192, 2 ** 40 + 4096]);
  assert.throws(() => alignUp(1, 0), { name: "RingwallAssertionError" });
});
