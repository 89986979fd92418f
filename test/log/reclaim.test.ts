// Live records are moved on, so that segments go although something in them is never trimmed.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { countingFiles } from "#src/cli/verify/counting-files.js";
import { Log, type LogOptions, type Partition, type ReclaimEvent, type RingwallError } from "#src/index.js";
import { LaneLog } from "#src/log/lane-log.js";
import { resolveOptions } from "#src/log/options.js";
import { chooseStorage } from "#src/storage/choose.js";
import { contents, crashCopy, freshPath, laneFiles, onEachBackend, refused, seeded, small, text, withLog } from "./log-fixture.js";

const options: LogOptions = { ...small, reclaim: { bytesPerSecond: 2 ** 40 } };
const kilobyte = "x".repeat(1000);

function kept(log: Log): number {
  return log.stats()[0]!.segmentsKept;
}

/** Appends `count` records of a kilobyte; each begins with its sequence. */
async function fill(partition: Partition, count: number): Promise<void> {
  const last = partition.lastSeq + count;
  const appends: Promise<number>[] = [];
  for (let seq = partition.lastSeq + 1; seq <= last; seq++) appends.push(partition.append(`${partition.name} ${String(seq)} ${kilobyte}`));
  await Promise.all(appends);
}

/** Trims all but the last `count`. */
async function trimTo(partition: Partition, count: number): Promise<void> {
  await partition.trim(Math.max(partition.firstSeq, partition.lastSeq + 1 - count));
}

function expected(partition: Partition): string[] {
  return Array.from({ length: partition.lastSeq - partition.firstSeq + 1 }, (_, at) => `${partition.name} ${String(partition.firstSeq + at)} ${kilobyte}`);
}

/** Forty segments of which only what `old` holds is alive. */
async function age(log: Log, rounds = 30): Promise<void> {
  const busy = log.partition("busy");
  for (let round = 0; round < rounds; round++) {
    await fill(busy, 1000);
    await busy.trim(busy.lastSeq + 1);
  }
}

