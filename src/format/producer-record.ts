// Records of the hidden partition in which a partition's producers are kept: what happened to them, one entry behind the other.
//
// entry   offset  size  field
//              0     1  kind: 1 call, 2 truncation, 3 beginning
//              1     1  0
//              2     2  bytes of the producer's name; 0 unless a call
//              4     4  records of the call; 0 unless a call
//              8     8  the producer's number of the call; 0 unless a call
//             16     8  call: sequence of its first record. Truncation: the last sequence that stays. Beginning: 0
//             24        the producer's name, UTF-8
//
// A beginning says that everything before it counts for nothing: what is still known of it follows.

import { readU64, writeU64 } from "../base/numbers.js";

export const producerNameBytesMax = 256;

export type ProducerEntry =
  | { readonly kind: "call"; readonly producer: string; readonly number: number; readonly first: number; readonly count: number }
  | { readonly kind: "truncation"; readonly after: number }
  | { readonly kind: "beginning" };

const entryHeaderBytes = 24;
const kinds = { call: 1, truncation: 2, beginning: 3 } as const;

export function encodeProducerEntry(entry: ProducerEntry): Uint8Array {
  if (entry.kind === "call") return new ProducerCallEntry(entry.producer).encode(entry);
  const bytes = new Uint8Array(entryHeaderBytes);
  bytes[0] = kinds[entry.kind];
  if (entry.kind === "truncation") writeU64(new DataView(bytes.buffer), 16, entry.after);
  return bytes;
}

/** The entries of one producer's calls, one after the other in the same memory. */
export class ProducerCallEntry {
  readonly producer: string;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;

  constructor(producer: string) {
    const nameBytes = Buffer.byteLength(producer);
    this.producer = producer;
    this.#bytes = new Uint8Array(entryHeaderBytes + nameBytes);
    this.#view = new DataView(this.#bytes.buffer);
    this.#bytes[0] = kinds.call;
    this.#view.setUint16(2, nameBytes, true);
    new TextEncoder().encodeInto(producer, this.#bytes.subarray(entryHeaderBytes));
  }

  /** Valid until the next one. Hot: once per call. */
  encode({ number, first, count }: { readonly number: number; readonly first: number; readonly count: number }): Uint8Array {
    this.#view.setUint32(4, count, true);
    writeU64(this.#view, 8, number);
    writeU64(this.#view, 16, first);
    return this.#bytes;
  }
}

/** The entries of a record; null when its bytes are none. */
export function decodeProducerEntries(data: Uint8Array): ProducerEntry[] | null {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const entries: ProducerEntry[] = [];
  let at = 0;
  while (at < bytes.length) {
    if (at + entryHeaderBytes > bytes.length) return null;
    const kind = bytes.readUInt8(at);
    const nameEnd = at + entryHeaderBytes + bytes.readUInt16LE(at + 2);
    const count = bytes.readUInt32LE(at + 4);
    const number = readU64(view, at + 8);
    const first = readU64(view, at + 16);
    if (nameEnd > bytes.length || Number.isNaN(number) || Number.isNaN(first)) return null;
    if (kind === kinds.call && count > 0) entries.push({ kind: "call", producer: bytes.toString("utf8", at + entryHeaderBytes, nameEnd), number, first, count });
    else if (kind === kinds.truncation) entries.push({ kind: "truncation", after: first });
    else if (kind === kinds.beginning) entries.push({ kind: "beginning" });
    else return null;
    at = nameEnd;
  }
  return entries;
}
