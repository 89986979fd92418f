// A record's bytes where they lie in memory of 32-bit words: a view of its own for each would be garbage, and slower.

export class WordRange {
  readonly words: Uint32Array;
  /** In bytes; a multiple of 4. */
  start = 0;
  length = 0;

  constructor(words: Uint32Array) {
    this.words = words;
  }

  /** Of the range as it is now. */
  view(): Uint8Array {
    return new Uint8Array(this.words.buffer, this.words.byteOffset + this.start, this.length);
  }
}
