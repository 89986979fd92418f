// A partition in another thread than its lane's: arguments are checked here, commands go over, numbers come from the board.

import { RingwallError } from "../base/errors.js";
import { checkedAfter, checkedBatch, checkProducer, namesCall } from "../log/log-arguments.js";
import type { PartitionOptions } from "../log/log.js";
import type { AppendBatchOptions, Partition, ProducerOptions } from "../log/partition.js";
import { Records } from "../log/read-batches.js";
import type { PartitionTimes } from "../log/read-times.js";
import { checkedRead, checkedTail, checkSequence, type LogRecord, type ReadOptions, type TailOptions } from "../log/reader.js";
import { checkData } from "../log/record-data.js";
import { commandKind } from "./command-ring.js";
import type { Connection } from "./connection.js";
import { encodeCall, encodeItems, encodeName, encodeNumber } from "./payloads.js";
import { ThreadBatches, unpacked } from "./thread-batches.js";

export interface ThreadPartitionOptions {
  readonly connection: Connection;
  /** Its number with this producer. */
  readonly number: number;
  readonly recordBytesMax: number;
  /** Of the log. */
  readonly lanes: number;
}

export class ThreadPartition implements Partition {
  readonly name: string;
  readonly #connection: Connection;
  readonly #options: ThreadPartitionOptions;
  /** Its place on the board; undefined while no thread has named it there. */
  #place: number | undefined;
  #isNamed = false;
  /** Where it was asked to be, for its first use. */
  placement: PartitionOptions | null = null;

  constructor(name: string, options: ThreadPartitionOptions) {
    this.name = name;
    this.#connection = options.connection;
    this.#options = options;
  }

  get lane(): number {
    const place = this.#found();
    if (place !== undefined) return this.#connection.board.lane(place);
    return this.#options.lanes === 1 ? 0 : -1;
  }

  get firstSeq(): number {
    const place = this.#found();
    return place === undefined ? 1 : this.#connection.board.numbers(place).first;
  }

  get lastSeq(): number {
    const place = this.#found();
    return place === undefined ? 0 : this.#connection.board.numbers(place).last;
  }

  get durableSeq(): number {
    const place = this.#found();
    return place === undefined ? 0 : this.#connection.board.numbers(place).durable;
  }

  /** Hot. */
  append(data: Uint8Array | string, options?: ProducerOptions): Promise<number> {
    try {
      checkData(data, this.#options.recordBytesMax, this.name);
      if (options !== undefined) return this.#appendCall(options, [data]).then(({ first }) => first);
      return this.#connection.append(this.number(), data);
    } catch (error) {
      return Promise.reject(error as Error);
    }
  }

  async appendBatch(batch: readonly (Uint8Array | string)[], options: AppendBatchOptions | ProducerOptions = {}): Promise<{ readonly first: number; readonly last: number }> {
    const records = checkedBatch(batch, this.#options.recordBytesMax, this.name);
    if (namesCall(options)) return this.#appendCall(options, records);
    const after = checkedAfter(options, this.name);
    const payload = encodeItems([...(after === undefined ? [] : [{ partition: 0, truncate: after }]), ...records.map((data) => ({ partition: 0, data }))]);
    const first = await this.#connection.call(commandKind.batch, this.number(), payload);
    return { first, last: first + records.length - 1 };
  }

  enqueue(data: Uint8Array | string): number {
    checkData(data, this.#options.recordBytesMax, this.name);
    this.#connection.enqueue(this.number(), data);
    return 0;
  }

  readBatches(options: ReadOptions = {}): AsyncGenerator<readonly LogRecord[], undefined, undefined> {
    return new ThreadBatches(this.#connection, this.name, checkedRead(options));
  }

  read(options: ReadOptions = {}): AsyncGenerator<LogRecord, undefined, undefined> {
    return new Records(this.readBatches(options));
  }

  tail(options: TailOptions = {}): AsyncGenerator<LogRecord, undefined, undefined> {
    return new Records(this.tailBatches(options));
  }

  tailBatches(options: TailOptions = {}): AsyncGenerator<readonly LogRecord[], undefined, undefined> {
    return new ThreadBatches(this.#connection, this.name, checkedTail(options));
  }

  async get(seq: number): Promise<LogRecord | undefined> {
    checkSequence("sequence", seq);
    const records = await this.#connection.get(this.name, seq);
    return records === null ? undefined : unpacked(records)[0];
  }

  async times(): Promise<PartitionTimes | undefined> {
    const ends = await this.#connection.times(this.name);
    return ends === null ? undefined : { first: ends.times[0] as number, last: ends.times[1] as number };
  }

  async trim(before: number): Promise<void> {
    await this.#bound(commandKind.trim, "before", before);
  }

  async truncate(after: number): Promise<void> {
    await this.#bound(commandKind.truncate, "after", after);
  }

  async drop(): Promise<void> {
    await this.#connection.call(commandKind.drop, this.number());
  }

  /** Its number with this producer; the lane's thread knows from now on which partition that is. Hot. */
  number(): number {
    if (!this.#isNamed && this.#connection.state === "open") {
      this.#isNamed = true;
      this.#connection.tell(commandKind.name, this.#options.number, encodeName({ name: this.name, placement: this.placement }));
    }
    return this.#options.number;
  }

  async #appendCall(options: ProducerOptions, records: readonly (Uint8Array | string)[]): Promise<{ first: number; last: number }> {
    checkProducer(options, this.name);
    const [first, count] = (await this.#connection.callForMany(commandKind.call, this.number(), encodeCall(options, records))) as [number, number];
    return { first, last: first + count - 1 };
  }

  /** What is allowed the lane alone knows: others append and trim too. */
  async #bound(kind: typeof commandKind.trim | typeof commandKind.truncate, name: string, value: number): Promise<void> {
    if (typeof value !== "number") {
      throw new RingwallError("RINGWALL_INVALID_ARGUMENT", `\`${name}\` must be an integer; it is ${String(value)}`, { place: { partition: this.name } });
    }
    await this.#connection.call(kind, this.number(), encodeNumber(value));
  }

  #found(): number | undefined {
    this.#place ??= this.#connection.board.placeOf(this.name);
    return this.#place;
  }
}
