// Memory of the caller that changes its size or place under the log's hands: what the array held at the call is the record.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Log, Partition } from "#src/index.js";
import { freshPath, onEachBackend, refused, small, withLog } from "./log-fixture.js";

/** ES2024, which Node 20 has and the compiler's library does not know yet. */
interface Resizable extends ArrayBuffer {
  resize(bytes: number): void;
}
interface Growable extends SharedArrayBuffer {
  grow(bytes: number): void;
}
const resizable = (bytes: number, bytesMax: number): Resizable => new (ArrayBuffer as unknown as new (bytes: number, options: object) => Resizable)(bytes, { maxByteLength: bytesMax });
const growable = (bytes: number, bytesMax: number): Growable => new (SharedArrayBuffer as unknown as new (bytes: number, options: object) => Growable)(bytes, { maxByteLength: bytesMax });

type Put = (log: Log, partition: Partition, data: Uint8Array) => Promise<unknown>;
const puts: Readonly<Record<string, Put>> = {
  append: (_log, partition, data) => partition.append(data),
  appendBatch: (_log, partition, data) => partition.appendBatch([data]),
  write: (log, _partition, data) => log.write([{ partition: "p", data }]),
  enqueue: (log, partition, data) => (partition.enqueue(data), log.sync()),
};

/** Ways to take memory away or change it, after the call has returned. */
const changes: Readonly<Record<string, (bytes: number) => { readonly data: Uint8Array; readonly change: () => void }>> = {
  detached: (bytes) => {
    const data = new Uint8Array(bytes);
    return { data, change: () => structuredClone(data, { transfer: [data.buffer] }) };
  },
  shrunk: (bytes) => {
    const buffer = resizable(bytes, 2 * bytes);
    return { data: new Uint8Array(buffer, 0, bytes), change: () => buffer.resize(0) };
  },
  "shrunk under a view that follows": (bytes) => {
    const buffer = resizable(bytes, 2 * bytes);
    return { data: new Uint8Array(buffer), change: () => buffer.resize(1) };
  },
  "grown and overwritten": (bytes) => {
    const buffer = resizable(bytes, 2 * bytes);
    return { data: new Uint8Array(buffer), change: () => (buffer.resize(2 * bytes), new Uint8Array(buffer).fill(0xee)) };
  },
  "shared, grown and overwritten": (bytes) => {
    const buffer = growable(bytes, 2 * bytes);
    return { data: new Uint8Array(buffer), change: () => (buffer.grow(2 * bytes), new Uint8Array(buffer).fill(0xee)) };
  },
};

/** Every record consists of one value; returns their lengths. */
async function lengthsOf(partition: Partition, valueOf: (seq: number) => number): Promise<number[]> {
  const lengths: number[] = [];
  for await (const { seq, data } of partition.read()) {
    assert.ok(data.every((byte) => byte === valueOf(seq)), `record ${String(seq)} has the bytes of the call`);
    lengths.push(data.length);
  }
  return lengths;
}

/** Another thread that lengthens shared memory, at the worst moments: whenever somebody asks how long it is. */
class GrowingArray extends Uint8Array {
  override get length(): number {
    const length = super.length;
    const buffer = this.buffer as unknown as Growable & { readonly maxByteLength: number };
    if (buffer.byteLength + 8000 <= buffer.maxByteLength) {
      buffer.grow(buffer.byteLength + 8000);
      new Uint8Array(buffer).fill(0x55);
    }
    return length;
  }
}

/** However fast the disk is, such a record waits: it fills the blocks' memory several times, within one call. */
const largerThanMemory = 300_000;

onEachBackend("changing memory", (backend) => {
  for (const [how, make] of Object.entries(changes)) {
    test(`${how} after the call has returned: the record is what the array held, placed at once or waiting for space`, async () => {
      await withLog(freshPath(), { backend, ...small, bufferCount: 2 }, async (log) => {
        const partition = log.partition("p");
        const lengths: number[] = [];
        const pending: Promise<unknown>[] = [];
        let waited = false;
        for (let round = 0; round < 60; round++) {
          for (const put of Object.values(puts)) {
            if (log.needDrain && put === puts["enqueue"]) continue; // it would be refused
            const { data, change } = make(round === 30 ? largerThanMemory : round % 6 === 0 ? 9000 : 20 + round * 11);
            data.fill(lengths.length + 1);
            lengths.push(data.length);
            pending.push(put(log, partition, data));
            waited ||= log.needDrain;
            change();
          }
        }
        await Promise.all(pending);
        assert.ok(waited, "some waited for space");
        assert.deepEqual(await lengthsOf(partition, (seq) => seq & 0xff), lengths);
      });
    });
  }

  test("a view whose buffer shrank below it is refused, as a detached one; a view that follows is as long as it is now", async () => {
    await withLog(freshPath(), { backend, ...small }, async (log) => {
      const partition = log.partition("p");
      const buffer = resizable(100, 100);
      const [fixed, empty, following] = [new Uint8Array(buffer, 20, 80), new Uint8Array(buffer, 0, 0), new Uint8Array(buffer)];
      following.fill(1);
      buffer.resize(50);
      for (const put of Object.values(puts)) {
        const error = await refused("RINGWALL_INVALID_ARGUMENT", async () => put(log, partition, fixed));
        assert.match(error.message, /shrank/);
      }
      assert.equal(partition.lastSeq, 0, "no sequence is taken");
      await partition.append(following);
      await partition.append(empty);
      assert.deepEqual(await lengthsOf(partition, () => 1), [50, 0]);
    });
  });

  test("shared memory that grows in the middle of a call: a record of some length, and every neighbour intact", async () => {
    await withLog(freshPath(), { backend, ...small, bufferCount: 2 }, async (log) => {
      const partition = log.partition("neighbour");
      const growing = log.partition("p");
      const pending: Promise<unknown>[] = [];
      let neighbours = 0;
      for (let round = 0; round < 40; round++) {
        for (const put of Object.values(puts)) {
          for (const size of [700, 700, 3000]) pending.push(partition.append(new Uint8Array(size).fill(++neighbours)));
          if (log.needDrain && put === puts["enqueue"]) continue;
          pending.push(put(log, growing, new GrowingArray(growable(100, 60_000) as unknown as ArrayBuffer).fill(0x55)));
        }
        if (round % 8 === 7) await Promise.all(pending);
      }
      await Promise.all(pending);
      await lengthsOf(growing, () => 0x55);
      assert.equal((await lengthsOf(partition, (seq) => seq & 0xff)).length, neighbours);
    });
  });
});
