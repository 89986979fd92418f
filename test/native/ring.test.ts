// A real ring through the addon: submission, the wait with a bound, the event loop, and memory's life.

import assert from "node:assert/strict";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { binding, skip as absent } from "./addon.js";
import { operation, skip, SmallRing } from "./uring.js";

const directory = mkdtempSync(path.join(tmpdir(), "ringwall-ring-"));
after(() => rmSync(directory, { recursive: true }));

function allocate(bytes: number): ArrayBuffer {
  const memory = binding().allocate(bytes);
  assert.ok(memory instanceof ArrayBuffer);
  return memory;
}

test("ring: a descriptor that is not open is EBADF", { skip }, () => {
  assert.equal(binding().ringEnter(-1, 0, 0, 0), -9);
  assert.equal(binding().ringWait(-1, 0, 0, 0), -9);
});

test("yielding the processor succeeds", { skip: absent }, () => {
  assert.equal(binding().yieldProcessor(), 0);
});

test("ring: a no-op is submitted, completes, and is taken", { skip }, () => {
  const ring = new SmallRing(binding());
  ring.push({ code: operation.nop, id: 77 });
  assert.equal(ring.native.ringEnter(ring.descriptor, 1, 1, 1), 1);
  assert.deepEqual(ring.take(), { id: 77, result: 0 });
  assert.equal(ring.take(), undefined);
  ring.close();
});

test("ring: a wait ends with ETIME when nothing completes", { skip }, () => {
  const ring = new SmallRing(binding());
  assert.equal(ring.native.ringWait(ring.descriptor, 0, 1, 1000), -62);
  ring.push({ code: operation.nop, id: 1 });
  assert.equal(ring.native.ringWait(ring.descriptor, 1, 1, 1_000_000), 1);
  assert.deepEqual(ring.take(), { id: 1, result: 0 });
  ring.close();
});

test("ring: a write completes through the event loop, and promises resolved by it go on", { skip }, async () => {
  const file = path.join(directory, "written");
  const descriptor = openSync(file, "w");
  const memory = allocate(4096);
  new Uint8Array(memory).set(Buffer.from("durable"));
  const ring = new SmallRing(binding());

  const order: string[] = [];
  const completion = await new Promise((resolve, reject) => {
    const watch = ring.native.watch(ring.descriptor, (status) => {
      process.nextTick(() => order.push("tick"));
      queueMicrotask(() => order.push("microtask"));
      order.push(`status ${String(status)}`);
      ring.native.watchClose(watch as object);
      ring.native.watchClose(watch as object);
      setImmediate(() => resolve(ring.take()));
    });
    if (typeof watch === "number") return reject(new Error(`watch: ${String(watch)}`));
    ring.native.watchKeepsAlive(watch, true);
    ring.push({ code: operation.write, descriptor, memory, bytes: 7, id: 5 });
    assert.equal(ring.native.ringEnter(ring.descriptor, 1, 0, 0), 1);
  });
  assert.deepEqual(completion, { id: 5, result: 7 });
  assert.deepEqual(order, ["status 0", "tick", "microtask"]);
  assert.equal(readFileSync(file, "utf8"), "durable");
  ring.close();
  ring.native.release(memory);
  closeSync(descriptor);
});

test("ring: buffers are registered only where they fit into the memory", { skip }, () => {
  const ring = new SmallRing(binding());
  const memory = allocate(4 * 4096);
  const result = ring.native.ringRegisterBuffers(ring.descriptor, memory, 4096, 4);
  assert.ok(result === 0 || result === -12, `registering: ${String(result)}`); // -ENOMEM: RLIMIT_MEMLOCK
  assert.throws(() => ring.native.ringRegisterBuffers(ring.descriptor, memory, 4096, 5), RangeError);
  assert.throws(() => ring.native.ringRegisterBuffers(ring.descriptor, new ArrayBuffer(4096), 4096, 1), TypeError);
  ring.close();
  ring.native.release(memory);
});

