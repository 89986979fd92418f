// What a review of the code found, each defect under the storage that shows it: real files, with operations held back or failed.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { RingwallError } from "#src/base/errors.js";
import type { Log, LogOptions } from "#src/index.js";
import { LaneLog } from "#src/log/lane-log.js";
import { resolveOptions } from "#src/log/options.js";
import { SegmentSupply } from "#src/log/segment-supply.js";
import { chooseStorage } from "#src/storage/choose.js";
import type { BlockWriter, BlockWriterOptions, Clock, FileSystem, Storage, StorageFile, WriterFile } from "#src/storage/storage.js";
import { nodeFileSystem } from "#src/storage/node-files.js";
import { contents, crashCopy, freshPath, laneFiles, onEachBackend, refused, small, withLog, type Backend } from "./log-fixture.js";

type Operation = "open" | "write" | "sync" | "close" | "rename";

/** A real storage, of which a test holds back or fails single operations. */
class Rig {
  /** Before an operation of the control plane: a rejection fails it, a pending promise holds it back. `name` is the file's, for a rename the new one. */
  before: (operation: Operation, name: string) => Promise<void> | undefined = () => undefined;
  /** Before the flush of a file of blocks, under durability "none". */
  beforeFlush: (name: string) => Promise<void> | undefined = () => undefined;
  /** Whether the completion of a block in that file is held back until `release`. */
  holds: (name: string) => boolean = () => false;
  /** After a completion was delivered. */
  afterBlock: () => void = () => undefined;
  /** What blocks complete with. */
  blockError: RingwallError | null = null;
  now: () => number = () => Date.now();
  /** Timers that the test fires by hand, with their milliseconds; null: the real clock does. */
  timers: { readonly ms: number; readonly action: () => void }[] | null = null;
  readonly held: (() => void)[] = [];
  /** Files opened for blocks, ever. */
  readonly opened: string[] = [];
  blocks = 0;
  readonly #written = new Map<WriterFile, { name: string; blocks: number; flushed: number }>();

  /** Files with blocks that were written and not flushed since, under durability "none". */
  get unflushed(): string[] {
    return [...this.#written.values()].filter(({ blocks, flushed }) => blocks > flushed).map(({ name }) => name);
  }

  release(): void {
    this.holds = () => false;
    for (const deliver of this.held.splice(0)) deliver();
  }

  open(backend: Backend, directory: string, options: LogOptions): Promise<Log> {
    const { storage } = chooseStorage({ backend });
    const rigged: Storage = { ...storage, files: this.files(storage.files), clock: this.#clock(storage.clock), createWriter: (writer) => this.#writer(storage, writer) };
    return LaneLog.openOn({ storage: rigged, reason: "rigged" }, directory, resolveOptions({ backend, ...options }));
  }

  files(real: FileSystem): FileSystem {
    return {
      ...real,
      open: async (file, mode) => {
        await this.before("open", `${path.basename(file)}${mode === "read" ? ", read" : ""}`);
        return this.#file(await real.open(file, mode));
      },
      rename: async (from, to) => {
        await this.before("rename", path.basename(to));
        await real.rename(from, to);
      },
    };
  }

  #file(file: StorageFile): StorageFile {
    const name = path.basename(file.path);
    const held = async <T>(operation: Operation, run: () => Promise<T>): Promise<T> => {
      await this.before(operation, name);
      return run();
    };
    return {
      path: file.path,
      size: () => file.size(),
      readAt: (into, position) => file.readAt(into, position),
      writeAt: (bytes, position) => held("write", () => file.writeAt(bytes, position)),
      sync: () => held("sync", () => file.sync()),
      close: () => held("close", () => file.close()),
    };
  }

  #clock(clock: Clock): Clock {
    const after: Clock["after"] = (ms, action, keepsAlive) => {
      if (this.timers === null) return clock.after(ms, action, keepsAlive);
      const timer = { ms, action };
      this.timers.push(timer);
      return () => void this.timers?.splice(this.timers.indexOf(timer), 1);
    };
    return { defer: (action) => clock.defer(action), now: () => this.now(), after };
  }

