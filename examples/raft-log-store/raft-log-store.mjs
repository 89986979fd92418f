// A Raft log and its stable store on Ringwall: the operations of the usual LogStore, each one durable when it resolves.
//
// Entries are the records of one partition: index = sequence + offset. Term, vote and offset are the last record of another.
// The offset is 0 until a snapshot is installed: then entries begin anew at any index.

import { Log } from "ringwall";

const termBytes = 8;
const statesKept = 256;

export class RaftLogStore {
  #log;
  #entries;
  #stable;
  #state = { term: 0, votedFor: null };
  #offset = 0;

  constructor(log) {
    this.#log = log;
    this.#entries = log.partition("entries");
    this.#stable = log.partition("stable", { with: "entries" });
  }

  static async open(directory, options = {}) {
    const log = await Log.open(directory, options);
    try {
      const store = new RaftLogStore(log);
      await store.#load();
      return store;
    } catch (error) {
      await log.close();
      throw error;
    }
  }

  /** 0 when there are no entries. */
  get firstIndex() {
    return this.#isEmpty ? 0 : this.#entries.firstSeq + this.#offset;
  }

  /** 0 when there are no entries. */
  get lastIndex() {
    return this.#isEmpty ? 0 : this.#entries.lastSeq + this.#offset;
  }

  /** Undefined when there is no such entry. */
  async getLog(index) {
    if (this.#isEmpty || index < this.firstIndex || index > this.lastIndex) return undefined;
    const record = await this.#entries.get(index - this.#offset);
    return record === undefined ? undefined : this.#entryOf(record);
  }

  /** Entries from `min` to `max`, in order. */
  async *getLogs(min, max) {
    if (this.#isEmpty) return;
    for await (const record of this.#entries.read({ from: min - this.#offset, to: max - this.#offset })) yield this.#entryOf(record);
  }

  /**
   * Entries with ascending indexes. What the log has from the first of them on goes in the same step: after a crash the old
   * suffix is there, or all of the new one. An empty log takes any first index.
   */
  async storeLogs(entries) {
    if (entries.length === 0) return;
    const first = entries[0].index;
    if (entries.some(({ index }, at) => index !== first + at) || first < 1) throw new RangeError("indexes must ascend by one, from 1 on");
    const records = entries.map(encode);
    if (this.#isEmpty) return this.#begin(first, records);
    if (first > this.lastIndex + 1 || first < this.firstIndex) {
      throw new RangeError(`the log holds ${this.firstIndex} to ${this.lastIndex}: entry ${first} leaves a gap or is compacted`);
    }
    await this.#entries.appendBatch(records, { after: first - 1 - this.#offset });
  }

  /** Forgets the entries from `min` to `max`: the head (compaction), the tail, or all. */
  async deleteRange(min, max) {
    const { firstIndex, lastIndex } = this;
    if (this.#isEmpty || max < firstIndex || min > lastIndex || max < min) return;
    if (min <= firstIndex) await this.#entries.trim(Math.min(max, lastIndex) + 1 - this.#offset);
    else if (max >= lastIndex) await this.#entries.truncate(min - 1 - this.#offset);
    else throw new RangeError(`entries ${min} to ${max} lie in the middle of ${firstIndex} to ${lastIndex}`);
  }

  /** The term and the vote that were stored last. */
  get state() {
    return this.#state;
  }

  /** To be awaited before a vote is answered. */
  async setState({ term, votedFor = null }) {
    this.#state = { term, votedFor };
    const seq = await this.#stable.append(this.#stateRecord());
    if (seq % statesKept === 0) await this.#stable.trim(seq);
  }

  close() {
    return this.#log.close();
  }

  async #load() {
    const last = await (this.#stable.lastSeq === 0 ? undefined : this.#stable.get(this.#stable.lastSeq));
    if (last === undefined) return;
    const { term, votedFor, offset } = JSON.parse(Buffer.from(last.data).toString());
    this.#state = { term, votedFor };
    this.#offset = offset;
  }

  /** The offset changes with the entries that it is for, in one write over both partitions. */
  async #begin(first, records) {
    const before = this.#offset;
    this.#offset = first - 1 - this.#entries.lastSeq;
    const offset = this.#offset === before ? [] : [{ partition: "stable", data: this.#stateRecord() }];
    try {
      await this.#log.write([...offset, ...records.map((data) => ({ partition: "entries", data }))]);
    } catch (error) {
      this.#offset = before;
      throw error;
    }
  }

  #stateRecord() {
    return JSON.stringify({ ...this.#state, offset: this.#offset });
  }

  get #isEmpty() {
    return this.#entries.lastSeq < this.#entries.firstSeq;
  }

  #entryOf({ seq, data }) {
    const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    return { index: seq + this.#offset, term: Number(bytes.readBigUInt64LE(0)), data: data.subarray(termBytes) };
  }
}

/** The term, then the entry's bytes. */
function encode({ term, data }) {
  const bytes = Buffer.from(data);
  const record = Buffer.allocUnsafe(termBytes + bytes.length);
  record.writeBigUInt64LE(BigInt(term), 0);
  bytes.copy(record, termBytes);
  return record;
}
