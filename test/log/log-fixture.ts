// What the tests of the public library share: backends that work here, directories, copies as a crash leaves them, small logs.
//
// Importing it installs the detector: a rejection that nobody handles fails the file it happens in.

import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, describe, test, type TestContext } from "node:test";
import { Log, RingwallError, type LogOptions, type LogRecord, type Partition, type RingwallErrorCode } from "#src/index.js";
import { chooseStorage } from "#src/storage/choose.js";

const unhandled: unknown[] = [];
process.on("unhandledRejection", (reason) => unhandled.push(reason));
after(() => assert.deepEqual(unhandled.map(String), [], "rejections that nobody handled"));

export type Backend = "uring" | "fs";

/** Why io_uring can't be tested here, or null. */
export const uringRefusal: string | null = refusal();

function refusal(): string | null {
  try {
    chooseStorage({ backend: "uring" });
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** The same tests on every backend. Where io_uring does not work they are skipped with the reason. */
export function onEachBackend(title: string, body: (backend: Backend) => void): void {
  describe(`${title} on fs`, () => body("fs"));
  if (uringRefusal === null) describe(`${title} on uring`, () => body("uring"));
  else test(`${title} on uring`, { skip: uringRefusal }, () => undefined);
}

// Made and removed here, not at first use: a hook that a test registers runs when that test ends.
const root = fs.mkdtempSync(path.join(os.tmpdir(), "ringwall-log-"));
after(() => fs.rmSync(root, { recursive: true, force: true }));
let serial = 0;

/** A path at which nothing is yet, gone after the file's tests. */
export function freshPath(): string {
  serial++;
  return path.join(root, `log-${serial}`);
}

/** Segments of the smallest size, buffers that a few records fill. */
export const small: LogOptions = { segmentBytes: 1024 * 1024, bufferBytes: 16 * 1024, bufferCount: 4 };

/**
 * A copy of the directory as it is on disk now: what a crash leaves, without the lock of the process that lives on.
 * The superblock comes last: it names the first segment that counts, and files behind it may go while they are copied.
 */
export function crashCopy(directory: string): string {
  const copy = freshPath();
  fs.mkdirSync(copy);
  const names = fs.readdirSync(directory);
  for (const lane of names.filter((name) => name.startsWith("lane-"))) {
    fs.mkdirSync(path.join(copy, lane));
    for (const file of fs.readdirSync(path.join(directory, lane))) copyIfThere(path.join(directory, lane, file), path.join(copy, lane, file));
  }
  fs.copyFileSync(path.join(directory, "superblock"), path.join(copy, "superblock"));
  return copy;
}

/** Index files are written under another name and renamed; free segments too. */
function copyIfThere(from: string, to: string): void {
  try {
    fs.copyFileSync(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}

/** Opens, runs, closes; also when the body fails. */
export async function withLog<T>(directory: string, options: LogOptions, body: (log: Log) => Promise<T>): Promise<T> {
  const log = await Log.open(directory, options);
  try {
    return await body(log);
  } finally {
    await log.close();
  }
}

export const ways = ["inline", "thread", "attached"] as const;

/** As `withLog`, on a log whose lane runs here, in a thread, or in one that is attached to. */
export async function withWay(way: (typeof ways)[number], directory: string, options: LogOptions, body: (log: Log) => Promise<void>): Promise<void> {
  await withLog(directory, way === "inline" ? options : { ...options, lane: "thread" }, async (owner) => {
    if (way !== "attached") return body(owner);
    const log = await Log.attach(structuredClone(owner.share()));
    await body(log);
    await log.close();
  });
}

export function text(record: LogRecord): string {
  return Buffer.from(record.data).toString("utf8");
}

/** Every record of a partition as text, by sequence; fails on a hole. */
export async function contents(partition: Partition): Promise<string[]> {
  const all: string[] = [];
  let due = partition.firstSeq;
  const last = partition.durableSeq;
  for await (const batch of partition.readBatches()) {
    for (const record of batch) {
      assert.equal(record.seq, due++, `sequences of ${partition.name} are contiguous`);
      all.push(text(record));
    }
  }
  // More may have become durable meanwhile.
  assert.ok(due > last && due <= partition.durableSeq + 1, `everything durable of ${partition.name} is read`);
  return all;
}

/** Asserts the code of a rejection or throw, and returns the error. */
export async function refused(code: RingwallErrorCode, action: () => unknown): Promise<RingwallError> {
  try {
    await action();
  } catch (error) {
    assert.ok(error instanceof RingwallError, `a RingwallError, not ${String(error)}`);
    assert.equal(error.code, code, error.message);
    return error;
  }
  assert.fail(`nothing was refused; ${code} was due`);
}

/** Every file below a directory with its size and content, to show that nothing changed. */
export function listing(directory: string): Record<string, string> {
  const files: Record<string, string> = {};
  for (const entry of fs.readdirSync(directory, { recursive: true, withFileTypes: true })) {
    const full = path.join(entry.parentPath, entry.name);
    files[path.relative(directory, full)] = entry.isFile() ? fs.readFileSync(full).toString("base64") : "directory";
  }
  return files;
}

export function laneFiles(directory: string, ending: string, lane = 0): string[] {
  const folder = path.join(directory, `lane-0${lane}`);
  return fs.readdirSync(folder).filter((name) => name.endsWith(ending)).sort();
}

/** A generator of numbers in [0, below); its seed is printed with the test. */
export function seeded(t: TestContext): (below: number) => number {
  const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31));
  t.diagnostic(`SEED=${seed} replays this`);
  let state = seed >>> 0;
  return (below) => {
    // Mulberry32: Tommy Ettinger, public domain.
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** Waits for the partition's record `seq` to be durable, by its own tail. */
export async function untilDurable(partition: Partition, seq: number): Promise<void> {
  for await (const record of partition.tail({ from: Math.max(1, seq) })) if (record.seq >= seq) return;
}
