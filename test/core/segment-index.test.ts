// The sparse index of a segment: any record is found at or a short way behind the place it names.

import assert from "node:assert/strict";
import { test } from "node:test";
import { entryDistanceBytes, PartitionRun, SegmentIndex } from "#src/core/segment-index.js";

const blockBytes = 64 * 1024;

/** Records of `bytes` each, back to back in blocks; returns where each lies. */
function fill(run: PartitionRun, count: number, bytes: number, firstSequence = 1, from = 4096): Map<number, number> {
  const places = new Map<number, number>();
  let position = from;
  for (let sequence = firstSequence; sequence < firstSequence + count; sequence++) {
    const blockOffset = position - (position % blockBytes);
    run.note(sequence, blockOffset, position - blockOffset, bytes, 1000 + sequence);
    places.set(sequence, position);
    position += bytes;
  }
  return places;
}

test("the place at or before a record is its own or at most the entry distance in front, whatever the sizes", () => {
  for (const bytes of [24, 1000, 5000, entryDistanceBytes, 3 * entryDistanceBytes]) {
    const run = new PartitionRun();
    const places = fill(run, 500, bytes);
    for (const [sequence, position] of places) {
      const place = run.placeAtOrBefore(sequence);
      assert.ok(place !== null && place.sequence <= sequence);
      const found = place.blockOffset + place.frameOffset;
      assert.equal(places.get(place.sequence), found);
      assert.ok(position - found < entryDistanceBytes, `${bytes}: ${position - found}`);
    }
    assert.ok(run.entryCount <= Math.ceil((500 * bytes) / entryDistanceBytes) + 1, "sparse");
    assert.equal(run.placeAtOrBefore(0), null);
    assert.equal(run.placeAtOrBefore(10_000)!.sequence, run.entry(run.entryCount - 1).sequence);
  }
});

test("counts, times and the range of a run", () => {
  const run = new PartitionRun();
  assert.deepEqual([run.firstSequence, run.lastSequence, run.records, run.payloadBytes], [0, 0, 0, 0]);
  fill(run, 10, 100, 41);
  assert.deepEqual([run.firstSequence, run.lastSequence, run.records, run.payloadBytes, run.firstTime, run.lastTime], [41, 50, 10, 1000, 1041, 1050]);
});

test("truncate forgets what is above, at every place, and a search never starts at a dead record", () => {
  for (let after = 0; after <= 101; after++) {
    const run = new PartitionRun();
    fill(run, 100, 3000);
    run.truncate(after);
    assert.deepEqual([run.firstSequence, run.lastSequence], after === 0 ? [0, 0] : [1, Math.min(after, 100)]);
    for (let index = 0; index < run.entryCount; index++) assert.ok(run.entry(index).sequence <= after);
    assert.equal(run.records, 100, "records ever written");
    const position = 4096 + 100 * 3000;
    const next = Math.min(after, 100) + 1;
    run.note(next, position, 0, 10, 5000);
    assert.deepEqual(run.placeAtOrBefore(next), { sequence: next, blockOffset: position, frameOffset: 0 });
    assert.equal(run.lastSequence, next);
  }
});

test("entries restored one by one are the same index", () => {
  const run = new PartitionRun();
  fill(run, 300, 2000);
  const again = new PartitionRun();
  for (let index = 0; index < run.entryCount; index++) again.restoreEntry(run.entry(index));
  for (let sequence = 1; sequence <= 300; sequence++) assert.deepEqual(again.placeAtOrBefore(sequence), run.placeAtOrBefore(sequence));
  assert.equal(again.entryPosition, run.entryPosition);
  for (const index of [-1, run.entryCount, 0.5]) if (Number.isInteger(index)) assert.throws(() => run.entry(index), { name: "RingwallAssertionError" });
});

test("blocks lie back to back; epochs are found by offset, from their first byte to the next one's", () => {
  const index = new SegmentIndex(7, 1000, 4096);
  for (const [offset, bytes, sequence, epoch] of [[4096, 4096, 100, 3], [8192, 8192, 101, 3], [16_384, 4096, 102, 5], [20_480, 4096, 103, 6]] as const) index.noteBlock(offset, bytes, sequence, epoch, sequence * 7);
  assert.deepEqual([index.firstBlock, index.lastBlock, index.lastChecksum, index.endOffset], [100, 103, 721, 24_576]);
  assert.deepEqual(index.epochs, [{ offset: 4096, epoch: 3 }, { offset: 16_384, epoch: 5 }, { offset: 20_480, epoch: 6 }]);
  for (const [offset, epoch] of [[4096, 3], [16_383, 3], [16_384, 5], [20_479, 5], [20_480, 6], [99_999, 6]] as const) assert.equal(index.epochAt(offset), epoch);
  assert.throws(() => index.epochAt(4095), RangeError);
  assert.throws(() => index.noteBlock(28_672, 4096, 104, 6, 0), { name: "RingwallAssertionError" });
});

test("voids: from their first byte, not their last", () => {
  const index = new SegmentIndex(1, 0, 4096);
  index.voids.push({ from: 5000, to: 6000 }, { from: 8000, to: 8008 });
  assert.deepEqual([4999, 5000, 5999, 6000, 7999, 8000, 8007, 8008].map((position) => index.isVoid(position)), [false, true, true, false, false, true, true, false]);
});

test("one run per partition", () => {
  const index = new SegmentIndex(1, 0, 4096);
  const run = index.run(5);
  assert.equal(index.run(5), run);
  assert.notEqual(index.run(6), run);
  assert.deepEqual([...index.runs.keys()], [5, 6]);
});
