// Disk use and bytes moved under random patterns of appends, trims, truncations and drops, against decision 8's two bounds.
//
// Seeded: RINGWALL_RECLAIM_SEED=7 runs that pattern alone. Simulated storage, so that hundreds of patterns take seconds.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Partition } from "#src/index.js";
import { frameBytes } from "#src/format/frame.js";
import { LaneLog as Log } from "#src/log/lane-log.js";
import { resolveOptions } from "#src/log/options.js";
import { SimMachine } from "#src/storage/sim/machine.js";
import { Random } from "#src/storage/sim/random.js";
import { SimStorage } from "#src/storage/sim/sim-storage.js";

const segmentBytes = 64 * 1024;
const patterns = 40;
/**
 * Kept besides what the factor allows: two by the rule; the segment that fills, the one before it until it is sealed, and one that a group
 * or the next round holds. Then there are the files that wait to be used again, and the one that is being made ready.
 */
const segmentsBeside = 5;
const filesBeside = 5;
/**
 * Besides what the factor allows while writers append as fast as they can: five segments until they are held, the one that went beyond
 * them, and two that the copies of one round begin.
 */
const segmentsBesideMax = 8;
/** Of a step: some full blocks. */
const burstBytes = 48 * 1024;
/** Headers, padding of blocks and checkpoints, for each byte of frames: the records here are a sixteenth of a block at most. */
const overhead = 1.45;

/** One partition: how large its records are, how often it is appended to, how long they live. */
interface Stream {
  partition: Partition;
  readonly bytes: number;
  readonly weight: number;
  readonly keeps: number;
}

/** A pattern of its own for each seed. */
class Pattern {
  readonly #random: Random;
  readonly #log: Log;
  readonly #streams: Stream[];
  readonly #trimChance: number;
  appendedBytes = 0;
  #made = 0;

  constructor(random: Random, log: Log) {
    this.#random = random;
    this.#log = log;
    this.#trimChance = random.pick([0.05, 0.3, 1]);
    this.#streams = Array.from({ length: random.pick([2, 5, 20, 60]) }, () => this.#newStream());
  }

  #newStream(): Stream {
    const random = this.#random;
    return {
      partition: this.#log.partition(`p${String(this.#made++)}`),
      bytes: random.pick([10, 100, 400, 1000]),
      weight: random.pick([1, 1, 5, 20]),
      keeps: random.pick([0, 2, 20, 200, 600]),
    };
  }

  /** Appends a burst; then lets go of some. */
  async step(): Promise<void> {
    const random = this.#random;
    const appends: Promise<number>[] = [];
    for (let burst = 0; burst < burstBytes; ) {
      const { partition, bytes, weight } = random.pick(this.#streams);
      for (let count = random.between(1, weight * 4); count > 0; count--) {
        appends.push(partition.append(contentOf(partition.name, partition.lastSeq + 1, bytes)));
        burst += frameBytes(bytes);
        this.appendedBytes += frameBytes(bytes);
      }
    }
    await Promise.all(appends);
    // All at once: a control record for each block would be another log.
    await Promise.all(this.#streams.flatMap((stream, at) => (random.chance(this.#trimChance) && stream.partition.lastSeq > 0 ? [this.#letGo(stream, at)] : [])));
  }

  async #letGo({ partition, keeps }: Stream, at: number): Promise<void> {
    const random = this.#random;
    const what = random.below(40);
    if (what === 0) await partition.truncate(random.between(partition.firstSeq - 1, partition.lastSeq));
    else if (what === 1) {
      this.#streams[at] = this.#newStream();
      await partition.drop();
    } else if (what < 4) await partition.trim(random.between(partition.firstSeq, partition.lastSeq + 1));
    else await partition.trim(Math.max(partition.firstSeq, partition.lastSeq + 1 - keeps));
  }

  /** Of their frames. */
  liveBytes(): number {
    return this.#streams.reduce((sum, { partition, bytes }) => sum + (partition.lastSeq - partition.firstSeq + 1) * (frameBytes(bytes) + 8), 0);
  }

  async demandContents(): Promise<void> {
    for (const { partition, bytes } of this.#streams) {
      let due = partition.firstSeq;
      for await (const batch of partition.readBatches()) {
        for (const { seq, data } of batch) {
          assert.equal(seq, due++);
          assert.equal(Buffer.from(data).toString(), contentOf(partition.name, seq, bytes));
        }
      }
      assert.equal(due, partition.lastSeq + 1);
    }
  }
}

