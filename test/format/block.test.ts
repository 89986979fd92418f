// The block header: every field comes back, every bit counts, and nothing implausible passes, checksum or not.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  blockBytesMax, blockChecksum, blockEpochUnverified, blockFlag, blockHeaderBytes, decodeBlockHeader, encodeBlockHeader, hasBlockMagic, pageBytes, type BlockHeader,
} from "#src/format/block.js";
import { Memory } from "#src/format/memory.js";
import { blockSeed } from "#src/format/seed.js";
import { uuid, withEachBitFlipped } from "./bits.js";

const seed = blockSeed({ uuid, lane: 0, segment: 1, epoch: 9 });
const position = 2 ** 32 + 8192;
const largest = 2 ** 52;

const ordinary: BlockHeader = {
  sequence: 1_000_001, horizon: 1_000_000, epoch: 9, blockBytes: 3 * pageBytes, dataBytes: 9000, frameCount: 10, baseTime: 1_700_000_000_123, previousChecksum: 0x8000_0001, flags: 0,
};

const headers: readonly BlockHeader[] = [
  ordinary,
  { ...ordinary, sequence: 1, horizon: 0, epoch: 0, blockBytes: pageBytes, dataBytes: 0, frameCount: 0, baseTime: 0, previousChecksum: 0 },
  { ...ordinary, sequence: largest, horizon: largest - 1, epoch: 0xffff_ffff, blockBytes: blockBytesMax, dataBytes: blockBytesMax - 64, frameCount: 24, baseTime: 2 ** 51, previousChecksum: 0xffff_ffff, flags: 0xffff_ffff },
  ...Object.values(blockFlag).map((flags) => ({ ...ordinary, flags })),
];

function encoded(header: BlockHeader, start = 0): Memory {
  const memory = new Memory(new ArrayBuffer(start + blockHeaderBytes));
  memory.bytes.fill(0xcc);
  encodeBlockHeader(memory, start, header, seed, position);
  return memory;
}

test("what is encoded is decoded, field by field, at any place in the memory", () => {
  for (const header of headers) {
    for (const start of [0, 8, 4096]) {
      const memory = encoded(header, start);
      assert.deepEqual(decodeBlockHeader(memory, start, seed, position), header);
      assert.ok(hasBlockMagic(memory, start));
      assert.equal(blockEpochUnverified(memory, start), header.epoch);
      assert.equal(encodeBlockHeader(memory, start, header, seed, position), blockChecksum(memory, start));
    }
  }
});

test("bytes are where the format puts them", () => {
  const view = new DataView(encoded(ordinary).buffer);
  assert.equal(Buffer.from(view.buffer, 0, 4).toString("latin1"), "RWBK");
  assert.equal(view.getBigUint64(8, true), 1_000_001n);
  assert.equal(view.getBigUint64(16, true), 1_000_000n);
  assert.deepEqual([24, 28, 32, 36, 48, 52].map((at) => view.getUint32(at, true)), [9, 12_288, 9000, 10, 0x8000_0001, 0]);
  assert.equal(view.getBigUint64(40, true), 1_700_000_000_123n);
  assert.equal(view.getBigUint64(56, true), 0n);
});

test("each single bit flip is refused", () => {
  for (const header of headers) {
    const memory = encoded(header);
    withEachBitFlipped(memory.bytes, [0, blockHeaderBytes], (bit) => assert.equal(decodeBlockHeader(memory, 0, seed, position), null, bit));
    assert.notEqual(decodeBlockHeader(memory, 0, seed, position), null);
  }
});

test("another position or seed is refused; zeros and ones are no header under any", () => {
  const memory = encoded(ordinary);
  for (const other of [0, position + pageBytes, position - 2 ** 32, position + 2 ** 32]) assert.equal(decodeBlockHeader(memory, 0, seed, other), null);
  for (let bit = 0; bit < 32; bit++) assert.equal(decodeBlockHeader(memory, 0, (seed ^ (1 << bit)) >>> 0, position), null);
  for (const fill of [0, 0xff]) {
    const same = new Memory(new ArrayBuffer(blockHeaderBytes));
    same.bytes.fill(fill);
    for (let some = 0; some < 1000; some++) assert.equal(decodeBlockHeader(same, 0, Math.imul(some, 0x9e37_79b9) >>> 0, some * pageBytes), null);
  }
});

test("a checksum field of zeros, or of ones, is a wrong checksum like any other", () => {
  for (const header of headers) {
    for (const stored of [0, 0xffff_ffff]) {
      const memory = encoded(header);
      assert.notEqual(blockChecksum(memory, 0), stored);
      memory.words[1] = stored;
      assert.equal(decodeBlockHeader(memory, 0, seed, position), null);
    }
  }
});

test("a valid checksum over implausible numbers is refused", () => {
  const implausible: Partial<BlockHeader>[] = [
    { sequence: 0, horizon: 0 }, { horizon: ordinary.sequence }, { horizon: ordinary.sequence + 1 }, { sequence: largest + 1 }, { baseTime: 2 ** 51 + 1 }, { sequence: 2 ** 60, horizon: 2 ** 59 }, { blockBytes: 0 }, { blockBytes: 100 }, { blockBytes: pageBytes + 8, dataBytes: 0, frameCount: 0 },
    { blockBytes: blockBytesMax + pageBytes }, { dataBytes: 4 }, { dataBytes: 3 * pageBytes - 56 }, { dataBytes: 2 ** 31 }, { frameCount: 376 }, { frameCount: 0xffff_ffff },
  ];
  for (const change of implausible) assert.equal(decodeBlockHeader(encoded({ ...ordinary, ...change }), 0, seed, position), null, JSON.stringify(change));
  for (const change of [{ dataBytes: 3 * pageBytes - 64, frameCount: 0 }, { frameCount: 375 }, { horizon: ordinary.sequence - 1 }]) {
    assert.notEqual(decodeBlockHeader(encoded({ ...ordinary, ...change }), 0, seed, position), null, JSON.stringify(change));
  }
});
