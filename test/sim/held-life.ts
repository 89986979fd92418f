// One life of a log in which writers are held for reclaim, and everything comes in between that may: damage, backups, a full disk, owners
// that answer as they like, drops, overwrites, groups larger than a segment, a close. Whatever comes, all that was accepted comes to its end.
//
// Everything follows from the seed.

import assert from "node:assert/strict";
import { RingwallError } from "#src/base/errors.js";
import { LaneLog as Log } from "#src/log/lane-log.js";
import { resolveOptions, type ReclaimEvent, type ResolvedOptions } from "#src/log/options.js";
import type { LostRecords } from "#src/log/read-errors.js";
import type { Inode } from "#src/storage/sim/inode.js";
import { SimMachine } from "#src/storage/sim/machine.js";
import { Random } from "#src/storage/sim/random.js";
import { SimStorage } from "#src/storage/sim/sim-storage.js";
import { Stream } from "./held-stream.js";

/** Of the machine, once no fault comes any more, until all is through: far more than it takes. */
const microsMax = 600_000_000;
const eventsMax = 400_000;
const lookMicros = 5000;
/** Between two looks whether a log that has nothing to do still reads. */
const quietMicros = 50_000;
const quietLooks = 10;
const quietLooksMax = 400;

type Answer = "none" | "trims" | "appends" | "truncates" | "drops" | "late" | "never";
type Healing = "never" | "trim" | "truncate" | "drop" | "anew" | "overwrite";

interface Plan {
  readonly options: ResolvedOptions;
  readonly answer: Answer;
  readonly healing: Healing;
  readonly healingMicros: number;
  readonly streams: number;
  readonly forever: number;
  readonly writers: number;
  readonly steps: number;
  readonly damages: number;
  readonly backups: number;
  readonly fullDisks: number;
  readonly readers: number;
  readonly fails: boolean;
  readonly closesEarly: boolean;
  /** Old records and dead ones are there when it is opened, more than the factor allows. */
  readonly isAged: boolean;
}

function planOf(random: Random): Plan {
  const lanes = random.pick([1, 1, 1, 2]);
  const bytesPerSecond = random.pick([2 ** 40, 2 ** 40, 1024, 2 ** 20]);
  const backups = random.pick([0, 0, 0, 1, 2]);
  const options: ResolvedOptions = {
    ...resolveOptions({ lanes, bufferBytes: 16 * 1024, bufferCount: random.between(2, 8), blocksInFlight: random.between(1, 4), recordBytesMax: 1024 * 1024 }),
    durability: random.pick([{ mode: "sync" }, { mode: "sync" }, { mode: "interval", ms: random.pick([1, 20]), recordsMax: random.pick([3, 1000]) }, { mode: "none" }]),
    segmentBytes: random.pick([64, 64, 128, 256]) * 1024,
    // Its timer never rests, and a backup that is given up takes real time.
    segmentAgeMs: backups > 0 ? 0 : random.pick([0, 0, 30]),
  };
  const fails = random.chance(0.08);
  return {
    options: { ...options, reclaim: { factor: random.pick([1.1, 1.1, 1.5, 2, 100]), ...(random.chance(0.5) ? {} : { bytesPerSecond }) } },
    answer: random.pick<Answer>(["none", "none", "none", "none", "trims", "appends", "truncates", "drops", "late", "never"]),
    healing: random.pick<Healing>(["never", "trim", "truncate", "drop", "anew", "overwrite"]),
    healingMicros: random.pick([0, 0, 1000, 20_000]),
    streams: random.pick([2, 4, 12]),
    forever: random.pick([1, 1, 2, 4]),
    writers: random.pick([4, 8, 16]),
    steps: random.pick([20, 40]),
    damages: random.pick([0, 1, 3, 8, 20]),
    backups,
    fullDisks: random.pick([0, 0, 0, 1, 3]),
    readers: random.pick([0, 0, 2]),
    fails,
    closesEarly: random.chance(0.2),
    isAged: !fails && random.chance(0.4),
  };
}

