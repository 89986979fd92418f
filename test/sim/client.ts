// A program that uses a log: random calls of every public operation, each told to the model before its outcome is known.
//
// Owns: the calls of one life, from opening to crash or close. What it learns goes to the model: a step when a call was
// accepted, an acknowledgement when it resolved. Live reads are compared at once.

import { RingwallError } from "#src/base/errors.js";
import type { Log } from "#src/log/log.js";
import type { Partition } from "#src/log/partition.js";
import type { ResolvedOptions } from "#src/log/options.js";
import type { Random } from "#src/storage/sim/random.js";
import { imageOf, type LaneModel, type ModelItem, type PartitionImage, type Step } from "./lane-model.js";
import { LiveReader } from "./live-reader.js";
import { contentOf, type Payload } from "./payload.js";
import type { RunPlan } from "./plan.js";

export interface ClientOptions {
  readonly log: Log;
  readonly lanes: readonly LaneModel[];
  readonly random: Random;
  readonly plan: RunPlan;
  readonly options: ResolvedOptions;
  readonly sleep: (micros: number) => Promise<void>;
  /** Opens the log read-only in another process, and compares what it shows. */
  readonly readBeside: () => Promise<void>;
  readonly nextPayloadId: () => number;
  /** Something is wrong with the library. */
  readonly fail: (reason: string, cause?: unknown) => void;
  readonly say: (line: string) => void;
  /** Something rare happened. */
  readonly met: (what: string) => void;
}

type Outcome = { readonly kind: "resolved"; readonly value: unknown } | { readonly kind: "rejected"; readonly error: RingwallError };

const refusals = new Set(["RINGWALL_DISK_FULL"]);
const endings = new Set(["RINGWALL_POISONED", "RINGWALL_CLOSED"]);

export class Client {
  readonly #options: ClientOptions;
  readonly #reader: LiveReader;
  /** Calls under way, with what they are. */
  readonly #pending = new Map<Promise<unknown>, string>();
  /** The log takes no more work. */
  #isOver = false;
  #isPoisoned = false;
  calls = 0;

  constructor(options: ClientOptions) {
    this.#options = options;
    this.#reader = new LiveReader(options);
  }

