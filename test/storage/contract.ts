// The executable form of src/storage/storage.ts: what every backend does, on every filesystem that is at hand.
//
// Two lines test a backend: storageContract("name", () => storage). Nothing here knows which one it is. What writers wrote
// is read back through the backend's own control plane.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { RingwallError } from "#src/base/errors.js";
import type { BlockWriter, Storage, WriterFile, WriterFlush } from "#src/storage/storage.js";

export const unit = 4096;

/** Where a backend is tried. */
export interface ContractPlace {
  readonly name: string;
  /** Resolves to a fresh directory. */
  readonly enter: (storage: Storage) => Promise<string>;
  readonly leave: (directory: string) => void;
  /** Throws a file out of the memory in which the system keeps what was read before. */
  readonly drop?: (file: string) => void;
}

/** The disk, and memory, where direct I/O and flushes behave differently. */
const realPlaces = [os.tmpdir(), "/dev/shm"].filter((place) => fs.existsSync(place)).map((place): ContractPlace => ({
  name: place,
  enter: () => Promise.resolve(fs.mkdtempSync(path.join(place, "ringwall-storage-"))),
  leave: (directory) => { fs.rmSync(directory, { recursive: true, force: true }); },
  drop: (file) => { execFileSync("dd", [`if=${file}`, "iflag=nocache", "count=0", "status=none"]); },
}));

export function storageContract(name: string, makeStorage: () => Storage, places: readonly ContractPlace[] = realPlaces): void {
  for (const place of places) {
    describe(`${name} in ${place.name}`, () => {
      let directory = "";
      let storage: Storage;
      before(async () => {
        storage = makeStorage();
        directory = await place.enter(storage);
      });
      after(async () => {
        await storage.close();
        place.leave(directory);
      });
      const context = (): Context => ({ storage, directory, drop: place.drop ?? ((): void => undefined) });
      fileSystemContract(context);
      readContract(context);
      clockContract(context);
      writerContract(context);
      probeContract(context);
      lockContract(context);
    });
  }
}

interface Context {
  readonly storage: Storage;
  readonly directory: string;
  readonly drop: (file: string) => void;
}

/** A writer with what it delivered. */
export class Harness {
  readonly writer: BlockWriter;
  readonly completions: { token: number; error: RingwallError | null }[] = [];
  batches = 0;
  #wanted = 0;
  #resolve: (() => void) | null = null;

