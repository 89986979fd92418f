// The readings of one producer: they run in the lane's thread, which alone knows what is durable, trimmed and truncated
// at every moment, and their records go over a batch at a time, whenever the producer asks for the next.

import type { LogRecord, ReadOptions, TailOptions } from "../log/reader.js";
import type { LaneLog } from "../log/lane-log.js";
import type { Partition } from "../log/partition.js";
import { sentError } from "./error-transfer.js";
import type { FromLane, SentReadOptions, SentRecords, ToLane } from "./port-messages.js";

export type ReadRequest = Exclude<ToLane, { kind: "commands" | "ring" | "heard" | "abort" | "reclaim" }>;
type Batches = AsyncGenerator<readonly LogRecord[], undefined, undefined>;
type Post = (message: FromLane, transfer: ArrayBuffer[]) => void;

export class ServedReads {
  readonly #log: LaneLog;
  readonly #post: Post;
  readonly #batches = new Map<number, Batches>();

  constructor(log: LaneLog, post: Post) {
    this.#log = log;
    this.#post = post;
  }

  async handle(request: ReadRequest): Promise<void> {
    const { id } = request;
    try {
      switch (request.kind) {
        case "read":
          this.#batches.set(id, this.#open(request.partition, request.options));
          break;
        case "next":
          await this.#next(id);
          break;
        case "return":
          await this.#forget(id);
          break;
        case "times":
          await this.#sendTimes(id, this.#log.partition(request.partition));
          break;
        case "get": {
          const record = await this.#log.named(request.partition).get(request.sequence);
          this.#send(id, record === undefined ? null : [record]);
          break;
        }
      }
    } catch (error) {
      await this.#forget(id);
      this.#post({ kind: "unread", id, error: sentError(error) }, []);
    }
  }

  /** Ends all of them, also those that wait. */
  async close(): Promise<void> {
    await Promise.allSettled([...this.#batches.keys()].map((id) => this.#forget(id)));
  }

  #open(name: string, { from, since, to, limit, isTail }: SentReadOptions): Batches {
    const partition = this.#log.named(name);
    const range: ReadOptions & TailOptions = { from, since };
    return isTail ? partition.tailBatches(range) : partition.readBatches({ ...range, to, limit });
  }

  async #next(id: number): Promise<void> {
    const result = await this.#batches.get(id)?.next();
    if (result?.done !== false) {
      this.#batches.delete(id);
      this.#send(id, null);
    } else this.#send(id, result.value);
  }

  async #forget(id: number): Promise<void> {
    const batches = this.#batches.get(id);
    this.#batches.delete(id);
    await batches?.return(undefined);
  }

  async #sendTimes(id: number, partition: Partition): Promise<void> {
    const times = await partition.times();
    const noBytes = new Uint8Array(0);
    this.#send(id, times === undefined ? null : [{ seq: 0, time: times.first, data: noBytes }, { seq: 0, time: times.last, data: noBytes }]);
  }

  #send(id: number, batch: readonly LogRecord[] | null): void {
    if (batch === null) {
      this.#post({ kind: "records", id, records: null }, []);
      return;
    }
    const records = packed(batch);
    this.#post({ kind: "records", id, records }, [records.times, records.ends, records.data].map((array) => array.buffer as ArrayBuffer));
  }
}

/** A copy: the windows that records lie in belong to several batches and can't change hands. */
function packed(batch: readonly LogRecord[]): SentRecords {
  const times = new Float64Array(batch.length);
  const ends = new Float64Array(batch.length);
  let end = 0;
  for (const [index, { time, data }] of batch.entries()) {
    end += data.length;
    times[index] = time;
    ends[index] = end;
  }
  const data = new Uint8Array(end);
  for (const [index, record] of batch.entries()) data.set(record.data, (ends[index] as number) - record.data.length);
  return { first: (batch[0] as LogRecord).seq, times, ends, data };
}