function contentOf(name: string, sequence: number, bytes: number): string {
  return `${name}:${String(sequence)}`.padEnd(bytes, ".").slice(0, bytes);
}

/** Until nothing is moved or freed any more. */
async function settle(machine: SimMachine, storage: SimStorage, log: Log): Promise<void> {
  for (let before = "", quiet = 0; quiet < 5; ) {
    await machine.loop.sleep(storage.owner, 100_000);
    const { bytesMoved, segmentsReleased, segmentsKept } = log.stats()[0]!;
    const now = [bytesMoved, segmentsReleased, segmentsKept].join();
    quiet = now === before ? quiet + 1 : 0;
    before = now;
  }
}

async function run(seed: number): Promise<{ moved: number; room: number }> {
  const random = new Random(seed);
  const factor = random.pick([1.2, 1.5, 2, 4]);
  const machine = new SimMachine({ seed, faults: { slow: 0.05 } });
  const storage = new SimStorage(machine);
  const options = { ...resolveOptions({ bufferBytes: 16 * 1024, reclaim: { factor, bytesPerSecond: 2 ** 40 } }), segmentBytes };
  const log = await Log.openOn({ storage, reason: "test" }, "/log", options);
  const pattern = new Pattern(random, log);
  let room = 0;
  for (let looks = 0; looks < 4; looks++) {
    for (let steps = random.between(5, 40); steps > 0; steps--) await pattern.step();
    await settle(machine, storage, log);
    const allowed = factor * pattern.liveBytes() * overhead;
    const { segmentsKept, bytesMoved } = log.stats()[0]!;
    room = Math.max(room, (segmentsKept * segmentBytes - allowed) / segmentBytes);
    assert.ok(segmentsKept * segmentBytes <= allowed + segmentsBeside * segmentBytes, `seed ${String(seed)}: ${String(segmentsKept)} segments, ${String(allowed)} bytes allowed`);
    const files = machine.disk.files().filter(({ path }) => path.endsWith(".segment")).length;
    assert.ok(files * segmentBytes <= allowed + (segmentsBeside + filesBeside) * segmentBytes, `seed ${String(seed)}: ${String(files)} files`);
    assert.ok(bytesMoved <= (2 * pattern.appendedBytes * overhead) / (factor - 1), `seed ${String(seed)}: ${String(bytesMoved)} bytes moved, ${String(pattern.appendedBytes)} appended, factor ${String(factor)}`);
  }
  await pattern.demandContents();
  const moved = (log.stats()[0]!.bytesMoved / pattern.appendedBytes) * (factor - 1);
  await log.close();
  return { moved, room };
}

interface LoadStream {
  readonly partition: Partition;
  readonly bytes: number;
  readonly keeps: number;
  readonly isEager: boolean;
  /** What is trimmed durably: before that its records live. */
  firstSeq: number;
  /** A trim that asks for what another one has asked for does not wait for it. */
  isTrimming: boolean;
}

/** Writers that never wait for anything but their own appends: what each of them appends to, and what of it stays. */
class Load {
  readonly #random: Random;
  readonly #streams: readonly LoadStream[];
  /** Payload that is still to be appended. */
  #left: number;