test("ring: a probe is answered into the array, and a shorter array is refused", { skip }, () => {
  const ring = new SmallRing(binding());
  const answer = new Uint8Array(16 + 8 * 64);
  assert.equal(ring.native.ringRegister(ring.descriptor, 8, answer, 64), 0);
  assert.ok((answer[0] as number) > operation.write);
  assert.throws(() => ring.native.ringRegister(ring.descriptor, 8, answer.fill(0).subarray(8), 64), RangeError);
  assert.equal(ring.native.ringRegister(ring.descriptor, 4000, answer, 1), -22);
  ring.close();
});

test("ring: closing the descriptor closes its watch", { skip }, () => {
  const ring = new SmallRing(binding());
  const watch = ring.native.watch(ring.descriptor, () => assert.fail("a closed ring reported"));
  assert.equal(typeof watch, "object");
  ring.native.watchKeepsAlive(watch as object, true);
  ring.close();
  ring.native.watchKeepsAlive(watch as object, true);
  ring.native.watchClose(watch as object);
});

/** Whether an address belongs to any mapping of this process. */
function isMapped(halves: Uint32Array): boolean {
  const address = (BigInt(halves[1] as number) << 32n) | BigInt(halves[0] as number);
  return readFileSync("/proc/self/maps", "utf8").split("\n").some((line) => {
    const [from, to] = (line.split(" ", 1)[0] as string).split("-");
    return to !== undefined && BigInt(`0x${String(from)}`) <= address && address < BigInt(`0x${to}`);
  });
}

test("memory: a release gives the pages back at once", { skip: absent }, () => {
  const memory = allocate(256 << 20);
  const halves = new Uint32Array(2);
  binding().address(memory, halves);
  assert.equal(isMapped(halves), true);
  binding().release(memory);
  assert.equal(isMapped(halves), false);
});

test("memory: zeroed, aligned to pages, detached by its release, and released once", { skip: absent }, () => {
  const native = binding();
  for (let round = 0; round < 100; round++) {
    const memory = allocate(3 * 4096 + 8);
    const halves = new Uint32Array(2);
    native.address(memory, halves);
    assert.equal((halves[0] as number) % 4096, 0);
    const bytes = new Uint8Array(memory);
    assert.equal(bytes.length, 3 * 4096 + 8);
    assert.ok(bytes.every((byte) => byte === 0));
    bytes.fill(1);
    native.release(memory);
    assert.equal(memory.byteLength, 0);
    assert.equal(bytes.length, 0);
    native.release(memory);
  }
});

test("files: written and read at a position, locked once, allocated", { skip: absent }, () => {
  const native = binding();
  const file = path.join(directory, "file");
  const first = openSync(file, "w+");
  const second = openSync(file, "r");
  const memory = allocate(4096);
  new Uint8Array(memory).fill(9, 8, 16);
  assert.equal(native.allocateRange(first, 0, 0, 0, 8192, 0), 0);
  assert.equal(native.writeAt(first, memory, 8, 8, 4096, 0, 2), 8); // RWF_DSYNC
  assert.equal(native.readAt(second, memory, 100, 4000 - 100, 4090, 0, 0), 4000 - 100);
  assert.deepEqual([...new Uint8Array(memory, 104, 12)], [0, 0, 9, 9, 9, 9, 9, 9, 9, 9, 0, 0]);
  assert.equal(native.readAt(second, memory, 0, 8, 0, 1, 0), 0);
  assert.equal(native.lock(first, true), 0);
  assert.equal(native.lock(second, true), -11);
  assert.equal(native.lock(first, false), 0);
  assert.equal(native.lock(second, true), 0);
  const alignment = new Uint32Array(2);
  assert.equal(native.directAlignment(first, alignment), 0);
  assert.equal((alignment[0] as number) === 0, (alignment[1] as number) === 0);
  assert.equal(native.closeDescriptor(second), 0);
  assert.equal(native.closeDescriptor(first), 0);
  assert.equal(native.closeDescriptor(-1), -9);
  native.release(memory);
});
