// A cursor: a position with a name, kept in the log itself. What consumers remember between two lives.
//
// The position is the last record of a hidden partition, eight bytes; a move is one more record there. So a move is as
// durable as an append, and in `log.write` it is one with the records beside it. Works on any log's partitions.

import { RingwallError } from "../base/errors.js";
import { readU64, writeU64 } from "../base/numbers.js";
import type { Partition } from "./partition.js";

/** How far a consumer has come, by name. One number: a consumer of several partitions has a cursor for each, and moves them in one `log.write`. */
export interface Cursor {
  readonly name: string;
  /** The position that is durable; 0 when there never was one, or it was deleted. Reads it from the log. */
  get(): Promise<number>;
  /** Moves it, forwards or back: by custom to the last sequence that is done. Resolves and rejects as `Partition.append`. */
  set(seq: number): Promise<void>;
  /** Forgets the position, and that there was a cursor: the next of that name begins at 0. Resolves when that is durable. */
  delete(): Promise<void>;
}

export interface CursorHome {
  /** The cursor's hidden partition; null while there is none. */
  readonly find: () => Partition | null;
  /** Appends a position to it, creating it where there is none. */
  readonly move: (seq: number) => Promise<unknown>;
}

const positionBytes = 8;

export class LogCursor implements Cursor {
  readonly name: string;
  readonly #home: CursorHome;

  /** Use `log.cursor(name)`. */
  constructor(name: string, home: CursorHome) {
    this.name = name;
    this.#home = home;
  }

  async get(): Promise<number> {
    for (;;) {
      const partition = this.#home.find();
      if (partition === null || !hasPosition(partition)) return 0;
      try {
        const record = await partition.get(partition.durableSeq);
        // Deleted meanwhile, and set anew: in another thread that is known a moment later.
        if (record !== undefined) return decodePosition(record.data, this.name);
      } catch (error) {
        // It moved on meanwhile, and the log forgot this position behind it; or it was deleted.
        if (!(error instanceof RingwallError) || (error.code !== "RINGWALL_TRIMMED" && error.code !== "RINGWALL_DROPPED")) throw error;
      }
    }
  }

  async set(seq: number): Promise<void> {
    await this.#home.move(seq);
  }

  async delete(): Promise<void> {
    await this.#home.find()?.drop();
  }
}

/** Whether the hidden partition of a cursor holds one that is durable. */
export function hasPosition(partition: Partition): boolean {
  return partition.durableSeq >= partition.firstSeq;
}

export function encodePosition(seq: number): Uint8Array {
  const bytes = new Uint8Array(positionBytes);
  writeU64(new DataView(bytes.buffer), 0, seq);
  return bytes;
}

function decodePosition(data: Uint8Array, cursor: string): number {
  const position = data.length === positionBytes ? readU64(new DataView(data.buffer, data.byteOffset, positionBytes), 0) : Number.NaN;
  if (!Number.isNaN(position)) return position;
  throw new RingwallError("RINGWALL_DAMAGED", `what is kept of cursor ${JSON.stringify(cursor)} is no position`, { remedy: "Set the cursor anew." });
}
