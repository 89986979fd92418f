// One fault each, at a chosen place of a short life on simulated storage, and what must not come of it. No seed decides anything.

import assert from "node:assert/strict";
import { test } from "node:test";
import { RingwallError } from "#src/base/errors.js";
import { LaneLog as Log } from "#src/log/lane-log.js";
import { resolveOptions, type LogOptions, type ResolvedOptions } from "#src/log/options.js";
import type { Partition } from "#src/log/partition.js";
import type { RecoveryReport } from "#src/recovery/recovered-lane.js";
import { SimMachine } from "#src/storage/sim/machine.js";
import { SimStorage } from "#src/storage/sim/sim-storage.js";
import { losePower } from "./crash-points.js";
import { HeldStorage, settled } from "./held-storage.js";

const directory = "/log";

function small(more: LogOptions = {}): ResolvedOptions {
  return { ...resolveOptions({ bufferBytes: 16 * 1024, bufferCount: 4, ...more }), segmentBytes: 64 * 1024 };
}

function open(storage: SimStorage, options = small()): Promise<Log> {
  return Log.openOn({ storage, reason: "test" }, directory, options);
}

async function texts(partition: Partition): Promise<string[]> {
  const all: string[] = [];
  for await (const { seq, data } of partition.read()) {
    assert.equal(seq, partition.firstSeq + all.length, "sequences are contiguous");
    all.push(Buffer.from(data).toString().trim());
  }
  assert.equal(partition.firstSeq + all.length - 1, partition.lastSeq, "it is read to its last");
  return all;
}

async function refused(code: string, promise: Promise<unknown>): Promise<RingwallError> {
  const error: unknown = await promise.then((value) => assert.fail(`it resolved to ${JSON.stringify(value)}; ${code} was due`), (reason: unknown) => reason);
  assert.ok(error instanceof RingwallError, String(error));
  assert.equal(error.code, code, error.message);
  return error;
}

/** Fails where nothing is left to happen and it is still pending: the process would just end. */
function inTime(machine: SimMachine, promise: Promise<unknown>): Promise<unknown> {
  return Promise.race([promise, settled(machine).then(() => assert.fail("nothing is left to happen, and it is pending"))]);
}

for (const [flushMethod, fault] of [["dsync", "writeError"], ["separate", "writeError"], ["separate", "syncError"], ["linked", "syncError"]] as const) {
  test(`${flushMethod}: a ${fault === "writeError" ? "write" : "flush"} that fails acknowledges nothing, and nothing is taken behind it`, async () => {
    const machine = new SimMachine({ seed: 1, faultsMax: { [fault]: 1 } });
    const storage = new SimStorage(machine, { flushMethod });
    const log = await open(storage);
    const partition = log.partition("p");
    await partition.append("acknowledged");
    // Until nothing but the block of the next append can meet the fault.
    await settled(machine);
    Object.assign(machine.faults, { [fault]: 1 });
    const pending = [partition.append("fails"), partition.append("fails, too")];
    for (const each of pending) await refused("RINGWALL_POISONED", inTime(machine, each));
    assert.equal(machine.counts.of(fault), 1);
    for (const late of [() => partition.append("late"), () => log.sync(), () => partition.trim(2), () => partition.truncate(1), () => partition.drop(), () => log.close()]) await refused("RINGWALL_POISONED", inTime(machine, late()));
    losePower(machine, [storage], "nothing that was not flushed");

    const again = await open(new SimStorage(machine));
    assert.deepEqual((await texts(again.partition("p"))).slice(0, 1), ["acknowledged"]);
    await again.close();
  });
}

test("full disk: an overwrite that is refused takes nothing away, and its sequences are not given out again", async () => {
  const machine = new SimMachine({ seed: 1, diskBytes: 512 * 1024 });
  const storage = new SimStorage(machine);
  const log = await open(storage);
  const partition = log.partition("p");
  const due: string[] = [];
  const record = (word: string): string => `${word} ${String(due.length + 1)}`.padEnd(7000);
  for (let isFull = false; !isFull; ) {
    await partition.append(record("old")).then(() => due.push(`old ${String(due.length + 1)}`), (error: unknown) => {
      assert.equal((error as RingwallError).code, "RINGWALL_DISK_FULL");
      isFull = true;
    });
  }
  const last = partition.lastSeq;
  assert.ok(due.length > 20 && last === due.length, `${String(due.length)} records`);
  await refused("RINGWALL_DISK_FULL", partition.appendBatch([record("x"), record("y")], { after: last - 5 }));
  await refused("RINGWALL_DISK_FULL", log.write([{ partition: "p", truncate: last - 10 }, { partition: "q", data: record("z") }, { partition: "p", data: record("z") }]));
  assert.equal(partition.lastSeq, last);
  assert.deepEqual(await texts(partition), due);
  machine.disk.capacityBytes = Number.POSITIVE_INFINITY;
  assert.equal(await partition.append("behind them"), last + 1);
  machine.kill(storage.owner);
  const again = await open(new SimStorage(machine));
  assert.deepEqual(await texts(again.partition("p")), [...due, "behind them"]);
  await again.close();
});

