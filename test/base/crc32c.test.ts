// CRC-32C, the portable reference: published vectors, a bit-wise second opinion, continuation at every cut.

import assert from "node:assert/strict";
import { test } from "node:test";
import { crc32c, crc32cNumber } from "#src/base/crc32c.js";

/** Bit by bit, straight from the polynomial. */
function slow(bytes: Uint8Array): number {
  let crc = 0xffff_ffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) !== 0 ? (crc >>> 1) ^ 0x82f6_3b78 : crc >>> 1;
  }
  return (crc ^ 0xffff_ffff) >>> 0;
}

const bytesOf = (length: number): Uint8Array => Uint8Array.from({ length }, (_, index) => (index * 167 + (index >> 3)) & 0xff);

test("the vectors of RFC 3720 B.4, and the check value", () => {
  const ascending = Uint8Array.from({ length: 32 }, (_, index) => index);
  assert.equal(crc32c(new Uint8Array(32), 0), 0x8a91_36aa);
  assert.equal(crc32c(new Uint8Array(32).fill(0xff), 0), 0x62a8_ab43);
  assert.equal(crc32c(ascending, 0), 0x46dd_794e);
  assert.equal(crc32c(ascending.slice().reverse(), 0), 0x113f_db5c);
  assert.equal(crc32c(Buffer.from("123456789"), 0), 0xe306_9283);
  assert.equal(crc32c(new Uint8Array(0), 0), 0);
});

test("agrees with the bit-wise computation for every length and offset around the eight bytes of a step", () => {
  const bytes = bytesOf(80);
  for (let start = 0; start < 9; start++) for (let end = start; end <= 80; end++) assert.equal(crc32c(bytes, 0, start, end), slow(bytes.subarray(start, end)), `[${start}, ${end})`);
});

test("continued at any cut it is the checksum of the whole", () => {
  const bytes = bytesOf(100);
  const whole = crc32c(bytes, 0);
  for (let cut = 0; cut <= 100; cut++) assert.equal(crc32c(bytes, crc32c(bytes, 0, 0, cut), cut), whole);
});

test("a number counts as its four bytes, little-endian", () => {
  for (const value of [0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0x1234_5678]) {
    for (const previous of [0, 1, 0xffff_ffff, 0xdead_beef]) assert.equal(crc32cNumber(value, previous), crc32c(new Uint8Array(new Uint32Array([value]).buffer), previous));
  }
});

test("each single bit of a page changes it", () => {
  const page = bytesOf(512);
  const seen = new Set([crc32c(page, 0)]);
  for (let bit = 0; bit < 4096; bit++) {
    page[bit >> 3] = (page[bit >> 3] as number) ^ (1 << (bit & 7));
    seen.add(crc32c(page, 0));
    page[bit >> 3] = (page[bit >> 3] as number) ^ (1 << (bit & 7));
  }
  assert.equal(seen.size, 4097);
});
