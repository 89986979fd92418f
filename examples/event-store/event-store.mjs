// An event store on Ringwall: streams of events with optimistic concurrency, and projections that see each event exactly once.
//
// A stream is a partition; its version is the last sequence. "all" has a copy of each event, in one write with the stream's, and so
// an order over all streams. A projection writes what follows from an event and moves its cursor over "all" in one write.

import { Log } from "ringwall";

export class ConflictError extends Error {
  constructor(stream, expected, version) {
    super(`stream ${stream} is at version ${version}, expected was ${expected}`);
    this.name = "ConflictError";
    this.version = version;
  }
}

export class EventStore {
  #log;

  constructor(log) {
    this.#log = log;
    log.partition("all");
  }

  static async open(directory, options = {}) {
    return new EventStore(await Log.open(directory, options));
  }

  /** 0 for a stream without events. What is on its way counts. */
  version(stream) {
    return this.#stream(stream).lastSeq;
  }

  /** Appends events behind version `expected`; resolves to the new version. Rejects with ConflictError where others were faster. */
  async append(stream, events, expected) {
    const partition = this.#stream(stream);
    // No turn of the event loop lies between the look and the write, which gives the versions out at once.
    if (partition.lastSeq !== expected) throw new ConflictError(stream, expected, partition.lastSeq);
    const items = events.flatMap((event, index) => {
      const data = JSON.stringify({ ...event, stream, version: expected + index + 1 });
      return [{ partition: partition.name, data }, { partition: "all", data }];
    });
    await this.#log.write(items);
    return expected + events.length;
  }

  async *read(stream, from = 1) {
    for await (const { data } of this.#stream(stream).read({ from })) yield JSON.parse(Buffer.from(data));
  }

  /**
   * Gives each event, in the order of all, to `handle`, which returns the records that follow from it; those and the position become
   * durable together. Goes on with what is appended until `signal` aborts.
   */
  async project(name, handle, signal) {
    const cursor = this.#log.cursor(name, { with: "all" });
    try {
      for await (const { seq, data } of this.#log.partition("all").tail({ from: (await cursor.get()) + 1, signal })) {
        await this.#log.write([...handle(JSON.parse(Buffer.from(data))), { cursor: name, seq }]);
      }
    } catch (error) {
      if (!signal?.aborted) throw error;
    }
  }

  /** What projections wrote. */
  async *results(partition) {
    for await (const { data } of this.#log.partition(partition).read()) yield JSON.parse(Buffer.from(data));
  }

  /** How far a projection has come, of how many events. */
  async progress(name) {
    return [await this.#log.cursor(name).get(), this.#log.partition("all").lastSeq];
  }

  async close() {
    await this.#log.close();
  }

  #stream(name) {
    return this.#log.partition(`stream ${name}`, { with: "all" });
  }
}
