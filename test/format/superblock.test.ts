// The superblock: four copies, one verdict. Every field comes back, every bit counts, the newest whole copy wins.

import assert from "node:assert/strict";
import { test } from "node:test";
import { crc32c } from "#src/base/crc32c.js";
import { blocksInFlightUnbounded, decodeSuperblock, encodeSuperblock, lanesMax, superblockBytes, superblockCopies, type LaneRecord, type Superblock } from "#src/format/superblock.js";
import { formatVersion } from "#src/format/version.js";
import { uuid, withEachBitFlipped } from "./bits.js";

const pageBytes = 4096;
const largest = 2 ** 52;
const lane: LaneRecord = { epoch: 3, state: "open", epochSegment: 17, epochOffset: 8192, epochBlock: 4711, horizon: 4710, firstSegment: 5, blocksInFlightMax: 4 };
const one: Superblock = { uuid, sequence: 12, alignment: 4096, flushMethod: "dsync", created: 1_700_000_000_000, lanes: [lane] };

function file(...superblocks: readonly (Superblock | null)[]): Uint8Array {
  const bytes = new Uint8Array(superblockBytes);
  superblocks.forEach((superblock, copy) => { if (superblock !== null) bytes.set(encodeSuperblock(superblock, copy), copy * pageBytes); });
  return bytes;
}

function reseal(bytes: Uint8Array, copy: number): void {
  const page = bytes.subarray(copy * pageBytes, (copy + 1) * pageBytes);
  new DataView(page.buffer, page.byteOffset).setUint32(8, crc32c(page, 0, 12), true);
}

test("every field comes back, at its limits, with 1 to 32 lanes", () => {
  const full: LaneRecord = { epoch: 0xffff_ffff, state: "closed", epochSegment: largest, epochOffset: largest, epochBlock: largest, horizon: largest, firstSegment: largest, blocksInFlightMax: blocksInFlightUnbounded };
  const cases: Superblock[] = [
    one, { ...one, sequence: largest, alignment: 65_536, flushMethod: "linked", created: largest, lanes: [full] }, { ...one, flushMethod: "separate", lanes: Array.from({ length: lanesMax }, (_, index) => ({ ...lane, epoch: index })) },
  ];
  for (const superblock of cases) {
    assert.deepEqual(decodeSuperblock(file(superblock, superblock, superblock, superblock)), { kind: "valid", superblock, damagedCopies: [] });
  }
  for (const lanes of [[], Array.from({ length: lanesMax + 1 }, () => lane)]) assert.throws(() => encodeSuperblock({ ...one, lanes }, 0), /1 to 32 lanes/);
});

test("bytes are where the format puts them", () => {
  const view = new DataView(encodeSuperblock(one, 2).buffer);
  assert.equal(Buffer.from(view.buffer, 0, 8).toString("latin1"), "RINGWALL");
  assert.deepEqual([12, 40, 44, 48, 52].map((at) => view.getUint32(at, true)), [formatVersion, 2, 1, 4096, 1]);
  assert.deepEqual(new Uint8Array(view.buffer, 16, 16), uuid);
  assert.deepEqual([32, 56].map((at) => view.getBigUint64(at, true)), [12n, 1_700_000_000_000n]);
  assert.deepEqual([128, 132, 176].map((at) => view.getUint32(at, true)), [3, 1, 4]);
  assert.deepEqual([136, 144, 152, 160, 168].map((at) => view.getBigUint64(at, true)), [17n, 8192n, 4711n, 4710n, 5n]);
});

test("each single bit flip of a copy leaves that copy out, and only that one", () => {
  const bytes = file(one, one, one, one);
  // The last byte stands for the zeros behind the lanes, which are covered too.
  for (const range of [[pageBytes, pageBytes + 200], [2 * pageBytes - 1, 2 * pageBytes]] as const) {
    withEachBitFlipped(bytes, range, (bit) => assert.deepEqual(decodeSuperblock(bytes), { kind: "valid", superblock: one, damagedCopies: [1] }, bit));
  }
});