test("reclaim: what is truncated between its reading and its copy is not moved, and what was written anew is", async (t) => {
  const machine = new SimMachine({ seed: 1 });
  const storage = new SimStorage(machine);
  t.after(() => { machine.kill(storage.owner); });
  // 256 KiB are placed at once, and then come four seconds of nothing, with more records in memory.
  const options = { ...small({ reclaim: { factor: 1.1, bytesPerSecond: 64 * 1024 } }), segmentBytes: 1024 * 1024 };
  const log = await open(storage, options);
  const [cut, busy] = [log.partition("cut"), log.partition("busy")];
  const due = Array.from({ length: 600 }, (_, at) => `old ${String(at + 1)}`);
  await Promise.all(due.map((text) => cut.append(text.padEnd(1000))));
  const age = async (rounds: number): Promise<void> => {
    for (let round = 0; round < rounds; round++) {
      for (let count = 0; count < 80; count++) await busy.append("x".repeat(14_000));
      await busy.trim(busy.lastSeq + 1);
    }
  };
  const moved = (): number => log.stats()[0]?.bytesMoved ?? 0;
  while (moved() === 0) await age(1);
  const placed = Math.ceil(moved() / 1008);
  assert.ok(placed < 300, `${String(placed)} are placed`);
  await cut.truncate(placed + 5);
  due.length = placed + 5;
  for (const text of ["anew 1", "anew 2", "anew 3"]) due.push(text);
  for (const text of due.slice(-3)) await cut.append(text);
  // The copies come in a later segment than what was written anew.
  log.rotate();
  // Enough lives between the two that they go in different rounds: what was written anew first, while those copies are there.
  await Promise.all(Array.from({ length: 1200 }, (_, at) => log.partition("kept").append(`kept ${String(at + 1)}`.padEnd(1000))));
  for (let round = 0; round < 12 || (log.stats()[0]?.segmentsReclaimed ?? 0) < 5; round++) {
    assert.ok(round < 60, "the segment of what was written anew goes, too");
    await settled(machine);
    await settled(machine);
    await age(2);
    assert.deepEqual(await texts(cut), due, `round ${String(round)}`);
  }
  losePower(machine, [storage], "nothing that was not flushed");
  const again = await open(new SimStorage(machine), options);
  assert.deepEqual(await texts(again.partition("cut")), due);
  await again.close();
});

test("the last acknowledged block is damaged: that is no torn tail, the log is refused and the record named", async () => {
  const machine = new SimMachine({ seed: 1 });
  const storage = new SimStorage(machine);
  const log = await open(storage);
  for (const text of ["first", "second", "the last one"]) await log.partition("p").append(text);
  // The beacon says that all of it was durable.
  await settled(machine);
  machine.kill(storage.owner);
  const segment = machine.disk.files().find(({ path }) => path.endsWith("/00000001.segment"));
  assert.ok(segment !== undefined);
  const at = Buffer.from(segment.inode.visible).indexOf("the last one");
  assert.ok(segment.inode.rot(at, 0));
  const { details } = await refused("RINGWALL_DAMAGED", open(new SimStorage(machine)));
  assert.deepEqual((details as RecoveryReport).lost.map(({ name, firstSequence, lastSequence }) => [name, firstSequence, lastSequence]), [["p", 3, 3]]);
});

