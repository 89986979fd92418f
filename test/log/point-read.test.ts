// `get`: one short read where all is as it should be, and the same answer as a walk where it is not.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { RingwallError } from "#src/base/errors.js";
import type { PartitionState } from "#src/core/partition-table.js";
import { blockHeaderBytes } from "#src/format/block.js";
import { frameBytes, frameHeaderBytes, frameKind } from "#src/format/frame.js";
import { Memory } from "#src/format/memory.js";
import { blockSeed } from "#src/format/seed.js";
import { get } from "#src/log/reader.js";
import { alignment, LaneBuilder } from "./lane-builder.js";

function content(sequence: number, bytes: number): Uint8Array {
  return new Uint8Array(bytes).map((_, at) => (sequence * 31 + at * 7 + (at >>> 8)) & 0xff);
}

async function append(builder: LaneBuilder, state: PartitionState, bytes: number): Promise<number> {
  return builder.append(state, content(state.lastSequence + 1, bytes));
}

async function assertGot(builder: LaneBuilder, state: PartitionState, sequence: number, bytes: number): Promise<void> {
  const record = await get(builder, state, sequence);
  assert.equal(record?.seq, sequence);
  assert.ok(Buffer.from(record!.data).equals(content(sequence, bytes)), `content of record ${String(sequence)}`);
}

/** Reads and bytes read by `action`. */
async function costOf(builder: LaneBuilder, action: () => Promise<void>): Promise<{ reads: number; bytes: number }> {
  const { reads, bytesRead } = builder.files;
  await action();
  return { reads: builder.files.reads - reads, bytes: builder.files.bytesRead - bytesRead };
}

for (const [what, blockBytes, perBlock] of [["in large blocks", 256 * 1024, Number.POSITIVE_INFINITY], ["alone in their blocks", 64 * 1024, 1]] as const) {
  test(`records of one size, ${what}: each by one read of its own bytes, or of its page`, async () => {
    await using builder = await LaneBuilder.create({ blockBytes });
    const orders = builder.partition("orders");
    for (let count = 1; count <= 300; count++) {
      await append(builder, orders, 1000);
      if (count % perBlock === 0) await builder.cut();
      if (count === 150) await builder.rotate();
    }
    await builder.cut();
    for (let sequence = 1; sequence <= 300; sequence++) {
      const { reads, bytes } = await costOf(builder, () => assertGot(builder, orders, sequence, 1000));
      assert.equal(reads, 1, `record ${String(sequence)}`);
      assert.ok(bytes <= alignment, `record ${String(sequence)}: ${String(bytes)} bytes`);
    }
    const bytesEach = perBlock === 1 ? alignment - blockHeaderBytes : 1.05 * frameBytes(1000);
    assert.ok(builder.files.bytesRead <= 300 * bytesEach, `${String(builder.files.bytesRead)} bytes for 300 records`);
  });
}

test("between records of other partitions, near and far, each is found by one read", async () => {
  await using builder = await LaneBuilder.create({ blockBytes: 256 * 1024 });
  const [orders, other] = [builder.partition("orders"), builder.partition("other")];
  for (let count = 0; count < 60; count++) {
    await append(builder, orders, 700);
    for (let more = 0; more < (count % 4) * (count % 4) * 9; more++) await append(builder, other, 900);
  }
  await builder.cut();
  for (let sequence = 1; sequence <= 60; sequence++) {
    const { reads, bytes } = await costOf(builder, () => assertGot(builder, orders, sequence, 700));
    assert.ok(reads === 1 && bytes < 16 * 1024, `record ${String(sequence)}: ${String(reads)} reads, ${String(bytes)} bytes`);
  }
});

