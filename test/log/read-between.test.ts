// What changes in a log between two steps of a reader: while it looks for a segment, and while it waits for another tail.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { PartitionState } from "#src/core/partition-table.js";
import { read, tailBatches } from "#src/log/reader.js";
import { LaneBuilder } from "./lane-builder.js";

function content(sequence: number, version = 0): Uint8Array {
  return new Uint8Array(200).fill((sequence + 100 * version) & 0xff);
}

async function fill(builder: LaneBuilder, state: PartitionState, count: number, version = 0): Promise<void> {
  for (let index = 0; index < count; index++) await builder.append(state, content(state.lastSequence + 1, version));
  await builder.cut();
}

/** Before the index of a segment is loaded next, `action` runs. */
function whenLoaded(builder: LaneBuilder, segment: number, action: () => Promise<void>): void {
  const load = builder.segmentIndex.bind(builder);
  let isDone = false;
  builder.segmentIndex = async (asked) => {
    if (asked === segment && !isDone) {
      isDone = true;
      await action();
    }
    return load(asked);
  };
}

/** The index of a segment is not in memory until it was loaded. */
function hideIndex(builder: LaneBuilder, segment: number): void {
  const [known, load] = [builder.knownIndex.bind(builder), builder.segmentIndex.bind(builder)];
  let isHidden = true;
  builder.knownIndex = (asked) => (asked === segment && isHidden ? undefined : known(asked));
  builder.segmentIndex = (asked) => {
    if (asked === segment) isHidden = false;
    return load(asked);
  };
}

test("records that are truncated and written anew while their segment is looked for are read as they are now, and not called lost", async () => {
  await using builder = await LaneBuilder.create();
  const orders = builder.partition("orders");
  await fill(builder, orders, 10);
  await builder.rotate();
  await fill(builder, orders, 10);
  // The search meets segment 2 while it names nothing; then it looks for moved records, in segment 1 first.
  hideIndex(builder, 2);
  whenLoaded(builder, 2, () => builder.truncate(orders, 10));
  whenLoaded(builder, 1, () => fill(builder, orders, 5, 1));
  const seen: number[] = [];
  for await (const { seq, data } of read(builder, orders, { from: 11, to: 15 })) {
    assert.deepEqual(Buffer.from(data), Buffer.from(content(seq, 1)));
    seen.push(seq);
  }
  assert.deepEqual(seen, [11, 12, 13, 14, 15]);
});

test("a truncation below the place at which two tails wait is told to both", async () => {
  await using builder = await LaneBuilder.create();
  const orders = builder.partition("orders");
  await fill(builder, orders, 10);
  const tails = [1, 2].map(() => tailBatches(builder, orders, { from: 11 }));
  const pending = tails.map((tail) => tail.next());
  while (builder.waiters.length < 1) await builder.waited();
  await builder.truncate(orders, 8);
  await fill(builder, orders, 5, 1);
  for (const next of pending) await assert.rejects(next, { code: "RINGWALL_NOT_FOUND", details: { partition: "orders", truncatedAfter: 8 } });
});

test("a truncation that comes while a tail ends for another one is told as well: by the lowest of both", async () => {
  await using builder = await LaneBuilder.create();
  const orders = builder.partition("orders");
  await fill(builder, orders, 8000);
  const tail = tailBatches(builder, orders, { from: 1 });
  const held: (() => void)[] = [];
  let reads = 0;
  // What is read ahead, from the third window on, is held up.
  builder.files.beforeRead = () => (++reads < 3 ? undefined : new Promise<void>((resolve) => void held.push(resolve)));
  let last = 0;
  while (held.length === 0) last = (await tail.next()).value!.at(-1)!.seq;
  builder.files.beforeRead = null;
  await builder.truncate(orders, last - 10);
  const next = tail.next();
  await builder.truncate(orders, last - 20);
  await fill(builder, orders, 100, 1);
  for (const read of held) read();
  await assert.rejects(next, { code: "RINGWALL_NOT_FOUND", details: { partition: "orders", truncatedAfter: last - 20 } });
});
