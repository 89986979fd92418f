// CRC-32C (Castagnoli), portable: reflected polynomial 0x82f63b78, initial value and final xor all ones.
// Source: RFC 3720 appendix B.4 (test vectors), "slicing-by-8" after Kounavis and Berry (Intel, 2005).
//
// `crc32c(b, crc32c(a, 0))` equals `crc32c(a ‖ b, 0)`. The native kernel computes the same, faster;
// the format layer picks. This file must stay the plain reference: no I/O, no native call.

const tables = buildTables();

function buildTables(): readonly Uint32Array[] {
  const all = Array.from({ length: 8 }, () => new Uint32Array(256));
  const first = all[0] as Uint32Array;
  for (let byte = 0; byte < 256; byte++) {
    let value = byte;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1;
    first[byte] = value;
  }
  for (let byte = 0; byte < 256; byte++) {
    let value = first[byte] as number;
    for (let slice = 1; slice < 8; slice++) {
      value = (first[value & 0xff] as number) ^ (value >>> 8);
      (all[slice] as Uint32Array)[byte] = value;
    }
  }
  return all;
}

const [t0, t1, t2, t3, t4, t5, t6, t7] = tables as [
  Uint32Array, Uint32Array, Uint32Array, Uint32Array, Uint32Array, Uint32Array, Uint32Array, Uint32Array,
];

/** CRC-32C of `bytes[start, end)`, continuing from `previous` (0 to begin). Unsigned 32 bits. */
export function crc32c(bytes: Uint8Array, previous: number, start = 0, end: number = bytes.length): number {
  let crc = ~previous;
  let at = start;
  for (; at + 8 <= end; at += 8) {
    const low = crc ^ ((bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16) | ((bytes[at + 3] as number) << 24));
    crc =
      (t7[low & 0xff] as number) ^ (t6[(low >>> 8) & 0xff] as number) ^ (t5[(low >>> 16) & 0xff] as number) ^ (t4[low >>> 24] as number) ^
      (t3[bytes[at + 4] as number] as number) ^ (t2[bytes[at + 5] as number] as number) ^
      (t1[bytes[at + 6] as number] as number) ^ (t0[bytes[at + 7] as number] as number);
  }
  for (; at < end; at++) crc = (t0[(crc ^ (bytes[at] as number)) & 0xff] as number) ^ (crc >>> 8);
  return ~crc >>> 0;
}

/** CRC-32C continued over one 32-bit number, little-endian. */
export function crc32cNumber(value: number, previous: number): number {
  let crc = ~previous ^ value;
  for (let index = 0; index < 4; index++) crc = (t0[crc & 0xff] as number) ^ (crc >>> 8);
  return ~crc >>> 0;
}