export type Counts = Record<"held" | "stopped" | "healed" | "backups" | "refused" | "drops" | "overwrites" | "poisoned" | "closed early" | "asked" | "large groups", number>;

export function noCounts(): Counts {
  return { held: 0, stopped: 0, healed: 0, backups: 0, refused: 0, drops: 0, overwrites: 0, poisoned: 0, "closed early": 0, asked: 0, "large groups": 0 };
}

export async function liveHeld(seed: number, counts: Counts): Promise<void> {
  const life = new HeldLife(seed, counts);
  try {
    await life.live();
  } catch (error) {
    throw new Error(`seed ${String(seed)}: ${error instanceof Error ? error.message : String(error)}\n${life.state()}`, { cause: error });
  } finally {
    life.end();
  }
}

class HeldLife {
  readonly #random: Random;
  readonly #plan: Plan;
  readonly #counts: Counts;
  readonly #machine: SimMachine;
  readonly #storage: SimStorage;
  /** Looks on, and outlives the log's process. */
  readonly #clock = { alive: true };
  readonly #streams: Stream[] = [];
  /** What was accepted and has not come to its end. */
  readonly #pending = new Map<number, string>();
  readonly #failures: unknown[] = [];
  readonly #ended = new AbortController();
  #log: Log | null = null;
  #calls = 0;
  #contents = 0;
  #made = 0;
  #reads = 0;
  #isEnding = false;
  #isDamaged = false;

  constructor(seed: number, counts: Counts) {
    this.#random = new Random(seed, 3);
    this.#plan = planOf(this.#random);
    this.#counts = counts;
    this.#machine = new SimMachine({ seed, faults: { slow: this.#random.pick([0, 0.02, 0.05]), short: 0.02, writeError: this.#plan.fails ? 0.002 : 0 }, faultsMax: { writeError: 1 }, onError: (error) => this.#failures.push(error) });
    this.#storage = this.#countingStorage();
  }

  #countingStorage(): SimStorage {
    const storage = new SimStorage(this.#machine);
    const { files } = storage;
    const open = files.open.bind(files);
    files.open = async (path, mode) => {
      const file = await open(path, mode);
      const readAt = file.readAt.bind(file);
      file.readAt = (into, position) => {
        this.#reads++;
        return readAt(into, position);
      };
      return file;
    };
    return storage;
  }

