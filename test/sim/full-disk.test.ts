// A full disk whose segments a trim frees: what is refused, what goes on, and that everybody is answered. On simulated storage, where the
// order of events is always the same.

import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { RingwallError } from "#src/base/errors.js";
import { LaneLog as Log } from "#src/log/lane-log.js";
import { resolveOptions, type LogOptions, type ResolvedOptions } from "#src/log/options.js";
import type { Partition } from "#src/log/partition.js";
import { SegmentSupply } from "#src/log/segment-supply.js";
import { SimMachine } from "#src/storage/sim/machine.js";
import { SimStorage } from "#src/storage/sim/sim-storage.js";
import { HeldStorage, settled } from "./held-storage.js";

const directory = "/log";
const record = "x".repeat(6000);

function small(more: LogOptions = {}): ResolvedOptions {
  return { ...resolveOptions({ bufferBytes: 16 * 1024, bufferCount: 4, reclaim: false, ...more }), segmentBytes: 64 * 1024 };
}

interface FullLog {
  readonly machine: SimMachine;
  readonly storage: HeldStorage;
  readonly log: Log;
  readonly partition: Partition;
}

/** A log whose disk has just refused a record. `firstRecords`: what partitions have in the first segment. */
async function onFullDisk(t: TestContext, firstRecords: Readonly<Record<string, number>> = {}): Promise<FullLog> {
  const machine = new SimMachine({ seed: 1, diskBytes: 600 * 1024 });
  const storage = new HeldStorage(machine);
  t.after(() => { machine.kill(storage.owner); });
  const log = await Log.openOn({ storage, reason: "test" }, directory, small());
  const partition = log.partition("p");
  for (const [name, count] of Object.entries(firstRecords)) await log.partition(name).appendBatch(Array.from({ length: count }, () => "first"));
  for (let count = 0, refusals = 0; refusals < 2; count++) {
    assert.ok(count < 1000, "the disk was filled");
    refusals = (await outcome(machine, partition.append(record))) === "done" ? 0 : refusals + 1;
    await settled(machine);
  }
  assert.ok(partition.lastSeq > 30 && partition.lastSeq === partition.durableSeq, `${String(partition.lastSeq)} records`);
  return { machine, storage, log, partition };
}

/** "done", or the code of its error. Fails where nothing is left to happen and it is still pending: the process would just end. */
function outcome(machine: SimMachine, promise: Promise<unknown>): Promise<string> {
  const told = promise.then(() => "done", (error: unknown) => {
    assert.ok(error instanceof RingwallError, String(error));
    return error.code;
  });
  return Promise.race([told, settled(machine).then(() => assert.fail("nothing is left to happen, and it is pending"))]);
}

function outcomes(machine: SimMachine, promises: readonly Promise<unknown>[]): Promise<string[]> {
  return Promise.all(promises.map((promise) => outcome(machine, promise)));
}

/** Whatever is not held has happened; a tenth of the time after which `outcome` gives up. */
function turn(machine: SimMachine): Promise<void> {
  return machine.loop.sleep(machine.boot(), 100_000);
}

async function demandReopened({ machine, storage }: FullLog, first: number, last: number): Promise<void> {
  machine.kill(storage.owner);
  const again = await Log.openOn({ storage: new SimStorage(machine), reason: "test" }, directory, small());
  const { firstSeq, lastSeq } = again.partition("p");
  assert.deepEqual([firstSeq, lastSeq], [first, last]);
  await again.close();
}

const askers: Readonly<Record<string, (full: FullLog) => Promise<unknown>>> = {
  append: ({ partition }) => partition.append(record),
  batch: ({ partition }) => partition.appendBatch([record, record, record, record, record]),
  "record in fragments": ({ partition }) => partition.append("x".repeat(40_000)),
  "append to a new partition": ({ log }) => log.partition("new").append(record),
  "enqueue, and the drain behind it,": async ({ log, partition }) => {
    for (let count = 0; count < 5; count++) partition.enqueue(record);
    assert.ok(log.needDrain);
    await log.drain();
  },
  "enqueue, and the close behind it,": async ({ log, partition }) => {
    for (let count = 0; count < 5; count++) partition.enqueue(record);
    await log.close();
  },
};