test("records of all sizes side by side: what goes on behind the bytes that were read, and fragments over blocks and segments", async () => {
  await using builder = await LaneBuilder.create({ blockBytes: 64 * 1024 });
  const orders = builder.partition("orders");
  const bytesOf = (sequence: number): number => [10, 90_000, 3000, 0, 40_000, 200, 200_000, 8192][sequence % 8]!;
  for (let count = 1; count <= 80; count++) {
    builder.rotateInRecord = count === 40;
    await append(builder, orders, bytesOf(count));
  }
  await builder.cut();
  for (let sequence = 80; sequence >= 1; sequence--) await assertGot(builder, orders, sequence, bytesOf(sequence));
});

test("a page that is gone from the middle of records of one size: those that it held are refused, and named with those behind them, all others are returned", async () => {
  await using builder = await LaneBuilder.create({ blockBytes: 256 * 1024 });
  const orders = builder.partition("orders");
  for (let count = 0; count < 200; count++) await append(builder, orders, 1000);
  await builder.cut();
  const whole = await readFile(builder.segmentPath());
  const places = Array.from({ length: 200 }, (_, index) => whole.indexOf(content(index + 1, 1000)) - frameHeaderBytes);
  for (const sequence of [20, 71, 150]) {
    const page = places[sequence - 1]! & -alignment;
    await builder.overwrite(page, new Uint8Array(alignment));
    const lost = places.flatMap((place, index) => (place + frameBytes(1000) > page && place < page + alignment ? [index + 1] : []));
    for (let other = 1; other <= 200; other++) {
      if (!lost.includes(other)) await assertGot(builder, orders, other, 1000);
      else {
        await assert.rejects(get(builder, orders, other), (error: RingwallError) => {
          assert.equal(error.code, "RINGWALL_DAMAGED");
          assert.deepEqual(error.details, { partition: "orders", firstSequence: other, lastSequence: lost.at(-1) });
          return true;
        });
      }
    }
    await builder.overwrite(page, whole.subarray(page, page + alignment));
  }
});

test("a damaged record is refused and named; those before and behind it, out of the same bytes, are returned", async () => {
  await using builder = await LaneBuilder.create({ blockBytes: 256 * 1024 });
  const orders = builder.partition("orders");
  for (let count = 0; count < 100; count++) await append(builder, orders, 500);
  await builder.cut();
  const whole = await readFile(builder.segmentPath());
  for (let damaged = 40; damaged < 60; damaged++) {
    const at = whole.indexOf(content(damaged, 500));
    // In its header, in its bytes.
    for (const place of [at - frameHeaderBytes + 5, at - frameHeaderBytes + 9, at + 250]) {
      await builder.overwrite(place, Uint8Array.of(whole[place]! ^ 0x10));
      for (let sequence = damaged - 9; sequence <= damaged + 9; sequence++) {
        if (sequence !== damaged) await assertGot(builder, orders, sequence, 500);
      }
      await assert.rejects(get(builder, orders, damaged), (error: RingwallError) => {
        assert.equal(error.code, "RINGWALL_DAMAGED");
        assert.deepEqual(error.details, { partition: "orders", firstSequence: damaged, lastSequence: damaged });
        return true;
      });
      await builder.overwrite(place, whole.subarray(place, place + 1));
    }
  }
});

