// What of a lane's sealed segments is alive: counted in slices, while partitions are trimmed, truncated and dropped, and segments freed.

import assert from "node:assert/strict";
import { test } from "node:test";
import { inOneGo } from "#src/base/slices.js";
import { LiveBytes } from "#src/core/live-bytes.js";
import { lastLive } from "#src/core/living-segment.js";
import { PartitionTable, type PartitionState } from "#src/core/partition-table.js";
import { SegmentIndex } from "#src/core/segment-index.js";
import { seeded } from "../log/log-fixture.js";

/** Segments of as many partitions, each with `records` of each, and some moved ones of others. */
function lane(partitions: number, segments: number, records: number): { readonly table: PartitionTable; readonly indexes: SegmentIndex[] } {
  const table = new PartitionTable();
  for (let id = 1; id <= partitions; id++) table.define(id, `p${id}`);
  const indexes: SegmentIndex[] = [];
  for (let segment = 1; segment <= segments; segment++) {
    const index = new SegmentIndex(segment, 0, 4096);
    for (let id = partitions; id >= 1; id--) {
      const state = table.byId(id)!;
      if (id % 7 === segment % 7) {
        for (let sequence = 1; sequence <= Math.min(2, state.lastSequence); sequence++) index.movedStretch(id, sequence).note(sequence, 4096, 64, 200, 1);
        continue;
      }
      for (let count = 0; count < records; count++) index.run(id).note(++state.lastSequence, 4096, 64 + 8 * id, 100 + id % 50, 1);
      state.placedSequence = state.lastSequence;
    }
    index.noteBlock(4096, 4096 * (records + partitions), segment, 1, 1);
    indexes.push(index);
  }
  return { table, indexes };
}

/** By looking at everything. */
function liveRecords(table: PartitionTable, index: SegmentIndex, id: number): number {
  const state = table.byId(id);
  if (state === undefined) return 0;
  const count = (first: number, last: number, isMoved: boolean): number => Math.max(0, lastLive(state, index.segment, last, isMoved) - Math.max(first, state.firstSequence) + 1);
  const run = index.runs.get(id);
  const stretches = index.moved.get(id) ?? [];
  return (run === undefined ? 0 : count(run.firstSequence, run.lastSequence, false)) + stretches.reduce((sum, stretch) => sum + count(stretch.firstSequence, stretch.lastSequence, true), 0);
}

test("nothing trimmed: all that is used is alive; all trimmed: nothing is", () => {
  const { table, indexes } = lane(3000, 3, 2);
  for (const index of indexes) index.moved.clear();
  const bytes = new LiveBytes();
  for (const index of indexes) inOneGo(bytes.add(index, table));
  const used = indexes.reduce((sum, { endOffset }) => sum + endOffset, 0);
  assert.equal(bytes.used, used);
  assert.ok(Math.abs(bytes.live - used) < used / 1e5, `${bytes.live} of ${used}`);
  for (const state of table) {
    state.trim(state.lastSequence + 1);
    bytes.handleTrim(state);
  }
  assert.ok(Math.abs(bytes.live) < 1, `${bytes.live}`);
  for (const index of indexes) bytes.forget(index);
  assert.deepEqual([bytes.used, Math.abs(bytes.live) < 1], [0, true]);
});

test("what happens between two slices counts as if it had come before or after: trims, truncations, drops, a freed segment, a second count", (t) => {
  const random = seeded(t);
  const { table, indexes } = lane(3000, 5, 3);
  const bytes = new LiveBytes();
  const touch = (state: PartitionState): void => {
    const kind = random(4);
    if (kind === 0) {
      state.trim(state.firstSequence + random(state.lastSequence - state.firstSequence + 2));
      bytes.handleTrim(state);
    } else if (kind === 1 && state.lastSequence >= state.firstSequence) {
      state.truncate({ segment: 6, offset: 4096, after: state.firstSequence - 1 + random(state.lastSequence - state.firstSequence + 2) });
      bytes.handleTruncate(state);
    } else if (kind === 2 && random(10) === 0) {
      bytes.handleDrop(state);
      table.drop(state);
    }
  };
  const touchSome = (): void => {
    for (let count = 0; count < 60; count++) {
      const state = table.byId(1 + random(3000));
      if (state !== undefined) touch(state);
    }
  };
  let usedBefore = 0;
  for (const index of [...indexes.slice(2), ...indexes.slice(0, 2)]) {
    let slices = 0;
    for (const nanos of bytes.add(index, table)) {
      slices++;
      assert.ok(nanos <= 300_000);
      assert.equal(bytes.used, usedBefore, "what it uses counts last");
      assert.equal(bytes.segment(index.segment), undefined);
      inOneGo(bytes.add(index, table));
      touchSome();
      if (index.segment === 2 && slices === 4) bytes.forget(index);
    }
    assert.ok(slices >= 4);
    if (index.segment !== 2) usedBefore += index.endOffset;
    assert.equal(bytes.used, usedBefore);
  }
  assert.equal(bytes.segment(2), undefined);
  touchSome();
  let live = 0;
  for (const index of indexes) {
    if (index.segment === 2) continue;
    let each = 0;
    for (let id = 1; id <= 3000; id++) {
      const of = bytes.bytesOf(id, [index.segment]);
      // Of a few, exactly as many records as are alive; their bytes differ by partition.
      if (liveRecords(table, index, id) === 0) assert.ok(Math.abs(of) < 1e-6, `${of} bytes of ${id} in ${index.segment}`);
      else assert.ok(of > 0, `${id} in ${index.segment}`);
      each += of;
    }
    assert.ok(Math.abs(each - bytes.segment(index.segment)!.live) < 1e-3);
    live += each;
  }
  assert.ok(Math.abs(live - bytes.live) < 1e-3, `${live} and ${bytes.live}`);
});
