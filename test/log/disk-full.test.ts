// A filesystem without space: appends are refused, nothing acknowledged is lost, and work goes on once there is space again.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { test, type TestContext } from "node:test";
import { Log, RingwallError, type LogOptions, type Partition } from "#src/index.js";
import { runLogChild } from "./child-process.js";
import { contents, freshPath, onEachBackend, refused, withLog } from "./log-fixture.js";

const mebibyte = 1024 * 1024;

/** Runs the body on a small ext4 of its own; skips with the reason where that can't be mounted. */
async function onSmallDisk(t: TestContext, mount: readonly string[], body: (directory: string) => Promise<void>): Promise<void> {
  const image = freshPath();
  const directory = freshPath();
  fs.mkdirSync(directory);
  try {
    fs.writeFileSync(image, "");
    fs.truncateSync(image, 24 * mebibyte);
    execFileSync("mkfs.ext4", ["-q", "-m", "0", image], { stdio: "pipe" });
    execFileSync("mount", ["-o", ["loop", ...mount].join(","), image, directory], { stdio: "pipe" });
  } catch (error) {
    t.skip(`no small disk here: ${String((error as { stderr?: Buffer }).stderr ?? error).trim()}`);
    return;
  }
  try {
    await body(directory);
  } finally {
    // Lazily: the kernel takes a closed ring apart in its own time, and the ring knows the files.
    execFileSync("umount", ["--lazy", directory]);
    fs.rmSync(image);
  }
}

interface Filled {
  readonly refusals: RingwallError[];
  /** A record in fragments that was begun and waits for space; null when there is none. */
  readonly waiting: Promise<number> | null;
}

