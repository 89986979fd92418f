// What can't be opened: code, place and remedy of each refusal, and that nothing was written.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import { crc32c } from "#src/base/crc32c.js";
import { Log, type LogOptions, type RingwallErrorCode } from "#src/index.js";
import { RemoteWriter } from "./child-process.js";
import { contents, crashCopy, freshPath, listing, onEachBackend, refused, small, withLog, type Backend } from "./log-fixture.js";

interface Refusal {
  readonly title: string;
  /** Prepares the place; resolves to what is opened. */
  readonly prepare: (directory: string, backend: Backend) => Promise<void> | void;
  readonly options?: LogOptions;
  readonly code: RingwallErrorCode;
  /** Where it is, behind the directory. */
  readonly place: string;
  readonly message: RegExp;
}

async function smallLog(directory: string, backend: Backend): Promise<void> {
  await withLog(directory, { backend, ...small }, async (log) => {
    await log.partition("p").append("1");
    log.rotate();
    await log.partition("p").append("2");
  });
}

function editSuperblock(directory: string, edit: (page: Buffer, copy: number) => void): void {
  const file = path.join(directory, "superblock");
  const bytes = fs.readFileSync(file);
  for (let copy = 0; copy < 4; copy++) edit(bytes.subarray(copy * 4096, (copy + 1) * 4096), copy);
  fs.writeFileSync(file, bytes);
}

function damage(...copies: readonly number[]): (directory: string) => void {
  return (directory) => editSuperblock(directory, (page, copy) => { if (copies.includes(copy)) page.writeUInt8(page.readUInt8(100) ^ 1, 100); });
}

function makeNewer(page: Buffer): void {
  page.writeUInt32LE(2, 12);
  page.writeUInt32LE(crc32c(page, 0, 12), 8);
}

function align(page: Buffer, alignment: number): void {
  page.writeUInt32LE(alignment, 48);
  page.writeUInt32LE(crc32c(page, 0, 12), 8);
}

const refusals: readonly Refusal[] = [
  { title: "a file instead of a directory", prepare: (directory) => fs.writeFileSync(directory, "text"), code: "RINGWALL_NOT_FOUND", place: "", message: /ENOTDIR.*no directory/s },
  { title: "a parent that does not exist", prepare: () => undefined, code: "RINGWALL_NOT_FOUND", place: "/a/b", message: /ENOENT.*Check the path/s },
  {
    title: "a directory with other files", prepare: (directory) => { fs.mkdirSync(directory); fs.writeFileSync(path.join(directory, "letter.txt"), "dear"); },
    code: "RINGWALL_NOT_A_LOG", place: "", message: /no log.*not empty \("letter\.txt"\).*an empty one/s,
  },
  { title: "nothing, with create: false", prepare: () => undefined, options: { create: false }, code: "RINGWALL_NOT_FOUND", place: "", message: /no log here.*create: true/s },
  { title: "an empty directory, with create: false", prepare: (directory) => fs.mkdirSync(directory), options: { create: false }, code: "RINGWALL_NOT_FOUND", place: "", message: /no log here/ },
  { title: "nothing, read-only", prepare: () => undefined, options: { readOnly: true }, code: "RINGWALL_NOT_FOUND", place: "", message: /no log here.*Check the path/s },
  { title: "an empty directory, read-only", prepare: (directory) => fs.mkdirSync(directory), options: { readOnly: true }, code: "RINGWALL_NOT_FOUND", place: "", message: /no log here/ },
  {
    title: "a superblock of something else", prepare: async (directory, backend) => { await smallLog(directory, backend); fs.writeFileSync(path.join(directory, "superblock"), Buffer.alloc(16_384, 7)); },
    code: "RINGWALL_DAMAGED", place: "/superblock", message: /no copy.*RINGWALL, but lane-00 holds \d+ files.*from a copy/s,
  },
  {
    title: "a superblock of something else, and no lane", prepare: (directory) => { fs.mkdirSync(directory); fs.writeFileSync(path.join(directory, "superblock"), Buffer.alloc(16_384, 7)); },
    code: "RINGWALL_NOT_A_LOG", place: "/superblock", message: /no copy.*RINGWALL.*from a copy/s,
  },
  {
    title: "an empty superblock", prepare: async (directory, backend) => { await smallLog(directory, backend); fs.truncateSync(path.join(directory, "superblock"), 0); },
    code: "RINGWALL_DAMAGED", place: "/superblock", message: /no copy.*but lane-00 holds/,
  },
  {
    title: "a newer format", prepare: async (directory, backend) => { await smallLog(directory, backend); editSuperblock(directory, makeNewer); },
    code: "RINGWALL_NEWER_FORMAT", place: "/superblock", message: /format version 2, this version knows up to 1.*newer version of ringwall/s,
  },
  {
    title: "one copy of a newer format: half-way through an upgrade", prepare: async (directory, backend) => { await smallLog(directory, backend); editSuperblock(directory, (page, copy) => { if (copy === 3) makeNewer(page); }); },
    code: "RINGWALL_NEWER_FORMAT", place: "/superblock", message: /format version 2/,
  },
  {
    title: "all four copies damaged", prepare: async (directory, backend) => { await smallLog(directory, backend); damage(0, 1, 2, 3)(directory); },
    code: "RINGWALL_DAMAGED", place: "/superblock", message: /none of the four copies.*ringwall repair/s,
  },
  {
    title: "blocks aligned to more than a segment holds", prepare: async (directory, backend) => { await smallLog(directory, backend); editSuperblock(directory, (page) => { align(page, 1024 * 1024); }); },
    options: { segmentBytes: 8 * 1024 * 1024, bufferBytes: 1024 * 1024 },
    code: "RINGWALL_INVALID_OPTION", place: "", message: /aligned to 1048576 bytes.*segmentBytes of 16777216 at least/s,
  },
  {
    title: "blocks aligned to more than a buffer holds", prepare: async (directory, backend) => { await smallLog(directory, backend); editSuperblock(directory, (page) => { align(page, 65_536); }); },
    code: "RINGWALL_INVALID_OPTION", place: "", message: /aligned to 65536 bytes: bufferBytes of 16384.*multiples of 65536/s,
  },
  {
    title: "a missing superblock beside segments", prepare: async (directory, backend) => { await smallLog(directory, backend); fs.rmSync(path.join(directory, "superblock")); },
    code: "RINGWALL_DAMAGED", place: "/superblock", message: /superblock is missing, but lane-00 holds \d+ files/,
  },
];