  state(): string {
    const { options, ...plan } = this.#plan;
    const { factor, bytesPerSecond } = options.reclaim ?? {};
    const pending = [...this.#pending.values()];
    return [
      JSON.stringify({ ...plan, factor, bytesPerSecond, durability: options.durability, segmentBytes: options.segmentBytes, segmentAgeMs: options.segmentAgeMs, lanes: options.lanes }),
      `${String(this.#machine.loop.micros)} µs, ${String(this.#machine.loop.count)} events, ${String(this.#reads)} reads; ${String(pending.length)} pending: ${pending.slice(0, 12).join(", ")}`,
      JSON.stringify(this.#log?.stats()),
    ].join("\n");
  }

  async live(): Promise<void> {
    const plan = this.#plan;
    const { options } = plan;
    const reclaim = { ...options.reclaim!, ...(plan.answer === "none" ? {} : { onReclaim: (event: ReclaimEvent) => this.#answer(event) }), onStopped: (error: RingwallError) => { this.#heal(error); } };
    const log = await this.#open({ ...options, reclaim: plan.isAged ? null : reclaim }).then((opened) => (opened !== null && plan.isAged ? this.#age(opened, { ...options, reclaim }) : opened));
    if (log === null) return;
    this.#log = log;
    while (this.#streams.length < plan.streams + plan.forever) this.#addStream(this.#streams.length < plan.forever);
    if (plan.isAged) for (const stream of this.#streams) void this.#takeAway(stream);
    const writing = Promise.all(Array.from({ length: plan.writers }, () => this.#write()));
    const others = [writing, this.#damage(), this.#backUp(), this.#fill(), ...Array.from({ length: plan.readers }, () => this.#read())];
    if (plan.closesEarly) others.push(this.#closeEarly());
    await this.#within("what was begun", Promise.all(others));
    this.#machine.disk.capacityBytes = Number.POSITIVE_INFINITY;
    await this.#within("what is accepted", this.#settled());
    this.#ended.abort();
    this.#isEnding = true;
    const isPoisoned = this.#machine.counts.of("writeError") > 0;
    if (isPoisoned) this.#counts.poisoned++;
    this.#counts.held += log.stats().some(({ reclaimHolds }) => reclaimHolds > 0) ? 1 : 0;
    if (!isPoisoned && !plan.closesEarly) {
      await this.#demandQuiet();
      await this.#within("reading", this.#demandContents());
    }
    await this.#within("closing", log.close().catch((error: unknown) => { this.#judge("close", error); }));
    await this.#within("what comes behind the close", this.#settled());
    assert.deepEqual(this.#failures, []);
  }

  /** Null: refused, as this life allows. */
  async #open(options: ResolvedOptions): Promise<Log | null> {
    try {
      return await Log.openOn({ storage: this.#storage, reason: "test" }, "/log", options);
    } catch (error) {
      if (!this.#plan.fails) throw error;
      return null;
    }
  }

  /** What lasts lies in the first segments, damaged here and there; all behind it is dead. So writers are held as soon as it is open again. */
  async #age(log: Log, options: ResolvedOptions): Promise<Log | null> {
    const { segmentBytes } = options;
    const random = this.#random;
    this.#log = log;
    for (let left = this.#plan.forever; left > 0; left--) {
      const stream = this.#addStream(true);
      await Promise.all(Array.from({ length: Math.ceil((segmentBytes * random.between(1, 4)) / 3000) }, () => stream.append(1000)));
    }
    const dead = log.partition("dead");
    await Promise.all(Array.from({ length: Math.ceil((segmentBytes * 9) / 1000) }, () => dead.append("".padEnd(1000, "."))));
    await dead.trim(dead.lastSeq + 1);
    await log.close();
    for (let left = this.#plan.damages; left > 0; left--) this.#damageOne();
    const opened = await this.#open(options);
    for (const stream of this.#streams) if (opened !== null) stream.partition = opened.partition(stream.name);
    await opened?.partition("dead").append("once more");
    return opened;
  }

  end(): void {
    this.#machine.loop.interruptAt = Number.POSITIVE_INFINITY;
    this.#machine.kill(this.#storage.owner);
    this.#clock.alive = false;
  }

  #addStream(isForever: boolean, name = `p${String(this.#made++)}`): Stream {
    const random = this.#random;
    const partition = (this.#log as Log).partition(name);
    const stream = new Stream(partition, { bytes: random.pick([60, 300, 1000, 3000]), keeps: isForever ? Number.POSITIVE_INFINITY : random.pick([0, 5, 50, 200]), nextId: () => ++this.#contents });
    this.#streams.push(stream);
    return stream;
  }

  /** Of what was accepted: it comes to an end, and to no other than these. */
  #track(what: string, call: () => Promise<unknown>): Promise<void> {
    const id = ++this.#calls;
    this.#pending.set(id, what);
    let called: Promise<unknown>;
    try {
      called = call();
    } catch (error) {
      called = Promise.reject(error as Error);
    }
    return called.then(() => undefined, (error: unknown) => { this.#judge(what, error); }).finally(() => { this.#pending.delete(id); });
  }

  #judge(what: string, error: unknown): void {
    const codes = ["RINGWALL_DISK_FULL", "RINGWALL_BACKPRESSURE", "RINGWALL_DROPPED"];
    if (this.#plan.fails) codes.push("RINGWALL_POISONED", "RINGWALL_IO");
    if (this.#plan.closesEarly) codes.push("RINGWALL_CLOSED");
    // A drop that was refused gave the name back to another than was asked.
    if (what.startsWith("overwrite") || what.startsWith("truncate") || what.startsWith("trim")) codes.push("RINGWALL_INVALID_ARGUMENT");
    if (what.startsWith("backup") || what.startsWith("tail")) codes.push("RINGWALL_DAMAGED", "RINGWALL_IO", "RINGWALL_TRIMMED", "RINGWALL_NOT_FOUND", "RINGWALL_ABORTED");
    if (error instanceof RingwallError && codes.includes(error.code)) {
      if (error.code === "RINGWALL_DISK_FULL") this.#counts.refused++;
      return;
    }
    this.#failures.push(new Error(`${what}: ${String(error)}`, { cause: error }));
  }

  async #settled(): Promise<void> {
    while (this.#pending.size > 0) await this.#sleep(lookMicros);
  }

  async #within(what: string, done: Promise<unknown>): Promise<void> {
    const { loop } = this.#machine;
    const micros = loop.micros + microsMax;
    let isOver = false;
    const ended = done.finally(() => { isOver = true; });
    ended.catch(() => undefined);
    // Also where the machine's time stands still meanwhile.
    const endless = new Promise<never>((_, reject) => { loop.onInterrupt = () => { reject(new Error(`${what} does not come to an end: events go on and on`)); }; });
    endless.catch(() => undefined);
    loop.interruptAt = loop.count + eventsMax;
    while (!isOver) {
      assert.ok(loop.micros < micros, `${what} does not come to an end`);
      assert.deepEqual(this.#failures, []);
      await Promise.race([this.#sleep(lookMicros), endless]);
      // A backup that is given up removes what it made with Node's own calls: they take real time.
      if (this.#plan.backups > 0) await new Promise((resolve) => { setImmediate(resolve); });
    }
    await ended;
  }

  #sleep(micros: number): Promise<void> {
    return this.#machine.loop.sleep(this.#clock, micros);
  }

  get #mayGoOn(): boolean {
    return !this.#isEnding && this.#failures.length === 0 && (this.#log as Log).stats().length > 0;
  }

  async #write(): Promise<void> {
    const random = this.#random;
    for (let steps = this.#plan.steps; steps > 0 && this.#mayGoOn; steps--) {
      const stream = random.pick(this.#streams);
      const acted = this.#act(stream, random.below(100));
      // Mostly writers wait for what they did.
      if (random.chance(0.9)) await acted;
      if (random.chance(0.02)) await this.#sleep(random.pick([100, 5000]));
      if (random.chance(0.5) && stream.mayTrim(random)) void this.#trim(stream, stream.partition.lastSeq + 1 - Math.min(stream.keeps, stream.length));
    }
  }

  #act(stream: Stream, what: number): Promise<unknown> {
    const random = this.#random;
    const { segmentBytes } = this.#plan.options;
    if (what < 60) return Promise.all(Array.from({ length: random.between(1, 20) }, () => this.#track(`append ${stream.name}`, () => stream.append(stream.bytes))));
    if (what < 75) return this.#track(`batch ${stream.name}`, () => stream.appendBatch(random.between(1, 20), stream.bytes));
    if (what < 80) return this.#track(`large ${stream.name}`, () => stream.append(random.between(10_000, 60_000)));
    if (what < 88) return this.#enqueue(stream, random.between(1, 60));
    if (what < 89) {
      this.#counts["large groups"]++;
      return this.#track(`group ${stream.name}`, () => stream.appendBatch(random.between(2, 6), segmentBytes / 2));
    }
    if (what < 94) return this.#overwrite(stream, random.below(30));
    if (what < 97) return this.#track(`truncate ${stream.name}`, () => stream.truncate(stream.partition.lastSeq - random.below(20)));
    if (what < 98) return this.#drop(stream, random.chance(0.5));
    return this.#track("sync", () => (this.#log as Log).sync());
  }

  #trim(stream: Stream, first: number): Promise<void> {
    return this.#track(`trim ${stream.name} ${String(first)}`, () => stream.trim(first));
  }

  #overwrite(stream: Stream, back: number): Promise<void> {
    this.#counts.overwrites++;
    return this.#track(`overwrite ${stream.name}`, () => stream.overwrite(stream.partition.lastSeq - back, this.#random.between(1, 10), stream.bytes));
  }

  async #enqueue(stream: Stream, count: number): Promise<void> {
    const log = this.#log as Log;
    for (let left = count; left > 0 && this.#mayGoOn; left--) {
      try {
        stream.enqueue(stream.bytes);
      } catch (error) {
        this.#judge("enqueue", error);
        await this.#track("drain", () => log.drain());
      }
    }
    if (this.#random.chance(0.3)) await this.#track("sync of enqueued", () => log.sync());
  }

  #drop(stream: Stream, isMadeAnew: boolean): Promise<unknown> {
    this.#counts.drops++;
    const at = this.#streams.indexOf(stream);
    if (at < 0) return Promise.resolve();
    this.#streams.splice(at, 1);
    const dropped = this.#track(`drop ${stream.name}`, () => stream.partition.drop());
    const next = this.#addStream(!Number.isFinite(stream.keeps), isMadeAnew ? stream.name : undefined);
    // A drop that is refused gives the name back to what had it.
    next.isDoubtful = isMadeAnew;
    return Promise.all([dropped, this.#track(`append ${next.name} anew`, () => next.append(next.bytes))]);
  }

  async #answer({ partitions }: ReclaimEvent): Promise<void> {
    this.#counts.asked++;
    const random = this.#random;
    const asked = random.pick(partitions);
    const stream = this.#streams.find(({ name }) => name === asked.name);
    switch (this.#plan.answer) {
      case "none": return;
      case "trims": return stream === undefined ? undefined : this.#trim(stream, Math.min(asked.lastSeq, stream.partition.lastSeq) + 1);
      case "appends": return this.#track("append of the owner", () => random.pick(this.#streams).append(100));
      case "truncates": return stream === undefined ? undefined : this.#track("truncate of the owner", () => stream.truncate(asked.firstSeq));
      case "drops": if (stream !== undefined && random.chance(0.3)) await this.#drop(stream, true); return;
      case "late": return this.#sleep(random.pick([10, 1000, 200_000]));
      case "never": return new Promise(() => undefined);
    }
  }

  #heal({ details }: RingwallError): void {
    this.#counts.stopped++;
    if (this.#plan.healing === "never" || details === undefined || this.#isEnding) return;
    const { partition, firstSequence, lastSequence } = details as LostRecords;
    void (async () => {
      if (this.#plan.healingMicros > 0) await this.#sleep(this.#plan.healingMicros);
      const stream = this.#streams.find(({ name }) => name === partition);
      if (stream === undefined || !this.#mayGoOn) return;
      this.#counts.healed++;
      await this.#healStream(stream, this.#plan.healing, firstSequence, lastSequence);
    })();
  }

  /** Takes damaged records away. */
  #healStream(stream: Stream, healing: Healing, first: number, last: number): Promise<unknown> {
    switch (healing) {
      case "trim": return this.#trim(stream, Math.min(last, stream.partition.lastSeq) + 1);
      case "truncate": return this.#track(`truncate ${stream.name}`, () => stream.truncate(first - 1));
      case "overwrite": return this.#overwrite(stream, stream.partition.lastSeq - first + 1);
      case "drop": return this.#drop(stream, false);
      case "anew": return this.#drop(stream, true);
      case "never": return Promise.resolve();
    }
  }

  /** The damaged partition is cut as soon as writers are held next: what is asked waits behind them when the damage is met. */
  async #takeAway(stream: Stream): Promise<void> {
    const holds = (): number => (this.#log as Log).stats().reduce((sum, { reclaimHolds }) => sum + reclaimHolds, 0);
    const before = holds();
    for (let looks = 0; holds() === before; looks++) {
      if (looks > 1000 || !this.#mayGoOn) return;
      await this.#sleep(50);
    }
    if (this.#mayGoOn && this.#streams.includes(stream)) await this.#healStream(stream, this.#random.pick(["trim", "truncate", "drop", "anew", "overwrite"]), 1, stream.partition.lastSeq - 1);
  }

  /** Bits of records in the oldest segments turn around, or their sectors can't be read. */
  async #damage(): Promise<void> {
    const random = this.#random;
    for (let left = this.#plan.damages; left > 0 && this.#mayGoOn; left--) {
      await this.#sleep(random.between(1000, 40_000));
      const damaged = this.#damageOne();
      if (damaged !== null && random.chance(0.7)) void this.#takeAway(damaged);
    }
  }

  /** Whose record it was. */
  #damageOne(): Stream | null {
    const random = this.#random;
    const inode = this.#oldInode();
    if (inode === undefined) return null;
    const bytes = Buffer.alloc(inode.size);
    inode.read(bytes, 0);
    const lasting = this.#streams.filter(({ keeps }) => !Number.isFinite(keeps));
    const stream = random.pick(random.chance(0.8) && lasting.length > 0 ? lasting : this.#streams);
    const at = bytes.indexOf(`${stream.name}#`, random.below(inode.size));
    if (at < 0) return null;
    this.#isDamaged = true;
    if (random.chance(0.3)) inode.bad.add(Math.floor(at / 512));
    else inode.rot(at + 4, random.below(8));
    return stream;
  }

  /** Of one of the oldest segments that are kept: files that wait to be used again have lower numbers, those that are ready higher ones. */
  #oldInode(): Inode | undefined {
    const { lane, segmentsKept } = this.#random.pick((this.#log as Log).stats());
    const files = this.#machine.disk.files().filter(({ path, inode }) => path.startsWith(`/log/lane-0${String(lane)}/`) && path.endsWith(".segment") && inode.size > 0);
    return segmentsKept < 5 ? undefined : files[Math.max(0, files.length - 1 - segmentsKept) + this.#random.below(3)]?.inode;
  }

  async #backUp(): Promise<void> {
    for (let left = this.#plan.backups; left > 0 && this.#mayGoOn; left--) {
      await this.#sleep(this.#random.between(1000, 50_000));
      if (!this.#mayGoOn) return;
      this.#counts.backups++;
      await this.#track("backup", () => (this.#log as Log).backup(`/backup${String(left)}`));
    }
  }

  async #fill(): Promise<void> {
    const { disk } = this.#machine;
    for (let left = this.#plan.fullDisks; left > 0 && this.#mayGoOn; left--) {
      await this.#sleep(this.#random.between(1000, 50_000));
      disk.capacityBytes = disk.usedBytes + this.#random.between(0, 2 * this.#plan.options.segmentBytes);
      await this.#sleep(this.#random.pick([1000, 20_000, 500_000]));
      disk.capacityBytes = Number.POSITIVE_INFINITY;
    }
  }

  async #read(): Promise<void> {
    const stream = this.#random.pick(this.#streams);
    const { signal } = this.#ended;
    const tail = (async () => {
      for await (const record of stream.partition.tail({ from: 1, signal })) if (this.#random.chance(0.01)) await this.#sleep(record.seq);
    })();
    tail.catch((error: unknown) => { this.#judge("tail", error); });
    return Promise.resolve();
  }

  async #closeEarly(): Promise<void> {
    await this.#sleep(this.#random.between(10_000, 80_000));
    this.#isEnding = true;
    this.#counts["closed early"]++;
    this.#machine.disk.capacityBytes = Number.POSITIVE_INFINITY;
    await this.#track("close", () => (this.#log as Log).close());
  }

  /** A log that has nothing to do any more does nothing. */
  async #demandQuiet(): Promise<void> {
    let quiet = 0;
    for (let looks = 0; quiet < quietLooks; looks++) {
      assert.ok(looks < quietLooksMax, "it reads on and on");
      const before = this.#reads;
      await this.#sleep(quietMicros);
      quiet = this.#reads === before ? quiet + 1 : 0;
    }
  }

  async #demandContents(): Promise<void> {
    for (const stream of this.#streams) await stream.demandContents(this.#isDamaged);
  }
}
