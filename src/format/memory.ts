// A piece of memory with the views that encoding and decoding need. Offsets are bytes from its start.
// Little-endian only: the format is little-endian and the views write it directly.

import { assert } from "../base/assert.js";

export class Memory {
  readonly buffer: ArrayBuffer;
  readonly bytes: Uint8Array;
  /** The same memory as 32-bit words; only offsets that are multiples of 4 are reachable. */
  readonly words: Uint32Array;
  /** Node's view of the same memory, for its UTF-8 writer. */
  readonly text: Buffer;

  constructor(buffer: ArrayBuffer) {
    assert(buffer.byteLength % 8 === 0, "memory is a multiple of 8 bytes");
    this.buffer = buffer;
    this.bytes = new Uint8Array(buffer);
    this.words = new Uint32Array(buffer);
    this.text = Buffer.from(buffer);
  }
}

assert(new Uint8Array(new Uint32Array([1]).buffer)[0] === 1, "this machine is little-endian");