for (const [name, ask] of Object.entries(askers)) {
  test(`${name} behind a trim that is not awaited: goes into what the trim frees`, async (t) => {
    const full = await onFullDisk(t);
    const { machine, storage, partition } = full;
    const last = partition.lastSeq;
    // The trim is on its way when the supply finds the disk full.
    storage.isHolding = true;
    const trimmed = outcome(machine, partition.trim(last + 1));
    await turn(machine);
    const asked = outcome(machine, ask(full));
    await turn(machine);
    storage.letGo();
    assert.deepEqual(await Promise.all([trimmed, asked]), ["done", "done"]);
    await demandReopened(full, last + 1, partition.lastSeq);
  });
}

for (const name of ["drop", "truncate"] as const) {
  test(`an append behind a ${name} that is not awaited goes into what it leaves dead`, async (t) => {
    const { machine, storage, partition, log } = await onFullDisk(t);
    storage.isHolding = true;
    const gone = outcome(machine, name === "drop" ? partition.drop() : partition.truncate(0));
    await turn(machine);
    const asked = outcome(machine, log.partition("other").append(record));
    await turn(machine);
    storage.letGo();
    assert.deepEqual(await Promise.all([gone, asked]), ["done", "done"]);
    assert.equal(await outcome(machine, log.close()), "done");
  });
}

test("a trim behind a batch that was begun is refused; the log is closed and opened anew, and trims", async (t) => {
  const full = await onFullDisk(t);
  const { machine, storage, partition, log } = full;
  const last = partition.lastSeq;
  machine.disk.capacityBytes += 64 * 1024;
  const batch = outcome(machine, partition.appendBatch(Array.from({ length: 30 }, () => record)));
  await turn(machine);
  assert.deepEqual([await outcome(machine, partition.trim(last + 1)), partition.firstSeq], ["RINGWALL_DISK_FULL", 1]);
  assert.deepEqual(await Promise.all([outcome(machine, log.close()), batch]), ["RINGWALL_DISK_FULL", "RINGWALL_DISK_FULL"]);
  machine.kill(storage.owner);
  const again = await Log.openOn({ storage: new SimStorage(machine), reason: "test" }, directory, small());
  const asked = [again.partition("p").trim(last + 1), again.partition("p").append(record)];
  assert.deepEqual(await outcomes(machine, asked), ["done", "done"]);
  assert.equal(await outcome(machine, again.close()), "done");
});

test("a trim behind appends that are refused is not refused with them", async (t) => {
  const full = await onFullDisk(t, { few: 20 });
  const { machine, partition, log } = full;
  const last = partition.lastSeq;
  const asked = [partition.append(record), log.partition("few").trim(21), partition.trim(last + 1), partition.append(record), log.drain()];
  const answers = ["RINGWALL_DISK_FULL", "done", "done", "RINGWALL_DISK_FULL", "RINGWALL_DISK_FULL"];
  assert.deepEqual(await outcomes(machine, asked), answers);
  assert.equal(await outcome(machine, partition.append(record)), "done");
  await demandReopened(full, last + 1, last + 1);
});

test("a trim that goes by what is refused before it is refused with it", async (t) => {
  for (const before of ["truncate", "append"] as const) {
    const full = await onFullDisk(t);
    const { machine, partition } = full;
    const last = partition.lastSeq;
    const asked = before === "truncate" ? [partition.append(record), partition.truncate(last - 5), partition.append(record), partition.trim(last - 3)] : [partition.append(record), partition.trim(last + 2)];
    assert.deepEqual(await outcomes(machine, asked), asked.map(() => "RINGWALL_DISK_FULL"));
    assert.deepEqual([partition.firstSeq, partition.lastSeq], [1, last]);
    const again = [partition.trim(last + 1), partition.append(record)];
    assert.deepEqual(await outcomes(machine, again), ["done", "done"]);
    await demandReopened(full, last + 1, last + 1);
  }
});

test("a trim behind what enqueue has accepted does not go ahead of it: it is refused while that waits for space", async (t) => {
  const full = await onFullDisk(t);
  const { machine, partition, log } = full;
  const last = partition.lastSeq;
  partition.enqueue(record);
  await turn(machine);
  assert.equal(await outcome(machine, partition.trim(last + 1)), "RINGWALL_DISK_FULL");
  assert.deepEqual([partition.firstSeq, partition.lastSeq], [1, last + 1]);
  machine.disk.capacityBytes = Number.POSITIVE_INFINITY;
  assert.equal(await outcome(machine, log.sync()), "done");
  assert.equal(await outcome(machine, partition.trim(last + 1)), "done");
  await demandReopened(full, last + 1, last + 1);
});

