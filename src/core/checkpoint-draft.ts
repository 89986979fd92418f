// The next segment's checkpoint, made ahead: a hundred thousand partitions take ten milliseconds, in which nobody could append.
//
// Entries are encoded in slices while the lane goes on; when the segment begins, those of partitions that changed since are put
// right, and the checkpoint is the state at that moment, as if it had been made then. Pure.
//
// Invariant: 1. an entry is encoded; 2. its partition is appended to, trimmed, truncated or dropped; 3. the segment begins with the
// entry as it was, and recovery finds that the checkpoint contradicts the frames before it. So every change is told to `handleChange`.

import type { Slices } from "../base/slices.js";
import { CheckpointEncoder, checkpointPayloads, rewriteEntry } from "../format/checkpoint.js";
import type { PartitionTable } from "./partition-table.js";

/** One payload: the entries of all partitions that had an id from `firstId` to `lastId`. */
interface DraftPayload {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly firstId: number;
  readonly lastId: number;
  /** An entry of it takes another room than it did, or is gone. */
  isStale: boolean;
}

/** What encoding takes, reckoned: 80 ns an entry of 40 bytes. */
const nanosPerByte = 2;

export class CheckpointDraft {
  readonly #table: PartitionTable;
  readonly #payloadBytesMax: number;
  /** Partitions up to here are made ahead. Those that come later, and ids that someone made up, are few. */
  readonly #lastId: number;
  readonly #payloads: DraftPayload[] = [];
  /** By id: where in its payload the entry lies, and one more; 0 where it has none. */
  readonly #places: Uint32Array;
  /** By id: 1 where something changed. */
  readonly #isChanged: Uint8Array;
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
    const encoder = new CheckpointEncoder(this.#payloadBytesMax);
    while (this.#nextId <= this.#lastId && !this.#isTaken) yield this.#make(encoder) * nanosPerByte;
  }

  /** Something of the partition changed, or will before `finish`. Hot: once per block and partition. */
  handleChange(id: number): void {
    if (id <= this.#lastId) this.#isChanged[id] = 1;
  }

  /** The checkpoint of the table as it is at the first step, after which it must not change. At least one payload, maybe empty. */
  *finish(): Generator<Uint8Array, undefined, undefined> {
    this.#isTaken = true;
    this.#putAllRight();
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

  /** The next payload; returns its bytes. A plain loop: a generator's step for each partition costs as much as its entry. */
  #make(encoder: CheckpointEncoder): number {
    const firstId = this.#nextId;
    let id = firstId;
    for (; id <= this.#lastId; id++) {
      const state = this.#table.byId(id);
      if (state === undefined) continue;
      const at = encoder.used;
      if (!encoder.add(state.toCheckpoint())) break;
      this.#places[id] = at + 1;
    }
    this.#nextId = id;
    const bytes = encoder.take();
    if (bytes.length > 0) this.#payloads.push({ bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length), firstId, lastId: id - 1, isStale: false });
    return bytes.length;
  }

  /** In order of the ids, as they lie in memory: some 50 ns for each that changed. */
  #putAllRight(): void {
    let index = 0;
    for (let id = 1; id < this.#nextId; id++) {
      // One without an entry may lie behind the last payload.
      if (this.#isChanged[id] === 0 || this.#places[id] === 0) continue;
      while ((this.#payloads[index] as DraftPayload).lastId < id) index++;
      this.#putRight(this.#payloads[index] as DraftPayload, id);
    }
  }

  #putRight(payload: DraftPayload, id: number): void {
    if (payload.isStale) return;
    const place = this.#places[id] as number;
    const state = this.#table.byId(id);
    if (state === undefined || !rewriteEntry(payload.view, place - 1, state.firstSequence, state.placedSequence, state.truncations)) payload.isStale = true;
  }
}
