// Reads a log while it is written, and compares what it gets with what was ever given to it.

import { RingwallError } from "#src/base/errors.js";
import type { Log } from "#src/log/log.js";
import type { Partition } from "#src/log/partition.js";
import type { Random } from "#src/storage/sim/random.js";
import { isControl, type LaneModel } from "./lane-model.js";
import { describe, holds, type Payload } from "./payload.js";
import type { RunPlan } from "./plan.js";

export interface LiveReaderOptions {
  readonly log: Log;
  readonly lanes: readonly LaneModel[];
  readonly random: Random;
  readonly plan: RunPlan;
  readonly sleep: (micros: number) => Promise<void>;
  readonly fail: (reason: string, cause?: unknown) => void;
  readonly say: (line: string) => void;
}

export class LiveReader {
  readonly #options: LiveReaderOptions;

  constructor(options: LiveReaderOptions) {
    this.#options = options;
  }

  async read(partition: Partition): Promise<void> {
    const { random, say } = this.#options;
    const from = random.chance(0.5) ? partition.firstSeq : random.between(partition.firstSeq, partition.lastSeq + 1);
    const durable = partition.durableSeq;
    say(`read ${partition.name} from ${String(from)}`);
    const records = partition.read({ from, ...(random.chance(0.3) ? { limit: random.between(1, 20) } : {}) });
    const sought = this.#witness(partition);
    let due = from;
    const failed = await this.#through(records, (seq, data) => {
      this.#compare(partition, sought, { seq, due, data });
      due = seq + 1;
    });
    if (failed !== null) this.#judge(`reading ${partition.name} from ${String(from)}`, failed, partition);
    else if (due <= from && durable >= from && !sought.isDisturbed()) this.#options.fail(`reading ${partition.name} from ${String(from)} gave nothing, ${String(durable)} was durable`);
  }

  async get(partition: Partition): Promise<void> {
    const { random, fail } = this.#options;
    const seq = random.between(Math.max(1, partition.firstSeq), Math.max(1, partition.lastSeq + 1));
    const durable = partition.durableSeq;
    const sought = this.#witness(partition);
    try {
      const record = await partition.get(seq);
      if (record !== undefined) this.#compare(partition, sought, { seq: record.seq, due: seq, data: record.data });
      else if (seq <= durable && !sought.isDisturbed()) fail(`get ${partition.name} ${String(seq)} gave nothing, ${String(durable)} was durable`);
    } catch (error) {
      this.#judge(`get ${partition.name} ${String(seq)}`, error, partition);
    }
  }

  /** Follows a partition for a while, then aborts. */
  async tail(partition: Partition): Promise<void> {
    const { random, sleep } = this.#options;
    const controller = new AbortController();
    const from = random.between(partition.firstSeq, partition.lastSeq + 1);
    const sought = this.#witness(partition);
    let due = from;
    const following = this.#through(partition.tail({ from, signal: controller.signal }), (seq, data) => {
      this.#compare(partition, sought, { seq, due, data });
      due = seq + 1;
    });
    await Promise.race([sleep(random.between(10, 20_000)), following]);
    controller.abort();
    const failed = await following;
    if (failed !== null) this.#judge(`tail of ${partition.name} from ${String(from)}`, failed, partition);
  }

  /** Null, or what the iteration threw. */
  async #through(records: AsyncIterable<{ readonly seq: number; readonly data: Uint8Array }>, each: (seq: number, data: Uint8Array) => void): Promise<unknown> {
    try {
      for await (const { seq, data } of records) each(seq, data);
      return null;
    } catch (error) {
      return error;
    }
  }

  #compare(partition: Partition, sought: Witness, { seq, due, data }: { readonly seq: number; readonly due: number; readonly data: Uint8Array }): void {
    const { fail } = this.#options;
    if (seq !== due) fail(`${partition.name} gave ${String(seq)} where ${String(due)} was due`);
    if (!sought.allows(seq, data)) fail(`${partition.name} ${String(seq)} is ${describe(data)}, which nobody wrote there`);
  }

  #judge(what: string, error: unknown, partition: Partition): void {
    const { fail, plan } = this.#options;
    if (!(error instanceof RingwallError)) return fail(`${what} failed`, error);
    switch (error.code) {
      case "RINGWALL_ABORTED":
      case "RINGWALL_CLOSED":
      case "RINGWALL_TRIMMED":
      case "RINGWALL_NOT_FOUND":
      case "RINGWALL_DROPPED":
        return;
      case "RINGWALL_POISONED":
        if (plan.flavour === "crashes") fail(`${what} failed`, error);
        return;
      case "RINGWALL_DAMAGED":
        if (plan.flavour !== "damage") fail(`${what} reports damage where there is none (${String(partition.firstSeq)} to ${String(partition.durableSeq)} are durable)`, error);
        return;
      default:
        fail(`${what} failed`, error);
    }
  }

  #witness(partition: Partition): Witness {
    return new Witness(this.#options.lanes[partition.lane] as LaneModel, partition.name);
  }
}

/** What a partition's records may hold from now on: what they held at the beginning, or hold now, or were given meanwhile. */
export class Witness {
  readonly #lane: LaneModel;
  readonly #partition: string;
  readonly #before: ReadonlyMap<number, Payload>;
  readonly #trimsBefore: number;
  readonly #controlsBefore: number;

  constructor(lane: LaneModel, partition: string) {
    this.#lane = lane;
    this.#partition = partition;
    this.#before = new Map([...(lane.base.get(partition)?.records ?? []), ...(lane.view.get(partition)?.records ?? [])]);
    this.#trimsBefore = this.#controls();
    this.#controlsBefore = lane.controls;
  }

  allows(sequence: number, data: Uint8Array): boolean {
    const payloads = [this.#before.get(sequence), this.#lane.view.get(this.#partition)?.records.get(sequence), this.#lane.base.get(this.#partition)?.records.get(sequence)];
    if (payloads.some((payload) => payload !== undefined && holds(data, payload))) return true;
    return this.#lane.steps.some((step) => step.kind === "records" && step.items.some((item) => item.partition === this.#partition && item.sequence === sequence && holds(data, item.payload)));
  }

  /** Whether the record was ever given to the partition under this sequence: a reader in another process may lag behind. */
  everAllowed(sequence: number, data: Uint8Array): boolean {
    return this.allows(sequence, data) || this.#lane.everGiven(this.#partition, sequence).some((payload) => holds(data, payload));
  }

  /** Something on the lane was trimmed or truncated since, or was being. */
  isLaneDisturbed(): boolean {
    return this.#lane.controls !== this.#controlsBefore || this.#lane.steps.some((step) => isControl(step));
  }

  /** A trim or truncation was under way or came since. */
  isDisturbed(): boolean {
    return this.#controls() !== this.#trimsBefore || this.#controls() > 0;
  }

  #controls(): number {
    return this.#lane.steps.filter((step) => isControl(step, this.#partition)).length;
  }
}