test("a trim behind what enqueue has accepted is not durable where a close gives that up: both are told", async (t) => {
  const full = await onFullDisk(t);
  const { machine, partition, log } = full;
  const last = partition.lastSeq;
  partition.enqueue(record);
  const asked = [partition.trim(last + 1), log.close()];
  assert.deepEqual(await outcomes(machine, asked), ["RINGWALL_DISK_FULL", "RINGWALL_DISK_FULL"]);
  await demandReopened(full, 1, last);
});

test("a trim that frees no segment: what comes behind it is refused, and its sequences are given back", async (t) => {
  const full = await onFullDisk(t);
  const { machine, partition, log } = full;
  const last = partition.lastSeq;
  const asked = [partition.trim(2), partition.append(record), partition.appendBatch([record, record]), log.drain()];
  assert.deepEqual(await outcomes(machine, asked), ["done", "RINGWALL_DISK_FULL", "RINGWALL_DISK_FULL", "RINGWALL_DISK_FULL"]);
  assert.equal(partition.lastSeq, last);
  await demandReopened(full, 2, last);
});

test("the trim that would bring space fails: what waits behind it is told, and nothing of it is there", async (t) => {
  const full = await onFullDisk(t);
  const { machine, storage, partition, log } = full;
  const last = partition.lastSeq;
  storage.isHolding = true;
  const trimmed = outcome(machine, partition.trim(last + 1));
  await turn(machine);
  const asked = [trimmed, ...[partition.append(record), log.drain(), log.sync()].map((promise) => outcome(machine, promise))];
  await turn(machine);
  Object.assign(machine.faults, { writeError: 1 });
  storage.letGo();
  assert.deepEqual(await Promise.all(asked), asked.map(() => "RINGWALL_POISONED"));
  assert.equal(await outcome(machine, log.close()), "RINGWALL_POISONED");
  Object.assign(machine.faults, { writeError: 0 });
  await demandReopened(full, 1, last);
});

test("records that come with trims leave the last space to trims", async (t) => {
  const full = await onFullDisk(t, { few: 20 });
  const { machine, log, partition } = full;
  const last = partition.lastSeq;
  const few = log.partition("few");
  for (let first = 2; first < 12; first++) {
    // They free nothing: what else is in the first segment lives.
    const asked = [few.trim(first), partition.append(record)];
    assert.deepEqual(await outcomes(machine, asked), ["done", "RINGWALL_DISK_FULL"], `trim ${String(first)}`);
  }
  await partition.trim(last + 1);
  assert.equal(await outcome(machine, few.trim(21)), "done");
  assert.equal(await outcome(machine, partition.append(record)), "done");
  await demandReopened(full, last + 1, last + 1);
});

test("a freed file that is short is a segment, where it has room for records; where it has none it waits for space", async () => {
  const kibibyte = 1024;
  for (const [kept, isEnough] of [[300 * kibibyte, true], [100 * kibibyte, false]] as const) {
    const machine = new SimMachine({ seed: 1 });
    const { files } = new SimStorage(machine);
    await files.makeDirectory("/lane");
    const short = await files.open("/lane/00000001.segment", "create");
    await short.writeAt(new Uint8Array(kept), 0);
    await short.close();
    machine.disk.capacityBytes = machine.disk.usedBytes;
    const supply = new SegmentSupply({
      files, now: () => 0, directory: "/lane", lane: 0, uuid: new Uint8Array(16), alignment: 4096, segmentBytes: 512 * kibibyte, readyMin: 1, readyMax: 4,
      openWriter: () => Promise.resolve(1), closeWriter: () => Promise.resolve(), onChange: () => undefined,
    });
    assert.equal(await outcome(machine, supply.start(7, ["/lane/00000001.segment"])), isEnough ? "done" : "RINGWALL_DISK_FULL");
    machine.disk.capacityBytes = Number.POSITIVE_INFINITY;
    if (!isEnough) await supply.start(7, []);
    const ready = supply.take();
    assert.deepEqual([ready?.path, ready?.readyEnd], ["/lane/00000007.segment", isEnough ? kept : 512 * kibibyte]);
    await ready?.file.close();
    await supply.close();
  }
});
