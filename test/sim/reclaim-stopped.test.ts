// Rounds of reclaim that end before they are through, on simulated storage: what they leave behind, and what the next ones make of it.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { RingwallError } from "#src/base/errors.js";
import { LaneLog as Log } from "#src/log/lane-log.js";
import { resolveOptions, type ReclaimOption } from "#src/log/options.js";
import { SimMachine } from "#src/storage/sim/machine.js";
import { SimStorage } from "#src/storage/sim/sim-storage.js";

const kilobyte = "x".repeat(1000);

interface Aged {
  readonly machine: SimMachine;
  /** `old` and `bad` live in the first segment, damaged at record 17 of `bad`; what lies behind them is dead: `dead` records of a kilobyte. */
  readonly open: (reclaim: ReclaimOption, onRead?: () => void) => Promise<Log>;
  /** Until it holds, a second of the machine's time at most. */
  readonly until: (what: string, holds: () => boolean) => Promise<void>;
}

async function aged(dead: number): Promise<Aged> {
  const machine = new SimMachine({ seed: 1 });
  const observer = machine.boot();
  const openWith = (reclaim: ReclaimOption | false, onRead?: () => void): Promise<Log> =>
    Log.openOn({ storage: storageOf(machine, onRead), reason: "test" }, "/log", { ...resolveOptions({ segmentBytes: 2 ** 20, bufferBytes: 16 * 1024, reclaim }) });
  const log = await openWith(false);
  const [old, bad, busy] = [log.partition("old"), log.partition("bad"), log.partition("busy")];
  await Promise.all(Array.from({ length: 300 }, () => old.append(`old ${kilobyte}`)));
  await Promise.all(Array.from({ length: 30 }, (_, at) => bad.append(`bad ${String(at + 1)} ${kilobyte}`)));
  await Promise.all(Array.from({ length: dead }, () => busy.append(kilobyte)));
  await busy.trim(busy.lastSeq + 1);
  await log.close();
  const { inode } = machine.disk.files().find(({ path }) => path.endsWith("00000001.segment"))!;
  const bytes = Buffer.alloc(inode.size);
  inode.read(bytes, 0);
  inode.rot(bytes.indexOf("bad 17 ") + 100, 1);
  return {
    machine,
    open: openWith,
    until: async (what, holds) => {
      for (let looks = 0; !holds(); looks++) {
        assert.ok(looks < 10_000, what);
        await machine.loop.sleep(observer, 100);
      }
    },
  };
}

async function endsAtOnce({ until }: Aged, what: string, done: Promise<unknown>): Promise<void> {
  let isOver = false;
  const ended = done.finally(() => { isOver = true; });
  await until(`${what} ends`, () => isOver);
  await ended;
}

/** `onRead` comes when a file was read. */
function storageOf(machine: SimMachine, onRead = (): void => undefined): SimStorage {
  const storage = new SimStorage(machine);
  const { files } = storage;
  const open = files.open.bind(files);
  files.open = async (path, mode) => {
    const file = await open(path, mode);
    const readAt = file.readAt.bind(file);
    file.readAt = async (into, position) => {
      const bytes = await readAt(into, position);
      onRead();
      return bytes;
    };
    return file;
  };
  return storage;
}

for (const [owner, answers, micros] of [["has answered", true, 1_000_000], ["never answers, and the pause is over", false, 600_000_000], ["never answers in it", false, 1_000_000]] as const) {
  test(`closed behind a round that damage ended in its pause, when the owner of the next one ${owner}: it ends`, async () => {
    // It is due, and nobody has to be held.
    const log = await aged(3300);
    let asked = 0;
    let answer = (): void => undefined;
    const stopped: RingwallError[] = [];
    const opened = await log.open({
      factor: 1.1,
      // The first chunk takes some minutes.
      bytesPerSecond: 1024,
      onReclaim: () => (++asked === 1 ? undefined : new Promise((resolve) => { answer = resolve; })),
      onStopped: (error) => stopped.push(error),
    });
    await opened.partition("busy").append("what is trimmed makes it look");
    const releasing = opened.partition("busy").trim(opened.partition("busy").lastSeq + 1);
    await log.until("damage is met", () => stopped.length > 0);
    await releasing;
    await opened.partition("bad").trim(18);
    await log.until("the owner is asked again", () => asked === 2);
    if (answers) answer();
    await log.machine.loop.sleep(log.machine.boot(), micros);
    await endsAtOnce(log, "the close", opened.close());
  });
}

