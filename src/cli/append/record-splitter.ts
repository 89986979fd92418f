// Cuts a stream of bytes into records. Holds no more than one record that is not complete yet.

import { RingwallError } from "../../base/errors.js";
import { CommandError } from "../report-failure.js";

export interface RecordSplitter {
  /** The records that `chunk` completes. They may be views of it. */
  push(chunk: Buffer): Iterable<Uint8Array>;
  /** What the end of the input completes. */
  end(): Iterable<Uint8Array>;
}

/** Chunks of a record that is not complete yet. */
class Parts {
  bytes = 0;
  readonly #bytesMax: number;
  #parts: Buffer[] = [];

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Throws RINGWALL_RECORD_TOO_LARGE before memory is filled with what would be refused anyway. */
  add(part: Buffer): void {
    this.demand(this.bytes + part.length);
    this.#parts.push(part);
    this.bytes += part.length;
  }

  demand(bytes: number): void {
    if (bytes <= this.#bytesMax) return;
    throw new RingwallError("RINGWALL_RECORD_TOO_LARGE", `a record of the input has at least ${String(bytes)} bytes, the limit is ${String(this.#bytesMax)}`, {
      remedy: "Check how the input is cut into records, or raise --record-bytes-max.",
    });
  }

  take(last: Buffer): Buffer {
    this.demand(this.bytes + last.length);
    if (this.bytes === 0) return last;
    const whole = Buffer.concat([...this.#parts, last]);
    this.#parts = [];
    this.bytes = 0;
    return whole;
  }
}

const none = Buffer.alloc(0);
const newline = 10;

/** One record per line. A last line without a newline is a record too, unless it is empty. */
export class LineSplitter implements RecordSplitter {
  readonly #parts: Parts;
  readonly #kept: number;

  constructor(bytesMax: number, keepNewline: boolean) {
    this.#parts = new Parts(bytesMax);
    this.#kept = keepNewline ? 1 : 0;
  }

  *push(chunk: Buffer): Iterable<Uint8Array> {
    let from = 0;
    for (;;) {
      const at = chunk.indexOf(newline, from);
      if (at < 0) break;
      yield this.#parts.take(chunk.subarray(from, at + this.#kept));
      from = at + 1;
    }
    if (from < chunk.length) this.#parts.add(chunk.subarray(from));
  }

  *end(): Iterable<Uint8Array> {
    if (this.#parts.bytes > 0) yield this.#parts.take(none);
  }
}

const prefixBytes = 4;

/** A u32, little-endian, then that many bytes. */
export class PrefixSplitter implements RecordSplitter {
  readonly #parts: Parts;
  readonly #bytesMax: number;
  /** Bytes of the record, or -1 while its length is read. */
  #due = -1;
  #position = 0;

  constructor(bytesMax: number) {
    this.#parts = new Parts(Math.max(bytesMax, prefixBytes));
    this.#bytesMax = bytesMax;
  }

  *push(chunk: Buffer): Iterable<Uint8Array> {
    let from = 0;
    for (;;) {
      const wanted = (this.#due < 0 ? prefixBytes : this.#due) - this.#parts.bytes;
      if (chunk.length - from < wanted) break;
      const whole = this.#parts.take(chunk.subarray(from, from + wanted));
      from += wanted;
      if (this.#due < 0) this.#begin(whole.readUInt32LE(0));
      else {
        this.#position += prefixBytes + this.#due;
        this.#due = -1;
        yield whole;
      }
    }
    if (from < chunk.length) this.#parts.add(chunk.subarray(from));
  }

  *end(): Iterable<Uint8Array> {
    if (this.#due < 0 && this.#parts.bytes === 0) return;
    const missing = this.#due < 0 ? "its length" : `${String(this.#due - this.#parts.bytes)} of its ${String(this.#due)} bytes`;
    throw new CommandError(`the input ends inside the record that begins at byte ${String(this.#position)}: ${missing} is missing. The records before it were appended.`, "INPUT");
  }

  #begin(bytes: number): void {
    if (bytes > this.#bytesMax) this.#parts.demand(Math.max(bytes, prefixBytes + 1));
    this.#due = bytes;
  }
}

/** All of the input is one record. */
export class WholeSplitter implements RecordSplitter {
  readonly #parts: Parts;

  constructor(bytesMax: number) {
    this.#parts = new Parts(bytesMax);
  }

  push(chunk: Buffer): Iterable<Uint8Array> {
    this.#parts.add(chunk);
    return [];
  }

  end(): Iterable<Uint8Array> {
    return [this.#parts.take(none)];
  }
}
