// Record contents that name themselves: each record of a run has its own, derived from its number.

import { Random } from "#src/storage/sim/random.js";

export interface Payload {
  readonly id: number;
  readonly bytes: number;
}

export const payloadBytesMax = 256 * 1024;

/** Letters only, so that every content can be given as text, too. */
const letters = Buffer.alloc(2 * payloadBytesMax);
const random = new Random(20_260_101);
for (let at = 0; at < letters.length; at++) letters[at] = 97 + random.below(26);

export function contentOf({ id, bytes }: Payload): Buffer {
  const from = (id * 7919) % payloadBytesMax;
  const content = Buffer.from(letters.subarray(from, from + bytes));
  content.write(id.toString(36).padStart(Math.min(bytes, 6), "0"), "latin1");
  return content;
}

export function holds(data: Uint8Array, payload: Payload): boolean {
  if (data.length !== payload.bytes) return false;
  const { id, bytes } = payload;
  const name = Math.min(bytes, 6);
  const from = (id * 7919) % payloadBytesMax;
  if (Buffer.compare(data.subarray(name), letters.subarray(from + name, from + bytes)) !== 0) return false;
  return Buffer.from(data.buffer, data.byteOffset, name).toString("latin1") === id.toString(36).padStart(name, "0").slice(0, name);
}

export function describe(data: Uint8Array): string {
  return `${String(data.length)} bytes "${Buffer.from(data.subarray(0, 12)).toString("latin1")}"`;
}