  /** Makes `count` calls, waiting for some of them; resolves when all are through. */
  async work(count: number): Promise<void> {
    const { random, sleep } = this.#options;
    for (let call = 0; call < count && !this.#isOver; call++) {
      for (let together = random.pick([1, 1, 1, 4, 20]); together > 0 && call < count; together--, call++) this.#call();
      const patience = random.below(10);
      if (patience < 3) await sleep(random.between(1, 400));
      else if (patience === 3) await sleep(random.between(1000, 60_000));
      else if (patience < 8) await this.#oneOfPending();
      else if (patience === 8) await Promise.all(this.#pending.keys());
      this.#checkDurable();
    }
    if (random.chance(0.7)) await Promise.all(this.#pending.keys());
  }

  /** Closes the log; everything accepted is durable when that resolves. */
  async close(): Promise<void> {
    const { log, lanes, say } = this.#options;
    say("close");
    this.#isOver = true;
    const closing = log.close();
    this.#track("close", settled(closing));
    const outcome = await settled(closing);
    await Promise.all(this.#pending.keys());
    // A lane that was known to be poisoned promises nothing more.
    if (outcome.kind === "resolved" && !this.#isPoisoned) for (const lane of lanes) lane.acknowledgeUpTo(lane.end);
    else if (outcome.kind === "rejected") this.#judge("close", outcome.error, new Set(["RINGWALL_POISONED", "RINGWALL_DISK_FULL", "RINGWALL_IO"]));
  }

  async #oneOfPending(): Promise<void> {
    const pending = [...this.#pending.keys()];
    if (pending.length > 0) await this.#options.random.pick(pending);
  }

  #call(): void {
    if (this.#isOver) return;
    this.calls++;
    const dice = this.#options.random.below(100);
    if (dice < 34) this.#append();
    else if (dice < 44) this.#appendBatch();
    else if (dice < 52) this.#write();
    else if (dice < 66) this.#enqueue();
    else if (dice < 71) this.#sync();
    else if (dice < 75) this.#trim();
    else if (dice < 76) this.#drop();
    else if (dice < 81) this.#truncate();
    else if (dice < 84) this.#rotate();
    else if (dice < 94) this.#read("read");
    else if (dice < 97) this.#read("get");
    else if (dice < 99) this.#read("tail");
    else this.#track("reader in another process", this.#options.readBeside());
  }

  #append(): void {
    const partition = this.#partition();
    const payload = this.#payload();
    const before = partition.lastSeq;
    const promise = partition.append(this.#dataOf(payload));
    const step = this.#given("append", partition, before, [payload]);
    this.#follow("append", promise, step, (value) => value === before + 1);
  }

  #appendBatch(): void {
    const partition = this.#partition();
    const payloads = Array.from({ length: this.#options.random.pick([1, 2, 5, 30]) }, () => this.#payload());
    if (this.#options.random.chance(0.4) && this.#overwrite(partition, payloads)) return;
    const before = partition.lastSeq;
    const promise = partition.appendBatch(payloads.map((payload) => this.#dataOf(payload)));
    const step = this.#given("batch", partition, before, payloads);
    this.#follow("batch", promise, step, (value) => {
      const { first, last } = value as { first: number; last: number };
      return first === before + 1 && last === before + payloads.length;
    });
  }

  /** A batch in place of the partition's last records. False: the model does not know what its last ones are. */
  #overwrite(partition: Partition, payloads: readonly Payload[]): boolean {
    const after = this.#cutAt(partition);
    if (after === null) return false;
    this.#options.say(`overwrite ${partition.name} after ${String(after)} (${payloads.map(({ bytes }) => bytes).join(" ")})`);
    const items = payloads.map((payload, index): ModelItem => ({ partition: partition.name, sequence: after + 1 + index, payload }));
    const promise = partition.appendBatch(payloads.map((payload) => this.#dataOf(payload)), { after });
    const step = this.#isDead ? null : this.#lane(partition.lane).add({ kind: "records", cuts: [{ partition: partition.name, after }], items, accepted: false });
    this.#follow("overwrite", promise, step, (value) => (value as { last: number }).last === after + payloads.length, new Set(["RINGWALL_INVALID_ARGUMENT"]));
    this.#options.met("overwrite");
    return true;
  }

  /** Where to truncate a partition; null when the model can't know what is allowed. */
  #cutAt(partition: Partition): number | null {
    const { random } = this.#options;
    const { first, last } = this.#image(partition);
    const after = random.chance(0.7) ? Math.max(first - 1, last - random.below(6)) : random.between(first - 1, last);
    return after < partition.firstSeq - 1 || partition.lastSeq !== last ? null : after;
  }

  /** An atomic write over partitions of one lane, or, now and then, of several: refused. */
  #write(): void {
    const { random, log, say } = this.#options;
    const lane = this.#partition().lane;
    const partitions = Array.from({ length: random.between(1, 6) }, () => this.#partition()).filter((partition) => partition.lane === lane);
    if (partitions.length === 0) return;
    const items = partitions.map((partition) => ({ partition, payload: this.#payload() }));
    // By name: two objects may be the same partition.
    const befores = new Map(partitions.map((partition) => [partition.name, { partition, last: partition.lastSeq }]));
    const cuts = new Map(random.chance(0.4) ? [...befores].flatMap(([name, { partition, last }]) => (random.chance(0.6) ? [[name, this.#cutAt(partition) ?? last]] : [])) : []);
    const truncations = [...cuts].map(([partition, truncate]) => ({ partition, truncate }));
    const lasts = new Map([...befores].map(([name, { last }]) => [name, cuts.get(name) ?? last]));
    const promise = log.write([...truncations, ...items.map(({ partition, payload }) => ({ partition: partition.name, data: this.#dataOf(payload) }))]);
    const accepted = cuts.size > 0 ? !this.#isDead : [...befores.values()].some(({ partition, last }) => partition.lastSeq > last);
    const placed = items.map(({ partition: { name }, payload }): ModelItem => {
      const sequence = (lasts.get(name) as number) + 1;
      lasts.set(name, sequence);
      return { partition: name, sequence, payload };
    });
    say(`write ${truncations.map(({ partition, truncate }) => `${partition} after ${String(truncate)}, `).join("")}${placed.map(({ partition, sequence, payload }) => `${partition} ${String(sequence)} (${String(payload.bytes)})`).join(", ")}${accepted ? "" : " refused"}`);
    const taken = truncations.map(({ partition, truncate }) => ({ partition, after: truncate }));
    const step = accepted ? this.#lane(lane).add({ kind: "records", cuts: taken, items: placed, accepted: false }) : null;
    const wanted = JSON.stringify([...cuts.values(), ...placed.map(({ sequence }) => sequence)]);
    this.#follow("write", promise, step, (value) => JSON.stringify(value) === wanted, new Set(["RINGWALL_INVALID_ARGUMENT"]));
  }

  #enqueue(): void {
    const partition = this.#partition();
    const payload = this.#payload();
    const before = partition.lastSeq;
    let sequence: number;
    try {
      sequence = partition.enqueue(this.#dataOf(payload));
    } catch (error) {
      this.#judge("enqueue", error as RingwallError, new Set(["RINGWALL_BACKPRESSURE", "RINGWALL_DISK_FULL", ...endings]));
      if (this.#options.log.needDrain) this.#track("drain", this.#drain());
      return;
    }
    if (sequence !== before + 1) this.#options.fail(`enqueue to ${partition.name} gave ${String(sequence)}, its last was ${String(before)}`);
    this.#given("enqueue", partition, before, [payload]);
  }

  async #drain(): Promise<void> {
    const outcome = await settled(this.#options.log.drain());
    if (outcome.kind === "rejected") this.#judge("drain", outcome.error, new Set(["RINGWALL_DISK_FULL", ...endings]));
  }

  #sync(): void {
    const { log, lanes, say } = this.#options;
    const steps = lanes.map((lane) => lane.steps[lane.steps.length - 1]);
    say("sync");
    this.#track("sync", settled(log.sync()).then((outcome) => {
      say(`sync ${outcome.kind}`);
      if (outcome.kind === "rejected") return this.#judge("sync", outcome.error, new Set(["RINGWALL_DISK_FULL", ...endings]));
      for (const [index, step] of steps.entries()) if (step !== undefined) (lanes[index] as LaneModel).acknowledge(step);
    }));
  }

  #trim(): void {
    const { random, say } = this.#options;
    const partition = this.#partition();
    const { first, last } = this.#image(partition);
    const before = random.chance(0.5) ? random.between(first, last + 1) : last + 1;
    if (before !== Math.max(1, Math.min(before, partition.lastSeq + 1))) return;
    say(`trim ${partition.name} before ${String(before)}`);
    const step = before > first && !this.#isDead ? this.#lane(partition.lane).add({ kind: "trim", partition: partition.name, before, accepted: false }) : null;
    this.#follow("trim", partition.trim(before), step, () => true);
  }

  #drop(): void {
    const { plan, say, met } = this.#options;
    const partition = this.#partition();
    if (partition.lastSeq !== this.#image(partition).last) return;
    say(`drop ${partition.name}`);
    const promise = partition.drop();
    // A lane may be poisoned before its client knows.
    if (plan.flavour === "crashes" && !this.#isDead && partition.lastSeq !== 0) this.#options.fail(`${partition.name} holds something after it was dropped`);
    const step = this.#isDead ? null : this.#lane(partition.lane).add({ kind: "drop", partition: partition.name, accepted: false });
    this.#follow("drop", promise, step, () => true);
    met("drop");
  }

  #truncate(): void {
    const { say } = this.#options;
    const partition = this.#partition();
    const { last } = this.#image(partition);
    const after = this.#cutAt(partition);
    if (after === null) return;
    say(`truncate ${partition.name} after ${String(after)}`);
    const step = after < last && !this.#isDead ? this.#lane(partition.lane).add({ kind: "truncate", partition: partition.name, after, accepted: false }) : null;
    this.#follow("truncate", partition.truncate(after), step, () => true, new Set(["RINGWALL_INVALID_ARGUMENT"]));
  }

  #read(how: "read" | "get" | "tail"): void {
    const partition = this.#partition();
    this.#track(`${how} of ${partition.name}`, this.#reader[how](partition));
  }

  #rotate(): void {
    const { log, say } = this.#options;
    say("rotate");
    log.rotate();
    log.stats();
  }

  /** The library says which records are durable: it will be held to it. Under "none" they are merely written. */
  #checkDurable(): void {
    const { log, options, random } = this.#options;
    if (options.durability.mode === "none" || !random.chance(0.3)) return;
    for (const partition of log.partitions()) {
      const lane = this.#lane(partition.lane);
      if (lane.isTruncating(partition.name)) continue;
      const number = lane.numberOf(partition.name, partition.durableSeq);
      if (number >= 0) lane.acknowledgeUpTo(number + 1);
    }
  }

  /** Tells the model what a call of append's kind was given. */
  #given(what: string, partition: Partition, before: number, payloads: readonly Payload[]): Step | null {
    const accepted = partition.lastSeq === before + payloads.length;
    const sizes = payloads.map(({ bytes }) => bytes).join(" ");
    this.#options.say(`${what} ${partition.name} ${String(before + 1)} (${sizes})${accepted ? "" : " refused"}`);
    if (!accepted) return null;
    const items = payloads.map((payload, index): ModelItem => ({ partition: partition.name, sequence: before + 1 + index, payload }));
    return this.#lane(partition.lane).add({ kind: "records", cuts: [], items, accepted: false });
  }

  /** Waits for a call's outcome and tells the model. */
  #follow(what: string, promise: Promise<unknown>, step: Step | null, isRight: (value: unknown) => boolean, allowed: ReadonlySet<string> = refusals): void {
    const { options, fail, lanes, say } = this.#options;
    const follow = async (): Promise<void> => {
      const outcome = await settled(promise);
      say(`${what} ${outcome.kind}${outcome.kind === "rejected" ? ` ${outcome.error.code}` : ""}${step?.kind === "records" ? ` ${(step.items[0] as ModelItem).partition} ${String((step.items[0] as ModelItem).sequence)}` : ""}`);
      if (outcome.kind === "rejected") {
        this.#judge(what, outcome.error, new Set([...refusals, ...allowed, ...endings]));
        if (step !== null && outcome.error.code !== "RINGWALL_POISONED") for (const lane of lanes) lane.drop(step);
        return;
      }
      if (!isRight(outcome.value)) fail(`${what} resolved to ${JSON.stringify(outcome.value)}`);
      if (step === null) return;
      step.accepted = true;
      const { mode } = options.durability;
      if (mode === "sync" || (mode === "interval" && step.kind !== "records")) for (const lane of lanes) lane.acknowledge(step);
    };
    this.#track(what, follow());
  }

  #judge(what: string, error: RingwallError, allowed: ReadonlySet<string>): void {
    const { plan, fail, met } = this.#options;
    met(error.code);
    if (error.code === "RINGWALL_POISONED") this.#isPoisoned = true;
    if (error.code === "RINGWALL_POISONED" || error.code === "RINGWALL_CLOSED") this.#isOver = true;
    const isFault = plan.flavour === "errors" || (plan.flavour === "damage" && error.code === "RINGWALL_POISONED");
    const isOrdinary = error.code === "RINGWALL_BACKPRESSURE" || error.code === "RINGWALL_INVALID_ARGUMENT" || (error.code === "RINGWALL_CLOSED" && this.#isOver);
    if (!allowed.has(error.code) || (!isFault && !isOrdinary)) fail(`${what} rejected: ${error.message}`, error);
  }

  /** Calls that have not come back, in words. */
  get waiting(): string[] {
    return [...this.#pending.values()];
  }

  #track(what: string, promise: Promise<unknown>): void {
    const guarded = promise.catch((error: unknown) => { this.#options.fail("a call of the client failed", error); });
    const tracked = guarded.finally(() => this.#pending.delete(tracked));
    this.#pending.set(tracked, what);
  }

  #partition(): Partition {
    const { log, random, plan } = this.#options;
    return log.partition(`p${String(random.below(plan.partitions))}`);
  }

  #payload(): Payload {
    const { random, plan, nextPayloadId } = this.#options;
    return { id: nextPayloadId(), bytes: recordBytes(random, plan.recordBytes) };
  }

  #dataOf(payload: Payload): Uint8Array | string {
    const content = contentOf(payload);
    return this.#options.random.chance(0.2) ? content.toString("latin1") : content;
  }

  #image(partition: Partition): PartitionImage {
    return imageOf(this.#lane(partition.lane).view, partition.name);
  }

  /** Whether calls are refused by now; the model must not believe in them. */
  get #isDead(): boolean {
    return this.#isOver;
  }

  #lane(lane: number): LaneModel {
    return this.#options.lanes[lane] as LaneModel;
  }
}

function recordBytes(random: Random, sizes: RunPlan["recordBytes"]): number {
  const dice = random.below(100);
  if (sizes === "small" || dice < 50) return random.pick([0, 1, 7, 8, random.below(100), random.below(600)]);
  if (sizes === "mixed" ? dice < 95 : dice < 75) return random.below(6000);
  if (dice < 99) return random.below(24 * 1024);
  return random.below(150 * 1024);
}

async function settled(promise: Promise<unknown>): Promise<Outcome> {
  try {
    return { kind: "resolved", value: await promise };
  } catch (error) {
    if (error instanceof RingwallError) return { kind: "rejected", error };
    throw error;
  }
}