/** Appends records of `bytes` until one is refused. `kept` gets the texts that were accepted, the waiting one too. */
async function appendUntilRefused(partition: Partition, bytes: number, kept: string[]): Promise<Filled> {
  for (let round = 0; ; round++) {
    assert.ok(round < 10_000, "the disk was filled");
    const texts: string[] = [];
    const appends: Promise<number>[] = [];
    const outcomes: (number | RingwallError | "waits")[] = [];
    const append = (): void => {
      const index = texts.push(`${partition.lastSeq} ${round} ${texts.length} `.padEnd(bytes, ".")) - 1;
      outcomes.push("waits");
      const appended = partition.append(texts[index] as string);
      appends.push(appended);
      appended.then((seq) => (outcomes[index] = seq), (error: unknown) => (outcomes[index] = error as RingwallError));
    };
    const count = (): number => outcomes.filter((outcome) => outcome === "waits").length;
    for (let index = 0; index < 16; index++) append();
    // Blocks on their way arrive; what then still waits was begun and lacks space, and what comes behind it is refused.
    while (count() > 1 || (count() === 1 && outcomes.at(-1) === "waits")) {
      if (count() === 1) append();
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    const refusals = outcomes.filter((outcome) => typeof outcome === "object");
    const accepted = outcomes.filter((outcome) => typeof outcome === "number");
    const waiting = outcomes.indexOf("waits");
    assert.ok(accepted.every((seq, index) => seq === kept.length + index + 1), "sequences have no hole");
    assert.deepEqual(outcomes, [...accepted, ...(waiting === -1 ? [] : ["waits"]), ...refusals], "nothing is accepted behind what was refused, and one waits at most");
    kept.push(...texts.slice(0, accepted.length + (waiting === -1 ? 0 : 1)));
    if (refusals.length > 0) return { refusals, waiting: appends[waiting] ?? null };
  }
}

onEachBackend("full disk", (backend) => {
  const options: LogOptions = { backend, segmentBytes: 4 * mebibyte, bufferBytes: 64 * 1024, bufferCount: 4 };

  for (const recordBytes of [3000, 200_000]) {
    test(`appends of ${recordBytes} bytes: DISK_FULL, sequences without a hole, and on with it once there is space`, async (t) => {
      await onSmallDisk(t, [], async (mounted) => {
        const directory = path.join(mounted, "log");
        const ballast = path.join(mounted, "ballast");
        fs.writeFileSync(ballast, Buffer.alloc(8 * mebibyte));
        const kept: string[] = [];
        const log = await Log.open(directory, options);
        const partition = log.partition("p");
        const first = await appendUntilRefused(partition, recordBytes, kept);
        for (const error of first.refusals) {
          assert.equal(error.code, "RINGWALL_DISK_FULL");
          assert.match(error.message, /ENOSPC.*(Free space|trim)/s);
        }
        assert.ok(kept.length * recordBytes > 4 * mebibyte, `${kept.length} kept`);
        assert.equal(partition.lastSeq, kept.length);
        const durable = partition.durableSeq;
        assert.equal(durable, kept.length - (first.waiting === null ? 0 : 1));
        // What waits may find its space meanwhile: a file system gives some back late.
        assert.deepEqual((await contents(partition)).slice(0, durable), kept.slice(0, durable));
        // The same log goes on, what waits first.
        fs.rmSync(ballast);
        if (first.waiting !== null) assert.equal(await first.waiting, kept.length);
        for (let count = 0; count < 8; count++) {
          const data = `after ${count} `.padEnd(recordBytes, "!");
          assert.equal(await partition.append(data), kept.push(data));
        }
        const second = await appendUntilRefused(partition, recordBytes, kept);
        if (second.waiting === null) await log.close();
        else {
          kept.pop();
          await Promise.all([refused("RINGWALL_DISK_FULL", () => second.waiting), refused("RINGWALL_DISK_FULL", () => log.close())]);
        }
        await withLog(directory, options, async (again) => assert.deepEqual(await contents(again.partition("p")), kept));
      });
    });
  }

  test("an overwrite that is refused takes nothing away and gives its sequences back", async (t) => {
    await onSmallDisk(t, [], async (mounted) => {
      const directory = path.join(mounted, "log");
      const ballast = path.join(mounted, "ballast");
      fs.writeFileSync(ballast, Buffer.alloc(12 * mebibyte));
      const kept: string[] = [];
      await withLog(directory, options, async (log) => {
        const partition = log.partition("p");
        await appendUntilRefused(partition, 3000, kept);
        const last = partition.lastSeq;
        const overwrites = [
          partition.appendBatch(["x", "y"], { after: last - 5 }),
          log.write([{ partition: "p", truncate: last - 10 }, { partition: "q", data: "z" }]),
        ];
        for (const overwrite of overwrites) await refused("RINGWALL_DISK_FULL", () => overwrite);
        assert.equal(partition.lastSeq, last);
        // The last one may have been begun, and wait for space.
        const found = await contents(partition);
        assert.ok(found.length >= kept.length - 1);
        assert.deepEqual(found, kept.slice(0, found.length));
        fs.rmSync(ballast);
        assert.deepEqual(await partition.appendBatch(["x", "y"], { after: last - 5 }), { first: last - 4, last: last - 3 });
      });
      await withLog(directory, options, async (log) => assert.deepEqual(await contents(log.partition("p")), [...kept.slice(0, -5), "x", "y"]));
    });
  });

  test("a drop that is refused takes nothing away, and who waits for the next partition of that name is told", async (t) => {
    await onSmallDisk(t, [], async (mounted) => {
      const ballast = path.join(mounted, "ballast");
      fs.writeFileSync(ballast, Buffer.alloc(12 * mebibyte));
      await withLog(path.join(mounted, "log"), options, async (log) => {
        const [partition, other] = [log.partition("p"), log.partition("p")];
        await partition.append("kept");
        const batch = log.partition("large").appendBatch(Array.from({ length: 12 }, () => Buffer.alloc(mebibyte)));
        const drop = partition.drop();
        const told = refused("RINGWALL_DROPPED", () => other.tail().next());
        await refused("RINGWALL_DISK_FULL", () => drop);
        assert.deepEqual([partition.lastSeq, other.lastSeq, await contents(other)], [1, 1, ["kept"]]);
        fs.rmSync(ballast);
        await batch;
        await told;
        assert.equal(await log.partition("p").append("more"), 2);
        assert.equal(other.lastSeq, 2);
      });
    });
  });

  test("a batch that was begun waits for space, what comes behind it is refused; with space it goes on by itself", async (t) => {
    await onSmallDisk(t, [], async (mounted) => {
      const directory = path.join(mounted, "log");
      const ballast = path.join(mounted, "ballast");
      fs.writeFileSync(ballast, Buffer.alloc(12 * mebibyte));
      await withLog(directory, options, async (log) => {
        const partition = log.partition("p");
        await partition.append("first");
        const batch = partition.appendBatch(Array.from({ length: 12 }, () => Buffer.alloc(mebibyte)));
        await refused("RINGWALL_DISK_FULL", () => partition.append("behind it"));
        fs.rmSync(ballast);
        assert.deepEqual(await batch, { first: 2, last: 13 });
        assert.equal(await partition.append("then"), 14);
      });
    });
  });

  test("closing while a batch that was begun waits for space: close and batch are refused, reopening drops it", async (t) => {
    await onSmallDisk(t, [], async (mounted) => {
      const directory = path.join(mounted, "log");
      const log = await Log.open(directory, options);
      await log.partition("p").append("first");
      const batch = refused("RINGWALL_DISK_FULL", () => log.partition("p").appendBatch(Array.from({ length: 60 }, () => Buffer.alloc(mebibyte))));
      await refused("RINGWALL_DISK_FULL", () => log.partition("p").append("behind it"));
      await refused("RINGWALL_DISK_FULL", () => log.close());
      await batch;
      await withLog(directory, options, async (again) => {
        assert.deepEqual(await contents(again.partition("p")), ["first"]);
        assert.equal(again.partition("p").lastSeq, 1);
      });
    });
  });

  test("what enqueue or an interval's append has accepted is never dropped nor its sequence given out again", async (t) => {
    for (const durability of [{ mode: "sync" }, { mode: "interval", ms: 20 }] as const) {
      await onSmallDisk(t, [], async (mounted) => {
        const directory = path.join(mounted, "log");
        const ballast = path.join(mounted, "ballast");
        fs.writeFileSync(ballast, Buffer.alloc(8 * mebibyte));
        const accepted: string[] = [];
        await withLog(directory, { ...options, durability }, async (log) => {
          const partition = log.partition("p");
          let refusals = 0;
          for (let count = 0; refusals < 20; count++) {
            assert.ok(count < 100_000, "the disk was filled");
            const data = `${count} `.padEnd(3000, ".");
            try {
              const seq = durability.mode === "sync" ? partition.enqueue(data) : await partition.append(data);
              assert.equal(seq, accepted.push(data));
            } catch (error) {
              assert.ok(error instanceof RingwallError);
              if (error.code === "RINGWALL_BACKPRESSURE") await log.drain().catch(() => refusals++);
              else {
                assert.equal(error.code, "RINGWALL_DISK_FULL");
                refusals++;
                await new Promise((resolve) => setImmediate(resolve));
              }
            }
          }
          fs.rmSync(ballast);
          for (let tries = 0; ; tries++) {
            assert.ok(tries < 1000, "work goes on");
            try {
              await log.sync();
              break;
            } catch (error) {
              assert.equal((error as RingwallError).code, "RINGWALL_DISK_FULL");
            }
          }
          assert.deepEqual(await contents(partition), accepted);
        });
        await withLog(directory, options, async (log) => assert.deepEqual(await contents(log.partition("p")), accepted));
      });
    }
  });

  test("while live records are moved: everybody is answered, and trims bring space", async (t) => {
    await onSmallDisk(t, [], async (mounted) => {
      const directory = path.join(mounted, "log");
      const tight: LogOptions = { backend, segmentBytes: mebibyte, bufferBytes: 16 * 1024, bufferCount: 4, reclaim: { factor: 1.1 } };
      await withLog(directory, tight, async (log) => {
        const [old, busy] = [log.partition("old"), log.partition("busy")];
        // What `old` holds comes to more than the disk has; what `busy` holds dies beside it.
        for (let refused = 0, rounds = 0; refused < 200; rounds++) {
          assert.ok(rounds < 10_000, "the disk was filled");
          const answers = await Promise.allSettled(Array.from({ length: 32 }, (_, at) => (at % 2 === 0 ? old : busy).append(`${at % 2 === 0 ? "old" : "busy"} `.padEnd(2000, "."))));
          for (const answer of answers) {
            if (answer.status === "fulfilled") continue;
            assert.equal((answer.reason as RingwallError).code, "RINGWALL_DISK_FULL");
            refused++;
          }
          await busy.trim(busy.lastSeq + 1).catch((error: unknown) => { assert.equal((error as RingwallError).code, "RINGWALL_DISK_FULL"); });
        }
        assert.ok(log.stats()[0]!.bytesMoved > 0);
        await old.trim(old.lastSeq - 100);
        for (let count = 0; count < 500; count++) await Promise.all([old.append("behind it".padEnd(2000, ".")), busy.append("busy".padEnd(2000, "."))]);
        assert.equal((await contents(old)).length, 601);
      });
      await withLog(directory, tight, async (log) => assert.equal((await contents(log.partition("old"))).length, 601));
    });
  });

  test("a file size limit below the segment's size: DISK_FULL that names the limit, nothing acknowledged is lost", async () => {
    const directory = freshPath();
    const launcher = ["/bin/sh", "-c", 'ulimit -f 8192; exec "$@"', "sh"];
    const { answers, stderr } = await runLogChild({ scenario: "writeUntilRefused", backend, directory, launcher });
    assert.equal(stderr, "");
    const [answer] = answers as Record<string, { code?: string; message?: string }>[];
    assert.equal(answer!["pending"]!.code, "RINGWALL_DISK_FULL");
    assert.match(answer!["pending"]!.message ?? "", /EFBIG.*ulimit -f/);
    await withLog(directory, { backend }, async (log) => assert.ok(log.partition("p").lastSeq >= (answer!["acknowledged"] as unknown as number)));
  });

  test("opening: a new log on a full disk is refused as DISK_FULL and leaves no lock behind", async (t) => {
    await onSmallDisk(t, [], async (mounted) => {
      const fill = path.join(mounted, "ballast");
      const descriptor = fs.openSync(fill, "w");
      for (const step of [mebibyte, 4096]) {
        try {
          for (;;) if (fs.writeSync(descriptor, Buffer.alloc(step)) < step) break;
        } catch (error) {
          assert.equal((error as NodeJS.ErrnoException).code, "ENOSPC");
        }
      }
      fs.closeSync(descriptor);
      const directory = path.join(mounted, "log");
      const error = await refused("RINGWALL_DISK_FULL", () => withLog(directory, options, async () => undefined));
      assert.match(error.message, /ENOSPC/);
      if (fs.existsSync(directory)) assert.deepEqual(fs.readdirSync(directory).filter((name) => name.startsWith("lock")), []);
      fs.rmSync(fill);
      await withLog(directory, options, async (log) => assert.equal(await log.partition("p").append("x"), 1));
    });
  });
});
