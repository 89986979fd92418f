// The sparse index of a segment: any record is found where its entry's stride says, or at or a short way behind the entry.

import assert from "node:assert/strict";
import { test } from "node:test";
import { GrowingRuns, type GrowingRun } from "#src/core/growing-runs.js";
import { inOneGo } from "#src/base/slices.js";
import { decodeIndexBody, decodeIndexHeader, encodeIndexFile } from "#src/format/index-file.js";
import { PackedRuns } from "#src/core/packed-runs.js";
import { SegmentIndex } from "#src/core/segment-index.js";
import { entryDistanceBytes, exactPosition, strideSpanBytes, type PartitionRun } from "#src/core/segment-runs.js";
import { Random } from "../fuzz/random.js";

const blockBytes = 64 * 1024;

/** Records of `bytes` each, back to back in blocks; returns where each lies. */
function fill(run: GrowingRun, count: number, bytes: number, firstSequence = 1, from = 4096): Map<number, number> {
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

/** Of records at `places`: each is found, and a stride says nothing that is not so. */
function assertFound(run: PartitionRun, places: ReadonlyMap<number, number>): void {
  for (const [sequence, position] of places) {
    const place = run.entry(run.entryAtOrBefore(sequence));
    const found = place.blockOffset + place.frameOffset;
    assert.ok(place.sequence <= sequence);
    assert.equal(places.get(place.sequence), found);
    const exact = exactPosition(place, sequence);
    if (exact === null) assert.ok(position - found < entryDistanceBytes, `record ${sequence}: ${position - found}`);
    else assert.equal(exact, position, `record ${sequence}`);
  }
}

test("records of one size: their entry says where each of them is, and there is one in 64 KiB; from 8 KiB on each has its own", () => {
  for (const bytes of [24, 1000, 5000, entryDistanceBytes, 3 * entryDistanceBytes]) {
    const run = new SegmentIndex(1, 0, 4096).run(1);
    const places = fill(run, 500, bytes);
    assertFound(run, places);
    for (const sequence of places.keys()) assert.notEqual(exactPosition(run.entry(run.entryAtOrBefore(sequence)), sequence), null, `record ${sequence} of ${bytes} bytes`);
    assert.ok(run.entryCount <= (bytes < entryDistanceBytes ? Math.ceil((500 * bytes) / strideSpanBytes) + 1 : 500), `${run.entryCount} entries of ${bytes} bytes`);
    assert.equal(run.entryAtOrBefore(0), -1);
    assert.equal(run.entryAtOrBefore(10_000), run.entryCount - 1);
  }
});

test("a stride ends where a record lies elsewhere: far behind its entry it stays, near to it there is none", () => {
  const at = (positions: readonly number[]): unknown[] => {
    const run = new SegmentIndex(1, 0, 4096).run(1);
    positions.forEach((position, index) => { run.note(index + 1, 0, position, 10, 1); });
    assertFound(run, new Map(positions.map((position, index) => [index + 1, position])));
    return Array.from({ length: run.entryCount }, (_, entry) => [run.entry(entry).sequence, run.entry(entry).stride]);
  };
  // Its own entry, one more, and then blocks.
  assert.deepEqual(at([4160]), [[1, 0]]);
  assert.deepEqual(at([4160, 5160]), [[1, 1000]]);
  assert.deepEqual(at([4160, 5160, 6160, 8256, 9256]), [[1, 1000], [4, 1000]]);
  // In front of a block's first record another frame.
  assert.deepEqual(at([4200, 5200, 8256, 9256]), [[1, 1000], [3, 1000]]);
  // Another size, at once and later; the last one of a stride may be of any.
  assert.deepEqual(at([4160, 5160, 6168, 7168]), [[1, 0]]);
  assert.deepEqual(at([4160, 5160, 6160, 7160, 8160, 9168, 10_168]), [[1, 1000], [6, 1000]]);
  assert.deepEqual(at([4160, 5160, 7160, 12_352, 20_352]), [[1, 0], [4, 8000]]);
  // Every span has an entry, but one right in front of it.
  assert.deepEqual(at([64_064, 65_064, 66_064, 67_064]), [[1, 1000]]);
  assert.deepEqual(at([60_064, 62_064, 64_064, 66_064, 68_064]), [[1, 2000], [4, 2000]]);
});

test("records that are missing end a stride, also where the next one lies as if it went on", () => {
  for (const [positions, entries] of [
    [[[1, 4160], [2, 5160], [3, 6160], [5, 7160], [6, 8160]], [[1, 0]]],
    [[[1, 4160], [2, 6160], [3, 8160], [5, 10_160], [6, 12_160]], [[1, 0]]],
    [[[1, 4160], [2, 6160], [3, 8160], [5, 12_352], [6, 14_352]], [[1, 0], [5, 2000]]],
  ] as const) {
    const run = new SegmentIndex(1, 0, 4096).run(1);
    for (const [sequence, position] of positions) run.note(sequence, 0, position, 10, 1);
    assertFound(run, new Map(positions));
    assert.deepEqual(Array.from({ length: run.entryCount }, (_, entry) => [run.entry(entry).sequence, run.entry(entry).stride]), entries);
  }
});

test("counts, times and the range of a run", () => {
  const run = new SegmentIndex(1, 0, 4096).run(1);
  assert.deepEqual([run.firstSequence, run.lastSequence, run.records, run.payloadBytes], [0, 0, 0, 0]);
  fill(run, 10, 100, 41);
  assert.deepEqual([run.firstSequence, run.lastSequence, run.records, run.payloadBytes, run.firstTime, run.lastTime], [41, 50, 10, 1000, 1041, 1050]);
});

test("truncate forgets what is above, at every place, and a search never starts at a dead record", () => {
  for (let after = 0; after <= 101; after++) {
    const run = new SegmentIndex(1, 0, 4096).run(1);
    const places = fill(run, 100, 3000);
    run.truncate(after);
    assert.deepEqual([run.firstSequence, run.lastSequence], after === 0 ? [0, 0] : [1, Math.min(after, 100)]);
    for (let index = 0; index < run.entryCount; index++) assert.ok(run.entry(index).sequence <= after);
    assertFound(run, new Map([...places].filter(([sequence]) => sequence <= after)));
    assert.equal(run.records, 100, "records ever written");
    const position = 4096 + 100 * 3000;
    const next = Math.min(after, 100) + 1;
    run.note(next, position, 0, 10, 5000);
    assert.deepEqual(run.entry(run.entryAtOrBefore(next)), { sequence: next, blockOffset: position, frameOffset: 0, stride: 0 });
    assert.equal(run.lastSequence, next);
    assertFound(run, new Map([...places].filter(([sequence]) => sequence < next)).set(next, position));
  }
});

test("truncated, then trimmed beyond its end: no stride tells of the records between, and the index file can be read", () => {
  for (const after of [1, 2, 3, 4]) {
    const index = new SegmentIndex(1, 0, 4096);
    index.noteBlock(4096, 8192, 1, 1, 0);
    const run = index.run(1);
    for (let sequence = 1; sequence <= 4; sequence++) run.note(sequence, 4096, 64 + 2000 * (sequence - 1), 10, 1);
    run.truncate(after);
    run.note(after + 3, 4096, 8064, 10, 1);
    assert.deepEqual(run.entry(run.entryCount - 1), { sequence: after + 3, blockOffset: 4096, frameOffset: 8064, stride: 0 });
    assert.equal(run.entry(run.entryAtOrBefore(after)).stride, 0);
    const bytes = inOneGo(encodeIndexFile(index, new Uint8Array(16), 0));
    const read = new SegmentIndex(1, 0, 4096);
    assert.ok(decodeIndexBody(bytes, decodeIndexHeader(bytes)!, read), `truncated after ${String(after)}`);
    assert.deepEqual(shown(read.pack()), shown(index.pack()));
  }
});

function shown(runs: Iterable<readonly [number, PartitionRun]>): unknown[] {
  return [...runs].map(([key, run]) => [
    key, run.firstSequence, run.lastSequence, run.records, run.payloadBytes, run.firstTime, run.lastTime,
    Array.from({ length: run.entryCount }, (_, entry) => run.entry(entry)),
  ]);
}

test("many runs, filled in turn, truncated and packed, are those of a plain list", (t) => {
  const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31));
  t.diagnostic(`SEED=${seed} replays this`);
  const random = new Random(seed);
  const index = new SegmentIndex(1, 0, 4096);
  const lists = new Map<number, { sequence: number; position: number }[]>();
  const keys = Array.from({ length: 300 }, () => 1 + random.below(2 ** random.pick([9, 20, 32]) - 1));
  let position = 4096;
  for (let step = 0; step < 20_000; step++) {
    const key = step % 100 < 60 ? keys[step % 3]! : random.pick(keys);
    const list = lists.get(key) ?? [];
    lists.set(key, list);
    if (random.below(50) === 0) {
      const after = random.below((list.at(-1)?.sequence ?? 0) + 2);
      index.run(key).truncate(after);
      while (list.length > 0 && list.at(-1)!.sequence > after) list.pop();
      continue;
    }
    const bytes = random.pick([1000, 1000, 1000, 8 * random.below(random.pick([50, 3 * entryDistanceBytes / 8]))]);
    const sequence = (list.at(-1)?.sequence ?? 0) + 1;
    index.run(key).note(sequence, position - (position % blockBytes), position % blockBytes, bytes, step);
    list.push({ sequence, position });
    position += 24 + bytes;
  }
  const growing = shown(index.runs);
  let strides = 0;
  assert.deepEqual([...index.runs.keys()], [...lists.keys()].sort((a, b) => a - b));
  index.pack();
  assert.deepEqual(shown(index.runs), growing);
  for (const [key, list] of lists) {
    const run = index.runs.get(key)!;
    assert.deepEqual([run.firstSequence, run.lastSequence], list.length === 0 ? [0, 0] : [1, list.length]);
    assertFound(run, new Map(list.map(({ sequence, position: wanted }) => [sequence, wanted])));
    for (let entry = 0; entry < run.entryCount; entry++) if (run.entry(entry).stride > 0) strides++;
  }
  assert.ok(strides > 100, `${strides} strides`);
  assert.deepEqual([index.runs.get(2 ** 32 - 1), index.runs.get(0)], [undefined, undefined]);
  assert.throws(() => index.run(1), { name: "RingwallAssertionError" });
});

