// Unsigned numbers up to 2^53 - 1 in 1 to 8 bytes: 7 bits a byte, low bits first; bit 7 says that more follow. Pure.

import { assert } from "../base/assert.js";

const bytesMax = 8;

/** Collects varints behind `headerBytes` zero bytes that the caller fills in. */
export class VarintWriter {
  #bytes: Uint8Array;
  #at: number;

  constructor(headerBytes: number) {
    this.#bytes = new Uint8Array(headerBytes + 1024);
    this.#at = headerBytes;
  }

  write(value: number): void {
    this.#demandRoom(bytesMax);
    this.#at = put(this.#bytes, this.#at, value);
  }

  /** The first `count` of these, one after the other. */
  writeAll(values: Float64Array, count: number): void {
    this.#demandRoom(count * bytesMax);
    const bytes = this.#bytes;
    let at = this.#at;
    for (let index = 0; index < count; index++) {
      const value = values[index] as number;
      const low = value | 0;
      if (low !== value || low < 0 || low >= 0x20_0000) {
        at = put(bytes, at, value);
        continue;
      }
      // Nearly all of them have one, two or three bytes.
      if (low >= 0x80) bytes[at++] = (low & 0x7f) | 0x80;
      if (low >= 0x4000) bytes[at++] = ((low >>> 7) & 0x7f) | 0x80;
      bytes[at++] = low >= 0x4000 ? low >>> 14 : low >= 0x80 ? low >>> 7 : low;
    }
    this.#at = at;
  }

  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#at);
  }

  #demandRoom(count: number): void {
    if (this.#at + count <= this.#bytes.length) return;
    const bytes = new Uint8Array(Math.max(this.#bytes.length * 2, this.#at + count));
    bytes.set(this.#bytes);
    this.#bytes = bytes;
  }
}

/** Returns where it ends. */
function put(bytes: Uint8Array, from: number, value: number): number {
  assert(Number.isSafeInteger(value) && value >= 0, "a varint is a safe integer that is not negative");
  let at = from;
  let rest = value;
  while (rest >= 0x8000_0000) {
    bytes[at++] = (rest % 128) | 0x80;
    rest = Math.floor(rest / 128);
  }
  for (let low = rest | 0; ; low >>>= 7) {
    if (low < 0x80) {
      bytes[at++] = low;
      return at;
    }
    bytes[at++] = (low & 0x7f) | 0x80;
  }
}

export class VarintReader {
  readonly #bytes: Uint8Array;
  at: number;
  /** False once a number was cut off, too long or beyond 2^53 - 1; every read then gives 0. */
  valid = true;

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes;
    this.at = at;
  }

  read(): number {
    let value = 0;
    let scale = 1;
    for (let count = 0; count < bytesMax && this.valid; count++) {
      const byte = this.#bytes[this.at++];
      if (byte === undefined) break;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (Number.isSafeInteger(value)) return value;
        break;
      }
      scale *= 128;
    }
    this.valid = false;
    return 0;
  }
}
