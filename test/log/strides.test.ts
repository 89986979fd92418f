// Where the index says that records are: after any way of writing, as its writer keeps it, as the index file has it, and as a recovery builds it.

import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { exactPosition, type PartitionRun, type SegmentRuns } from "#src/core/segment-runs.js";
import { framePartition, frameSequence } from "#src/format/frame.js";
import { chooseKernels } from "#src/format/kernels.js";
import { Memory } from "#src/format/memory.js";
import { indexName, segmentName } from "#src/format/names.js";
import { LaneLog } from "#src/log/lane-log.js";
import { resolveOptions } from "#src/log/options.js";
import { readIndexFile, rebuildIndex } from "#src/recovery/load-segment-index.js";
import { chooseStorage } from "#src/storage/choose.js";
import { nodeFileSystem } from "#src/storage/node-files.js";
import { SimMachine } from "#src/storage/sim/machine.js";
import { SimStorage } from "#src/storage/sim/sim-storage.js";
import type { FileSystem, Storage } from "#src/storage/storage.js";
import { Random } from "../fuzz/random.js";
import { freshPath, uringRefusal } from "./log-fixture.js";

const options = { ...resolveOptions({ segmentBytes: 1024 * 1024, bufferBytes: 64 * 1024, bufferCount: 4, reclaim: false }) };

interface Place {
  readonly directory: string;
  /** Of the same disk, whatever is open. */
  readonly files: FileSystem;
  readonly storage: () => Storage;
}

const places: readonly { readonly name: string; readonly skip: string | false; readonly open: () => Place }[] = [
  { name: "node:fs", skip: false, open: () => ({ directory: freshPath(), files: nodeFileSystem(), storage: () => chooseStorage({ backend: "fs" }).storage }) },
  { name: "io_uring", skip: uringRefusal ?? false, open: () => ({ directory: freshPath(), files: nodeFileSystem(), storage: () => chooseStorage({ backend: "uring" }).storage }) },
  {
    name: "simulated storage",
    skip: false,
    open: () => {
      const machine = new SimMachine({ seed: 1 });
      return { directory: "/log", files: new SimStorage(machine).files, storage: () => new SimStorage(machine) };
    },
  },
];

function openLog({ storage, directory }: Place): Promise<LaneLog> {
  return LaneLog.openOn({ storage: storage(), reason: "test" }, directory, options);
}

/** Lengths of the next record of a partition. */
const lengths: Readonly<Record<string, (random: Random, count: number) => number>> = {
  even: () => 1000,
  tiny: () => 3,
  pages: () => 4050,
  mixed: (random) => random.below(3000),
  long: () => 12_000,
  changing: (_, count) => (count % 200 < 130 ? 100 : 700),
  seldom: (_, count) => (count % 9 === 8 ? 5000 : 500),
};
const names = Object.keys(lengths);

/** What was written, by partition: the length of each record. */
type Written = Map<string, number[]>;

function content(name: string, sequence: number, bytes: number): Uint8Array {
  return new Uint8Array(bytes).fill((sequence * 31 + name.length) & 0xff);
}

class Filler {
  readonly written: Written = new Map(names.map((name) => [name, []]));
  readonly #log: LaneLog;
  readonly #random: Random;

  constructor(log: LaneLog, random: Random) {
    this.#log = log;
    this.#random = random;
  }

