// The first page of a segment: every field, every bit.

import assert from "node:assert/strict";
import { test } from "node:test";
import { crc32c } from "#src/base/crc32c.js";
import { decodeSegmentHeader, encodeSegmentHeader, type SegmentHeader } from "#src/format/segment-header.js";
import { formatVersion } from "#src/format/version.js";
import { uuid, withEachBitFlipped } from "./bits.js";

const header: SegmentHeader = { uuid, lane: 2, alignment: 4096, segment: 77, baseTime: 1_700_000_000_123, segmentBytes: 100 * 1024 * 1024 };

test("every field comes back, at its limits", () => {
  const largest = 2 ** 52;
  for (const each of [header, { uuid, lane: 0xffff_ffff, alignment: 16 * 1024 * 1024, segment: largest, baseTime: 2 ** 51, segmentBytes: largest }, { ...header, lane: 0, baseTime: 0 }]) {
    assert.deepEqual(decodeSegmentHeader(encodeSegmentHeader(each)), each);
  }
});

test("bytes are where the format puts them", () => {
  const page = encodeSegmentHeader(header);
  const view = new DataView(page.buffer);
  assert.equal(page.length, 4096);
  assert.equal(Buffer.from(page.subarray(0, 8)).toString("latin1"), "RWSEGMNT");
  assert.deepEqual([12, 32, 36].map((at) => view.getUint32(at, true)), [formatVersion, 2, 4096]);
  assert.deepEqual([40, 48, 56].map((at) => view.getBigUint64(at, true)), [77n, 1_700_000_000_123n, 104_857_600n]);
  assert.ok(page.subarray(64).every((byte) => byte === 0));
});

test("each single bit flip is refused, also in the zeros", () => {
  const page = encodeSegmentHeader(header);
  for (const range of [[0, 80], [4095, 4096]] as const) withEachBitFlipped(page, range, (bit) => assert.equal(decodeSegmentHeader(page), null, bit));
  assert.deepEqual(decodeSegmentHeader(page), header);
});

test("an alignment, a segment or a time that can't be, under a right checksum, is refused", () => {
  for (const [at, value] of [[36, 0n], [36, 4095n], [36, 2n ** 24n + 4096n], [40, 0n], [40, 2n ** 52n + 1n], [48, 2n ** 51n + 1n], [56, 2n ** 53n]] as const) {
    const page = encodeSegmentHeader(header);
    const view = new DataView(page.buffer);
    if (at === 36) view.setUint32(at, Number(value), true);
    else view.setBigUint64(at, value, true);
    view.setUint32(8, crc32c(page, 0, 12), true);
    assert.equal(decodeSegmentHeader(page), null, `${at} = ${value}`);
  }
});

test("zeros, short pages and other versions are refused", () => {
  assert.equal(decodeSegmentHeader(new Uint8Array(4096)), null);
  assert.equal(decodeSegmentHeader(encodeSegmentHeader(header).subarray(0, 4095)), null);
  for (const version of [0, formatVersion + 1]) {
    const page = encodeSegmentHeader(header);
    const view = new DataView(page.buffer);
    view.setUint32(12, version, true);
    view.setUint32(8, crc32c(page, 0, 12), true);
    assert.equal(decodeSegmentHeader(page), null);
  }
});