test("the newest valid copy counts, wherever it stands; any three may be gone", () => {
  const newer = { ...one, sequence: 13 };
  for (let at = 0; at < superblockCopies; at++) {
    const verdict = decodeSuperblock(file(...[0, 1, 2, 3].map((copy) => (copy === at ? newer : one))));
    assert.equal(verdict.kind === "valid" && verdict.superblock.sequence, 13);
    const alone = decodeSuperblock(file(...[0, 1, 2, 3].map((copy) => (copy === at ? newer : null))));
    assert.deepEqual(alone, { kind: "valid", superblock: newer, damagedCopies: [0, 1, 2, 3].filter((copy) => copy !== at) });
  }
});

test("a write that stopped at any byte leaves one whole generation", () => {
  const newer = { ...one, sequence: 13, lanes: [{ ...lane, horizon: 5000 }] };
  const before = file(one, one, one, one);
  const after = file(newer, newer, newer, newer);
  for (let written = 0; written <= superblockBytes; written += 97) {
    const torn = Uint8Array.from(after.subarray(0, written));
    const bytes = before.slice();
    bytes.set(torn);
    const verdict = decodeSuperblock(bytes);
    assert.ok(verdict.kind === "valid");
    // Byte 161 is the last one in which the two generations differ.
    assert.deepEqual(verdict.superblock, written > 161 ? newer : one, `${written} bytes`);
  }
});

test("verdicts: foreign, damaged, newer; short files; a copy in another's place", () => {
  assert.deepEqual(decodeSuperblock(new Uint8Array(0)), { kind: "foreign" });
  assert.deepEqual(decodeSuperblock(new Uint8Array(superblockBytes)), { kind: "foreign" });
  assert.deepEqual(decodeSuperblock(new Uint8Array(superblockBytes).fill(0xff)), { kind: "foreign" });
  const damaged = file(one, one, one, one);
  for (let copy = 0; copy < superblockCopies; copy++) damaged[copy * pageBytes + 500] = 1;
  assert.deepEqual(decodeSuperblock(damaged), { kind: "damaged" });
  assert.deepEqual(decodeSuperblock(file(one).subarray(0, pageBytes)), { kind: "valid", superblock: one, damagedCopies: [1, 2, 3] });
  assert.deepEqual(decodeSuperblock(file(one).subarray(0, pageBytes - 1)), { kind: "foreign" });
  const moved = new Uint8Array(superblockBytes);
  moved.set(encodeSuperblock(one, 0), pageBytes);
  assert.deepEqual(decodeSuperblock(moved), { kind: "damaged" });
  const version = file(one, one, one, one);
  new DataView(version.buffer).setUint32(3 * pageBytes + 12, 7, true);
  reseal(version, 3);
  assert.deepEqual(decodeSuperblock(version), { kind: "newer", version: 7 });
});

test("valid checksums over impossible counts and methods are damage", () => {
  for (const [at, value] of [[44, 0], [44, 33], [44, 0xffff_ffff], [52, 0], [52, 4], [40, 1]] as const) {
    const bytes = file(one);
    new DataView(bytes.buffer).setUint32(at, value, true);
    reseal(bytes, 0);
    assert.deepEqual(decodeSuperblock(bytes), { kind: "damaged" }, `${at} = ${value}`);
  }
  // State, alignment, first segments and first block of nothing.
  for (const [at, value] of [[132, 0], [132, 3], [48, 0], [48, 4095], [48, 0xffff_f000], [136, 0], [152, 0], [168, 0], [176, 0]] as const) {
    const bytes = file(one);
    new DataView(bytes.buffer).setUint32(at, value, true);
    reseal(bytes, 0);
    assert.deepEqual(decodeSuperblock(bytes), { kind: "damaged" }, `${at} = ${value}`);
  }
  for (const at of [32, 56, 136, 144, 152, 160, 168]) {
    // Beside a sound copy one with numbers beyond all counting has no say.
    const bytes = file(one, one, null, null);
    new DataView(bytes.buffer).setBigUint64(at, 2n ** 52n + 1n, true);
    reseal(bytes, 0);
    assert.deepEqual(decodeSuperblock(bytes), { kind: "valid", superblock: one, damagedCopies: [0, 2, 3] }, `the number at ${at}`);
  }
});
