// The index file's encoding: whole, compact, and bounded on any bytes.

import assert from "node:assert/strict";
import { test } from "node:test";
import { inOneGo } from "#src/base/slices.js";
import { crc32c } from "#src/base/crc32c.js";
import { SegmentIndex } from "#src/core/segment-index.js";
import type { PartitionRun } from "#src/core/segment-runs.js";
import { decodeIndexBody, decodeIndexHeader, encodeIndexFile, indexHeaderBytes } from "#src/format/index-file.js";
import { varints } from "../fuzz/hostile.js";

const uuid = Uint8Array.from({ length: 16 }, (_, index) => 200 + index);
const baseTime = 1_700_000_000_000;

function decode(bytes: Uint8Array): SegmentIndex | null {
  const header = decodeIndexHeader(bytes);
  if (header === null) return null;
  const index = new SegmentIndex(header.segment, header.baseTime, header.firstOffset);
  Object.assign(index, { endOffset: header.endOffset, firstBlock: header.firstBlock, lastBlock: header.lastBlock, lastChecksum: header.lastChecksum });
  return decodeIndexBody(bytes, header, index) ? index : null;
}

function small(): SegmentIndex {
  const index = new SegmentIndex(7, baseTime, 4096);
  index.noteBlock(4096, 8192, 100, 3, 0xdeadbeef);
  index.run(5).note(2 ** 52 - 2, 4096, 64, 11, baseTime + 5);
  index.run(5).note(2 ** 52 - 1, 4096, 128, 12, baseTime + 9);
  index.noteBlock(12288, 64 * 1024, 101, 4, 0xffffffff);
  index.run(5).note(2 ** 52, 12288, 40_064, 1, baseTime + 9);
  index.run(70_000).note(1, 12288, 104, 0, baseTime + 2 ** 31);
  for (let count = 1; count <= 20; count++) index.run(80).note(count, 12288, 20_000 + count * 1048, 1000, baseTime);
  for (let count = 21; count <= 40; count++) index.run(80).note(count, 12288, 45_000 + count * 48, 20, baseTime);
  index.run(9).note(4, 12288, 200, 0, baseTime + 10);
  index.run(9).truncate(3);
  index.voids.push({ from: 12352, to: 12392 }, { from: 4160, to: 4200 });
  return index;
}

test("everything in the index comes back", () => {
  const index = small();
  const back = decode(inOneGo(encodeIndexFile(index, uuid, 31)));
  assert.ok(back !== null);
  assert.deepEqual(back.epochs, index.epochs);
  assert.deepEqual(back.voids, [...index.voids].reverse());
  assert.deepEqual([...back.runs.keys()], [5, 9, 80, 70_000]);
  for (const [partition, run] of index.runs) {
    const stored: PartitionRun = back.runs.get(partition)!;
    for (const field of ["firstSequence", "lastSequence", "records", "payloadBytes", "firstTime", "lastTime"] as const) assert.equal(stored[field], run[field], field);
    assert.equal(back.runs.get(partition)!.entryCount, run.entryCount);
    for (let entry = 0; entry < run.entryCount; entry++) assert.deepEqual(back.runs.get(partition)!.entry(entry), run.entry(entry));
  }
  assert.deepEqual([0, 1].map((entry) => index.runs.get(80)!.entry(entry).stride), [1048, 48]);
  const { segment, baseTime: time, firstOffset, endOffset, firstBlock, lastBlock, lastChecksum } = back;
  assert.deepEqual([segment, time, firstOffset, endOffset, firstBlock, lastBlock, lastChecksum], [7, baseTime, 4096, 12288 + 65536, 100, 101, 0xffffffff]);
});

test("moved records come back, stretch by stretch, also where sequences go back", () => {
  const index = small();
  const sequences = [7, 8, 9, 3, 4, 20, 8];
  for (const [at, sequence] of sequences.entries()) index.movedStretch(5, sequence).note(sequence, 12288, 304 * at, 10 + at, baseTime + 40);
  index.movedStretch(6, 1).note(1, 12288, 4096, 9, baseTime + 41);
  const back = decode(inOneGo(encodeIndexFile(index, uuid, 31)));
  assert.ok(back !== null);
  const known = (of: SegmentIndex): unknown => [...of.moved].map(([id, stretches]) => [id, stretches.map((stretch) => ({ ...stretch })), stretches.map((stretch) => stretch.entry(0))]);
  assert.deepEqual(known(back), known(index));
  assert.deepEqual(back.moved.get(5)!.map(({ firstSequence, lastSequence }) => [firstSequence, lastSequence]), [[7, 9], [3, 4], [20, 20], [8, 8]]);
  assert.deepEqual([...back.runs.keys()], [5, 9, 80, 70_000]);
});

test("the header alone tells log, lane, last epoch and newest record", () => {
  const header = decodeIndexHeader(inOneGo(encodeIndexFile(small(), uuid, 31)).subarray(0, indexHeaderBytes));
  assert.deepEqual([header?.uuid, header?.lane, header?.lastEpoch, header?.lastTime], [uuid, 31, 4, baseTime + 2 ** 31]);
});

test("any damaged bit, and any cut, makes the file invalid", () => {
  const good = inOneGo(encodeIndexFile(small(), uuid, 31));
  for (let bit = 0; bit < good.length * 8; bit++) {
    const bytes = good.slice();
    bytes[bit >>> 3]! ^= 1 << (bit & 7);
    assert.equal(decode(bytes), null, `bit ${String(bit)}`);
  }
  for (let length = 0; length < good.length; length++) assert.equal(decode(good.subarray(0, length)), null, `cut at ${String(length)}`);
  assert.equal(decode(new Uint8Array(4096)), null);
});