onEachBackend("refused", (backend) => {
  for (const { title, prepare, options = {}, code, place, message } of refusals) {
    test(`${title}: ${code.replace("RINGWALL_", "")}, and nothing is written`, async () => {
      const parent = freshPath();
      fs.mkdirSync(parent);
      const directory = path.join(parent, "log");
      await prepare(directory, backend);
      const before = listing(parent);
      const target = place.startsWith("/a") ? `${directory}${place}` : directory;
      const error = await refused(code, () => Log.open(target, { backend, ...small, ...options }));
      assert.match(error.message, message);
      assert.ok(error.message.startsWith(`${directory}${place}: `) || error.message.startsWith(`${directory}${place} `), error.message);
      assert.equal(error.place.path, `${directory}${place}`);
      assert.deepEqual(listing(parent), before);
      if (options.readOnly !== true) {
        // A reader sees what a writer sees.
        if (!["RINGWALL_NOT_FOUND", "RINGWALL_NOT_A_LOG", "RINGWALL_INVALID_OPTION"].includes(code) && !title.startsWith("a missing")) {
          await refused(code, () => Log.open(target, { backend, readOnly: true }));
          assert.deepEqual(listing(parent), before);
        }
      }
    });
  }

  test("one to three damaged copies of the superblock: it opens, all is there, and the copies are whole again", async () => {
    for (const copies of [[0], [3], [0, 1], [2, 3], [1, 2], [0, 1, 2], [1, 2, 3], [0, 2, 3]]) {
      const directory = freshPath();
      await smallLog(directory, backend);
      damage(...copies)(directory);
      await withLog(directory, { backend, readOnly: true }, async (log) => assert.deepEqual(await contents(log.partition("p")), ["1", "2"], `read-only, ${copies.join()}`));
      await withLog(directory, { backend, ...small }, async (log) => {
        assert.deepEqual(await contents(log.partition("p")), ["1", "2"], copies.join());
        await log.partition("p").append("3");
      });
      // Every copy stands alone now.
      for (let only = 0; only < 4; only++) {
        const alone = freshPath();
        fs.cpSync(directory, alone, { recursive: true });
        damage(...[0, 1, 2, 3].filter((copy) => copy !== only))(alone);
        await withLog(alone, { backend, readOnly: true }, async (log) => assert.deepEqual(await contents(log.partition("p")), ["1", "2", "3"]));
      }
    }
  });

  test("a former superblock put back over a newer one: refused with the way out, and a reader gets every record and the verdict", async () => {
    const directory = freshPath();
    await smallLog(directory, backend);
    const former = fs.readFileSync(path.join(directory, "superblock"));
    await withLog(directory, { backend, ...small }, (log) => log.partition("p").append("3"));
    fs.writeFileSync(path.join(directory, "superblock"), former);
    const before = listing(directory);
    const error = await refused("RINGWALL_DAMAGED", () => Log.open(directory, { backend, ...small }));
    assert.match(error.message, /the superblock is older than the blocks: a former one was put back.*epoch 2, the superblock knows none above 1.*Put the newest superblock back.*ringwall repair/s);
    await withLog(directory, { backend, readOnly: true }, async (log) => {
      assert.deepEqual([log.info.recovery[0]!.verdict, log.info.recovery[0]!.row], ["damaged", "older superblock"]);
      assert.deepEqual(await contents(log.partition("p")), ["1", "2", "3"]);
    });
    assert.deepEqual(listing(directory), before);
  });

  test("killed in its first epoch, and all segments removed since: no empty log", async () => {
    const directory = freshPath();
    const log = await Log.open(directory, { backend, ...small });
    await log.partition("p").append("1");
    const killed = crashCopy(directory);
    await log.close();
    for (const name of fs.readdirSync(path.join(killed, "lane-00"))) fs.rmSync(path.join(killed, "lane-00", name));
    await refused("RINGWALL_DAMAGED", () => Log.open(killed, { backend, ...small }));
    await withLog(killed, { backend, readOnly: true }, async (reader) => { assert.equal(reader.info.recovery[0]!.row, "missing file"); });
  });

  test("a directory is no reason to refuse: empty, or with what an interrupted creation left", async () => {
    const empty = freshPath();
    fs.mkdirSync(empty);
    const interrupted = freshPath();
    fs.mkdirSync(path.join(interrupted, "lane-00"), { recursive: true });
    fs.writeFileSync(path.join(interrupted, "superblock.new"), "half");
    for (const directory of [empty, interrupted, `${freshPath()}/`]) {
      await withLog(directory, { backend, ...small }, async (log) => assert.equal(await log.partition("p").append("x"), 1));
    }
  });

  test("locked by this process and by another: who has it, since when, and what to do; readers are welcome", async () => {
    const directory = freshPath();
    await withLog(directory, { backend, ...small }, async (log) => {
      await log.partition("p").append("x");
      const before = fs.readdirSync(directory).sort();
      const error = await refused("RINGWALL_LOCKED", () => Log.open(directory, { backend }));
      assert.match(error.message, new RegExp(`this process \\(pid ${process.pid}\\) since 20.*Close it first`, "s"));
      assert.deepEqual(fs.readdirSync(directory).sort(), before);
      assert.equal(await log.partition("p").append("still ours"), 2);
    });
    const writer = await RemoteWriter.open(backend, directory);
    try {
      const error = await refused("RINGWALL_LOCKED", () => Log.open(directory, { backend }));
      assert.match(error.message, new RegExp(`process \\d+ on host ${os.hostname()} since 20.*Stop that process.*readOnly: true`, "s"));
      assert.ok(typeof (error.details as { pid: number }).pid === "number");
      await withLog(directory, { backend, readOnly: true }, async (log) => assert.equal(log.info.readOnly, true));
    } finally {
      await writer.kill();
    }
    await withLog(directory, { backend }, async (log) => assert.equal(log.partition("p").lastSeq, 2));
  });

  test("a read-only filesystem: a writer is refused with a remedy, a reader reads", async (t) => {
    const image = freshPath();
    const mounted = freshPath();
    fs.mkdirSync(mounted);
    try {
      fs.writeFileSync(image, "");
      fs.truncateSync(image, 8 * 1024 * 1024);
      execFileSync("mkfs.ext4", ["-q", image], { stdio: "pipe" });
      execFileSync("mount", ["-o", "loop", image, mounted], { stdio: "pipe" });
    } catch (error) {
      return t.skip(`no filesystem of its own here: ${String((error as { stderr?: Buffer }).stderr ?? error).trim()}`);
    }
    try {
      const directory = path.join(mounted, "log");
      await smallLog(directory, backend);
      execFileSync("mount", ["-o", "remount,ro", mounted], { stdio: "pipe" });
      const error = await refused("RINGWALL_READ_ONLY", () => Log.open(directory, { backend }));
      assert.match(error.message, /EROFS.*readOnly: true/s);
      await refused("RINGWALL_READ_ONLY", () => Log.open(path.join(mounted, "other"), { backend }));
      await withLog(directory, { backend, readOnly: true }, async (log) => assert.deepEqual(await contents(log.partition("p")), ["1", "2"]));
    } finally {
      execFileSync("umount", ["--lazy", mounted]);
    }
  });
});