test("damage in a partition that is dropped while it is met, under whose name another one is made: nothing stays stopped", async () => {
  const log = await aged(8000);
  const stopped: RingwallError[] = [];
  const opened = await log.open({ factor: 1.1, onStopped: (error) => stopped.push(error) });
  const [old, bad, busy] = [opened.partition("old"), opened.partition("bad"), opened.partition("busy")];
  await busy.append(kilobyte);
  await busy.trim(busy.lastSeq + 1);
  await log.until("writers are held", () => opened.stats()[0]!.reclaimHolds > 0);
  const appends = Array.from({ length: 50 }, () => busy.append(kilobyte));
  // Both wait behind records that are held.
  const dropped = bad.drop();
  const anew = opened.partition("bad").append("bad again");
  await Promise.all([...appends, dropped, anew]);
  for (let rounds = 0; rounds < 20; rounds++) {
    await Promise.all(Array.from({ length: 200 }, () => busy.append(kilobyte)));
    await busy.trim(busy.lastSeq + 1);
  }
  await log.until("old segments are freed", () => opened.stats()[0]!.segmentsKept < 9);
  assert.equal(opened.stats()[0]!.reclaimStoppedAt, 0, JSON.stringify(stopped.map(({ message }) => message)));
  const texts: string[] = [];
  for (const name of ["old", "bad"]) for await (const { data } of opened.partition(name).read()) texts.push(Buffer.from(data).toString().slice(0, 9).trim());
  assert.equal(texts.filter((text) => text.startsWith("old")).length, 300);
  assert.equal(texts.at(-1), "bad again");
  assert.equal(old.firstSeq, 1);
  await opened.close();
});

test("damage is truncated away in the moment in which it is met: nothing stays stopped", async () => {
  // Behind each of the reads, some turns of promises later.
  for (const [read, hops] of Array.from({ length: 14 }, (_, at) => [1 + (at >> 1), 10 + 10 * (at & 1)] as const)) {
    const log = await aged(3300);
    let reads = Number.NEGATIVE_INFINITY;
    let truncated: Promise<void> | null = null;
    const opened: Log = await log.open({ factor: 1.1 }, () => {
      if (++reads !== read) return;
      truncated = (async () => {
        for (let left = hops; left > 0; left--) await Promise.resolve();
        await opened.partition("bad").truncate(10);
      })();
    });
    const busy = opened.partition("busy");
    await busy.append(kilobyte);
    reads = 0;
    await busy.trim(busy.lastSeq + 1);
    await log.machine.loop.sleep(log.machine.boot(), 1_000_000);
    // Where there are fewer reads the damage stays.
    await (truncated ?? opened.partition("bad").truncate(10));
    await log.machine.loop.sleep(log.machine.boot(), 1_000_000);
    assert.equal(opened.stats()[0]!.reclaimStoppedAt, 0, `${String(hops)} turns behind read ${String(read)}`);
    assert.ok(opened.stats()[0]!.segmentsReclaimed > 0);
    await opened.close();
  }
});

test("while a backup keeps all segments nothing is moved, read or asked for; behind it they go", async () => {
  const log = await aged(8000);
  let asked = 0;
  let reads = 0;
  const opened = await log.open({ factor: 1.1, onReclaim: () => { asked++; } }, () => { reads++; });
  const busy = opened.partition("busy");
  await opened.partition("bad").trim(18);
  let letGo = (): void => undefined;
  let isCopying = false;
  const gate = new Promise<void>((resolve) => { letGo = resolve; });
  const backup = opened.backup("/copy", { onProgress: () => {
    isCopying = true;
    return gate;
  } });
  await log.until("the backup copies", () => isCopying);
  await log.machine.loop.sleep(log.machine.boot(), 1_000_000);
  const before = { asked, reads, moved: opened.stats()[0]!.bytesMoved };
  for (let rounds = 0; rounds < 20; rounds++) {
    await Promise.all(Array.from({ length: 200 }, () => busy.append(kilobyte)));
    await busy.trim(busy.lastSeq + 1);
  }
  assert.deepEqual({ asked, reads, moved: opened.stats()[0]!.bytesMoved }, before);
  letGo();
  await backup;
  await log.until("segments go", () => opened.stats()[0]!.segmentsKept < 8);
  assert.ok(asked > 0);
  await opened.close();
});

test("`onStopped` that fails behind an await is warned of, and ends nothing", async () => {
  const log = await aged(3300);
  const warnings: string[] = [];
  const warned = (warning: Error & { code?: string }): number => warnings.push(`${String(warning.code)} ${warning.message}`);
  process.on("warning", warned);
  const fails = async (): Promise<void> => {
    await Promise.resolve();
    throw new Error("not mine");
  };
  const opened = await log.open({ factor: 1.1, onStopped: fails as () => void });
  const busy = opened.partition("busy");
  await busy.append(kilobyte);
  await busy.trim(busy.lastSeq + 1);
  await log.until("damage is met", () => opened.stats()[0]!.reclaimStoppedAt > 0);
  await new Promise((resolve) => { setImmediate(resolve); });
  process.off("warning", warned);
  assert.deepEqual(warnings, ["RINGWALL_RECLAIM_CALLBACK onStopped failed: Error: not mine"]);
  await opened.close();
});
