// The producers of one partition: a call that was appended before is answered with the sequences that it got then.
//
//   call → known? its own answer → else one group: its records, and an entry in the hidden partition of the producers
//
// Owns the table of calls, the calls under way, and the hidden partition. Opening a log costs nothing: the table is read
// at the first call, and calls wait for it in order. What is there and what is known is one group, so no crash parts them.
// A call that is refused is not known; one whose lane is poisoned is unknown until the log is opened anew.

import { RingwallError } from "../base/errors.js";
import type { PartitionState } from "../core/partition-table.js";
import { ProducerTable, type ProducerCall } from "../core/producer-table.js";
import { decodeProducerEntries, encodeProducerEntry, ProducerCallEntry } from "../format/producer-record.js";
import type { Lane } from "./lane.js";
import type { ProducerOptions } from "./partition.js";
import { readBatches } from "./reader.js";
import { copied } from "./record-data.js";

/** The table is written anew once so many entries more than calls that are remembered lie in the hidden partition. */
const entriesBeside = 4096;
const chunkBytesMax = 32 * 1024;

/** The sequence of a call's first record, and how many it has. */
export interface CallPlace {
  readonly first: number;
  readonly count: number;
}

type TableState =
  | { readonly kind: "unread" | "read" }
  /** `truncations`: that came meanwhile, in order. */
  | { readonly kind: "reading"; readonly truncations: number[] };

interface BegunCall {
  /** Once it is durable. */
  readonly first: Promise<number>;
  readonly count: number;
}

export class PartitionProducers {
  /** False once another object is in its place. */
  isCurrent = true;
  readonly #lane: Lane;
  readonly #state: PartitionState;
  readonly hidden: PartitionState;
  /** Calls in the lane's queue, which may be refused. Those that were placed at once are as good as known. */
  readonly #underWay = new Map<string, Promise<number>>();
  /** Of the producer that called last. */
  #entry: ProducerCallEntry | null = null;
  #table = new ProducerTable();
  #tableState: TableState;
  #reading: Promise<void> = Promise.resolve();
  /** Calls that wait for the table: those that come have their turn behind them. */
  #waiting = 0;
  /** In the hidden partition. */
  #entries = 0;
  #isWriting = false;

  constructor(lane: Lane, state: PartitionState, hidden: PartitionState) {
    this.#lane = lane;
    this.#state = state;
    this.hidden = hidden;
    this.#tableState = { kind: hidden.lastSequence < hidden.firstAsked ? "read" : "unread" };
  }

  /** A call of one record: to its sequence. Hot. */
  appendOne(call: ProducerOptions, data: Uint8Array | string): Promise<number> {
    if (this.#lane.state.kind !== "open") throw this.#lane.refusal();
    return this.#isReady ? this.#begin(call, [data]).first : this.append(call, [data]).then(({ first }) => first);
  }

  /** One call: records that become durable together, or the answer that they got before. `records` may be reused at once. */
  async append(call: ProducerOptions, records: readonly (Uint8Array | string)[]): Promise<CallPlace> {
    if (this.#lane.state.kind !== "open") throw this.#lane.refusal();
    const { first, count } = this.#isReady ? this.#begin(call, records) : await this.#beginLater(call, records);
    return { first: await first, count };
  }

  get #isReady(): boolean {
    return this.#tableState.kind === "read" && this.#waiting === 0;
  }

  #beginLater(call: ProducerOptions, records: readonly (Uint8Array | string)[]): Promise<BegunCall> {
    const own = records.map(copied);
    if (this.#tableState.kind === "unread") this.#reading = this.#read();
    this.#waiting++;
    // In one step: a call that comes in between would be before those that waited.
    return this.#reading.then(
      () => {
        this.#waiting--;
        // Forgotten since: behind the next reading.
        return this.#tableState.kind === "read" ? this.#begin(call, own) : this.#beginLater(call, own);
      },
      (error: unknown) => {
        this.#waiting--;
        throw error;
      },
    );
  }

  get hasWaiting(): boolean {
    return this.#waiting > 0;
  }

  /** Nothing is lost when it is read again. */
  get isIdle(): boolean {
    return this.#waiting === 0 && this.#underWay.size === 0 && !this.#isWriting && this.#tableState.kind !== "reading";
  }

