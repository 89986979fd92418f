// A producer's calls, cut off between any two of their blocks: each is there with what is known of it, or neither is. No seed decides anything.

import assert from "node:assert/strict";
import { test } from "node:test";
import { RingwallError } from "#src/base/errors.js";
import { LaneLog as Log } from "#src/log/lane-log.js";
import { resolveOptions } from "#src/log/options.js";
import { SimMachine } from "#src/storage/sim/machine.js";
import { SimStorage } from "#src/storage/sim/sim-storage.js";
import { losePower } from "./crash-points.js";
import { HeldStorage, settled } from "./held-storage.js";

const callCount = 14;
const blockBytes = 16 * 1024;
const options = { ...resolveOptions({ bufferBytes: blockBytes, bufferCount: 4 }), segmentBytes: 64 * 1024 };

interface Calls {
  /** Of each record. */
  readonly bytes: number;
  /** Of a plain record before each; 0: none. */
  readonly fillerBytes: number;
}

function open(storage: SimStorage): Promise<Log> {
  return Log.openOn({ storage, reason: "test" }, "/log", options);
}

function record(number: number, bytes: number): string {
  return `call ${String(number)} `.padEnd(bytes, "x");
}

/** What a log holds when so many blocks of the calls had been written. Returns whether those were all. */
async function cutAfter(blocks: number, { bytes, fillerBytes }: Calls): Promise<boolean> {
  const machine = new SimMachine({ seed: 1 });
  const storage = new HeldStorage(machine);
  const log = await open(storage);
  const filler = log.partition("filler");
  await Promise.all([log.partition("p").append(record(1, bytes), { producer: "a", seq: 1 }), filler.append("x")]);
  await settled(machine);

  storage.isHolding = true;
  let acknowledged = 1;
  for (let number = 2; number <= callCount; number++) {
    if (fillerBytes > 0) void filler.append("x".repeat(fillerBytes));
    void log.partition("p").append(record(number, bytes), { producer: "a", seq: number }).then(() => acknowledged++);
  }
  await settled(machine);
  for (let gone = 0; gone < blocks && storage.held > 0; gone++) {
    storage.letOneGo();
    await settled(machine);
  }
  losePower(machine, [storage], "nothing that was not flushed");

  const again = await open(new SimStorage(machine));
  const partition = again.partition("p");
  assert.ok(partition.lastSeq >= acknowledged, `${String(partition.lastSeq)} of ${String(acknowledged)} acknowledged calls`);
  for (let number = 1; number <= callCount; number++) assert.equal(await partition.append(record(number, bytes), { producer: "a", seq: number }), number, `call ${String(number)}, cut off after ${String(blocks)} blocks`);
  const found: string[] = [];
  for await (const { data } of partition.read()) found.push(Buffer.from(data).toString());
  assert.deepEqual(found, Array.from({ length: callCount }, (_, at) => record(at + 1, bytes)), `cut off after ${String(blocks)} blocks`);
  await again.close();
  return acknowledged === callCount;
}

async function cutEverywhere(calls: Calls): Promise<void> {
  let blocks = 0;
  while (!(await cutAfter(blocks, calls))) blocks++;
  assert.ok(blocks > 4, `${String(blocks)} blocks`);
}

test("calls that wait for room, cut off after any block and repeated: each is there once", async () => {
  await cutEverywhere({ bytes: 7000, fillerBytes: 0 });
});

test("calls laid into the open block, whose record alone would have room there, cut off after any block and repeated: each is there once", async () => {
  const frameHeaderBytes = 24;
  const bytes = 1000;
  // Sixteen bytes stay: less than what is known of a call takes.
  await cutEverywhere({ bytes, fillerBytes: blockBytes - 64 - 16 - 2 * frameHeaderBytes - bytes });
});

test("a call that a full disk refused is not known: repeated when there is room, it is appended", async () => {
  const machine = new SimMachine({ seed: 1, diskBytes: 512 * 1024 });
  const log = await open(new SimStorage(machine));
  const partition = log.partition("p");
  let number = 0;
  for (let isFull = false; !isFull; ) {
    number++;
    await partition.append(record(number, 7000), { producer: "a", seq: number }).catch((error: unknown) => {
      assert.ok(error instanceof RingwallError && error.code === "RINGWALL_DISK_FULL", String(error));
      isFull = true;
    });
  }
  assert.ok(number > 20, `${String(number)} calls`);
  machine.disk.capacityBytes = Number.POSITIVE_INFINITY;
  for (let attempt = 0; attempt < 2; attempt++) assert.equal(await partition.append(record(number, 7000), { producer: "a", seq: number }), number);
  const last = await partition.get(number);
  assert.equal(Buffer.from(last?.data ?? []).toString(), record(number, 7000));
  await log.close();
});
