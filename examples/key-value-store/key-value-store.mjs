// A key-value store on Ringwall: a table in memory, a log of its writes, and a checkpoint now and then, so that the log stays short.
//
// Two partitions: "writes", and "table" with checkpoints. Two cursors, moved in one write with a checkpoint, say where in "table" it
// begins and which writes it holds. What came before both is trimmed.

import { Log } from "ringwall";

const writesPerCheckpoint = 1000;

export class KeyValueStore {
  #log;
  #writes;
  #tablePartition;
  #table = new Map();
  /** The last write that is in the table, and in the last checkpoint. */
  #applied = 0;
  #covered = 0;
  #checkpoint = null;

  constructor(log) {
    this.#log = log;
    this.#writes = log.partition("writes");
    this.#tablePartition = log.partition("table", { with: "writes" });
  }

  static async open(directory, options = {}) {
    const store = new KeyValueStore(await Log.open(directory, options));
    await store.#load();
    return store;
  }

  get size() {
    return this.#table.size;
  }

  get(key) {
    return this.#table.get(key);
  }

  entries() {
    return this.#table.entries();
  }

  /** Durable when it resolves; from then on `get` has it. Writes take effect in the order of their calls. */
  async set(key, value) {
    await this.#write([key, value]);
  }

  async delete(key) {
    await this.#write([key]);
  }

  /** Writes the table and forgets the writes that are in it. */
  async checkpoint() {
    this.#checkpoint ??= this.#writeCheckpoint().finally(() => { this.#checkpoint = null; });
    await this.#checkpoint;
  }

  async close() {
    await this.#checkpoint?.catch(() => undefined);
    await this.#log.close();
  }

  async #write(change) {
    const seq = await this.#writes.append(JSON.stringify(change));
    this.#apply(change);
    // Appends are acknowledged in order.
    this.#applied = seq;
    // A checkpoint that fails is no failed write; the next one is tried.
    if (seq - this.#covered > writesPerCheckpoint) this.checkpoint().catch(() => undefined);
  }

  #apply([key, value]) {
    if (value === undefined) this.#table.delete(key);
    else this.#table.set(key, value);
  }

  async #writeCheckpoint() {
    const covered = this.#applied;
    const first = this.#tablePartition.lastSeq + 1;
    const records = [...this.#table].map((entry) => ({ partition: "table", data: JSON.stringify(entry) }));
    await this.#log.write([...records, { cursor: "table begins", seq: first }, { cursor: "writes covered", seq: covered }]);
    this.#covered = covered;
    await this.#tablePartition.trim(first);
    await this.#writes.trim(covered + 1);
  }

  async #load() {
    const first = await this.#log.cursor("table begins").get();
    this.#covered = this.#applied = await this.#log.cursor("writes covered").get();
    if (first > 0) for await (const { data } of this.#tablePartition.read({ from: first })) this.#apply(JSON.parse(Buffer.from(data)));
    for await (const { seq, data } of this.#writes.read({ from: this.#covered + 1 })) {
      this.#apply(JSON.parse(Buffer.from(data)));
      this.#applied = seq;
    }
  }
}