  #writer(storage: Storage, options: BlockWriterOptions): BlockWriter {
    const files = this.#written;
    const homes = new Map<number, WriterFile>();
    const onWritten = (token: number, error: RingwallError | null): void => {
      const file = files.get(homes.get(token) as number) as { name: string; blocks: number };
      file.blocks++;
      if (this.holds(file.name)) {
        this.held.push(() => {
          options.onWritten(token, this.blockError ?? error);
          options.onBatchEnd();
        });
        return;
      }
      options.onWritten(token, this.blockError ?? error);
      this.afterBlock();
    };
    const writer = storage.createWriter({ ...options, onWritten });
    const [openFile, write, syncFile] = [writer.openFile.bind(writer), writer.write.bind(writer), writer.syncFile.bind(writer)];
    writer.openFile = async (file) => {
      const id = await openFile(file);
      files.set(id, { name: path.basename(file), blocks: 0, flushed: 0 });
      this.opened.push(path.basename(file));
      return id;
    };
    writer.write = (file, position, start, bytes, token) => {
      this.blocks++;
      homes.set(token, file);
      write(file, position, start, bytes, token);
    };
    writer.writeTogether = (file, position, parts) => {
      let at = position;
      for (const { start, bytes, token } of parts) {
        writer.write(file, at, start, bytes, token);
        at += bytes;
      }
    };
    writer.syncFile = async (id) => {
      const file = files.get(id) as { name: string; blocks: number; flushed: number };
      const { blocks } = file;
      await this.beforeFlush(file.name);
      await syncFile(id);
      file.flushed = Math.max(file.flushed, blocks);
    };
    return writer;
  }
}

/** A promise and what resolves it. */
class Gate {
  readonly passed: Promise<void>;
  open: () => void = () => undefined;
  /** Whether somebody stands before it. */
  reached = false;

  constructor() {
    this.passed = new Promise((resolve) => (this.open = resolve));
  }

  wait(): Promise<void> {
    this.reached = true;
    return this.passed;
  }
}

const deviceError = (): RingwallError => new RingwallError("RINGWALL_IO", "EIO: the device refused");

/** Lets everything go on that needs neither what is held back nor time: turns of the loop, each with a round through the pool of node:fs. */
async function turns(count = 30): Promise<void> {
  for (let turn = 0; turn < count; turn++) {
    await fs.promises.stat(".");
    await new Promise((resolve) => setImmediate(resolve));
  }
}

async function until(holds: () => boolean, what: string): Promise<void> {
  const began = performance.now();
  while (!holds()) {
    assert.ok(performance.now() - began < 30_000, what);
    await turns(1);
  }
}

function segment(id: number): string {
  return `${String(id).padStart(8, "0")}.segment`;
}

function descriptorsIn(directory: string): string[] {
  if (!fs.existsSync("/proc/self/fd")) return [];
  return fs.readdirSync("/proc/self/fd").flatMap((descriptor) => {
    try {
      const target = fs.readlinkSync(`/proc/self/fd/${descriptor}`);
      return target.startsWith(`${directory}/`) ? [target] : [];
    } catch {
      return [];
    }
  });
}

function locksIn(directory: string): string[] {
  return fs.readdirSync(directory).filter((name) => name.startsWith("lock"));
}

/** Records of 15 000 bytes that fill so many segments of the smallest size, and a bit of the next. */
async function fill(directory: string, backend: Backend, segments: number): Promise<string[]> {
  return withLog(directory, { backend, ...small }, async (log) => {
    const partition = log.partition("p");
    const texts: string[] = [];
    while (log.stats()[0]!.segments <= segments) {
      const data = `${texts.length + 1} `.padEnd(15_000, ".");
      assert.equal(await partition.append(data), texts.push(data));
    }
    return texts;
  });
}