test("directories that are no paths", async () => {
  for (const directory of ["", "a\0b", 5, null, undefined, {}, new URL("file:///tmp/x")]) {
    await refused("RINGWALL_INVALID_ARGUMENT", () => Log.open(directory as string));
  }
});

const badOptions: readonly [string, unknown[]][] = [
  ["backend", ["io_uring", "sim", 5, null, true]],
  ["readOnly", [1, "true", null, {}]],
  ["create", [0, "no", null]],
  ["durability", ["sync", 5, null, true]],
  ["durability.mode", [{}, { mode: "fast" }, { mode: null }, []]],
  ["durability.ms", [{ mode: "interval", ms: 0 }, { mode: "interval", ms: 1.5 }, { mode: "interval", ms: 3_600_001 }, { mode: "interval", ms: "5" }]],
  ["durability.recordsMax", [{ mode: "interval", recordsMax: 0 }, { mode: "interval", recordsMax: 1_000_001 }, { mode: "interval", recordsMax: null }]],
  ["lanes", [0, 33, 1.5, "1", Number.NaN, null]],
  ["segmentBytes", [0, 4096, 1024 * 1024 + 1, 2 ** 41, "1048576", 10n, Number.POSITIVE_INFINITY]],
  ["segmentAgeMs", [-1, 0.5, 2 ** 31, "0"]],
  ["bufferBytes", [0, 4096, 16 * 1024 + 1, 32 * 1024 * 1024, "16384"]],
  ["bufferCount", [0, 1, 1025, 2.5]],
  ["blocksInFlight", [0, 5, -1, 1.5]],
  ["gatherBytes", [-1, 1.5, 16 * 1024 * 1024 + 1, "1MiB"]],
  ["recordBytesMax", [0, -1, 2 ** 30 + 1, 1.5]],
  ["completion", ["poll", 1, null]],
  ["sqpoll", [1, "on", null]],
  ["sqpoll.idleMs", [{ idleMs: 0 }, { idleMs: 1.5 }, { idleMs: "5" }]],
  ["sqpoll.cpu", [{ cpu: -1 }, { cpu: 1.5 }, { cpu: 65_536 }]],
  ["sqpoll.yields", [{ yields: true }, { yields: "always" }]],
  ["iopoll", [1, "on", null]],
  ["ringEntries", [0, 7, 100, 2 ** 16, 8.5]],
  ["registeredBuffers", [1, "no", null]],
  ["registeredFiles", [0, null, {}]],
];

