// Reading what is damaged: each class of damage, at every kind of place, with each kernel. What is returned is always
// right; what can't be returned is named exactly.

import assert from "node:assert/strict";
import { readFile, unlink, writeFile } from "node:fs/promises";
import { suite, test } from "node:test";
import { RingwallError } from "#src/base/errors.js";
import type { PartitionState } from "#src/core/partition-table.js";
import { frameHeaderBytes } from "#src/format/frame.js";
import { nativeKernels, portableKernels, type Kernels } from "#src/format/kernels.js";
import { get, readBatches, type LogRecord } from "#src/log/reader.js";
import { loadNative } from "#src/native/binding.js";
import { alignment, LaneBuilder } from "./lane-builder.js";

const native = loadNative();
const kernelsUnderTest: readonly (readonly [string, Kernels | null])[] = [
  ["portable", portableKernels],
  ["native", native.kind === "loaded" ? nativeKernels(native.binding) : null],
];

interface Lost {
  readonly partition: string;
  readonly firstSequence: number;
  readonly lastSequence: number;
}

interface Salvage {
  readonly read: Set<number>;
  readonly lost: RingwallError[];
}

function content(sequence: number, bytes: number): Uint8Array {
  return new Uint8Array(bytes).map((_, at) => (sequence * 31 + at * 7) & 0xff);
}

function assertRight(record: LogRecord, bytesOf: (sequence: number) => number): void {
  assert.ok(Buffer.from(record.data).equals(content(record.seq, bytesOf(record.seq))), `content of record ${record.seq}`);
}

/** Reads everything that can be read, going on behind each loss. */
async function salvage(builder: LaneBuilder, state: PartitionState, bytesOf: (sequence: number) => number): Promise<Salvage> {
  const result: Salvage = { read: new Set(), lost: [] };
  let from = 1;
  for (;;) {
    try {
      for await (const records of readBatches(builder, state, { from })) {
        for (const record of records) {
          assert.equal(record.seq, from++, "sequences are contiguous");
          assertRight(record, bytesOf);
          result.read.add(record.seq);
        }
      }
      return result;
    } catch (error) {
      assert.ok(error instanceof RingwallError && error.code === "RINGWALL_DAMAGED", String(error));
      const lost = error.details as Lost;
      assert.equal(lost.partition, state.name);
      assert.equal(lost.firstSequence, from, "the lost range begins behind the last record that was read");
      assert.ok(lost.lastSequence >= lost.firstSequence);
      result.lost.push(error);
      from = lost.lastSequence + 1;
    }
  }
}

async function assertGetsAgree(builder: LaneBuilder, state: PartitionState, salvaged: Salvage, bytesOf: (sequence: number) => number): Promise<void> {
  for (let sequence = 1; sequence <= state.lastSequence; sequence++) {
    if (salvaged.read.has(sequence)) assertRight((await get(builder, state, sequence))!, bytesOf);
    else {
      await assert.rejects(get(builder, state, sequence), (error: RingwallError) => {
        assert.equal(error.code, "RINGWALL_DAMAGED");
        assert.equal((error.details as Lost).firstSequence, sequence);
        return true;
      });
    }
  }
}

const bytesOf = (sequence: number): number => 120 + ((sequence * 37) % 400);

/** Two partitions, small blocks, two segments, two epochs. Returns the partition under test. */
async function buildLane(builder: LaneBuilder): Promise<PartitionState> {
  const orders = builder.partition("orders");
  const other = builder.partition("other");
  for (let index = 0; index < 150; index++) {
    const sequence = orders.lastSequence + 1;
    await builder.append(orders, content(sequence, bytesOf(sequence)));
    await builder.append(other, content(index, 90));
    if (index % 40 === 39) await builder.cut();
    if (index === 70) await builder.beginEpoch();
    if (index === 100) await builder.rotate();
  }
  await builder.cut();
  return orders;
}

