// Failing writes and flushes, and power cuts that forget every name and byte that was not made durable, on a real mount.

import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { describe, test } from "node:test";
import { RingwallError, type Log } from "#src/index.js";
import type { FlushMethod } from "#src/format/superblock.js";
import { LaneLog } from "#src/log/lane-log.js";
import { resolveOptions, type DurabilityOption } from "#src/log/options.js";
import { backends, type Backend } from "./backends.js";
import { environmentOf, type Build } from "./builds.js";
import { CutDisk, cutDiskRefusal, type Command } from "./cut-disk.js";
import { FailingDisk, failingDiskRefusal } from "./failing-disk.js";
import { History } from "./history.js";
import { optionSets, type OptionSet } from "./option-sets.js";
import { LossError } from "./oracle.js";
import { hashOf, Random } from "./random.js";
import { Tally } from "./tally.js";
import { onTeardown } from "./teardown.js";

const root = fs.mkdtempSync(path.join(os.tmpdir(), "ringwall-poison-"));
// Before the mounts are registered: it comes after they are gone.
onTeardown(() => fs.rmSync(root, { recursive: true, force: true }));
const refusal = cutDiskRefusal();
const options = refusal === null ? {} : { skip: refusal };
const deviceRefusal = failingDiskRefusal();
const deviceOptions = deviceRefusal === null ? {} : { skip: deviceRefusal };
const usual = optionSets[0] as OptionSet;
const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31));
const eio = os.constants.errno.EIO;
let mounts = 0;

async function onDisk<T>(body: (disk: CutDisk) => Promise<T>): Promise<T> {
  const disk = await CutDisk.mount(path.join(root, `mount-${String(mounts++)}`));
  // After a failure the log may be open still: then the mount goes when the process does.
  const result = await body(disk);
  await disk.unmount();
  return result;
}

/** Under node:fs `linked` is `separate`. */
const methods: Readonly<Record<Backend, readonly FlushMethod[]>> = { uring: ["dsync", "linked", "separate"], fs: ["dsync", "separate"] };

interface Setting {
  readonly backend: Backend;
  readonly flushMethod: FlushMethod;
  readonly durability?: DurabilityOption;
}

function open(directory: string, { backend, flushMethod, durability }: Setting): Promise<Log> {
  return LaneLog.openOn(environmentOf({ backend, build: "sound", flushMethod }), directory, resolveOptions({ ...usual.options, backend, ...(durability === undefined ? {} : { durability }) }));
}

async function texts(log: Log): Promise<string[]> {
  const all: string[] = [];
  for await (const { data } of log.partition("p").read()) all.push(Buffer.from(data).toString());
  return all;
}

async function fill(log: Log, acknowledged: string[]): Promise<void> {
  for (let index = 0; index < 20; index++) {
    const text = `before ${index}`;
    await log.partition("p").append(text);
    acknowledged.push(text);
  }
  await log.sync();
}

const isPoisoned = (reason: unknown): boolean => reason instanceof RingwallError && reason.code === "RINGWALL_POISONED";

/** What is to hold of a log after a block of it failed. */
async function demandPoisoned(log: Log, acknowledged: readonly string[]): Promise<void> {
  const partition = log.partition("p");
  await assert.rejects(partition.append("late"), isPoisoned);
  await assert.rejects(partition.appendBatch(["late", "later"]), isPoisoned);
  await assert.rejects(log.sync(), isPoisoned);
  await assert.rejects(log.drain(), isPoisoned);
  await assert.rejects(partition.trim(2), isPoisoned);
  assert.throws(() => partition.enqueue("late"), isPoisoned);
  assert.equal(partition.durableSeq, acknowledged.length, "nothing that failed is called durable");
  assert.deepEqual(await texts(log), acknowledged, "what is durable can be read");
  await assert.rejects(log.close(), isPoisoned);
}

/** The log opens, has what was acknowledged, takes more, and keeps it. */
async function demandRecovered(directory: string, setting: Setting, acknowledged: readonly string[], restart: () => Promise<void>): Promise<void> {
  const again = await open(directory, setting);
  const found = await texts(again);
  assert.deepEqual(found.slice(0, acknowledged.length), acknowledged);
  await again.partition("p").append("after");
  await again.sync();
  await restart();
  await again.close().catch(() => undefined);
  const last = await open(directory, setting);
  assert.deepEqual(await texts(last), [...found, "after"]);
  await last.close();
}