test("a look at a run goes on showing what is there; one of a run that is packed meanwhile shows what was", () => {
  const index = new SegmentIndex(1, 0, 4096);
  fill(index.run(7), 3, 100);
  const look = index.runs.get(7)!;
  index.run(7).note(4, 0, 5000, 100, 9);
  assert.equal(look.lastSequence, 4);
  index.pack();
  assert.deepEqual([look.lastSequence, index.runs.get(7)!.lastSequence], [4, 4]);
  for (const run of [look, index.runs.get(7)!]) for (const entry of [-1, run.entryCount]) assert.throws(() => run.entry(entry), { name: "RingwallAssertionError" });
});

test("100 000 packed runs of one record take at most 25 bytes each, and 8 times that while they grow", () => {
  const growing = new GrowingRuns();
  for (let key = 1; key <= 100_000; key++) {
    const slot = growing.open(2 * ((key * 7919) % 100_003));
    const position = 4096 + key * 1048;
    assert.ok(growing.note(slot, 5 + (key % 100), position, 1000, 1.7e12 + key));
    growing.addEntry(slot, 5 + (key % 100), position - (position % 524_288), position % 524_288);
  }
  const packed = inOneGo(PackedRuns.of(growing));
  assert.equal(packed.size, 100_000);
  assert.ok(packed.bytes <= 25 * 100_000, `${packed.bytes}`);
  assert.ok(growing.bytes <= 200 * 100_000, `${growing.bytes}`);
});