for (const [name, kernels] of kernelsUnderTest) {
  suite(`reading damaged logs, ${name} kernels`, { skip: kernels === null ? "the native addon did not load" : false }, () => {
    const create = (blockBytes = 16_384): Promise<LaneBuilder> => LaneBuilder.create({ kernels: kernels ?? portableKernels, blockBytes });

    test("one flipped bit anywhere: every record is right or named as lost, and all others are read", async () => {
      await using builder = await create();
      const orders = await buildLane(builder);
      const segment = builder.segmentIds[0]!;
      const whole = await readFile(builder.segmentPath(segment));
      let losses = 0;
      for (let at = alignment; at < whole.length; at += 211) {
        await builder.overwrite(at, Uint8Array.of(whole[at]! ^ (1 << at % 8)), segment);
        const { read, lost } = await salvage(builder, orders, bytesOf);
        assert.ok(read.size >= 149, `a bit at ${at} costs one record at most, not ${150 - read.size}`);
        assert.equal(read.size + lost.length, 150, "no loss is named for a record that can be read");
        for (const error of lost) {
          losses++;
          assert.equal(error.place.segment, segment);
          assert.ok(Math.abs(error.place.offset! - at) < 1000, `the place ${error.place.offset} is near the damage at ${at}`);
        }
        await builder.overwrite(at, whole.subarray(at, at + 1), segment);
      }
      assert.ok(losses > 100, `${losses} losses were found`);
      assert.equal((await salvage(builder, orders, bytesOf)).read.size, 150);
    });

    for (const [kind, fill] of [["zeros", 0], ["ones", 0xff]] as const) {
      test(`a page of ${kind} costs that page's records only`, async () => {
        await using builder = await create();
        const orders = await buildLane(builder);
        const segment = builder.segmentIds[0]!;
        const whole = await readFile(builder.segmentPath(segment));
        for (let at = alignment; at < whole.length; at += alignment) {
          await builder.overwrite(at, new Uint8Array(alignment).fill(fill), segment);
          const salvaged = await salvage(builder, orders, bytesOf);
          assert.ok(salvaged.read.size > 150 - 20, `${salvaged.read.size} records read with the page at ${at} lost`);
          await assertGetsAgree(builder, orders, salvaged, bytesOf);
          await builder.overwrite(at, whole.subarray(at, at + alignment), segment);
        }
      });
    }

    test("a frame header of wild bytes in a block that is entered in its middle costs its record only", async () => {
      await using builder = await create(256 * 1024);
      const orders = builder.partition("orders");
      while (orders.lastSequence < 400) await builder.append(orders, content(orders.lastSequence + 1, bytesOf(orders.lastSequence + 1)));
      await builder.cut();
      const whole = await readFile(builder.segmentPath(builder.segmentIds[0]!));
      // An index entry lies 32 KiB behind the block's begin: who reads from here on starts at a frame, not at a header.
      const from = 250;
      const payload = Buffer.from(content(from + 10, bytesOf(from + 10)));
      const at = whole.indexOf(Buffer.concat([Buffer.from([from + 10 - 256, 1, 0, 0, 0, 0, 0, 0]), payload])) + 8 - frameHeaderBytes;
      await builder.overwrite(at, whole.subarray(at, at + 16).map((byte) => byte ^ 0xff));
      const read: number[] = [];
      await assert.rejects(async () => {
        for await (const records of readBatches(builder, orders, { from })) read.push(...records.map((record) => record.seq));
      }, (error: RingwallError) => {
        assert.deepEqual(error.details, { partition: "orders", firstSequence: from + 10, lastSequence: from + 10 });
        return true;
      });
      assert.deepEqual(read, Array.from({ length: 10 }, (_, index) => from + index));
    });

    test("a block copied to another place, or out of another segment, is not taken for what belongs there", async () => {
      await using builder = await create();
      const orders = await buildLane(builder);
      const [first, second] = builder.segmentIds as [number, number];
      const from = await readFile(builder.segmentPath(first));
      const page = from.subarray(2 * alignment, 3 * alignment);
      await builder.overwrite(3 * alignment, page, first);
      await builder.overwrite(2 * alignment, page, second);
      const salvaged = await salvage(builder, orders, bytesOf);
      assert.equal(salvaged.lost.length, 2);
      assert.deepEqual(salvaged.lost.map((error) => error.place.segment), [first, second]);
      await assertGetsAgree(builder, orders, salvaged, bytesOf);
    });

    test("a segment cut short, and one that is gone", async () => {
      await using builder = await create();
      const orders = await buildLane(builder);
      const [first, second] = builder.segmentIds as [number, number];
      const whole = await readFile(builder.segmentPath(first));
      await writeFile(builder.segmentPath(first), whole.subarray(0, 3 * alignment));
      const salvaged = await salvage(builder, orders, bytesOf);
      assert.equal(salvaged.lost.length, 1);
      const inFirst = builder.indexes.get(first)!.runs.get(orders.id)!.lastSequence;
      assert.equal((salvaged.lost[0]!.details as Lost).lastSequence, inFirst);
      await writeFile(builder.segmentPath(first), whole);
      await unlink(builder.segmentPath(second));
      const { segmentFilesOf } = await import("#src/log/segment-files.js");
      segmentFilesOf(builder).forget(second);
      const rest = await salvage(builder, orders, bytesOf);
      assert.equal(rest.read.size, inFirst);
      assert.deepEqual(rest.lost[0]!.details, { partition: "orders", firstSequence: inFirst + 1, lastSequence: 150 });
      assert.equal((rest.lost[0]!.cause as RingwallError).code, "RINGWALL_NOT_FOUND");
    });

    test("a fragment lost in the middle costs its record, not the next", async () => {
      await using builder = await create(8192);
      const orders = builder.partition("orders");
      const large = (sequence: number): number => (sequence === 5 || sequence === 9 ? 50_000 : 200);
      for (let sequence = 1; sequence <= 12; sequence++) {
        builder.rotateInRecord = sequence === 9;
        await builder.append(orders, content(sequence, large(sequence)));
      }
      await builder.cut();
      const first = builder.segmentIds[0]!;
      const file = await readFile(builder.segmentPath(first));
      for (let at = 3 * alignment; at < 10 * alignment; at += alignment) {
        await builder.overwrite(at, new Uint8Array(512), first);
        const salvaged = await salvage(builder, orders, large);
        assert.deepEqual(salvaged.lost.map((error) => error.details), [{ partition: "orders", firstSequence: 5, lastSequence: 5 }]);
        await assertGetsAgree(builder, orders, salvaged, large);
        await builder.overwrite(at, file.subarray(at, at + 512), first);
      }
      const middle = builder.segmentIds[2]!;
      await builder.overwrite(2 * alignment, new Uint8Array(512), middle);
      const salvaged = await salvage(builder, orders, large);
      assert.deepEqual(salvaged.lost.map((error) => error.details), [{ partition: "orders", firstSequence: 9, lastSequence: 9 }]);
      await assertGetsAgree(builder, orders, salvaged, large);
    });

    test("a page that the device can't read costs its records, and the error names the device's", async () => {
      await using builder = await create();
      const orders = await buildLane(builder);
      const bad = 5 * alignment;
      builder.files.beforeRead = (position, bytes) => {
        if (position < bad + alignment && position + bytes > bad) throw new RingwallError("RINGWALL_IO", "EIO");
      };
      const salvaged = await salvage(builder, orders, bytesOf);
      // Both segments have such a page, as far as they reach.
      assert.ok(salvaged.lost.length >= 1 && salvaged.read.size > 110);
      for (const error of salvaged.lost) assert.equal((error.cause as RingwallError).code, "RINGWALL_IO");
      await assertGetsAgree(builder, orders, salvaged, bytesOf);
    });

    test("the last records of a segment lost: the next segment is read on", async () => {
      await using builder = await create();
      const orders = await buildLane(builder);
      const first = builder.segmentIds[0]!;
      const { endOffset, runs } = builder.indexes.get(first)!;
      await builder.overwrite(endOffset - alignment, new Uint8Array(alignment), first);
      const salvaged = await salvage(builder, orders, bytesOf);
      assert.equal(salvaged.lost.length, 1);
      assert.equal((salvaged.lost[0]!.details as Lost).lastSequence, runs.get(orders.id)!.lastSequence);
      await assertGetsAgree(builder, orders, salvaged, bytesOf);
    });
  });
}
