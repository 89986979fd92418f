// Failing writes and flushes, and power cuts that forget every name and byte that was not made durable, on a real mount.

import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { describe, test } from "node:test";
import { RingwallError, type Log } from "#src/index.js";
import { LaneLog } from "#src/log/lane-log.js";
import { resolveOptions } from "#src/log/options.js";
import { backends, type Backend } from "./backends.js";
import { environmentOf, type Build } from "./builds.js";
import { CutDisk, cutDiskRefusal } from "./cut-disk.js";
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

/** A flush that the file system sees: FUSE is not told of a single write's RWF_DSYNC. */
function open(disk: CutDisk, backend: Backend): Promise<Log> {
  return LaneLog.openOn(environmentOf({ backend, build: "sound", flushMethod: "separate" }), disk.directory, resolveOptions({ ...usual.options, backend }));
}

async function texts(log: Log): Promise<string[]> {
  const all: string[] = [];
  for await (const { data } of log.partition("p").read()) all.push(Buffer.from(data).toString());
  return all;
}

const isPoisoned = (reason: unknown): boolean => reason instanceof RingwallError && reason.code === "RINGWALL_POISONED";

for (const backend of backends) {
  describe(`a failing device under ${backend}`, options, () => {
    for (const operation of ["write", "fsync"] as const) {
      test(`a failed ${operation}: what is pending rejects as unknown, nothing more is taken, reopening finds every acknowledged record`, async () => {
        await onDisk(async (disk) => {
          const log = await open(disk, backend);
          const acknowledged: string[] = [];
          for (let index = 0; index < 20; index++) {
            await log.partition("p").append(`before ${index}`);
            acknowledged.push(`before ${index}`);
          }
          await disk.command({ kind: "fail", operation, errno: eio });
          const pending = await Promise.allSettled(Array.from({ length: 50 }, (_, index) => log.partition("p").append(`pending ${index} ${"x".repeat(2000)}`)));
          assert.ok(pending.every((outcome) => outcome.status === "rejected" && isPoisoned(outcome.reason)), JSON.stringify(pending[0]));
          await assert.rejects(log.partition("p").append("late"), isPoisoned);
          await assert.rejects(log.sync(), isPoisoned);
          assert.throws(() => log.partition("p").enqueue("late"), isPoisoned);
          await assert.rejects(log.close(), isPoisoned);
          const again = await open(disk, backend);
          assert.deepEqual((await texts(again)).slice(0, 20), acknowledged);
          await again.partition("p").append("after");
          await again.close();
        });
      });
    }

    test("a short write is continued and synced, or told: a power cut right after costs nothing acknowledged", async (t) => {
      await onDisk(async (disk) => {
        const log = await open(disk, backend);
        await log.partition("p").append("first");
        await disk.command({ kind: "short" });
        const large = "y".repeat(60_000);
        const [outcome] = await Promise.allSettled([log.partition("p").append(large)]);
        // FUSE itself turns a short direct write into EIO; through the page cache it arrives as a short one.
        assert.ok(outcome.status === "fulfilled" || (backend === "uring" && isPoisoned(outcome.reason)), JSON.stringify(outcome));
        t.diagnostic(`the write was ${outcome.status}`);
        await disk.command({ kind: "cut" });
        await log.close().catch(() => undefined);
        const again = await open(disk, backend);
        assert.deepEqual(await texts(again), outcome.status === "fulfilled" ? ["first", large] : ["first"]);
        await again.close();
      });
    });
  });
}

/** Cuts under writers, until `cuts` are done or a record is lost. */
async function cutMany(disk: CutDisk, backend: Backend, cuts: number, build: Build): Promise<{ readonly tally: Tally; readonly loss: string | null }> {
  const tally = new Tally();
  const random = new Random(seed);
  let history: History | null = null;
  let directory = "";
  for (; tally.crashes < cuts; tally.crashes++) {
    if (history === null || tally.crashes % 8 === 0) {
      const set: OptionSet = { ...(optionSets[tally.directories % 3] as OptionSet), flushMethod: "separate" };
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
      const { tally, loss } = await onDisk((disk) => cutMany(disk, backend, 16, "sound"));
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