  async fill(steps: number): Promise<void> {
    for (let step = 0; step < steps; step++) {
      const random = this.#random;
      const name = random.pick(names);
      const partition = this.#log.partition(name);
      const count = 1 + random.below(60);
      switch (random.below(7)) {
        case 0:
          // Each in a block of its own.
          for (let each = 0; each < 1 + random.below(5); each++) await partition.append(this.#next(name));
          break;
        case 1:
          await partition.appendBatch(Array.from({ length: count }, () => this.#next(name)));
          break;
        case 2:
          await this.#truncate(name);
          break;
        case 3:
          for (const other of Array.from({ length: count * 3 }, (_, each) => names[(step + (each % 3)) % names.length]!)) await this.#enqueue(other);
          break;
        default:
          for (let each = 0; each < count; each++) await this.#enqueue(name);
      }
    }
    await this.#log.sync();
  }

  async #enqueue(name: string): Promise<void> {
    if (this.#log.needDrain) await this.#log.drain();
    this.#log.partition(name).enqueue(this.#next(name));
  }

  async #truncate(name: string): Promise<void> {
    const list = this.written.get(name)!;
    await this.#log.sync();
    list.length -= Math.min(Math.max(0, list.length - 1), this.#random.below(20));
    if (list.length > 0) await this.#log.partition(name).truncate(list.length);
  }

  #next(name: string): Uint8Array {
    const list = this.written.get(name)!;
    list.push(lengths[name]!(this.#random, list.length));
    return content(name, list.length, list.at(-1)!);
  }
}

async function assertGot(log: LaneLog, written: Written): Promise<void> {
  for (const [name, list] of written) {
    const partition = log.partition(name);
    assert.equal(partition.durableSeq, list.length, name);
    for (const [index, bytes] of list.entries()) {
      const record = await partition.get(index + 1);
      assert.equal(record?.seq, index + 1, name);
      assert.ok(Buffer.from(record.data).equals(content(name, index + 1, bytes)), `record ${index + 1} of ${name}`);
    }
  }
}

/** Without those of which a truncation was all: only their writer has them. */
function shown(runs: SegmentRuns): unknown[] {
  return [...runs].filter(([, { records }]) => records > 0).map(([key, run]: readonly [number, PartitionRun]) => [
    key, run.firstSequence, run.lastSequence, run.records, run.payloadBytes, Array.from({ length: run.entryCount }, (_, entry) => run.entry(entry)),
  ]);
}

/** By exact places and not; each exact one is looked at in the file. */
async function assertPlaces(files: FileSystem, path: string, runs: SegmentRuns): Promise<[exact: number, not: number]> {
  const counts: [number, number] = [0, 0];
  const file = await files.open(path, "read");
  const memory = new Memory(new ArrayBuffer(await file.size()));
  await file.readAt(memory.bytes, 0);
  await file.close();
  for (const [partition, run] of runs) {
    for (let sequence = run.firstSequence; run.firstSequence > 0 && sequence <= run.lastSequence; sequence++) {
      const position = exactPosition(run.entry(run.entryAtOrBefore(sequence)), sequence);
      counts[position === null ? 1 : 0]++;
      if (position !== null) assert.deepEqual([framePartition(memory, position), frameSequence(memory, position)], [partition, sequence]);
    }
  }
  return counts;
}

async function fillAndCheck(t: TestContext, place: Place): Promise<void> {
  const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31));
  t.diagnostic(`SEED=${seed} replays this`);
  const random = new Random(seed);
  const { directory, files } = place;
  const lane = `${directory}/lane-00`;
  let log = await openLog(place);
  const filler = new Filler(log, random);
  await filler.fill(250);
  await assertGot(log, filler.written);
  const { uuid, alignment } = log.info;
  await log.close();

  const source = { files, directory: lane, lane: 0, uuid: Buffer.from(uuid, "hex"), alignment, kernels: chooseKernels() };
  let sealed = 0;
  const counts = [0, 0];
  for (let segment = 1; (await files.list(lane))!.includes(indexName(segment)); segment++) {
    const stored = await readIndexFile(source, segment);
    const rebuilt = await rebuildIndex({ ...source, segment });
    assert.deepEqual(shown(stored!.runs), shown(rebuilt.runs), `segment ${segment}`);
    const [exact, not] = await assertPlaces(files, `${lane}/${segmentName(segment)}`, rebuilt.runs);
    counts[0]! += exact;
    counts[1]! += not;
    await files.remove(`${lane}/${indexName(segment)}`);
    sealed++;
  }
  assert.ok(sealed >= 3, `${sealed} sealed segments`);
  assert.ok(counts[0]! > counts[1]! && counts[1]! > 0, `${counts.join()} places exact and not`);

  log = await openLog(place);
  await assertGot(log, filler.written);
  await log.close();
}

for (const { name, skip, open } of places) {
  test(`${name}: each record is where the index says, written in any way and truncated; a recovery says the same; each is got by its sequence`, { skip }, (t) => fillAndCheck(t, open()));
}