/** Waits for a state that moving leads to by itself; the test's time is the limit. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}

onEachBackend("reclaim", (backend) => {
  test("a partition that is never trimmed does not hold the space of the others", async () => {
    const directory = freshPath();
    await withLog(directory, { ...options, backend }, async (log) => {
      const old = log.partition("old");
      const busy = log.partition("busy");
      await fill(old, 20);
      const before = await old.get(7);
      for (let round = 0; round < 30; round++) {
        await fill(busy, 1000);
        await busy.trim(busy.lastSeq - 100);
      }
      await until(() => kept(log) <= 5);
      const [stats] = log.stats();
      assert.ok(stats!.segmentsReclaimed >= 1 && stats!.bytesMoved >= 20_000, JSON.stringify(stats));
      assert.ok(stats!.bytesMoved <= 30_000_000, JSON.stringify(stats));
      assert.deepEqual(await contents(old), expected(old));
      assert.deepEqual(await contents(busy), expected(busy));
      assert.deepEqual(await old.get(7), before, "with its time");
    });
    for (const readOnly of [true, false]) {
      await withLog(directory, { ...options, backend, readOnly }, async (log) => {
        assert.deepEqual(await contents(log.partition("old")), expected(log.partition("old")));
        assert.deepEqual(await contents(log.partition("busy")), expected(log.partition("busy")));
      });
    }
  });

  test("disk space stays within the factor of what is alive, whatever is trimmed", async (t) => {
    const random = seeded(t);
    const partitions = 8;
    const patterns: Record<string, (log: Log, round: number) => Promise<void>> = {
      "all but the oldest": async (log) => {
        for (let at = 1; at < partitions; at++) await trimTo(log.partition(`p${String(at)}`), 20);
      },
      "one of them": async (log) => trimTo(log.partition("p3"), 0),
      "at random": async (log) => {
        for (let at = 0; at < partitions; at++) if (random(3) === 0) await trimTo(log.partition(`p${String(at)}`), random(300));
      },
      "each in its turn": async (log, round) => trimTo(log.partition(`p${String(round % partitions)}`), 0),
    };
    for (const [pattern, trim] of Object.entries(patterns)) {
      const directory = freshPath();
      await withLog(directory, { ...options, backend }, async (log) => {
        for (let round = 0; round < 20; round++) {
          for (let at = 0; at < partitions; at++) await fill(log.partition(`p${String(at)}`), pattern === "one of them" && at !== 3 ? 5 : 60);
          await trim(log, round);
        }
        const live = log.partitions().reduce((sum, { firstSeq, lastSeq }) => sum + (lastSeq - firstSeq + 1) * 1100, 0);
        // Besides what the option allows: the current segment, the one before it while it is not sealed, and the head segment that is being moved.
        await until(() => kept(log) * 1024 * 1024 <= 2 * live + (2 + 3) * 1024 * 1024);
        for (const partition of log.partitions()) assert.deepEqual(await contents(partition), expected(partition), pattern);
      });
      await withLog(directory, { ...options, backend }, async (log) => {
        for (const partition of log.partitions()) assert.deepEqual(await contents(partition), expected(partition), pattern);
      });
    }
  });

  test("nothing is moved where nothing is dead, and nothing at all with reclaim: false", async () => {
    await withLog(freshPath(), { ...options, backend }, async (log) => {
      await fill(log.partition("a"), 8000);
      assert.equal(log.stats()[0]!.bytesMoved, 0);
    });
    await withLog(freshPath(), { ...small, backend, reclaim: false }, async (log) => {
      await fill(log.partition("old"), 1);
      await age(log, 8);
      assert.equal(log.stats()[0]!.bytesMoved, 0);
      assert.ok(kept(log) >= 8);
    });
  });

  test("records larger than a block, and than a segment, are moved whole", async () => {
    const directory = freshPath();
    const sizes = [0, 1, 16 * 1024 - 100, 200_000, 1_500_000];
    await withLog(directory, { ...options, backend }, async (log) => {
      const old = log.partition("old");
      for (const [at, size] of sizes.entries()) await old.append(Buffer.alloc(size, at + 1));
      await age(log, 20);
      await until(() => kept(log) <= 8);
      assert.ok(log.stats()[0]!.bytesMoved >= 1_700_000);
    });
    await withLog(directory, { backend, readOnly: true }, async (log) => {
      for (const [at, size] of sizes.entries()) assert.deepEqual(Buffer.from((await log.partition("old").get(at + 1))!.data), Buffer.alloc(size, at + 1));
    });
  });

  test("copies in fragments begin in a segment that holds all of them: no segment is linked to its neighbour", async () => {
    const directory = freshPath();
    await withLog(directory, { ...options, backend }, async (log) => {
      const old = log.partition("old");
      for (let at = 1; at <= 12; at++) await old.append(Buffer.alloc(200_000, at));
      const fresh = log.stats()[0]!.segments;
      await age(log, 8);
      await until(() => log.stats()[0]!.bytesMoved >= 12 * 200_000 && log.stats()[0]!.segmentsReclaimed >= fresh);
      for (let at = 1; at <= 12; at++) assert.deepEqual(Buffer.from((await old.get(at))!.data), Buffer.alloc(200_000, at));
    });
    const linked = laneFiles(directory, ".index").filter((name) => (fs.readFileSync(path.join(directory, "lane-00", name))[120]! & 1) !== 0);
    assert.deepEqual(linked, []);
  });

  test("readers in the middle of a segment that goes read on with the copies", async () => {
    const directory = freshPath();
    await withLog(directory, { ...options, backend }, async (log) => {
      const old = log.partition("old");
      await fill(old, 3000);
      const beside = await Log.open(directory, { backend, readOnly: true });
      const readers = [old.read()[Symbol.asyncIterator](), old.tail()[Symbol.asyncIterator](), beside.partition("old").read()[Symbol.asyncIterator]()];
      // A reader beside the writer sees what a later block declares durable.
      const lasts = [3000, 3000, beside.partition("old").durableSeq];
      for (const reader of readers) assert.equal((await reader.next()).value?.seq, 1);
      await age(log);
      const before = log.stats()[0]!.segmentsReclaimed;
      await until(() => log.stats()[0]!.segmentsReclaimed >= 3);
      assert.ok(before <= log.stats()[0]!.segmentsReclaimed);
      for (const [at, reader] of readers.entries()) {
        for (let seq = 2; seq <= lasts[at]!; seq++) {
          const { value } = await reader.next();
          assert.equal(value?.seq, seq);
          assert.equal(text(value!), `old ${String(seq)} ${kilobyte}`);
        }
        await reader.return?.(undefined);
      }
      await beside.close();
    });
  });

  test("what is truncated between reading and placing is not moved", async () => {
    const directory = freshPath();
    await withLog(directory, { ...options, backend, reclaim: { bytesPerSecond: 1024 * 1024 } }, async (log) => {
      const cut = log.partition("cut");
      await fill(cut, 1500);
      await age(log, 6);
      // The first copies are placed, and more records are in memory: a pause comes before they are placed.
      await until(() => log.stats()[0]!.bytesMoved > 0);
      await cut.truncate(100);
      await Promise.all(Array.from({ length: 400 }, (_, at) => cut.append(`anew ${String(at)}`)));
      await age(log, 6);
      await until(() => log.stats()[0]!.segmentsReclaimed > 0);
      const wanted = (await contents(cut)).slice(100);
      assert.deepEqual(wanted, Array.from({ length: 400 }, (_, at) => `anew ${String(at)}`));
      await withLog(crashCopy(directory), { ...options, backend }, async (copy) => assert.deepEqual((await contents(copy.partition("cut"))).slice(100), wanted));
    });
    await withLog(directory, { ...options, backend }, async (log) => {
      await age(log, 6);
      await until(() => kept(log) <= 5);
      assert.deepEqual((await contents(log.partition("cut"))).slice(100), Array.from({ length: 400 }, (_, at) => `anew ${String(at)}`));
    });
  });

  test("of records that were truncated and written anew among what goes, the new ones are moved, with their times", async () => {
    const directory = freshPath();
    await withLog(directory, { ...options, backend }, async (log) => {
      const [here, further] = [log.partition("here"), log.partition("further")];
      for (const partition of [here, further]) for (const old of ["one", "dead", "dead too"]) await partition.append(old);
      await here.truncate(1);
      await here.append("two");
      await fill(log.partition("busy"), 3000);
      await further.truncate(1);
      for (const anew of ["two", "three"]) await further.append(anew);
      const before = await further.get(2);
      await age(log, 12);
      await until(() => kept(log) <= 5);
      assert.ok(log.stats()[0]!.segmentsReclaimed > 0);
      assert.deepEqual(await contents(here), ["one", "two"]);
      assert.deepEqual(await contents(further), ["one", "two", "three"]);
      assert.deepEqual(await further.get(2), before);
    });
    await withLog(directory, { backend, readOnly: true }, async (log) => assert.deepEqual(await contents(log.partition("further")), ["one", "two", "three"]));
  });

  test("a segment is read about once to move what lives in it, however many partitions that belongs to", async () => {
    const { storage, reason } = chooseStorage({ backend });
    let bytesRead = 0;
    const files = countingFiles(storage.files, (bytes) => (bytesRead += bytes));
    const log = await LaneLog.openOn({ storage: { ...storage, files }, reason }, freshPath(), resolveOptions({ ...options, backend }));
    const [partitions, rounds] = [200, 5];
    for (let round = 0; round < rounds; round++) {
      await Promise.all(Array.from({ length: partitions }, (_, at) => log.partition(`p${String(at)}`).append(`${String(round)} ${kilobyte}`)));
    }
    const busy = log.partition("busy");
    for (let round = 0; round < 8; round++) {
      await Promise.all(Array.from({ length: 1000 }, () => busy.append(kilobyte)));
      await busy.trim(busy.lastSeq + 1);
    }
    await until(() => log.stats()[0]!.segmentsReclaimed >= 2);
    const { segmentsReclaimed } = log.stats()[0]!;
    assert.ok(bytesRead <= 3 * segmentsReclaimed * small.segmentBytes!, `${String(bytesRead)} bytes read for ${String(segmentsReclaimed)} segments`);
    for (let at = 0; at < partitions; at++) assert.deepEqual(await contents(log.partition(`p${String(at)}`)), Array.from({ length: rounds }, (_, round) => `${String(round)} ${kilobyte}`));
    await log.close();
  });

  test("the owner is told first, and what it trims is not moved", async () => {
    const events: ReclaimEvent[] = [];
    const directory = freshPath();
    let log: Log | null = null;
    const onReclaim = async (event: ReclaimEvent): Promise<void> => {
      events.push(event);
      for (const { name, lastSeq } of event.partitions) if (name === "cache") await log!.partition(name).trim(lastSeq + 1);
    };
    log = await Log.open(directory, { ...options, backend, reclaim: { onReclaim } });
    await fill(log.partition("cache"), 200);
    await age(log, 10);
    await until(() => kept(log!) <= 5);
    assert.deepEqual(events[0]!.partitions.map(({ name, firstSeq, lastSeq }) => ({ name, firstSeq, lastSeq })), [{ name: "cache", firstSeq: 1, lastSeq: 200 }]);
    assert.ok(events[0]!.partitions[0]!.bytes >= 200_000 && events[0]!.partitions[0]!.bytes < 400_000);
    assert.equal(log.stats()[0]!.bytesMoved, 0);
    await log.close();
  });

  test("a damaged record stops it: the segment stays until the record is trimmed", async () => {
    const directory = freshPath();
    const stops: RingwallError[] = [];
    await withLog(directory, { ...options, backend, reclaim: false }, async (log) => {
      await fill(log.partition("bad"), 30);
      await age(log, 8);
    });
    const [first] = laneFiles(directory, ".segment");
    const file = path.join(directory, "lane-00", first!);
    const bytes = fs.readFileSync(file);
    const at = bytes.indexOf("bad 17 ");
    bytes[at + 100]! ^= 1;
    fs.writeFileSync(file, bytes);
    await withLog(directory, { ...options, backend, reclaim: { onStopped: (error) => { stops.push(error); } } }, async (log) => {
      await age(log, 2);
      await until(() => log.stats()[0]!.reclaimStoppedAt > 0);
      assert.deepEqual(stops.map(({ code }) => code), ["RINGWALL_DAMAGED"]);
      assert.equal(log.stats()[0]!.reclaimStoppedAt, 1);
      await age(log, 2);
      assert.ok(kept(log) >= 12 && fs.existsSync(file));
      assert.equal(log.stats()[0]!.segmentsReclaimed, 0);
      assert.equal(stops.length, 1);
      await log.partition("bad").trim(18);
      await until(() => kept(log) <= 5);
      assert.deepEqual(await contents(log.partition("bad")), expected(log.partition("bad")));
    });
  });

  test("a copy of the directory at any moment has every record once, and moves on what was not", async () => {
    const directory = freshPath();
    await withLog(directory, { ...options, backend, reclaim: { bytesPerSecond: 4 * 1024 * 1024 } }, async (log) => {
      const old = log.partition("old");
      await fill(old, 1500);
      const aging = age(log, 8);
      for (let copies = 0, seen = 0; copies < 6; copies++) {
        await until(() => log.stats()[0]!.bytesMoved > seen || log.stats()[0]!.segmentsReclaimed >= 2);
        seen = log.stats()[0]!.bytesMoved;
        await withLog(crashCopy(directory), { ...options, backend }, async (copy) => {
          assert.deepEqual(await contents(copy.partition("old")), expected(old));
          await age(copy, 4);
          // What lay behind the segments when it was copied is not moved once more.
          assert.ok(copy.stats()[0]!.bytesMoved <= 2 * 1500 * 1100);
          assert.deepEqual(await contents(copy.partition("old")), expected(old));
        });
      }
      await aging;
    });
  });
});

test("records are moved in the lane's own thread, too", async () => {
  await withLog(freshPath(), { ...options, lane: "thread" }, async (log) => {
    await fill(log.partition("old"), 20);
    await age(log, 10);
    await until(() => log.stats()[0]!.segmentsReclaimed > 0);
    assert.deepEqual(await contents(log.partition("old")), expected(log.partition("old")));
  });
});

test("options out of range are refused", async () => {
  const bad: readonly LogOptions[] = [
    { reclaim: { factor: 1 } }, { reclaim: { factor: 101 } }, { reclaim: { bytesPerSecond: 0 } }, { reclaim: "on" as unknown as boolean },
    { reclaim: { onReclaim: "x" as unknown as () => void } }, { reclaim: { other: 1 } as object },
    { lane: "thread", reclaim: { onStopped: 1 as unknown as () => void } },
  ];
  for (const each of bad) await refused("RINGWALL_INVALID_OPTION", () => Log.open(freshPath(), each));
});