onEachBackend("found by review", (backend) => {
  const options = { backend, ...small };

  test("F1: whenever a segment has an index, the groups that begin in it are complete: a crash right then drops none", async () => {
    const directory = freshPath();
    const rig = new Rig();
    const copies: string[] = [];
    rig.before = (operation, name) => {
      if (operation === "rename" && name.endsWith(".index")) {
        const copy = crashCopy(directory);
        fs.renameSync(`${copy}/lane-00/${name}.new`, `${copy}/lane-00/${name}`);
        copies.push(copy);
      }
      return undefined;
    };
    const log = await rig.open(backend, directory, small);
    // What fits no segment begins in one of its own, the second: the first holds the definition of the partition.
    await log.partition("p").appendBatch(Array.from({ length: 20 }, (_, index) => Buffer.alloc(200_000, index)));
    await log.close();
    assert.ok(copies.length >= 3, `${copies.length} indexes`);
    for (const copy of copies.slice(1)) await withLog(copy, options, async (again) => assert.equal(again.partition("p").lastSeq, 20));
  });

  test("F1: killed in the middle of a batch over segments: none of its records comes back, not even two openings later", async () => {
    const directory = freshPath();
    const rig = new Rig();
    const log = await rig.open(backend, directory, small);
    await log.partition("p").append("1");
    rig.holds = (name) => name >= segment(4);
    const batch = log.partition("p").appendBatch(Array.from({ length: 40 }, () => Buffer.alloc(200_000, "dead ")));
    await until(() => rig.held.length > 0, "the batch comes to the fourth segment");
    await turns();
    const copy = crashCopy(directory);
    rig.release();
    await batch;
    await log.close();
    const due = ["1"];
    await withLog(copy, options, async (again) => {
      for (let seq = 2; seq <= 12; seq++) {
        if (seq > 9) again.rotate();
        assert.equal(await again.partition("p").append(`${seq}`), seq);
        due.push(`${seq}`);
      }
    });
    for (let opening = 0; opening < 2; opening++) await withLog(copy, options, async (again) => assert.deepEqual(await contents(again.partition("p")), due));
  });

  test("F2: many segments freed while the supply is busy: the file prepared by an earlier opening is not removed as the next segment", async () => {
    const directory = freshPath();
    await fill(directory, backend, 11);
    // What an opening leaves that had prepared the next segment when it was closed.
    const [last] = laneFiles(directory, ".segment").slice(-1) as [string];
    const next = segment(Number.parseInt(last, 10) + 1);
    fs.writeFileSync(`${directory}/lane-00/${next}`, Buffer.alloc(1024 * 1024));
    const rig = new Rig();
    const larger = { ...small, segmentBytes: 16 * 1024 * 1024 };
    const log = await rig.open(backend, directory, larger);
    const partition = log.partition("p");
    assert.deepEqual(rig.opened, [last]);
    const extension = new Gate();
    rig.before = (operation, name) => (operation === "write" && name === last ? extension.wait() : undefined);
    await partition.append("the extension begins");
    await until(() => extension.reached, "the current segment is extended");
    const trimmed = partition.trim(partition.lastSeq);
    await until(() => log.stats()[0]!.segmentsKept === 1, "the segments are freed");
    await turns();
    extension.open();
    await trimmed;
    const due = ["the extension begins"];
    for (let round = 0; round < 3; round++) {
      log.rotate();
      await partition.append(`in another segment ${round}`);
      due.push(`in another segment ${round}`);
    }
    await log.close();
    await withLog(directory, { backend, ...larger }, async (again) => assert.deepEqual(await contents(again.partition("p")), due));
  });

  test("F3: durability none: a failed flush poisons, and no later sync succeeds", async () => {
    const rig = new Rig();
    const log = await rig.open(backend, freshPath(), { ...small, durability: { mode: "none" } });
    const partition = log.partition("p");
    await partition.append("a");
    rig.beforeFlush = () => Promise.reject(deviceError());
    const error = await refused("RINGWALL_POISONED", () => log.sync());
    assert.equal((error.cause as RingwallError).code, "RINGWALL_IO");
    rig.beforeFlush = () => undefined;
    await refused("RINGWALL_POISONED", () => log.sync());
    await refused("RINGWALL_POISONED", () => partition.append("b"));
    await refused("RINGWALL_POISONED", () => log.close());
  });

  test("F4: durability none: when sync resolves every file with blocks of before is flushed, also one that the lane has just left", async () => {
    const rig = new Rig();
    const log = await rig.open(backend, freshPath(), { ...small, durability: { mode: "none" } });
    const partition = log.partition("p");
    const index = new Gate();
    rig.before = (operation, name) => (operation === "open" && name === "00000001.index.new" ? index.wait() : undefined);
    await partition.append("in segment 1");
    log.rotate();
    await partition.append("in segment 2");
    await until(() => index.reached, "the index of segment 1 is written");
    // Segment 2 is flushed last of all.
    rig.beforeFlush = (name) => (name === segment(2) ? turns() : undefined);
    const synced = log.sync().then(() => rig.unflushed);
    log.rotate();
    await partition.append("in segment 3");
    index.open();
    assert.deepEqual((await synced).filter((name) => name !== segment(3)), []);
    await log.close();
  });

  test("F5: durability none: segments are freed only when the trims that make them dead are flushed", async () => {
    const rig = new Rig();
    const found: string[][] = [];
    const log = await rig.open(backend, freshPath(), { ...small, durability: { mode: "none" } });
    rig.before = (operation, name) => void (operation === "open" && name === "superblock" && found.push(rig.unflushed));
    const partition = log.partition("p");
    for (let count = 0; count < 200; count++) await partition.append(Buffer.alloc(15_000));
    await partition.trim(partition.lastSeq);
    assert.equal(log.stats()[0]!.segmentsKept, 1);
    assert.deepEqual(found, [[]]);
    await log.close();
    assert.deepEqual(found, [[], []]);
  });

  test("F5: a trim that is placed and not durable frees no segment, though another partition's trim is durable", async () => {
    const rig = new Rig();
    const log = await rig.open(backend, freshPath(), small);
    const [a, b] = [log.partition("a"), log.partition("b")];
    await a.append("1");
    await b.append("1");
    log.rotate();
    await a.append("2");
    await b.append("2");
    await turns();
    let changes = 0;
    rig.before = (operation, name) => void (operation === "open" && name === "superblock" && changes++);
    const others: Promise<void>[] = [];
    // The beacons of an idle log are not what the test waits for.
    rig.timers = [];
    await a.append("3");
    rig.afterBlock = () => {
      rig.afterBlock = () => undefined;
      rig.holds = () => true;
      others.push(a.trim(2));
    };
    const trimmed = b.trim(2);
    await until(() => rig.held.length > 0, "the other trim is written");
    assert.equal(a.firstSeq, 2);
    await turns();
    assert.equal(changes, 0, "nothing is freed before the trim is durable");
    rig.release();
    await Promise.all([trimmed, ...others]);
    assert.equal(changes, 1);
    assert.equal(log.stats()[0]!.segmentsKept, 1);
    await log.close();
  });

  for (const wasClosed of [true, false]) {
    test(`F6: the superblock can't be written when a log that was ${wasClosed ? "closed" : "killed"} is opened: refused, no block written, and it opens afterwards`, async () => {
      const closed = freshPath();
      const killed = await withLog(closed, options, async (log) => {
        await log.partition("p").append("1");
        return crashCopy(closed);
      });
      const directory = wasClosed ? closed : killed;
      const rig = new Rig();
      rig.before = (operation, name) => (operation === "write" && name === "superblock" ? Promise.reject(deviceError()) : undefined);
      await refused("RINGWALL_IO", () => rig.open(backend, directory, small));
      assert.equal(rig.blocks, 0);
      assert.deepEqual([descriptorsIn(directory), locksIn(directory)], [[], []]);
      await withLog(directory, options, async (log) => {
        assert.deepEqual(await contents(log.partition("p")), ["1"]);
        assert.equal(await log.partition("p").append("2"), 2);
      });
    });
  }

  test("F7: close of a log that a failed write has poisoned says so, and frees everything", async () => {
    const directory = freshPath();
    const rig = new Rig();
    const log = await rig.open(backend, directory, small);
    const partition = log.partition("p");
    await partition.append("acknowledged");
    rig.blockError = deviceError();
    partition.enqueue("nobody waits for it");
    await refused("RINGWALL_POISONED", () => log.sync());
    const error = await refused("RINGWALL_POISONED", () => log.close());
    assert.equal((error.cause as RingwallError).code, "RINGWALL_IO");
    assert.deepEqual([descriptorsIn(directory), locksIn(directory)], [[], []]);
    await withLog(directory, options, async (again) => assert.equal((await contents(again.partition("p")))[0], "acknowledged"));
  });

  for (const step of ["open", "write", "sync"] as const) {
    test(`F8: ${step} of the superblock fails at close: close says so, waiting tails end, everything is freed, all records are there`, async () => {
      const directory = freshPath();
      const rig = new Rig();
      const log = await rig.open(backend, directory, small);
      const partition = log.partition("p");
      await partition.append("1");
      const tail = refused("RINGWALL_CLOSED", () => partition.tail({ from: 2 }).next());
      rig.before = (operation, name) => (operation === step && name === "superblock" ? Promise.reject(deviceError()) : undefined);
      await refused("RINGWALL_IO", () => log.close());
      await tail;
      assert.deepEqual([descriptorsIn(directory), locksIn(directory)], [[], []]);
      await withLog(directory, options, async (again) => assert.deepEqual(await contents(again.partition("p")), ["1"]));
    });
  }

  test("F9: a clock that goes back: times never do, in this opening, in the next segment, and after it", async () => {
    const directory = freshPath();
    const start = Date.UTC(2030, 0, 1);
    const rig = new Rig();
    let shift = 0;
    rig.now = () => start + shift;
    for (let opening = 0; opening < 2; opening++) {
      const log = await rig.open(backend, directory, small);
      const partition = log.partition("p");
      // Below the time at which the segment was prepared.
      shift -= 5000;
      await partition.append("x");
      shift += 60_000;
      await partition.append("x");
      shift -= 3_600_000;
      log.rotate();
      await partition.appendBatch(["x", "x"]);
      await log.close();
    }
    await withLog(directory, options, async (log) => {
      const times: number[] = [];
      for await (const { time } of log.partition("p").read()) times.push(time - start);
      assert.deepEqual(times, [0, 55_000, 55_000, 55_000, 55_000, 55_000, 55_000, 55_000]);
    });
  });

  test("a segment that the lane leaves while it is extended keeps its file until the extension is through", async () => {
    const directory = freshPath();
    const texts = await fill(directory, backend, 2);
    const rig = new Rig();
    const log = await rig.open(backend, directory, { ...small, segmentBytes: 64 * 1024 * 1024 });
    const partition = log.partition("p");
    const [current] = rig.opened as [string];
    // What it frees is made the next segment at once.
    await partition.trim(texts.length);
    await until(() => rig.opened.length === 2, "the next segment is ready");
    const extension = new Gate();
    let closes = 0;
    rig.before = (operation, name) => {
      if (operation === "close" && name === current) closes++;
      return operation === "write" && name === current ? extension.wait() : undefined;
    };
    const due = texts.slice(-1);
    for (; !extension.reached; due.push("until the extension begins".padEnd(15_000))) {
      assert.ok(due.length < 2000, "the current segment is extended");
      await partition.append("until the extension begins".padEnd(15_000));
    }
    log.rotate();
    await partition.append("in the next segment");
    await until(() => fs.existsSync(`${directory}/lane-00/${current.replace("segment", "index")}`), "the segment is sealed");
    await turns();
    assert.equal(closes, 0, "the file is in use");
    extension.open();
    await until(() => closes === 1, "the file is closed");
    await partition.append("and on");
    await log.close();
    assert.deepEqual(descriptorsIn(directory), []);
    due.push("in the next segment", "and on");
    await withLog(directory, options, async (again) => assert.deepEqual(await contents(again.partition("p")), due));
  });

  test("a trim that meets a damaged index and segment: DAMAGED and nothing freed, and the log goes on", async () => {
    const directory = freshPath();
    const texts = await fill(directory, backend, 3);
    await withLog(directory, options, async (log) => {
      const partition = log.partition("p");
      const files = [`${directory}/lane-00/00000001.index`, `${directory}/lane-00/00000001.segment`];
      const before = files.map((file) => fs.readFileSync(file));
      for (const [index, bytes] of before.entries()) fs.writeFileSync(files[index] as string, Buffer.alloc(bytes.length, 0xa5));
      const kept = log.stats()[0]!.segmentsKept;
      await refused("RINGWALL_DAMAGED", () => partition.trim(texts.length));
      assert.equal(partition.firstSeq, texts.length);
      assert.equal(log.stats()[0]!.segmentsKept, kept);
      assert.equal(await partition.append("on with it"), texts.length + 1);
      for (const [index, bytes] of before.entries()) fs.writeFileSync(files[index] as string, bytes);
      await partition.trim(texts.length + 1);
      assert.equal(log.stats()[0]!.segmentsKept, 1);
    });
    await withLog(directory, options, async (log) => assert.deepEqual(await contents(log.partition("p")), ["on with it"]));
  });

  test("reading names that nobody wrote to makes no partitions", async () => {
    await withLog(freshPath(), options, async (log) => {
      for (let index = 0; index < 5; index++) {
        const partition = log.partition(`nobody ${index}`);
        assert.deepEqual(await contents(partition), []);
        assert.equal(await partition.get(1), undefined);
      }
      const waiting = log.partition("later").tail().next();
      assert.deepEqual([log.stats()[0]!.partitions, log.partitions().length], [0, 0]);
      await log.partition("later").append("x");
      assert.equal((await waiting).value?.seq, 1);
      assert.deepEqual([log.stats()[0]!.partitions, log.partitions().length], [1, 1]);
    });
  });

  test("durable is what was written, not what a trim says: durableSeq does not move before", async () => {
    const rig = new Rig();
    const log = await rig.open(backend, freshPath(), small);
    const partition = log.partition("p");
    await partition.append("1");
    rig.holds = () => true;
    for (let seq = 2; seq <= 10; seq++) partition.enqueue(`${seq}`);
    const trimmed = partition.trim(11);
    assert.equal(partition.firstSeq, 11);
    assert.equal(partition.durableSeq, 1);
    await until(() => rig.held.length > 0, "the blocks are written");
    assert.equal(partition.durableSeq, 1);
    rig.release();
    await trimmed;
    assert.equal(partition.durableSeq, 10);
    await log.close();
  });

  test("an idle log's beacon comes also when the next segment is not ready at that time", async () => {
    const rig = new Rig();
    rig.timers = [];
    const { timers } = rig;
    const create = new Gate();
    rig.before = (operation, name) => (operation === "open" && name === segment(2) ? create.wait() : undefined);
    const log = await rig.open(backend, freshPath(), small);
    const fire = (): void => {
      for (const { action } of timers.splice(0)) action();
    };
    await log.partition("p").append("1");
    log.rotate();
    fire();
    await until(() => create.reached, "the beacon asks for the next segment");
    assert.equal(log.stats()[0]!.blocks, 1);
    create.open();
    await until(() => {
      fire();
      return log.stats()[0]!.horizon === 2;
    }, "the beacon is written");
    await log.close();
  });
});