test("every option's bad values: INVALID_OPTION that names the option, the value and what may be; nothing is created", async () => {
  for (const [name, values] of badOptions) {
    for (const value of values) {
      const directory = freshPath();
      const error = await refused("RINGWALL_INVALID_OPTION", () => Log.open(directory, { [name.split(".")[0] as string]: value } as LogOptions));
      assert.ok(error.message.includes(`\`${name}\` must be `), `${name}: ${error.message}`);
      assert.equal((error.details as { option: string }).option, name);
      assert.equal(fs.existsSync(directory), false);
    }
  }
  const tooMuch = await refused("RINGWALL_INVALID_OPTION", () => Log.open(freshPath(), { bufferBytes: 16 * 1024 * 1024, bufferCount: 1024 }));
  assert.match(tooMuch.message, /bufferCount.*bufferBytes × bufferCount/);
  const twoBuffers = await refused("RINGWALL_INVALID_OPTION", () => Log.open(freshPath(), { bufferBytes: 1024 * 1024, segmentBytes: 1024 * 1024 }));
  assert.match(twoBuffers.message, /`segmentBytes` must be an integer from 2097152/);
});

test("unknown options are named, with those that are known; in the nested ones too", async () => {
  const unknown: readonly [LogOptions, string][] = [
    [{ readonly: true } as LogOptions, "readonly"],
    [{ durability: { mode: "sync", ms: 5 } } as unknown as LogOptions, "durability.ms"],
    [{ durability: { mode: "none", recordsMax: 5 } } as unknown as LogOptions, "durability.recordsMax"],
    [{ durability: { mode: "interval", millis: 5 } } as unknown as LogOptions, "durability.millis"],
    [{ sqpoll: { idleMillis: 5 } } as unknown as LogOptions, "sqpoll.idleMillis"],
  ];
  for (const [options, name] of unknown) {
    const error = await refused("RINGWALL_INVALID_OPTION", () => Log.open(freshPath(), options));
    assert.match(error.message, new RegExp(`there is no option \`${name.replace(".", "\\.")}\`.*Known are: `, "s"));
  }
  await refused("RINGWALL_INVALID_OPTION", () => Log.open(freshPath(), null as unknown as LogOptions));
  await refused("RINGWALL_INVALID_OPTION", () => Log.open(freshPath(), "fs" as unknown as LogOptions));
});
