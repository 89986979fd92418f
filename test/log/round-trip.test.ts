// What goes in comes out: every kind and size of record, and the bytes as they were at the call.

import assert from "node:assert/strict";
import { test } from "node:test";
import { groupFramesMax } from "#src/format/frame.js";
import type { Log, LogRecord } from "#src/index.js";
import { contents, crashCopy, freshPath, onEachBackend, refused, seeded, small, withLog, type Backend } from "./log-fixture.js";

const bufferBytes = 16 * 1024;
/** Payload of the one frame that fills an empty block: header of the block 64, of the frame 24. */
const blockFilling = bufferBytes - 64 - 24;

function pattern(bytes: number, salt: number): Uint8Array {
  const data = new Uint8Array(bytes);
  for (let index = 0; index < bytes; index++) data[index] = (index * 31 + (index >>> 8) + salt) & 0xff;
  return data;
}

async function expectRecords(log: Log, name: string, expected: readonly Uint8Array[]): Promise<void> {
  const partition = log.partition(name);
  assert.equal(partition.durableSeq, expected.length);
  let index = 0;
  for await (const { seq, data } of partition.read()) {
    const due = expected[index++] as Uint8Array;
    assert.equal(seq, index);
    assert.ok(Buffer.from(data).equals(due), `record ${seq} of ${due.length} bytes is as it was appended`);
  }
  assert.equal(index, expected.length);
  for (const seq of [1, expected.length >> 1, expected.length].filter((wanted) => wanted > 0)) {
    const record = await log.partition(name).get(seq);
    assert.ok(Buffer.from(record!.data).equals(expected[seq - 1] as Uint8Array), `get(${seq})`);
  }
}

/** Appends, looks while open, in a copy that was never closed, and after a clean close. */
async function roundTrip(backend: Backend, records: readonly (Uint8Array | string)[], options = {}): Promise<void> {
  const directory = freshPath();
  const expected = records.map((record) => (typeof record === "string" ? Buffer.from(record, "utf8") : Buffer.from(record)));
  const copy = await withLog(directory, { backend, ...small, ...options }, async (log) => {
    const partition = log.partition("records");
    for (const [index, record] of records.entries()) assert.equal(await partition.append(record), index + 1);
    await expectRecords(log, "records", expected);
    return crashCopy(directory);
  });
  for (const place of [copy, directory]) await withLog(place, { backend, ...small, ...options }, (log) => expectRecords(log, "records", expected));
}