  constructor(random: Random, log: Log, bytes: number) {
    this.#random = random;
    this.#left = bytes;
    // The first ones are never trimmed, and grow beside the others.
    const forever = random.pick([0, 1, 1, 3]);
    this.#streams = Array.from({ length: forever + random.pick([1, 5, 20]) }, (_, at) => ({
      partition: log.partition(`p${String(at)}`),
      bytes: random.pick([100, 400, 1000]),
      keeps: at < forever ? Number.POSITIVE_INFINITY : random.pick([0, 5, 50, 300]),
      isEager: at < forever ? random.chance(0.5) : random.chance(0.8),
      firstSeq: 1,
      isTrimming: false,
    }));
  }

  /** Old records without a dead one between them. */
  async begin(): Promise<void> {
    const old = this.#streams[0] as LoadStream;
    const count = this.#random.pick([0, 0, 400, 1500]);
    await Promise.all(Array.from({ length: count }, () => old.partition.append(contentOf(old.partition.name, old.partition.lastSeq + 1, old.bytes))));
  }

  async write(): Promise<void> {
    const random = this.#random;
    while (this.#left > 0) {
      const stream = random.pick(this.#streams);
      const { partition, bytes, keeps, isEager } = stream;
      const count = isEager ? random.between(10, 40) : 5;
      this.#left -= count * bytes;
      await Promise.all(Array.from({ length: count }, () => partition.append(contentOf(partition.name, partition.lastSeq + 1, bytes))));
      if (stream.isTrimming || partition.lastSeq - partition.firstSeq < keeps + random.between(0, keeps)) continue;
      const first = partition.lastSeq + 1 - keeps;
      stream.isTrimming = true;
      await partition.trim(first);
      stream.isTrimming = false;
      stream.firstSeq = first;
    }
  }

  liveBytes(): number {
    return this.#streams.reduce((sum, { partition, bytes, firstSeq }) => sum + (partition.lastSeq - firstSeq + 1) * (frameBytes(bytes) + 8), 0);
  }
}

/** So large that a segment is sealed before the next ones are full: what waits for that comes on top of the bound. */
const segmentBytesUnderLoad = 256 * 1024;

/** Twenty seconds: far more than it takes. */
const looksMax = 200_000;

async function runUnderLoad(seed: number): Promise<{ held: number; room: number }> {
  const random = new Random(seed, 2);
  const factor = random.pick([1.2, 1.5, 2, 4]);
  const machine = new SimMachine({ seed, faults: { slow: random.pick([0, 0.05]) } });
  const storage = new SimStorage(machine);
  const limit = random.pick([{}, {}, { bytesPerSecond: 1024 * 1024 }]);
  const options = { ...resolveOptions({ bufferBytes: 16 * 1024, reclaim: { factor, ...limit } }), segmentBytes: segmentBytesUnderLoad };
  const log = await Log.openOn({ storage, reason: "test" }, "/log", options);
  const load = new Load(random, log, 8_000_000);
  await load.begin();
  let isOver = false;
  const writing = Promise.all(Array.from({ length: random.pick([8, 32]) }, () => load.write())).finally(() => { isOver = true; });
  let allowed = 0;
  let before = 0;
  let liveBefore = 0;
  let room = 0;
  for (let looks = 0; !isOver; looks++) {
    assert.ok(looks < looksMax, `seed ${String(seed)}: writers wait for ever: ${JSON.stringify(log.stats()[0])}`);
    await machine.loop.sleep(storage.owner, 100);
    const { segmentsKept } = log.stats()[0]!;
    // Where live records die, use follows: until it has, nothing but copies makes it grow. They may have died right before this look.
    const live = load.liveBytes();
    allowed = Math.max(factor * Math.max(live, liveBefore) * overhead + segmentsBesideMax * segmentBytesUnderLoad, Math.min(allowed, before));
    before = segmentsKept * segmentBytesUnderLoad;
    liveBefore = live;
    room = Math.max(room, (before - allowed) / segmentBytesUnderLoad + segmentsBesideMax);
    assert.ok(before <= allowed, `seed ${String(seed)}: ${String(segmentsKept)} segments, ${String(allowed)} bytes allowed, factor ${String(factor)}, ${JSON.stringify(log.stats()[0])}`);
  }
  await writing;
  const held = log.stats()[0]!.reclaimHolds;
  await log.close();
  return { held, room };
}

/** That records are moved in, and what the last of them is longer. */
const chunkBytes = 256 * 1024 + 1024;

