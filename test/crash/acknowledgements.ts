// What a writer tells its checker over a pipe, before it does anything else with what it learned.
//
// One system call a message: what was written to the pipe survives the writer. A message is a kind, a number and a length
// (9 bytes), and text of that length.

import fs from "node:fs";
import type { FoundExtent } from "./workload.js";

export type Message =
  /** The writer is about to open the log. */
  | { readonly kind: "opening" }
  /** The log is open and holds this. */
  | { readonly kind: "open"; readonly shape: [number, FoundExtent][] }
  /** Operation `number` is acknowledged. `stamp`: how many writes the recorded device had seen by then; 0 without one. */
  | { readonly kind: "acknowledged"; readonly number: number; readonly stamp: number }
  | { readonly kind: "failed"; readonly code: string; readonly text: string }
  /** The log was closed; nothing follows. */
  | { readonly kind: "closed" };

const kinds = ["opening", "open", "acknowledged", "failed", "closed"] as const;
const headBytes = 9;

export class Reporter {
  readonly #descriptor: number;
  readonly #head = Buffer.alloc(headBytes);

  constructor(descriptor: number) {
    this.#descriptor = descriptor;
  }

  acknowledged(number: number, stamp: number): void {
    this.#write(kinds.indexOf("acknowledged"), number, stamp);
    this.#send(this.#head);
  }

  tell(message: Exclude<Message, { kind: "acknowledged" }>): void {
    const text = Buffer.from(JSON.stringify(message));
    this.#write(kinds.indexOf(message.kind), 0, text.length);
    this.#send(Buffer.concat([this.#head, text]));
  }

  #write(kind: number, number: number, length: number): void {
    this.#head.writeUInt8(kind, 0);
    this.#head.writeUInt32LE(number, 1);
    this.#head.writeUInt32LE(length, 5);
  }

  #send(bytes: Buffer): void {
    for (let sent = 0; sent < bytes.length; ) sent += fs.writeSync(this.#descriptor, bytes, sent);
  }
}

/** Puts messages together again; half a message at the end is none. */
export class Receiver {
  readonly #onMessage: (message: Message) => void;
  #rest: Buffer = Buffer.alloc(0);

  constructor(onMessage: (message: Message) => void) {
    this.#onMessage = onMessage;
  }

  take(chunk: Buffer): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = 0;
    while (at + headBytes <= bytes.length) {
      const kind = kinds[bytes.readUInt8(at)];
      const number = bytes.readUInt32LE(at + 1);
      const length = bytes.readUInt32LE(at + 5);
      if (kind === "acknowledged") {
        this.#onMessage({ kind, number, stamp: length });
        at += headBytes;
        continue;
      }
      if (at + headBytes + length > bytes.length) break;
      this.#onMessage(JSON.parse(bytes.toString("utf8", at + headBytes, at + headBytes + length)) as Message);
      at += headBytes + length;
    }
    this.#rest = bytes.subarray(at);
  }
}
