// Bad arguments throw; what the kernel refuses is a negated errno. Nothing crashes.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { NativeBinding } from "#src/native/binding.js";
import { binding, skip } from "./addon.js";

type Call = (...values: unknown[]) => unknown;

const frameKernels = ["sealFrames", "verifyFrames", "findFrame"] as const;

function call(name: keyof NativeBinding): Call {
  const functions = binding() as unknown as Record<string, Call>;
  return (...values) => functions[name]?.(...values);
}

test("arguments: every function refuses to be called with none, and with nonsense", { skip }, () => {
  const names = Object.entries(binding()).flatMap(([name, value]) => (typeof value === "function" ? [name as keyof NativeBinding] : []));
  assert.ok(names.length > 20);
  const nonsense: unknown[] = [undefined, null, "3", {}, [], Symbol("s"), 1n, () => 0, new DataView(new ArrayBuffer(8)), new SharedArrayBuffer(8)];
  for (const name of names) {
    if (name === "yieldProcessor") continue; // takes no arguments
    assert.throws(() => call(name)(), TypeError, name);
    for (const value of nonsense) assert.throws(() => call(name)(value, value, value, value, value, value, value), TypeError, name);
  }
});

test("arguments: numbers must be whole and in range", { skip }, () => {
  const memory = new ArrayBuffer(4096);
  for (const bad of [-1, 0.5, NaN, Infinity, 2 ** 53]) {
    for (const name of frameKernels) {
      assert.throws(() => call(name)(memory, bad, 4096, 0, 0, 0), RangeError);
      assert.throws(() => call(name)(memory, 0, bad, 0, 0, 0), RangeError);
    }
    assert.throws(() => call("allocate")(bad), RangeError);
    assert.throws(() => call("writeAt")(-1, memory, bad, 8, 0, 0, 0), RangeError);
    assert.throws(() => call("readAt")(-1, memory, 0, bad, 0, 0, 0), RangeError);
    assert.throws(() => call("ringEnter")(-1, bad, 0, 0), RangeError);
    assert.throws(() => call("ringMap")(-1, bad, 0), RangeError);
  }
  assert.throws(() => call("allocate")(0), RangeError);
  assert.throws(() => call("ringMap")(-1, 4096, 4096), RangeError);
  assert.throws(() => call("ringEnter")(2 ** 31, 0, 0, 0), RangeError);
});

test("arguments: ranges must lie in the memory and start at a multiple of 8", { skip }, () => {
  const memory = new ArrayBuffer(4096);
  for (const name of frameKernels) {
    assert.throws(() => call(name)(memory, 0, 4097, 0, 0, 0), RangeError);
    assert.throws(() => call(name)(memory, 16, 8, 0, 0, 0), RangeError);
    assert.throws(() => call(name)(memory, 4, 4096, 0, 0, 0), RangeError);
    assert.throws(() => call(name)(new Uint8Array(memory), 0, 8, 0, 0, 0), TypeError);
  }
  assert.throws(() => call("writeAt")(-1, memory, 4000, 97, 0, 0, 0), RangeError);
  assert.throws(() => call("readAt")(-1, memory, 4097, 0, 0, 0, 0), RangeError);
});

test("arguments: a detached buffer is refused, and an array over one is empty", { skip }, () => {
  const memory = new ArrayBuffer(64);
  const bytes = new Uint8Array(memory);
  const words = new Uint32Array(memory);
  structuredClone(memory, { transfer: [memory] });
  for (const name of frameKernels) assert.throws(() => call(name)(memory, 0, 0, 0, 0, 0), TypeError);
  assert.throws(() => call("writeAt")(1, memory, 0, 0, 0, 0, 0), TypeError);
  assert.throws(() => call("ringSetup")(1, words), RangeError);
  assert.throws(() => call("directAlignment")(1, words), RangeError);
  assert.equal(call("crc32c")(bytes, 0), 0);
  assert.equal(call("release")(memory), undefined);
});

test("arguments: memory of the JavaScript heap has no address to give and nothing to release", { skip }, () => {
  const memory = new ArrayBuffer(64);
  assert.throws(() => call("address")(memory, new Uint32Array(2)), TypeError);
  assert.throws(() => call("release")(memory), TypeError);
  const own = binding().allocate(4096);
  assert.throws(() => call("address")(own, new Uint32Array(1)), RangeError);
  binding().release(own as ArrayBuffer);
});

test("arguments: what the kernel refuses is a negated errno", { skip }, () => {
  assert.equal(call("ringMap")(-1, 4096, 0), -9);
  assert.equal(call("lock")(-1, true), -9);
  assert.equal(call("watch")(-1, () => 0), -9);
  assert.equal(call("allocateRange")(-1, 0, 0, 0, 1, 0), -9);
  assert.equal(call("directAlignment")(-1, new Uint32Array(2)), -9);
  assert.equal(call("writeAt")(-1, new ArrayBuffer(8), 0, 8, 0, 0, 0), -9);
});