/** Appends `old` and `busy` in turn, and lets go of `busy`: half of every segment is dead. What was moved at each look, from the first on. */
async function moving(reclaim: { readonly factor: number; readonly bytesPerSecond?: number }): Promise<{ millis: number; bytes: number }[]> {
  const machine = new SimMachine({ seed: 1 });
  const storage = new SimStorage(machine);
  const log = await Log.openOn({ storage, reason: "test" }, "/log", resolveOptions({ segmentBytes: 2 ** 20, bufferBytes: 16 * 1024, reclaim }));
  const [old, busy] = [log.partition("old"), log.partition("busy")];
  for (let rounds = 0; rounds < 80; rounds++) await Promise.all(Array.from({ length: 100 }, (_, at) => (at % 2 === 0 ? old : busy).append("x".repeat(1000))));
  await busy.trim(busy.lastSeq + 1);
  const looks: { millis: number; bytes: number }[] = [];
  for (let quiet = 0; quiet < 10_000; quiet++) {
    await machine.loop.sleep(storage.owner, 100);
    const bytes = log.stats()[0]!.bytesMoved;
    if (bytes === (looks.at(-1)?.bytes ?? 0)) continue;
    looks.push({ millis: machine.loop.micros / 1000, bytes });
    quiet = 0;
  }
  assert.equal(log.stats()[0]!.reclaimHolds, 0, "there is room: nobody is held");
  await log.close();
  return looks;
}

const askedSeed = process.env["RINGWALL_RECLAIM_SEED"];

/** The one that is asked for; else half of them the same each time, half of them fresh. */
function seedsToRun(): number[] {
  if (askedSeed !== undefined) return [Number(askedSeed)];
  const first = Math.floor(Math.random() * 1e9);
  return Array.from({ length: patterns }, (_, at) => (at < patterns / 2 ? at + 1 : first + at));
}

test("while nobody writes and there is room, so many bytes a second are moved as the option says, 64 MiB by default", async () => {
  for (const { bytesPerSecond, ...reclaim } of [{ factor: 1.2, bytesPerSecond: undefined }, { factor: 1.2, bytesPerSecond: 2 ** 21 }]) {
    const pace = bytesPerSecond ?? 64 * 2 ** 20;
    const looks = await moving(bytesPerSecond === undefined ? reclaim : { ...reclaim, bytesPerSecond });
    const [first, last] = [looks[0]!, looks.at(-1)!];
    assert.ok(last.bytes >= 2 ** 20, "several chunks");
    // One chunk comes before the first pause, and another may be half placed.
    for (const { millis, bytes } of looks) assert.ok(bytes <= ((millis - first.millis) * pace) / 1000 + 2 * chunkBytes, `${String(bytes)} after ${String(millis - first.millis)} ms`);
    assert.ok(last.bytes - first.bytes >= ((last.millis - first.millis) * pace) / 1000 / 2, "and no fewer");
  }
});

test("while writers append as fast as they can, disk use stays within the factor at every look, and they get on", async (t) => {
  const seeds = seedsToRun();
  let holders = 0;
  let roomMax = 0;
  for (const seed of seeds) {
    const { held, room } = await runUnderLoad(seed);
    if (held > 0) holders++;
    roomMax = Math.max(roomMax, room);
  }
  t.diagnostic(`writers were held in ${String(holders)} of ${String(seeds.length)} patterns; at most ${roomMax.toFixed(1)} segments beside`);
  if (askedSeed === undefined) assert.ok(holders > patterns / 8, "patterns in which nobody has to wait prove nothing");
});

test("whatever the pattern of trims, disk use settles within the factor of what is alive, and no more is moved than the factor allows", async (t) => {
  const seeds = seedsToRun();
  let movers = 0;
  let movedMax = 0;
  let roomMax = 0;
  for (const seed of seeds) {
    const { moved, room } = await run(seed);
    if (moved > 0) movers++;
    movedMax = Math.max(movedMax, moved);
    roomMax = Math.max(roomMax, room);
  }
  t.diagnostic(`${String(movers)} of ${String(seeds.length)} patterns moved something; at most ${movedMax.toFixed(2)} / (factor - 1) of what was appended; at most ${roomMax.toFixed(1)} segments beside`);
  if (askedSeed === undefined) assert.ok(movers > patterns / 4, "patterns that move nothing prove nothing");
});