/** Files of this process that are open there. */
function openBelow(directory: string): string[] {
  const targets = fs.readdirSync("/proc/self/fd").map((descriptor) => {
    try {
      return fs.readlinkSync(`/proc/self/fd/${descriptor}`);
    } catch {
      return "";
    }
  });
  return targets.filter((target) => target.startsWith(directory));
}

interface Fault {
  readonly name: string;
  readonly command: Command;
}

const faults: readonly Fault[] = [
  { name: "a write that fails with EIO", command: { kind: "fail", operation: "write", errno: eio } },
  { name: "a flush that fails with EIO and forgets", command: { kind: "fail", operation: "fsync", errno: eio } },
  { name: "a write that fails with ENOSPC", command: { kind: "fail", operation: "write", errno: os.constants.errno.ENOSPC } },
];

for (const backend of backends) {
  for (const flushMethod of methods[backend]) {
    describe(`a failing file system under ${backend}, ${flushMethod}`, options, () => {
      for (const { name, command } of faults) {
        test(`${name}: what is pending rejects as unknown, nothing more is taken, reopening finds every acknowledged record and keeps it`, async () => {
          await onDisk(async (disk) => {
            const setting = { backend, flushMethod };
            const log = await open(disk.directory, setting);
            const acknowledged: string[] = [];
            await fill(log, acknowledged);
            await disk.command(command);
            const pending = await Promise.allSettled(Array.from({ length: 50 }, (_, index) => log.partition("p").append(`pending ${index} ${"x".repeat(2000)}`)));
            // Blocks before the one that failed may be through.
            const through = pending.filter((outcome) => outcome.status === "fulfilled").length;
            for (let index = 0; index < through; index++) acknowledged.push(`pending ${index} ${"x".repeat(2000)}`);
            assert.ok(pending.slice(through).every((outcome) => outcome.status === "rejected" && isPoisoned(outcome.reason)), JSON.stringify(pending[0]));
            assert.ok(through < 50);
            await demandPoisoned(log, acknowledged);
            await demandRecovered(disk.directory, setting, acknowledged, () => disk.command({ kind: "cut" }));
          });
        });
      }

      test("by interval: what was acknowledged at once and is lost is told by the next sync, append and close", async () => {
        await onDisk(async (disk) => {
          const setting: Setting = { backend, flushMethod, durability: { mode: "interval", ms: 60_000, recordsMax: 1000 } };
          const log = await open(disk.directory, setting);
          const durable: string[] = [];
          await fill(log, durable);
          await disk.command({ kind: "fail", operation: "write", errno: eio });
          await log.partition("p").append("acknowledged at once");
          await assert.rejects(log.sync(), isPoisoned);
          await demandPoisoned(log, durable);
          await demandRecovered(disk.directory, setting, durable, () => disk.command({ kind: "cut" }));
        });
      });

      test("a short write is continued and synced, or told: a power cut right after costs nothing acknowledged", async (t) => {
        await onDisk(async (disk) => {
          const setting = { backend, flushMethod };
          const log = await open(disk.directory, setting);
          await log.partition("p").append("first");
          await disk.command({ kind: "short" });
          const large = "y".repeat(60_000);
          const [outcome] = await Promise.allSettled([log.partition("p").append(large)]);
          // FUSE itself turns a short direct write into EIO; through the page cache it arrives as a short one.
          assert.ok(outcome.status === "fulfilled" || (backend === "uring" && isPoisoned(outcome.reason)), JSON.stringify(outcome));
          t.diagnostic(`the write was ${outcome.status}`);
          await disk.command({ kind: "cut" });
          await log.close().catch(() => undefined);
          const again = await open(disk.directory, setting);
          assert.deepEqual(await texts(again), outcome.status === "fulfilled" ? ["first", large] : ["first"]);
          await again.close();
        });
      });

      test("a file system whose daemon dies: everything rejects, and close ends", async () => {
        await onDisk(async (disk) => {
          const log = await open(disk.directory, { backend, flushMethod });
          await log.partition("p").append("first");
          await disk.kill();
          const pending = await Promise.allSettled(Array.from({ length: 20 }, (_, index) => log.partition("p").append(`pending ${index}`)));
          assert.ok(pending.every((outcome) => outcome.status === "rejected" && isPoisoned(outcome.reason)), JSON.stringify(pending[0]));
          await assert.rejects(log.sync(), isPoisoned);
          const failure = await log.close().then(() => null, (error: unknown) => error);
          assert.ok(failure instanceof RingwallError && isPoisoned(failure) && failure.cause instanceof AggregateError, String(failure));
          // The poison and the lock's record at least.
          assert.ok(failure.cause.errors.length >= 2);
          for (const part of failure.cause.errors as unknown[]) assert.ok(part instanceof RingwallError && failure.message.includes(part.message.replace(/\.$/, "")), String(part));
          assert.deepEqual(openBelow(disk.mountPoint), [], "every file is closed");
        });
      });
    });

    describe(`a failing device under ext4, ${backend}, ${flushMethod}`, deviceOptions, () => {
      test("a block that the device refuses: pending appends reject as unknown, nothing more is taken, reopening finds every acknowledged record", async () => {
        const disk = await FailingDisk.mount(path.join(root, `device-${String(mounts++)}`));
        const setting = { backend, flushMethod };
        const log = await open(disk.directory, setting);
        const acknowledged: string[] = [];
        await fill(log, acknowledged);
        await disk.device.command({ kind: "refuse", word: "victim", errno: eio });
        const [outcome] = await Promise.allSettled([log.partition("p").append("victim")]);
        assert.ok(outcome.status === "rejected" && isPoisoned(outcome.reason), JSON.stringify(outcome));
        await demandPoisoned(log, acknowledged);
        await demandRecovered(disk.directory, setting, acknowledged, () => Promise.resolve());
        await disk.unmount();
      });
    });
  }
}