test("F2: files freed while a recycled one gets its new name: none is forgotten, none is used twice", async () => {
  const directory = freshPath();
  fs.mkdirSync(directory);
  const file = (id: number): string => `${directory}/${segment(id)}`;
  for (let id = 1; id <= 12; id++) fs.writeFileSync(file(id), Buffer.alloc(1024 * 1024));
  const rig = new Rig();
  const supply = new SegmentSupply({
    files: rig.files(nodeFileSystem()),
    now: () => 0,
    directory,
    lane: 0,
    uuid: new Uint8Array(16),
    alignment: 4096,
    segmentBytes: 1024 * 1024,
    readyMin: 1,
    readyMax: 4,
    openWriter: () => Promise.resolve(1),
    closeWriter: () => Promise.resolve(),
    onChange: () => undefined,
  });
  const current = await supply.adopt(12, file(12), 0, 4096, []);
  const rename = new Gate();
  rig.before = (operation) => (operation === "rename" ? rename.wait() : undefined);
  await supply.recycle(file(1));
  await until(() => rename.reached, "the next segment is prepared");
  const recycled = Promise.all(Array.from({ length: 10 }, (_, index) => supply.recycle(file(index + 2))));
  rename.open();
  await recycled;
  await until(() => supply.hasReady, "the next segment is ready");
  assert.equal(fs.readdirSync(directory).length, 1 + 4, "the current one, and as many as are kept");
  for (let id = 13; id <= 16; id++) {
    let ready = supply.take();
    await until(() => (ready ??= supply.take()) !== null, "a free file is prepared");
    assert.deepEqual([ready?.id, fs.existsSync(file(id))], [id, true]);
    await ready?.file.close();
  }
  assert.deepEqual([supply.recycled, supply.created], [4, 0]);
  assert.deepEqual(fs.readdirSync(directory).sort(), [12, 13, 14, 15, 16].map(segment));
  await current.file.close();
  await supply.close();
});