test("what a record holds is never taken for another record, were it a whole frame with the right checksum for its place", async () => {
  await using builder = await LaneBuilder.create({ blockBytes: 256 * 1024 });
  const orders = builder.partition("orders");
  for (let count = 1; count <= 40; count++) {
    const used = [...Array(count - 1).keys()].reduce((sum) => sum + frameBytes(900), 0);
    const position = builder.index.endOffset + blockHeaderBytes + used + frameHeaderBytes;
    // The frame of the next record, as it would stand at this very place.
    const forged = new Memory(new ArrayBuffer(frameBytes(0)));
    forged.words.set([0, frameKind.data << 24, orders.id, 0, orders.lastSequence + 2, 0]);
    const { uuid, lane, segment, epoch } = builder;
    builder.kernels.sealFrames(forged, 0, frameBytes(0), blockSeed({ uuid, lane, segment, epoch }), position);
    const data = content(count, 900);
    data.set(forged.bytes, 0);
    await builder.append(orders, data);
  }
  await builder.cut();
  const seed = blockSeed({ uuid: builder.uuid, lane: builder.lane, segment: builder.segment, epoch: builder.epoch });
  const file = await readFile(builder.segmentPath());
  const memory = new Memory(file.buffer.slice(file.byteOffset, file.byteOffset + (file.length & ~7)));
  const blockStart = builder.index.firstOffset + alignment;
  const forgedAt = blockStart + blockHeaderBytes + frameHeaderBytes;
  assert.equal(builder.kernels.verifyFrames(memory, forgedAt, forgedAt + frameBytes(0), seed, forgedAt), forgedAt + frameBytes(0), "the forged frame verifies");
  for (let sequence = 1; sequence <= 40; sequence++) assert.equal((await get(builder, orders, sequence))?.data.length, 900);
});

test("truncated and appended anew while it is read: the old record is not returned any more", async () => {
  await using builder = await LaneBuilder.create();
  const orders = builder.partition("orders");
  for (let count = 0; count < 20; count++) await append(builder, orders, 300);
  await builder.cut();
  for (const [after, sequence] of [[14, 17], [9, 10]] as const) {
    builder.files.beforeRead = async () => {
      builder.files.beforeRead = null;
      await builder.truncate(orders, after);
      for (let again = after + 1; again <= 20; again++) await builder.append(orders, Buffer.from(`${String(after)}: anew ${String(again)}`));
      await builder.cut();
    };
    assert.equal(Buffer.from((await get(builder, orders, sequence))!.data).toString(), `${String(after)}: anew ${String(sequence)}`);
  }
  builder.files.beforeRead = async () => {
    builder.files.beforeRead = null;
    await builder.truncate(orders, 5);
  };
  assert.equal(await get(builder, orders, 6), undefined, "truncated, and not written anew");
});

test("trimmed, or its segment reused, while it is read: RINGWALL_TRIMMED; then dropped: RINGWALL_DROPPED", async () => {
  await using builder = await LaneBuilder.create();
  const orders = builder.partition("orders");
  for (let count = 0; count < 30; count++) await append(builder, orders, 300);
  await builder.rotate();
  await append(builder, orders, 300);
  await builder.cut();
  builder.files.beforeRead = async () => {
    builder.files.beforeRead = null;
    orders.trim(31);
    await builder.recycleFirst();
  };
  await assert.rejects(get(builder, orders, 12), { code: "RINGWALL_TRIMMED" });
  builder.files.beforeRead = () => {
    builder.files.beforeRead = null;
    builder.table.drop(orders);
  };
  await assert.rejects(get(builder, orders, 31), { code: "RINGWALL_DROPPED" });
});

test("a read that the device refuses is made page by page, as a walk's: the record is returned if its own pages can be read", async () => {
  await using builder = await LaneBuilder.create({ blockBytes: 256 * 1024 });
  const orders = builder.partition("orders");
  for (let count = 0; count < 40; count++) await append(builder, orders, 1000);
  await builder.cut();
  const whole = await readFile(builder.segmentPath());
  const lost = whole.indexOf(content(20, 1000)) & -alignment;
  builder.files.beforeRead = (position, bytes) => {
    if (position < lost + alignment && position + bytes > lost) throw new RingwallError("RINGWALL_IO", "EIO: cannot read");
  };
  let returned = 0;
  for (let sequence = 1; sequence <= 40; sequence++) {
    const at = whole.indexOf(content(sequence, 1000)) - frameHeaderBytes;
    if (at + frameBytes(1000) <= lost || at >= lost + alignment) {
      await assertGot(builder, orders, sequence, 1000);
      returned++;
    } else await assert.rejects(get(builder, orders, sequence), { code: "RINGWALL_DAMAGED" });
  }
  assert.ok(returned >= 34, String(returned));
});
