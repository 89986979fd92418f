// Tails of one partition in a running log: beside a writer at full load, and when the partition changes under those that wait.

import assert from "node:assert/strict";
import { test } from "node:test";
import v8 from "node:v8";
import vm from "node:vm";
import { Log, type LogRecord, type Partition } from "#src/index.js";
import { freshPath, onEachBackend } from "./log-fixture.js";

type Tail = ReturnType<Partition["tailBatches"]>;

const recordBytes = 4096;
const records = 16_000;
const mebibyte = 1024 * 1024;

/** Each record tells its sequence, and so does each of its ends. */
function stamp(into: Buffer, seq: number): Buffer {
  into.writeUInt32LE(seq, 0);
  into.writeUInt32LE(seq, recordBytes - 4);
  return into;
}

function demand(batch: readonly LogRecord[], from: number): void {
  batch.forEach(({ seq, data }, at) => {
    const bytes = Buffer.from(data.buffer, data.byteOffset, data.length);
    assert.deepEqual([seq, bytes.readUInt32LE(0), bytes.readUInt32LE(recordBytes - 4)], [from + at, from + at, from + at]);
  });
}

/** Follows from `from` on up to `last`; `onBatch` after each batch. */
async function follow(tail: Tail, from: number, last: number, onBatch?: () => void): Promise<void> {
  for (let expected = from; expected <= last; onBatch?.()) {
    const batch = (await tail.next()).value ?? [];
    demand(batch, expected);
    expected += batch.length;
  }
}

function collector(): () => void {
  v8.setFlagsFromString("--expose-gc");
  return vm.runInNewContext("gc") as () => void;
}

onEachBackend("tails", (backend) => {
  test("beside a writer at full load a slow tail holds nobody up, and memory stays bounded while it falls behind", async () => {
    const collect = collector();
    await using log = await Log.open(freshPath(), { backend, segmentBytes: 16 * mebibyte });
    const partition = log.partition("orders");
    const slow = partition.tailBatches({ from: 1 });
    const quick = Array.from({ length: 3 }, () => partition.tailBatches({ from: 1 }));
    const payload = Buffer.alloc(recordBytes);
    const write = async (from: number, last: number): Promise<void> => {
      for (let seq = from; seq <= last; seq++) {
        if (log.needDrain) await log.drain();
        partition.enqueue(stamp(payload, seq));
      }
      await log.sync();
    };
    await write(1, 100);
    const had = (await slow.next()).value ?? [];
    demand(had, 1);
    collect();
    const before = process.memoryUsage().arrayBuffers;
    let most = 0;
    let batches = 0;
    // Everything is written and followed while the slow one asks for nothing.
    await Promise.all([write(101, records), ...quick.map((tail, at) => follow(tail, 1, records, () => {
      if (at !== 0 || batches++ % 8 !== 0) return;
      collect();
      most = Math.max(most, process.memoryUsage().arrayBuffers - before);
    }))]);
    assert.ok(most < 24 * mebibyte, `${String(most)} bytes were held of ${String(records * recordBytes)} that were written`);
    await follow(slow, had.length + 1, records);
    await Promise.all([slow, ...quick].map((tail) => tail.return(undefined)));
    // The last segments may be being sealed, for which their indexes are laid out in memory: it ends by itself, a leak does not.
    const held = (): number => {
      collect();
      return process.memoryUsage().arrayBuffers - before;
    };
    const until = performance.now() + 20_000;
    let left = held();
    for (; left >= 4 * mebibyte && performance.now() < until; left = held()) await new Promise((resolve) => setImmediate(resolve));
    assert.ok(left < 4 * mebibyte, `${String(left)} bytes are held for nobody`);
  });

  test("a truncation, and the end of the log, reach every tail that waits at one place", async () => {
    await using log = await Log.open(freshPath(), { backend });
    const orders = log.partition("orders");
    await orders.appendBatch(["a", "b", "c"]);
    const waitingFrom = async (from: number): Promise<Promise<unknown>[]> => {
      const tails = Array.from({ length: 4 }, () => orders.tailBatches({ from }));
      for (const tail of tails) assert.equal((await tail.next()).value?.[0]?.seq, from);
      return tails.map((tail) => tail.next());
    };
    const cut = await waitingFrom(3);
    const [, ...truncated] = await Promise.all([orders.truncate(1), ...cut.map((next) => assert.rejects(next, { code: "RINGWALL_NOT_FOUND" }))]);
    assert.equal(truncated.length, 4);
    const closed = await waitingFrom(1);
    const [, ...ended] = await Promise.all([log.close(), ...closed.map((next) => assert.rejects(next, { code: "RINGWALL_CLOSED" }))]);
    assert.equal(ended.length, 4);
  });
});