  /** Resolves when no call waits for the table any more. */
  async settled(): Promise<void> {
    while (this.#waiting > 0) await this.#reading.catch(() => undefined);
  }

  /** Records above `after` go: the entry for the group in which they do. */
  truncation(after: number): Uint8Array {
    this.#table.truncate(after);
    if (this.#tableState.kind === "reading") this.#tableState.truncations.push(after);
    this.#entries++;
    return encodeProducerEntry({ kind: "truncation", after });
  }

  /** A truncation was refused after all: what is known is read again. */
  forget(): void {
    this.#tableState = { kind: "unread" };
  }

  /** The table is read. Throws, or answers with a rejection, where the call is refused. */
  #begin({ producer, seq }: ProducerOptions, records: readonly (Uint8Array | string)[]): BegunCall {
    const verdict = this.#table.look(producer, seq);
    if (verdict.kind === "known") return this.#known({ producer, seq }, verdict);
    if (verdict.kind !== "new") throw outOfSequence(this.#state.name, { producer, seq }, verdict);
    const count = records.length;
    const begun = this.#beginAtOnce({ producer, seq }, records) ?? this.#beginInQueue({ producer, seq }, records);
    if (!this.#isWriting && this.#entries > this.#table.size + entriesBeside) this.#writeAnew();
    return { first: begun, count };
  }

  /** Hot: `ringwall bench atomic`. */
  #beginAtOnce({ producer, seq }: ProducerOptions, records: readonly (Uint8Array | string)[]): Promise<number> | null {
    const { small } = this.#lane;
    small.begin();
    for (const data of records) small.add(this.#state, data);
    const call = { producer, number: seq, first: this.#state.lastSequence + 1, count: records.length };
    if (this.#entry?.producer !== producer) this.#entry = new ProducerCallEntry(producer);
    small.add(this.hidden, this.#entry.encode(call));
    const done = small.append();
    if (done !== null) this.#note(call);
    return done;
  }

  #beginInQueue({ producer, seq }: ProducerOptions, records: readonly (Uint8Array | string)[]): Promise<number> {
    const call = { producer, number: seq, first: 0, count: records.length };
    const entry = (): Uint8Array => {
      call.first = this.#state.lastSequence + 1;
      return encodeProducerEntry({ kind: "call", ...call });
    };
    const done = this.#lane.appendAtomic([...records.map((data) => ({ state: this.#state, data })), { state: this.hidden, data: entry }]).then(() => call.first);
    // No sequence was given out: the lane refused at once.
    if (call.first === 0) return done;
    this.#note(call);
    const key = keyOf({ producer, seq });
    this.#underWay.set(key, done);
    done.then(
      () => { this.#underWay.delete(key); },
      () => {
        // Its number may be under way again.
        if (this.#underWay.get(key) !== done) return;
        this.#underWay.delete(key);
        this.#table.takeBack(producer, seq);
      },
    );
    return done;
  }

  #note(call: ProducerCall): void {
    this.#table.add(call);
    this.#entries++;
  }

  /** What was placed and is not durable yet is answered when it is. */
  #known(call: ProducerOptions, { first, count }: CallPlace): BegunCall {
    const queued = this.#underWay.size === 0 ? undefined : this.#underWay.get(keyOf(call));
    if (queued !== undefined) return { first: queued, count };
    const isDone = first + count - 1 <= this.#state.durableSequence || this.#lane.settings.durability.mode === "interval";
    return { first: isDone ? Promise.resolve(first) : this.#lane.sync().then(() => first), count };
  }

  // ---- the hidden partition

  async #read(): Promise<void> {
    for (;;) {
      const reading: TableState = { kind: "reading", truncations: [] };
      this.#tableState = reading;
      try {
        const { table, entries } = await this.#readTable();
        // Forgotten meanwhile: what was read may not be so.
        if (this.#tableState !== reading) continue;
        for (const after of reading.truncations) table.truncate(after);
        this.#table = table;
        this.#entries = entries;
        this.#tableState = { kind: "read" };
        return;
      } catch (error) {
        this.#tableState = { kind: "unread" };
        throw error;
      }
    }
  }

  async #readTable(): Promise<{ table: ProducerTable; entries: number }> {
    const hidden = this.hidden;
    const table = new ProducerTable();
    let count = 0;
    if (hidden.durableSequence < hidden.lastSequence) await this.#lane.sync();
    if (hidden.durableSequence < hidden.firstSequence) return { table, entries: count };
    for await (const batch of readBatches(this.#lane.shelf, hidden)) {
      for (const { seq, data } of batch) {
        const entries = decodeProducerEntries(data);
        if (entries === null) throw damaged(this.#state.name, seq);
        count += entries.length;
        for (const entry of entries) {
          if (entry.kind === "call") table.add(entry);
          else if (entry.kind === "truncation") table.truncate(entry.after);
          else table.clear();
        }
      }
    }
    return { table, entries: count };
  }

  /** All that is known comes behind all that led to it, which is then forgotten. In the background; what fails is done again later. */
  #writeAnew(): void {
    this.#isWriting = true;
    const entries = this.#entries;
    this.#entries = this.#table.size + 1;
    const records = tableRecords(this.#table.calls()).map((data) => ({ state: this.hidden, data }));
    this.#lane
      .appendAtomic(records)
      .then((sequences) => this.#lane.control("trim", this.hidden, sequences[0] as number))
      .catch(() => { this.#entries += entries; })
      .finally(() => { this.#isWriting = false; });
  }
}

function keyOf({ producer, seq }: ProducerOptions): string {
  return `${String(seq)} ${producer}`;
}

function tableRecords(calls: Iterable<ProducerCall>): Buffer[] {
  const records: Buffer[] = [];
  let chunk = [encodeProducerEntry({ kind: "beginning" })];
  let bytes = 0;
  for (const call of calls) {
    const entry = encodeProducerEntry({ kind: "call", ...call });
    if (bytes + entry.length > chunkBytesMax) {
      records.push(Buffer.concat(chunk));
      chunk = [];
      bytes = 0;
    }
    chunk.push(entry);
    bytes += entry.length;
  }
  records.push(Buffer.concat(chunk));
  return records;
}

function outOfSequence(partition: string, { producer, seq }: ProducerOptions, { kind, next, oldest }: { readonly kind: "gap" | "forgotten"; readonly next: number; readonly oldest: number }): RingwallError {
  const name = JSON.stringify(producer);
  const text = kind === "gap" ? `producer ${name} goes on with ${String(seq)}, and ${String(next)} is due` : `call ${String(seq)} of producer ${name} is too old: from ${String(oldest)} on they are known`;
  return new RingwallError("RINGWALL_OUT_OF_SEQUENCE", text, {
    place: { partition },
    remedy: kind === "gap" ? "Repeat the calls that were not acknowledged, in their order." : "It was appended, or came too late; look for its record.",
    details: { producer, seq, next, oldest },
  });
}

function damaged(partition: string, sequence: number): RingwallError {
  return new RingwallError("RINGWALL_DAMAGED", "what is kept of the partition's producers can't be understood", { place: { partition, sequence } });
}