test("counts that the bytes don't hold end at the end of the bytes, even under good checksums", () => {
  const good = inOneGo(encodeIndexFile(small(), uuid, 31));
  const view = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset);
  for (const at of [108, 112, 116]) {
    const bytes = good.slice();
    view(bytes).setUint32(at, 0xffff_ffff, true);
    view(bytes).setUint32(8, crc32c(bytes, 0, 12, 128), true);
    assert.equal(decode(bytes), null, `count at ${String(at)}`);
  }
  // A body of continuation bytes, and one of huge numbers.
  for (const fill of [0xff, 0x7f]) {
    const bytes = good.slice();
    bytes.fill(fill, indexHeaderBytes);
    view(bytes).setUint32(92, crc32c(bytes, 0, indexHeaderBytes), true);
    view(bytes).setUint32(8, crc32c(bytes, 0, 12, 128), true);
    assert.equal(decode(bytes), null);
  }
});

test("what no segment holds is refused, under good checksums: places outside it or out of order, sequences and times beyond 2^52, epochs from nowhere", () => {
  const index = new SegmentIndex(7, baseTime, 4096);
  index.noteBlock(4096, 131_072, 100, 3, 1);
  for (let sequence = 1; sequence <= 2; sequence++) index.run(5).note(sequence, 4096, 64 + sequence * 40_000, 1, baseTime);
  const good = inOneGo(encodeIndexFile(index, uuid, 31));
  // Epoch: 1 page, number. Run: key, first, more, records, bytes, times, twice the entries; each entry: sequence, page, place.
  const sound = [1, 3, 10, 1, 1, 2, 2, 0, 0, 4, 1, 1, 5008, 1, 0, 10_008];
  const decoded = (numbers: readonly number[]): SegmentIndex | null => {
    const bytes = Buffer.concat([good.subarray(0, indexHeaderBytes), varints(numbers)]);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    view.setUint32(92, crc32c(bytes, 0, indexHeaderBytes), true);
    view.setUint32(104, bytes.length - indexHeaderBytes, true);
    view.setUint32(8, crc32c(bytes, 0, 12, indexHeaderBytes), true);
    return decode(bytes);
  };
  assert.deepEqual(decoded(sound), decode(good));
  assert.notEqual(decoded(sound), null);
  const wrong: readonly (readonly [at: number, value: number])[] = [
    [0, 0], [0, 2], [0, 100], [1, 2 ** 32], [2, 0], [2, 1], [2, 2 ** 33], [2, 2 ** 33 + 1], [3, 2 ** 52], [4, 2 ** 52], [4, 0], [7, 2 ** 52], [8, 2 ** 52], [10, 0], [10, 9], [11, 0], [11, 40], [12, 10_008], [12, 2 ** 21], [13, 0], [13, 2], [14, 40], [15, 5008], [15, 2 ** 40],
  ];
  for (const [at, value] of wrong) assert.equal(decoded(sound.map((number, index) => (index === at ? value : number))), null, `number ${String(at)} is ${String(value)}`);
  // With strides: of 9 records of which the second entry has 4. Up to the next entry and to the segment's end there is room for so much and no more.
  const strided = (first: number, second: number): number[] => [1, 3, 10, 1, 8, 9, 9, 0, 0, 5, 1, 1, 64, first, 5, 0, 564, second];
  for (const [first, second, isSound] of [[0, 0, true], [124, 1023, true], [125, 0, false], [124, 1024, false]] as const) {
    const read = decoded(strided(first, second));
    assert.equal(read !== null, isSound, `strides ${String(first)} and ${String(second)}`);
    if (read !== null) assert.deepEqual([0, 1].map((entry) => read.runs.get(5)!.entry(entry).stride), [8 * first, 8 * second]);
  }
  const late = (place: number): number[] => [1, 3, 10, 1, 1, 2, 2, 0, 0, 3, 1, 1, place, 100];
  assert.notEqual(decoded(late(16_283)), null);
  assert.equal(decoded(late(16_284)), null);
});

test("100 000 partitions and a million entries: below 12 bytes an entry", () => {
  const index = new SegmentIndex(1, baseTime, 4096);
  const runs = 100_000;
  let sequence = 0;
  for (let round = 0; round < 10; round++) {
    for (let partition = 1; partition <= runs; partition++) {
      if (sequence % 10 === 0) index.noteBlock(index.endOffset, 4096, 1 + sequence / 10, 1, sequence);
      const run = index.run(partition);
      // Every record lies far behind the one before of its partition.
      run.note(1000 + round, index.endOffset - 4096, 64 + 8 * (sequence % 10), 1, baseTime + round);
      sequence++;
    }
  }
  const bytes = inOneGo(encodeIndexFile(index, uuid, 0));
  assert.ok(bytes.length < 12e6, `${String(bytes.length)} bytes`);
  const back = decode(bytes);
  assert.equal(back?.runs.size, runs);
  assert.deepEqual(back?.runs.get(77_777)?.entryAtOrBefore(1004), index.runs.get(77_777)?.entryAtOrBefore(1004));
  assert.equal(back?.runs.get(100_000)?.entryCount, 10);
});