/** By name: a set without a promise at a power cut must not come among them. */
const setsCut = ["small segments", "one block in flight", "gathered writes", "larger blocks", "interval of 5 ms"].map((name) => optionSets.find((set) => set.name === name) as OptionSet);

/** Cuts under writers, until `cuts` are done or a record is lost. */
async function cutMany(disk: CutDisk, backend: Backend, cuts: number, build: Build): Promise<{ readonly tally: Tally; readonly loss: string | null }> {
  const tally = new Tally();
  const random = new Random(seed);
  let history: History | null = null;
  let directory = "";
  for (; tally.crashes < cuts; tally.crashes++) {
    if (history === null || tally.crashes % 5 === 0) {
      const flushMethod = methods[backend][tally.directories % methods[backend].length] as FlushMethod;
      const set: OptionSet = { ...(setsCut[tally.directories % setsCut.length] as OptionSet), flushMethod };
      directory = path.join(disk.mountPoint, `log-${String(tally.directories)}`);
      history = new History({ directory, seed: hashOf(seed, tally.directories++), set, tally, build, failuresAllowed: ["RINGWALL_POISONED", "RINGWALL_IO", "RINGWALL_NOT_FOUND"] });
    }
    const writer = history.start(backend);
    await writer.open();
    const millis = random.spread(1, 150);
    await new Promise((resolve) => setTimeout(resolve, millis));
    await disk.command({ kind: "cut" });
    writer.kill();
    try {
      await history.finish(writer);
      const lock = path.join(directory, "lock");
      if (fs.existsSync(path.join(directory, "superblock"))) await history.check(fs.existsSync(lock) && fs.statSync(lock).size === 0 ? "writable" : "read-only", backend);
      else history.checkAbsent();
    } catch (error) {
      if (!(error instanceof LossError)) throw error;
      return { tally, loss: error.message };
    }
  }
  return { tally, loss: null };
}

describe(`power cuts that forget every name and byte that was not made durable, SEED=${seed}`, options, () => {
  for (const backend of backends) {
    test(`${backend}: nothing acknowledged is lost`, async (t) => {
      const { tally, loss } = await onDisk((disk) => cutMany(disk, backend, 20, "sound"));
      t.diagnostic(`${tally.crashes} cuts; ${String(tally)}`);
      assert.equal(loss, null);
    });
  }

  for (const build of ["without block flush", "without directory sync"] as const) {
    test(`a build ${build} loses records`, async (t) => {
      const { tally, loss } = await onDisk((disk) => cutMany(disk, "fs", 40, build));
      t.diagnostic(`noticed at cut ${tally.crashes + 1}: ${String(loss).slice(0, 200)}`);
      assert.notEqual(loss, null);
    });
  }
});
