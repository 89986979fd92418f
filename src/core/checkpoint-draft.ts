// The next segment's checkpoint, made ahead: a hundred thousand partitions take ten milliseconds, in which nobody could append.
//
// Entries are encoded in slices while the lane goes on; when the segment begins, those of partitions that changed since are put
// right, and the checkpoint is the state at that moment, as if it had been made then. Pure.
//
// Invariant: 1. an entry is encoded; 2. its partition is appended to, trimmed, truncated or dropped; 3. the segment begins with the
// entry as it was, and recovery finds that the checkpoint contradicts the frames before it. So every change is told to `handleChange`.

import { assert } from "../base/assert.js";
import type { Slices } from "../base/slices.js";
import { checkpointPayloads, entryHasTruncations, entryPlaces, rewriteEntry } from "../format/checkpoint.js";
import type { PartitionTable } from "./partition-table.js";
import { countUpTo } from "./segment-runs.js";

/** One payload: the entries of all partitions that had an id from `firstId` to `lastId`. */
interface DraftPayload {
  readonly bytes: Uint8Array;
  readonly firstId: number;
  readonly lastId: number;
  /** An entry of it takes another room than it did, or is gone. */
  isStale: boolean;
}

/** What encoding takes, reckoned: 100 ns an entry of 40 bytes. */
const nanosPerByte = 2.5;

export class CheckpointDraft {
  readonly #table: PartitionTable;
  readonly #payloadBytesMax: number;
  /** Partitions up to here are made ahead. Those that come later, and ids that someone made up, are few. */
  readonly #lastId: number;
  readonly #payloads: DraftPayload[] = [];
  /** By id: where in its payload the entry lies, and one more; 0 where it has none. */
  readonly #places: Uint32Array;
  readonly #isChanged: Uint8Array;
  readonly #changed: number[] = [];
  #nextId = 1;
  #isTaken = false;

  constructor(table: PartitionTable, payloadBytesMax: number) {
    this.#table = table;
    this.#payloadBytesMax = payloadBytesMax;
    this.#lastId = table.arrayIdLast;
    this.#places = new Uint32Array(this.#lastId + 1);
    this.#isChanged = new Uint8Array(this.#lastId + 1);
  }

  /** Ends early once `finish` was called. */
  *making(): Slices<void> {
    for (const bytes of checkpointPayloads(this.#table.checkpoint(1, this.#lastId), this.#payloadBytesMax)) {
      if (this.#isTaken) return;
      if (bytes.length > 0) this.#add(bytes);
      yield bytes.length * nanosPerByte;
    }
  }

  /** Something of the partition changed, or will before the lane goes on to the next block. Hot: once per block and partition. */
  handleChange(id: number): void {
    if (id > this.#lastId || this.#isChanged[id] === 1) return;
    this.#isChanged[id] = 1;
    this.#changed.push(id);
  }

  /** The checkpoint of the table as it is at the first step, after which it must not change. At least one payload, maybe empty. */
  *finish(): Generator<Uint8Array, undefined, undefined> {
    this.#isTaken = true;
    for (const id of this.#changed) this.#putRight(id);
    let count = 0;
    for (const { bytes, firstId, lastId, isStale } of this.#payloads) {
      for (const payload of isStale ? this.#encoded(firstId, lastId) : [bytes]) {
        count++;
        yield payload;
      }
    }
    for (const payload of this.#encoded(this.#nextId, Number.POSITIVE_INFINITY)) {
      count++;
      yield payload;
    }
    if (count === 0) yield new Uint8Array(0);
  }

  /** Payloads with something in them. */
  *#encoded(firstId: number, lastId: number): Generator<Uint8Array, undefined, undefined> {
    for (const payload of checkpointPayloads(this.#table.checkpoint(firstId, lastId), this.#payloadBytesMax)) if (payload.length > 0) yield payload;
  }

  #add(bytes: Uint8Array): void {
    const firstId = this.#nextId;
    entryPlaces(bytes, (id, at) => {
      assert(id >= this.#nextId && id <= this.#lastId, "a draft's partitions ascend");
      this.#places[id] = at + 1;
      this.#nextId = id + 1;
    });
    this.#payloads.push({ bytes, firstId, lastId: this.#nextId - 1, isStale: false });
  }

  #putRight(id: number): void {
    const place = this.#places[id] as number;
    // It comes with the rest, or was gone before.
    if (place === 0) return;
    const state = this.#table.byId(id);
    const payload = this.#payloads[countUpTo(this.#payloads.length, (index) => (this.#payloads[index] as DraftPayload).firstId <= id) - 1] as DraftPayload;
    if (payload.isStale) return;
    if (state === undefined || state.truncations.length > 0 || entryHasTruncations(payload.bytes, place - 1)) payload.isStale = true;
    else rewriteEntry(payload.bytes, place - 1, state.firstSequence, state.placedSequence);
  }
}
