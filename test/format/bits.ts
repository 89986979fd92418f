// Damage for the tests of the format: every single bit, and readers for what a field's bytes are.

/** Calls `body` with each bit of bytes [from, to) flipped in turn; the memory is whole again afterwards. */
export function withEachBitFlipped(bytes: Uint8Array, [from, to]: readonly [number, number], body: (bit: string) => void): void {
  for (let at = from; at < to; at++) {
    for (let bit = 0; bit < 8; bit++) {
      bytes[at] = (bytes[at] as number) ^ (1 << bit);
      body(`byte ${at} bit ${bit}`);
      bytes[at] = (bytes[at] as number) ^ (1 << bit);
    }
  }
}

export const uuid = Uint8Array.from({ length: 16 }, (_, index) => 0xa0 + index);
