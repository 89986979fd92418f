// The native CRC-32C against the published vectors and against the portable reference.

import assert from "node:assert/strict";
import { test } from "node:test";
import { crc32c } from "#src/base/crc32c.js";
import { binding, randomBytes, skip, withEveryKernel } from "./addon.js";

/** RFC 3720, appendix B.4, and the check value of the catalogue of CRCs. */
const vectors: readonly { title: string; bytes: Uint8Array; checksum: number }[] = [
  { title: "32 zeros", bytes: new Uint8Array(32), checksum: 0x8a9136aa },
  { title: "32 bytes 0xff", bytes: new Uint8Array(32).fill(0xff), checksum: 0x62a8ab43 },
  { title: "0 to 31", bytes: Uint8Array.from({ length: 32 }, (_, index) => index), checksum: 0x46dd794e },
  { title: "31 to 0", bytes: Uint8Array.from({ length: 32 }, (_, index) => 31 - index), checksum: 0x113fdb5c },
  {
    title: "an iSCSI read command",
    bytes: Buffer.from("01c00000000000000000000000000000140000000000040000000014000000182800000000000000" + "0200000000000000", "hex"),
    checksum: 0xd9963a56,
  },
  { title: "the digits 1 to 9", bytes: Buffer.from("123456789"), checksum: 0xe3069283 },
  { title: "nothing", bytes: new Uint8Array(0), checksum: 0 },
];

test("crc32c: the published vectors, with every kernel and in the reference", { skip }, () => {
  for (const { title, bytes, checksum } of vectors) {
    assert.equal(crc32c(bytes, 0), checksum, `reference, ${title}`);
    withEveryKernel((native, kernel) => {
      assert.equal(native.crc32c(bytes, 0), checksum, `${kernel}, ${title}`);
    });
  }
});

test("crc32c: equals the reference at every length up to 1100 and every alignment", { skip }, () => {
  const bytes = randomBytes(1108, 1);
  for (let length = 0; length <= 1100; length++) {
    const start = length % 8;
    const part = bytes.subarray(start, start + length);
    const previous = Math.imul(length, 0x9e3779b1) >>> 0;
    const expected = crc32c(part, previous);
    withEveryKernel((native, kernel) => {
      assert.equal(native.crc32c(part, previous), expected, `${kernel}, ${String(length)} bytes`);
    });
  }
  for (let start = 0; start < 8; start++) {
    const expected = crc32c(bytes, 0, start, start + 1001);
    withEveryKernel((native, kernel) => {
      assert.equal(native.crc32c(bytes.subarray(start, start + 1001), 0), expected, `${kernel}, from ${String(start)}`);
    });
  }
});

test("crc32c: equals the reference around the lengths where the three streams are full", { skip }, () => {
  const bytes = randomBytes(3 * 3 * 2048 + 64, 2);
  for (const full of [6144, 12288, 18432]) {
    for (let length = full - 30; length <= full + 30; length++) {
      const part = bytes.subarray(1, 1 + length);
      const expected = crc32c(part, 7);
      withEveryKernel((native, kernel) => {
        assert.equal(native.crc32c(part, 7), expected, `${kernel}, ${String(length)} bytes`);
      });
    }
  }
});

test("crc32c: continues over every split", { skip }, () => {
  const bytes = randomBytes(700, 3);
  const whole = crc32c(bytes, 0);
  withEveryKernel((native, kernel) => {
    for (let split = 0; split <= bytes.length; split++) {
      const first = native.crc32c(bytes.subarray(0, split), 0);
      assert.equal(native.crc32c(bytes.subarray(split), first), whole, `${kernel}, split at ${String(split)}`);
    }
  });
});

test("crc32c: a previous checksum that became a signed number means the same", { skip }, () => {
  const bytes = randomBytes(40, 4);
  assert.equal(binding().crc32c(bytes, 0x9abcdef0 | 0), binding().crc32c(bytes, 0x9abcdef0));
});