onEachBackend("round trip", (backend) => {
  test("strings: every length of UTF-8, lone surrogates as U+FFFD, none at all", async () => {
    const lone = ["\ud800", "a\udc00b", "\udc00\ud800", "ends in half a pair \ud83d"];
    await roundTrip(backend, ["", "a", "ä", "€", "😀", "日本語のログ", "a".repeat(5000) + "😀", "\0\0", ...lone, "é".repeat(20_000)]);
    await withLog(freshPath(), { backend, ...small }, async (log) => {
      await log.partition("lone").append("x\ud800y");
      assert.deepEqual(await contents(log.partition("lone")), ["x\ufffdy"]);
    });
  });

  test("sizes around every border: empty, a word, a page, a buffer, a segment", async () => {
    const sizes = [0, 1, 7, 8, 9, 23, 24, 25, 4095, 4096, 4097, blockFilling - 8, blockFilling - 1, blockFilling, blockFilling + 1, blockFilling + 8, 2 * blockFilling, 2 * blockFilling + 1, 1024 * 1024 - 4096, 1024 * 1024 + 1, 3 * 1024 * 1024 + 5];
    await roundTrip(backend, sizes.map((bytes, index) => pattern(bytes, index)));
  });

  test("what an empty block takes: one byte more becomes a second block", async () => {
    await withLog(freshPath(), { backend, ...small }, async (log) => {
      const partition = log.partition("p");
      await partition.append("defines it");
      for (const [bytes, blocks] of [[blockFilling, 1], [blockFilling + 1, 2]] as const) {
        const before = log.stats()[0]!.blocks;
        await partition.append(pattern(bytes, 1));
        assert.equal(log.stats()[0]!.blocks - before, blocks, `${bytes} bytes`);
      }
    });
  });

  test("a batch of somewhat more than a block is cut at otherwise goes out in one", async () => {
    await withLog(freshPath(), { backend }, async (log) => {
      const partition = log.partition("p");
      await partition.append("defines it");
      const before = log.stats()[0]!.blocks;
      await partition.appendBatch(Array.from({ length: 100 }, () => pattern(1024, 1)));
      assert.equal(log.stats()[0]!.blocks - before, 1);
    });
  });

  test("views: Buffer, subarrays at odd offsets, a subclass, shared memory", async () => {
    const base = pattern(70_000, 3);
    const shared = new Uint8Array(new SharedArrayBuffer(100)).fill(9);
    class Special extends Uint8Array {}
    await roundTrip(backend, [
      Buffer.from("from a Buffer"), base.subarray(1, 2), base.subarray(3, 1003), base.subarray(5, 40_005), Buffer.from(base.buffer, 7, 33), new Special([1, 2, 3]), shared, base.subarray(9, 9),
    ]);
  });

  test("what `get` gives is the caller's alone: later and simultaneous ones leave it as it is, and it leaves them", async () => {
    await withLog(freshPath(), { backend }, async (log) => {
      const partition = log.partition("p");
      // Mostly short, so that a window is small; and some that fill most of one, or more.
      const wanted = Array.from({ length: 400 }, (_, index) => pattern(index % 40 === 7 ? ([40_000, 50_000, 70_000][index % 3] as number) : index % 300, index));
      await Promise.all(wanted.map((data) => partition.append(data)));
      // The first of two fills most of one window.
      const two = log.partition("two");
      const large = pattern(40_000, 1);
      await Promise.all([two.append(large), two.append("short")]);
      const kept = await two.get(1);
      const first: (LogRecord | undefined)[] = [];
      for (let seq = 1; seq <= wanted.length; seq++) first.push(await partition.get(seq));
      for (let seq = 1; seq <= wanted.length; seq++) (await partition.get(seq))?.data.fill(0xee);
      const second = await Promise.all(wanted.map((_, index) => partition.get(index + 1)));
      assert.ok(Buffer.from(kept!.data).equals(large));
      for (const records of [first, second]) {
        for (const [index, data] of wanted.entries()) assert.ok(Buffer.from(records[index]!.data).equals(data), `record ${index + 1} of ${data.length} bytes`);
      }
    });
  });

  test("an empty string may end exactly where the memory ends", async () => {
    await withLog(freshPath(), { backend, ...small, bufferCount: 2 }, async (log) => {
      const partition = log.partition("p");
      await partition.append("x");
      // Blocks that an empty record fills to the last byte, in every buffer, also the last one of the pool.
      const pairs = Array.from({ length: 40 }, () => [partition.append(pattern(blockFilling - 24, 0)), partition.append("")]).flat();
      assert.deepEqual(await Promise.all(pairs), pairs.map((_, index) => index + 2));
    });
  });

  test("64 MiB in one record, and one byte above recordBytesMax is refused without a trace", async () => {
    const directory = freshPath();
    const big = pattern(64 * 1024 * 1024, 5);
    await withLog(directory, { backend }, async (log) => {
      const partition = log.partition("big");
      assert.equal(await partition.append(big), 1);
      const tooLarge = new Uint8Array(big.length + 1);
      const error = await refused("RINGWALL_RECORD_TOO_LARGE", () => partition.append(tooLarge));
      assert.match(error.message, /67108865 bytes.*limit is 67108864/);
      await refused("RINGWALL_RECORD_TOO_LARGE", () => partition.enqueue(tooLarge));
      await refused("RINGWALL_RECORD_TOO_LARGE", () => partition.appendBatch(["fits", tooLarge]));
      await refused("RINGWALL_RECORD_TOO_LARGE", () => log.write([{ partition: "other", data: "fits" }, { partition: "big", data: tooLarge }]));
      assert.equal(partition.lastSeq, 1);
      assert.equal(log.partition("other").lastSeq, 0);
      assert.equal(await partition.append("next"), 2);
    });
    await withLog(directory, { backend }, async (log) => {
      const record = await log.partition("big").get(1);
      assert.ok(Buffer.from(record!.data).equals(big));
    });
  });

  test("a batch of as many records as a group may have frames is there after a crash; one more is refused without a trace", async () => {
    const directory = freshPath();
    const batch = new Array<string>(groupFramesMax).fill("");
    await withLog(directory, { backend, bufferBytes: 1024 ** 2, recordBytesMax: 2 * 1024 ** 2 }, async (log) => {
      const partition = log.partition("p");
      await refused("RINGWALL_RECORD_TOO_LARGE", () => partition.appendBatch([...batch, ""]));
      // A record in fragments counts as all that it may take.
      await refused("RINGWALL_RECORD_TOO_LARGE", () => partition.appendBatch([...batch.slice(5), new Uint8Array(2 * 1024 ** 2)]));
      assert.equal(partition.lastSeq, 0);
      assert.deepEqual(await partition.appendBatch(batch), { first: 1, last: groupFramesMax });
      await withLog(crashCopy(directory), { backend, readOnly: true }, async (copy) => {
        assert.deepEqual([copy.info.recovery[0]!.verdict, copy.partition("p").lastSeq], ["clean", groupFramesMax]);
      });
    });
  });

  test("recordBytesMax counts the bytes of a string, not its characters", async () => {
    await withLog(freshPath(), { backend, ...small, recordBytesMax: 10 }, async (log) => {
      const partition = log.partition("p");
      for (const fits of ["0123456789", "ääääa", "€€€a", "😀😀"]) await partition.append(fits);
      for (const large of ["0123456789a", "äääääa", "€€€€", "😀😀😀", "\ud800".repeat(4)]) {
        await refused("RINGWALL_RECORD_TOO_LARGE", () => partition.append(large));
      }
      assert.equal(partition.lastSeq, 4);
    });
  });

  test("the caller may overwrite its memory as soon as append has returned, also while appends wait for space", async (t) => {
    const random = seeded(t);
    const directory = freshPath();
    const expected: Uint8Array[] = [];
    let waited = false;
    await withLog(directory, { backend, ...small, bufferCount: 2 }, async (log) => {
      const partition = log.partition("p");
      const memory = new Uint8Array(100_000);
      const pending: Promise<unknown>[] = [];
      for (let round = 0; round < 150; round++) {
        const from = random(50);
        const data = memory.subarray(from, from + random(round % 10 === 0 ? 90_000 : 3000));
        data.fill(round);
        expected.push(data.slice());
        if (round % 3 === 0) {
          const second = Buffer.alloc(random(5000), round + 1);
          expected.push(Buffer.from(second));
          pending.push(partition.appendBatch([data, second]));
          second.fill(0xee);
        } else if (round % 3 === 1) pending.push(log.write([{ partition: "p", data }]));
        else pending.push(partition.append(data));
        memory.fill(0xff);
        waited ||= log.needDrain;
      }
      await Promise.all(pending);
      await expectRecords(log, "p", expected);
    });
    assert.ok(waited, "some appends did wait for space");
    await withLog(directory, { backend, ...small }, (log) => expectRecords(log, "p", expected));
  });

  test("memory transferred elsewhere: after append returned it does no harm, before it is refused", async () => {
    await withLog(freshPath(), { backend, ...small, bufferCount: 2 }, async (log) => {
      const partition = log.partition("p");
      const pending: Promise<unknown>[] = [];
      for (let round = 0; round < 20; round++) {
        const data = new Uint8Array(20_000).fill(round);
        pending.push(round % 2 === 0 ? partition.append(data) : partition.appendBatch([data]));
        structuredClone(data, { transfer: [data.buffer] });
        const error = await refused("RINGWALL_INVALID_ARGUMENT", () => partition.append(data));
        assert.match(error.message, /detached/);
        await refused("RINGWALL_INVALID_ARGUMENT", () => partition.enqueue(data));
      }
      await Promise.all(pending);
      await expectRecords(log, "p", Array.from({ length: 20 }, (_, round) => new Uint8Array(20_000).fill(round)));
    });
  });

  test("anything but a string or a Uint8Array is refused, named, and takes no sequence", async () => {
    await withLog(freshPath(), { backend, ...small }, async (log) => {
      const partition = log.partition("p");
      const wrong: readonly [unknown, RegExp][] = [
        [undefined, /undefined/], [null, /null/], [5, /number/], [5n, /bigint/], [true, /boolean/], [Symbol("s"), /symbol/], [{}, /Object/], [["a"], /Array/], [() => 1, /function/],
        [new ArrayBuffer(4), /ArrayBuffer/], [new Uint16Array(4), /Uint16Array/], [new DataView(new ArrayBuffer(4)), /DataView/], [Object.create(null), /an object/], [new Date(0), /Date/],
      ];
      for (const [value, described] of wrong) {
        const data = value as string;
        assert.match((await refused("RINGWALL_INVALID_ARGUMENT", () => partition.append(data))).message, described);
        await refused("RINGWALL_INVALID_ARGUMENT", () => partition.enqueue(data));
        await refused("RINGWALL_INVALID_ARGUMENT", () => partition.appendBatch(["fine", data]));
        await refused("RINGWALL_INVALID_ARGUMENT", () => log.write([{ partition: "p", data: "fine" }, { partition: "p", data }]));
      }
      await refused("RINGWALL_INVALID_ARGUMENT", () => partition.appendBatch([]));
      await refused("RINGWALL_INVALID_ARGUMENT", () => partition.appendBatch("abc" as unknown as string[]));
      await refused("RINGWALL_INVALID_ARGUMENT", () => log.write([]));
      assert.equal(partition.lastSeq, 0);
      assert.deepEqual(log.partitions(), []);
      assert.equal(await partition.append("first"), 1);
    });
  });

  test("partition names: well-formed, 1 to 1024 bytes, any characters; each keeps its own records", async () => {
    const directory = freshPath();
    const names = ["a", "A", "a/b", "..", "a\0", "日本", "😀", "x".repeat(1024), "ä".repeat(512), "__proto__", "constructor", "a\u0301", "á"];
    await withLog(directory, { backend, ...small }, async (log) => {
      for (const name of names) await log.partition(name).append(name);
      for (const name of ["", "x".repeat(1025), "ä".repeat(513), "\ud800", "\0", "\0cursor:a", 5, null, undefined, {}]) {
        await refused("RINGWALL_INVALID_ARGUMENT", () => log.partition(name as string));
        await refused("RINGWALL_INVALID_ARGUMENT", () => log.write([{ partition: name as string, data: "x" }]));
      }
    });
    await withLog(directory, { backend, ...small }, async (log) => {
      assert.deepEqual(log.partitions().map((partition) => partition.name), names);
      for (const name of names) assert.deepEqual(await contents(log.partition(name)), [name]);
    });
  });

  test("times: within the call, never backwards, the same after reopening", async () => {
    const directory = freshPath();
    const before = Date.now();
    const read = async (log: Log): Promise<number[]> => {
      const times: number[] = [];
      for await (const { time } of log.partition("p").read()) times.push(time);
      return times;
    };
    const times = await withLog(directory, { backend, ...small }, async (log) => {
      for (let index = 0; index < 50; index++) await log.partition("p").append(index % 10 === 0 ? pattern(40_000, 1) : "x");
      return read(log);
    });
    const after = Date.now();
    assert.ok(times.every((time, index) => time >= (times[index - 1] ?? before) && time <= after), JSON.stringify({ before, after, times }));
    assert.deepEqual(await withLog(directory, { backend }, read), times);
  });
});