  constructor(storage: Storage, flush: WriterFlush = "dsync", bufferCount = 4, bufferBytes = 16 * unit) {
    this.writer = storage.createWriter({
      bufferBytes, bufferCount, writesInFlight: 4, alignment: unit, flush,
      onWritten: (token, error) => {
        this.completions.push({ token, error });
        if (this.completions.length === this.#wanted && this.#resolve !== null) this.#resolve();
      },
      onBatchEnd: () => (this.batches += 1),
    });
  }

  /** Resolves when `count` writes have completed in all. */
  async completed(count: number): Promise<void> {
    this.#wanted = count;
    if (this.completions.length < count) await new Promise<void>((resolve) => (this.#resolve = resolve));
    assert.equal(this.completions.length, count);
  }

  get errors(): (RingwallError | null)[] {
    return this.completions.map(({ error }) => error);
  }
}

let names = 0;

async function zeroed({ storage: { files }, directory }: Context, units: number): Promise<string> {
  const target = path.join(directory, `segment-${String(++names)}`);
  const file = await files.open(target, "create");
  await file.writeAt(Buffer.alloc(units * unit), 0);
  await file.close();
  return target;
}

async function contentOf({ storage: { files } }: Context, target: string): Promise<Buffer> {
  const file = await files.open(target, "read");
  const content = Buffer.alloc(await file.size());
  assert.equal(await file.readAt(content, 0), content.length);
  await file.close();
  return content;
}

async function emptyDirectory({ storage: { files }, directory }: Context): Promise<string> {
  const empty = path.join(directory, `directory-${String(++names)}`);
  await files.makeDirectory(empty);
  return empty;
}

async function openZeroed(harness: Harness, here: Context, units: number): Promise<{ file: WriterFile; target: string }> {
  const target = await zeroed(here, units);
  return { file: await harness.writer.openFile(target), target };
}

const hasCode = (code: string) => (error: unknown): boolean => error instanceof RingwallError && error.code === code;

function fileSystemContract(context: () => Context): void {
  test("files: what was written is read back, fewer bytes only at the end", async () => {
    const { storage: { files }, directory } = context();
    const target = path.join(directory, "file");
    const file = await files.open(target, "create");
    await file.writeAt(Buffer.from("hello world"), 5);
    await file.writeAt(new Uint8Array(0), 100);
    await file.sync();
    assert.equal(await file.size(), 16);
    const into = new Uint8Array(32);
    assert.equal(await file.readAt(into, 5), 11);
    assert.equal(Buffer.from(into.subarray(0, 11)).toString(), "hello world");
    assert.equal(await file.readAt(into, 16), 0);
    assert.equal(await file.readAt(into.subarray(0, 5), 0), 5);
    assert.deepEqual([...into.subarray(0, 5)], [0, 0, 0, 0, 0]);
    await file.close();
    await file.close();
    await assert.rejects(file.readAt(into, 0), hasCode("RINGWALL_CLOSED"));
    await assert.rejects(file.writeAt(into, 0), hasCode("RINGWALL_CLOSED"));
    await assert.rejects(file.sync(), hasCode("RINGWALL_CLOSED"));
  });

  test("files: modes demand that the file exists, or that it doesn't", async () => {
    const { storage: { files }, directory } = context();
    const target = path.join(directory, "modes");
    await assert.rejects(files.open(target, "read"), hasCode("RINGWALL_NOT_FOUND"));
    await assert.rejects(files.open(target, "write"), hasCode("RINGWALL_NOT_FOUND"));
    await (await files.open(target, "create")).close();
    await assert.rejects(files.open(target, "create"), (error: RingwallError) => error.code === "RINGWALL_IO" && error.message.includes(target));
    const reader = await files.open(target, "read");
    await assert.rejects(reader.writeAt(new Uint8Array(1), 0), RingwallError);
    await reader.close();
  });

  test("files: names appear, change and vanish", async () => {
    const { storage: { files }, directory } = context();
    const inner = path.join(directory, "inner");
    assert.equal(await files.list(inner), null);
    await files.makeDirectory(inner);
    await files.makeDirectory(inner);
    for (const name of ["a", "b"]) await (await files.open(path.join(inner, name), "create")).close();
    await files.rename(path.join(inner, "a"), path.join(inner, "b"));
    await files.syncDirectory(inner);
    assert.deepEqual(await files.list(inner), ["b"]);
    await files.remove(path.join(inner, "b"));
    await files.remove(path.join(inner, "b"));
    assert.deepEqual(await files.list(inner), []);
    await assert.rejects(files.rename(path.join(inner, "a"), path.join(inner, "b")), hasCode("RINGWALL_NOT_FOUND"));
    await assert.rejects(files.makeDirectory(path.join(inner, "x", "y")), hasCode("RINGWALL_NOT_FOUND"));
    await assert.rejects(files.syncDirectory(path.join(inner, "x")), hasCode("RINGWALL_NOT_FOUND"));
  });
}

/** A file of numbered words; its last one is cut. */
async function numbered({ storage: { files }, directory }: Context, bytes: number): Promise<{ readonly target: string; readonly content: Uint8Array }> {
  const target = path.join(directory, `numbered-${String(++names)}`);
  const words = new Uint32Array(Math.ceil(bytes / 4)).map((_, index) => index * 2654435761);
  const content = new Uint8Array(words.buffer, 0, bytes);
  const file = await files.open(target, "create");
  await file.writeAt(content, 0);
  await file.sync();
  await file.close();
  return { target, content };
}

function readContract(context: () => Context): void {
  for (const isCached of [false, true]) {
    test(`reads, ${isCached ? "just read before" : "not cached"}: of every length and place, far more at once than anything has room for`, async () => {
      const { storage: { files }, drop } = context();
      const { target, content } = await numbered(context(), 3 * 1024 * 1024 + 5);
      const file = await files.open(target, "read");
      if (isCached) await file.readAt(new Uint8Array(content.length), 0);
      else drop(target);
      const lengths = [1, 7, unit, 16 * 1024 + 8, 64 * 1024 - 1, 64 * 1024, 64 * 1024 + 1, 128 * 1024, 300_000];
      await Promise.all(Array.from({ length: 400 }, async (_, index) => {
        const length = lengths[index % lengths.length] as number;
        // Also across the end and behind it.
        const position = (index * 7919 * 13) % (content.length + unit);
        const room = new Uint8Array(length + 16).fill(0xee);
        const count = await file.readAt(room.subarray(8, 8 + length), position);
        const expected = content.subarray(position, position + length);
        assert.equal(count, expected.length, `${String(length)} at ${String(position)}`);
        assert.ok(Buffer.from(room.subarray(8, 8 + count)).equals(expected), `${String(length)} at ${String(position)}`);
        assert.ok(room.subarray(0, 8).every((byte) => byte === 0xee) && room.subarray(8 + length).every((byte) => byte === 0xee), "nothing around it is touched");
      }));
      await file.close();
    });
  }

  test("reads: what was written is read, also where it was read before", async () => {
    const { storage: { files } } = context();
    const { target } = await numbered(context(), 8 * unit);
    const file = await files.open(target, "write");
    const into = new Uint8Array(unit);
    for (let round = 1; round <= 20; round++) {
      await file.writeAt(new Uint8Array(unit).fill(round), unit);
      assert.equal(await file.readAt(into, unit), unit);
      assert.ok(into.every((byte) => byte === round));
    }
    await file.close();
  });

  test("reads: closing waits for those under way, and takes no more", async () => {
    const { storage: { files }, drop } = context();
    const { target, content } = await numbered(context(), 1024 * 1024);
    drop(target);
    const file = await files.open(target, "read");
    let ended = 0;
    const reads = Array.from({ length: 100 }, async (_, index) => {
      const into = new Uint8Array(8192);
      try {
        assert.equal(await file.readAt(into, index * 8192), 8192);
        assert.ok(Buffer.from(into).equals(content.subarray(index * 8192, (index + 1) * 8192)));
      } catch (error) {
        // One that waited for its turn when the file was closed.
        assert.ok(hasCode("RINGWALL_CLOSED")(error), String(error));
      }
      ended += 1;
    });
    const closing = file.close();
    await assert.rejects(file.readAt(new Uint8Array(1), 0), hasCode("RINGWALL_CLOSED"));
    await closing;
    await Promise.all(reads);
    assert.equal(ended, 100);
  });

  test("reads, one after the other, leave timers their turn", async () => {
    const { storage: { files, clock } } = context();
    const { target } = await numbered(context(), 64 * unit);
    const file = await files.open(target, "read");
    const into = new Uint8Array(unit);
    let isDue = false;
    clock.after(1, () => (isDue = true));
    let reads = 0;
    while (!isDue && reads++ < 50_000) assert.equal(await file.readAt(into, (reads % 64) * unit), unit);
    assert.ok(isDue);
    await file.close();
  });
}

function clockContract(context: () => Context): void {
  test("clock: a deferred action runs after the promises that follow from the turn, in order", async () => {
    const { clock } = context().storage;
    const events: string[] = [];
    await new Promise<void>((resolve) => {
      clock.defer(() => {
        events.push("deferred");
        clock.defer(() => (events.push("again"), resolve()));
        void Promise.resolve().then(() => events.push("promise of deferred"));
      });
      clock.defer(() => events.push("second"));
      void (async () => {
        for (let hop = 0; hop < 5; hop++) await Promise.resolve();
        events.push("promises");
      })();
    });
    assert.deepEqual(events, ["promises", "deferred", "second", "promise of deferred", "again"]);
  });

  test("clock: after a time, or never when it is cancelled", async () => {
    const { clock } = context().storage;
    assert.ok(clock.now() > 1.7e12);
    await new Promise<void>((resolve, reject) => {
      // A timer of the clock does not keep the process alive; this one does.
      const guard = setTimeout(reject, 60_000, new Error("the clock's timer never came"));
      clock.after(1, () => reject(new Error("cancelled")))();
      clock.after(5, () => {
        clearTimeout(guard);
        resolve();
      });
    });
  });
}

function writerContract(context: () => Context): void {
  for (const flush of ["dsync", "linked", "separate", "never"] as const) {
    test(`writer, ${flush}: 4 in flight land where they belong, and complete once each`, async () => {
      const { storage } = context();
      const harness = new Harness(storage, flush);
      const { writer } = harness;
      const rounds = 24;
      const { file, target } = await openZeroed(harness, context(), rounds * 4 * 16);
      for (let round = 0; round < rounds; round++) {
        for (let buffer = 0; buffer < 4; buffer++) {
          const token = round * 4 + buffer;
          writer.memory.bytes.fill(token + 1, buffer * 16 * unit, (buffer + 1) * 16 * unit);
          // Later positions first, and lengths from one unit up to the whole buffer.
          writer.write(file, (rounds * 4 - 1 - token) * 16 * unit, buffer * 16 * unit, (1 + (token % 16)) * unit, token);
          assert.equal(harness.completions.length, round * 4, "never from inside write");
        }
        await harness.completed((round + 1) * 4);
        writer.reap();
      }
      if (flush === "never") await writer.syncFile(file);
      assert.deepEqual(harness.completions.map(({ token }) => token).sort((a, b) => a - b), Array.from({ length: rounds * 4 }, (_, index) => index));
      assert.ok(harness.errors.every((error) => error === null));
      assert.ok(harness.batches > 0);
      const content = await contentOf(context(), target);
      for (let token = 0; token < rounds * 4; token++) {
        const at = (rounds * 4 - 1 - token) * 16 * unit;
        const bytes = (1 + (token % 16)) * unit;
        assert.ok(content.subarray(at, at + bytes).every((byte) => byte === token + 1), `block ${String(token)}`);
        assert.ok(content.subarray(at + bytes, at + 16 * unit).every((byte) => byte === 0), `behind block ${String(token)}`);
      }
      await writer.close();
    });
  }

  for (const flush of ["dsync", "linked", "separate", "never"] as const) {
    test(`writer, ${flush}: parts written together land back to back, and complete once each`, async () => {
      const { storage } = context();
      const harness = new Harness(storage, flush, 24, 4 * unit);
      const { writer } = harness;
      const { file, target } = await openZeroed(harness, context(), 24 * 4);
      // Of any number, length and order in the memory; several under way at once.
      const calls = [[5, 3], [23, 0, 11], [7], [22, 21, 20, 19, 18, 17, 16, 15, 14, 13, 12, 10], [1, 2, 4, 6, 8, 9]];
      const expected: Buffer[] = [];
      let position = 0;
      for (const call of calls) {
        const parts = call.map((token) => ({ start: token * 4 * unit, bytes: (1 + (token % 4)) * unit, token }));
        for (const { start, bytes, token } of parts) {
          writer.memory.bytes.fill(token + 1, start, start + bytes);
          expected.push(Buffer.alloc(bytes, token + 1));
        }
        writer.writeTogether(file, position, parts);
        assert.equal(harness.completions.length, 0, "never from inside write");
        position += parts.reduce((sum, { bytes }) => sum + bytes, 0);
      }
      await harness.completed(24);
      if (flush === "never") await writer.syncFile(file);
      assert.deepEqual(harness.completions.map(({ token }) => token).sort((a, b) => a - b), Array.from({ length: 24 }, (_, token) => token));
      assert.ok(harness.errors.every((error) => error === null));
      const content = await contentOf(context(), target);
      assert.ok(content.subarray(0, position).equals(Buffer.concat(expected)));
      assert.ok(content.subarray(position).every((byte) => byte === 0));
      await writer.closeFile(file);
      writer.writeTogether(file, 0, [{ start: 0, bytes: unit, token: 100 }, { start: unit, bytes: unit, token: 101 }]);
      await harness.completed(26);
      for (const { error } of harness.completions.slice(24)) assert.ok(hasCode("RINGWALL_CLOSED")(error));
      assert.throws(() => writer.writeTogether(file, 0, [{ start: 0, bytes: unit, token: 0 }, { start: 8, bytes: unit, token: 1 }]), /aligned/);
      await writer.close();
    });
  }

  test("writer: one write of 16 MiB that begins inside a buffer, and far more writes at once than any ring has entries", async () => {
    const { storage } = context();
    const harness = new Harness(storage, "never", 2, 16 * 1024 * 1024);
    const { writer } = harness;
    const { file, target } = await openZeroed(harness, context(), 4096 + 1);
    writer.memory.bytes.fill(7);
    writer.write(file, unit, unit, 16 * 1024 * 1024, 0);
    await harness.completed(1);
    assert.ok((await contentOf(context(), target)).subarray(unit).every((byte) => byte === 7));
    for (let token = 1; token <= 700; token++) {
      writer.memory.words[token * 1024] = token;
      writer.write(file, token * unit, token * unit, unit, token);
    }
    await harness.completed(701);
    const content = await contentOf(context(), target);
    for (let token = 1; token <= 700; token++) assert.equal(content.readUInt32LE(token * unit), token);
    await writer.close();
  });

  test("writer: from a completion the next write can be started", async () => {
    const { storage } = context();
    let left = 50;
    let file: WriterFile = 0;
    await new Promise<void>((resolve, reject) => {
      const writer = storage.createWriter({
        bufferBytes: unit, bufferCount: 1, writesInFlight: 1, alignment: unit, flush: "dsync",
        onWritten: (token, error) => {
          if (error !== null) reject(error);
          else if ((left -= 1) > 0) writer.write(file, token * unit, 0, unit, (token + 1) % 4);
          else resolve(writer.close());
        },
        onBatchEnd: () => undefined,
      });
      zeroed(context(), 4).then((target) => writer.openFile(target)).then((opened) => {
        file = opened;
        writer.write(file, 0, 0, unit, 1);
      }, reject);
    });
  });

  test("writer: unaligned writes and writes outside the memory are broken invariants", async () => {
    const { storage } = context();
    const harness = new Harness(storage);
    const { file } = await openZeroed(harness, context(), 4);
    assert.throws(() => harness.writer.write(file, 1, 0, unit, 0), /aligned/);
    assert.throws(() => harness.writer.write(file, 0, 8, unit, 0), /aligned/);
    assert.throws(() => harness.writer.write(file, 0, 0, unit - 8, 0), /aligned/);
    assert.throws(() => harness.writer.write(file, 0, 64 * unit, unit, 0), /memory/);
    assert.throws(() => harness.writer.write(file, 0, 0, 0, 0), /memory/);
    await harness.writer.close();
    assert.throws(() => harness.writer.write(file, 0, 0, unit, 0), /closed/);
    assert.equal(harness.writer.reap(), 0);
  });

  test("writer: a closed file takes no writes, and its number does not come back", async () => {
    const { storage } = context();
    const harness = new Harness(storage);
    const { file } = await openZeroed(harness, context(), 4);
    for (let index = 0; index < 4; index++) harness.writer.write(file, index * unit, index * unit, unit, index);
    await harness.writer.closeFile(file);
    await harness.completed(4);
    assert.ok(harness.errors.every((error) => error === null));
    const other = await openZeroed(harness, context(), 4);
    assert.notEqual(other.file, file);
    harness.writer.write(file, 0, 0, unit, 9);
    await harness.completed(5);
    assert.ok(hasCode("RINGWALL_CLOSED")(harness.completions.at(-1)?.error));
    assert.ok((await contentOf(context(), other.target)).every((byte) => byte === 0));
    await assert.rejects(harness.writer.closeFile(file), hasCode("RINGWALL_CLOSED"));
    await harness.writer.close();
  });

  test("writer: a missing file is NOT_FOUND", async () => {
    const { storage, directory } = context();
    const harness = new Harness(storage);
    await assert.rejects(harness.writer.openFile(path.join(directory, "missing")), hasCode("RINGWALL_NOT_FOUND"));
    await harness.writer.close();
  });

  test("writer: close waits for what is in flight", async () => {
    const { storage } = context();
    const harness = new Harness(storage, "separate");
    const { file, target } = await openZeroed(harness, context(), 64);
    harness.writer.memory.bytes.fill(9);
    for (let index = 0; index < 4; index++) harness.writer.write(file, index * 16 * unit, index * 16 * unit, 16 * unit, index);
    await Promise.all([harness.writer.close(), harness.writer.close()]);
    assert.deepEqual(harness.errors, [null, null, null, null]);
    assert.ok((await contentOf(context(), target)).every((byte) => byte === 9));
  });

  test("writer: says what it uses", async () => {
    const { storage } = context();
    const harness = new Harness(storage);
    await openZeroed(harness, context(), 1);
    assert.ok(harness.writer.features.some(({ name }) => name === "direct I/O"));
    await harness.writer.close();
  });
}

function probeContract(context: () => Context): void {
  test("probe: names a method that it measured, and leaves the directory clean", async () => {
    const { storage } = context();
    const empty = await emptyDirectory(context());
    const probe = await storage.probe(empty, 200);
    assert.ok((probe.micros[probe.flushMethod] ?? 0) > 0, JSON.stringify(probe));
    assert.ok(probe.alignment >= unit && probe.alignment % unit === 0);
    assert.deepEqual(await storage.files.list(empty), []);
    await storage.probe(empty, 0);
    assert.deepEqual(await storage.files.list(empty), []);
    await assert.rejects(storage.probe(path.join(empty, "missing"), 5), hasCode("RINGWALL_NOT_FOUND"));
  });

  test("uuids are 16 bytes and differ", () => {
    const { storage } = context();
    assert.equal(storage.randomUuid().length, 16);
    assert.notDeepEqual(storage.randomUuid(), storage.randomUuid());
  });
}

function lockContract(context: () => Context): void {
  test("lock: one at a time, free again after its release, nothing left behind", async () => {
    const { storage } = context();
    const log = await emptyDirectory(context());
    assert.equal(await storage.isLocked(log), false);
    const release = await storage.lock(log);
    assert.equal(await storage.isLocked(log), true);
    await assert.rejects(storage.lock(log), hasCode("RINGWALL_LOCKED"));
    await release();
    await release();
    assert.equal(await storage.isLocked(log), false);
    assert.deepEqual(await storage.files.list(log), []);
    await (await storage.lock(log))();
    await assert.rejects(storage.lock(path.join(log, "missing")), hasCode("RINGWALL_NOT_FOUND"));
    assert.equal(await storage.isLocked(path.join(log, "missing")), false);
  });

  test("lock: of many at once exactly one wins", async () => {
    const { storage } = context();
    const log = await emptyDirectory(context());
    const attempts = await Promise.allSettled(Array.from({ length: 16 }, () => storage.lock(log)));
    const winners = attempts.filter((attempt) => attempt.status === "fulfilled");
    assert.equal(winners.length, 1);
    for (const attempt of attempts) if (attempt.status === "rejected") assert.ok(hasCode("RINGWALL_LOCKED")(attempt.reason));
    for (const winner of winners) await winner.value();
    assert.deepEqual(await storage.files.list(log), []);
  });
}
