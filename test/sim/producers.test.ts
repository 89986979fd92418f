// Producers and cursors on a simulated machine: power cuts, kills, full disks, failing writes, trims and truncations in between.
//
// Each life repeats calls of the one before with the same numbers. Whatever happened, each call of a producer is there once, in its
// order, where its answer said; and the position of the cursor is that of the last result.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Partition } from "#src/index.js";
import type { LaneLog as Log } from "#src/log/lane-log.js";
import { Random } from "#src/storage/sim/random.js";
import { isRefusal, runSeeds } from "./lives.js";

const producers = ["a", "b", "c"];

interface Call {
  readonly producer: string;
  readonly number: number;
}

function textOf(data: Uint8Array): string {
  return Buffer.from(data).toString().trimEnd();
}

/** What goes on in a log over several lives, and what the outside world was told. */
class World {
  readonly counts = { answers: 0, repeated: 0, refused: 0, truncations: 0, moves: 0 };
  readonly #random: Random;
  /** Where each call's record is, as it was answered. */
  readonly #told = new Map<string, number>();
  /** The last number of each producer that was answered. */
  readonly #last = new Map<string, number>();
  #position = 0;
  /** Lets some of the machine's time pass: on a full disk a refusal takes none. */
  #pause: () => Promise<void> = () => Promise.resolve();

  constructor(seed: number) {
    this.#random = new Random(seed);
  }

  /** Demands that all that was told is so; then never ends, but by a failure of the log. */
  async live(log: Log, pause: () => Promise<void>): Promise<void> {
    this.#pause = pause;
    const partition = log.partition("p");
    const found = await this.#check(log);
    const next = new Map(producers.map((producer) => [producer, Math.max(1, Math.max(found.get(producer) ?? 0, this.#last.get(producer) ?? 0) + 1 - this.#random.between(0, 300))]));
    void this.#work(log);
    for (;;) {
      const dice = this.#random.between(0, 20);
      if (dice === 0) await this.#truncate(partition, next);
      else if (dice <= 3) await this.#trim(partition);
      else await this.#burst(partition, next);
    }
  }

  async #check(log: Log): Promise<Map<string, number>> {
    const partition = log.partition("p");
    const found = new Map<string, number>();
    const texts = new Map<number, string>();
    for await (const { seq, data } of partition.read()) {
      const text = textOf(data);
      texts.set(seq, text);
      const [producer, number] = text.split(" ") as [string, string];
      if (found.has(producer)) assert.equal(Number(number), (found.get(producer) as number) + 1, `${producer}, record ${seq}`);
      found.set(producer, Number(number));
    }
    for (const [key, seq] of this.#told) if (seq >= partition.firstSeq) assert.equal(texts.get(seq), key, `record ${seq}`);
    const position = await log.cursor("worker").get();
    assert.ok(position >= this.#position, `the cursor was told to be at ${this.#position} and is at ${position}`);
    assert.equal(position, log.partition("results").durableSeq);
    return found;
  }

  /** Results and the position behind them, in one write. */
  async #work(log: Log): Promise<void> {
    for (let position = await log.cursor("worker").get(); ; ) {
      try {
        await log.write([{ partition: "results", data: `result ${position + 1}` }, { cursor: "worker", seq: position + 1 }]);
        this.#position = ++position;
        this.counts.moves++;
        if (position % 20 === 0) await log.partition("results").trim(position);
      } catch (error) {
        if (isRefusal(error, "RINGWALL_POISONED")) return;
        if (!isRefusal(error, "RINGWALL_DISK_FULL")) throw error;
        await this.#pause();
      }
    }
  }

  async #burst(partition: Partition, next: Map<string, number>): Promise<void> {
    const calls: Call[] = producers.flatMap((producer) => Array.from({ length: this.#random.between(0, 12) }, () => {
      const number = next.get(producer) as number;
      next.set(producer, number + 1);
      return { producer, number };
    }));
    const outcomes = await Promise.allSettled(calls.map((call) => this.#append(partition, call)));
    for (const [index, outcome] of outcomes.entries()) {
      if (outcome.status === "fulfilled") continue;
      // What was refused is not known: the calls behind it leave a number out.
      if (!isRefusal(outcome.reason, "RINGWALL_DISK_FULL", "RINGWALL_OUT_OF_SEQUENCE")) throw outcome.reason;
      const { producer, number } = calls[index] as Call;
      next.set(producer, Math.min(next.get(producer) as number, number));
      this.counts.refused++;
      await this.#pause();
    }
  }

  async #append(partition: Partition, { producer, number }: Call): Promise<void> {
    const key = `${producer} ${number}`;
    const seq = await partition.append(key.padEnd((number * 37) % 900), { producer, seq: number });
    const told = this.#told.get(key);
    if (told !== undefined) {
      assert.equal(seq, told, `the record of ${key}`);
      this.counts.repeated++;
    }
    this.#told.set(key, seq);
    this.#last.set(producer, Math.max(this.#last.get(producer) ?? 0, number));
    this.counts.answers++;
  }

  /** From the call on it is open whether the records go. */
  async #truncate(partition: Partition, next: Map<string, number>): Promise<void> {
    if (partition.lastSeq < partition.firstSeq + 20) return;
    const after = partition.lastSeq - this.#random.between(1, 20);
    for (const [key, seq] of this.#told) {
      if (seq <= after) continue;
      this.#told.delete(key);
      const [producer, number] = key.split(" ") as [string, string];
      next.set(producer, Math.min(next.get(producer) as number, Number(number)));
      this.#last.set(producer, Math.min(this.#last.get(producer) as number, Number(number) - 1));
    }
    try {
      await partition.truncate(after);
      this.counts.truncations++;
    } catch (error) {
      if (!isRefusal(error, "RINGWALL_DISK_FULL", "RINGWALL_INVALID_ARGUMENT")) throw error;
    }
  }

  async #trim(partition: Partition): Promise<void> {
    if (partition.lastSeq > partition.firstSeq + 400) await partition.trim(partition.lastSeq - 300).catch((error: unknown) => { if (!isRefusal(error, "RINGWALL_DISK_FULL")) throw error; });
  }
}

test("whatever ends a life, each call is there once, where it was told to be, and the cursor is at the last result", (t) => runSeeds(t, (seed) => new World(seed), { lives: 5, eventsMax: 1500 }));