test("a drop resolves when it is durable, and not before", async (t) => {
  const machine = new SimMachine({ seed: 1 });
  const storage = new HeldStorage(machine);
  t.after(() => { machine.kill(storage.owner); });
  const log = await open(storage);
  const partition = log.partition("p");
  await partition.append("old");
  await settled(machine);
  storage.isHolding = true;
  let isDropped = false;
  const dropped = partition.drop().then(() => { isDropped = true; });
  await settled(machine);
  assert.deepEqual([storage.held, isDropped], [1, false]);
  storage.letGo();
  await dropped;
  losePower(machine, [storage], "nothing that was not flushed");
  const again = await open(new SimStorage(machine));
  assert.deepEqual(again.partitions(), []);
  assert.equal(await again.partition("p").append("new"), 1);
  await again.close();
});

test("a drop that is not durable frees no segment: after a power loss the partition is whole", async (t) => {
  const machine = new SimMachine({ seed: 1 });
  const storage = new HeldStorage(machine);
  // What is held would keep the machine's clock running for ever.
  t.after(() => { machine.kill(storage.owner); });
  const log = await open(storage, small({ reclaim: false }));
  const [large, other] = [log.partition("large"), log.partition("other")];
  const due = Array.from({ length: 40 }, (_, at) => `large ${String(at + 1)}`);
  for (const text of due) await large.append(text.padEnd(7000));
  await other.append("other 1");
  await other.append("other 2");
  const segments = log.stats()[0]?.segmentsKept ?? 0;
  assert.ok(segments > 4, `${String(segments)} segments`);

  storage.isHolding = true;
  // Whoever trims has segments freed, and goes by what is dead in memory by then.
  void other.trim(2);
  await settled(machine);
  let isDropped = false;
  void large.drop().then(() => { isDropped = true; });
  await settled(machine);
  storage.letOneGo();
  await settled(machine);
  assert.equal(storage.held, 1, "the drop's block waits");
  assert.equal(isDropped, false, "the drop is not durable");
  assert.equal(log.stats()[0]?.segmentsKept, segments, "segments were freed on the word of a drop that a power loss takes back");
  losePower(machine, [storage], "nothing that was not flushed");

  const again = await open(new SimStorage(machine));
  assert.deepEqual(await texts(again.partition("large")), due);
  assert.deepEqual(await texts(again.partition("other")), ["other 2"]);
  await again.close();
});

test("full disk: no segment is freed while the one behind it has no room for its checkpoint; after a kill the log opens", async (t) => {
  const machine = new SimMachine({ seed: 1 });
  let isFull = true;
  let end = 0;
  const observer = { submitted: (_: string, position: number, bytes: number | Uint8Array) => { end = position + (bytes as Uint8Array).length; }, durable: () => undefined, misplaced: () => undefined };
  // As file systems do it: of a write that does not fit, what fits is written. Of the second segment that is one page.
  const write: NonNullable<ConstructorParameters<typeof HeldStorage>[2]>["write"] = async (file, bytes, position) => {
    if (!isFull || !file.path.endsWith("/00000002.segment") || position < 4096) return file.writeAt(bytes, position);
    if (position === 4096) await file.writeAt(bytes.subarray(0, 4096), position);
    throw new RingwallError("RINGWALL_DISK_FULL", "ENOSPC: no space left on device");
  };
  const storage = new HeldStorage(machine, { observer }, { write });
  t.after(() => { machine.kill(storage.owner); });
  const log = await open(storage, small({ reclaim: false }));
  // Their names make a checkpoint larger than that page.
  const names = Array.from({ length: 20 }, (_, at) => `${String(at)} `.padEnd(240, "n"));
  await Promise.all(names.map((name) => log.partition(name).append("x")));
  const fill = log.partition(names[0] as string);
  while (end + 18 * 1024 < 64 * 1024) await fill.append("x".repeat(3000));
  await settled(machine);

  storage.isHolding = true;
  const trims = names.map((name) => log.partition(name).trim(log.partition(name).lastSeq + 1));
  await settled(machine);
  const append = refused("RINGWALL_DISK_FULL", fill.append("y".repeat(14_000)));
  await settled(machine);
  assert.deepEqual(log.stats()[0]?.segmentsKept, 2, "the lane has gone over to the second segment");
  storage.letGo();
  await Promise.all([...trims, append]);
  await settled(machine);
  machine.kill(storage.owner);

  isFull = false;
  const again = await open(new SimStorage(machine));
  assert.deepEqual(again.partitions().map(({ name, firstSeq, lastSeq }) => [name, firstSeq > lastSeq]), names.map((name) => [name, true]));
  assert.equal(again.partition(names[0] as string).lastSeq, fill.lastSeq);
  await again.close();
});