test("packing in slices: none is reckoned long, reads see the runs meanwhile, and who packs at once in between wins", () => {
  const scattered = (): SegmentIndex => {
    const index = new SegmentIndex(1, 0, 4096);
    for (let at = 0; at < 50_000; at++) fill(index.run(1 + ((at * 7919) % 50_021)), 1, 100);
    return index;
  };
  const atOnce = scattered();
  const wanted = atOnce.pack();
  const shown = (runs: Iterable<readonly [number, PartitionRun]>): unknown[] => [...runs].map(([key, { firstSequence, entryCount }]) => [key, firstSequence, entryCount]);
  const sliced = scattered();
  const work = sliced.packing();
  const slices: number[] = [];
  let step = work.next();
  for (; step.done !== true; step = work.next()) {
    slices.push(step.value);
    assert.equal(sliced.runs.get(50_020)?.records, 1);
  }
  assert.ok(slices.length > 20 && Math.max(...slices) <= 300_000, slices.join());
  assert.deepEqual(shown(step.value), shown(wanted));
  const both = scattered();
  const late = both.packing();
  for (let at = 0; at < 5; at++) late.next();
  const first = both.pack();
  assert.equal(inOneGo(late), first);
  assert.equal(both.pack(), first);
});

test("a run that begins unseen is found all the same, also beside those that were looked up, and twice is refused", () => {
  const growing = new GrowingRuns(10);
  const slots = new Map<number, number>();
  for (let key = 1; key <= 5000; key++) {
    slots.set(key * 3, key % 2 === 0 ? growing.begin(key * 3) : growing.open(key * 3));
    if (key % 700 === 0) assert.equal(growing.open(key * 3), slots.get(key * 3));
  }
  for (const [key, slot] of slots) assert.equal(growing.open(key), slot);
  assert.equal(growing.get(4), undefined);
  growing.begin(3);
  assert.throws(() => growing.get(3), { name: "RingwallAssertionError" });
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

test("one run per key, by ascending keys", () => {
  const index = new SegmentIndex(1, 0, 4096);
  fill(index.run(6), 2, 100);
  fill(index.run(5), 1, 100);
  fill(index.run(6), 1, 100, 3);
  assert.deepEqual([...index.runs].map(([key, { records }]) => [key, records]), [[5, 1], [6, 3]]);
  assert.deepEqual([[...index.runs.values()].length, index.runs.size], [2, 2]);
});
