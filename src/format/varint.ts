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
    assert(Number.isSafeInteger(value) && value >= 0, "a varint is a safe integer that is not negative");
    if (this.#at + bytesMax > this.#bytes.length) this.#grow();
    const bytes = this.#bytes;
    let at = this.#at;
    let rest = value;
    while (rest >= 0x8000_0000) {
      bytes[at++] = (rest % 128) | 0x80;
      rest = Math.floor(rest / 128);
    }
    for (let low = rest | 0; ; low >>>= 7) {
      if (low < 0x80) {
        bytes[at++] = low;
        break;
      }
      bytes[at++] = (low & 0x7f) | 0x80;
    }
    this.#at = at;
  }

  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#at);
  }

  #grow(): void {
    const bytes = new Uint8Array(this.#bytes.length * 2);
    bytes.set(this.#bytes);
    this.#bytes = bytes;
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
