// Retention on simulated storage, whose clock leaps to whatever is due next: what goes, what must not, and when.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { LogOptions, LogRecord, Partition, RetentionOption } from "#src/index.js";
import { LaneLog } from "#src/log/lane-log.js";
import { resolveOptions, type ResolvedOptions } from "#src/log/options.js";
import type { Owner } from "#src/storage/sim/event-loop.js";
import { SimMachine } from "#src/storage/sim/machine.js";
import { Random } from "#src/storage/sim/random.js";
import { SimStorage } from "#src/storage/sim/sim-storage.js";
import { contents, freshPath, onEachBackend, refused, small, withLog } from "./log-fixture.js";

const segmentBytes = 128 * 1024;

function optionsWith(retention: RetentionOption, more: LogOptions = {}): ResolvedOptions {
  // Smaller segments than `Log.open` allows, and their age as it would be.
  const { maxBytes, ...others } = retention;
  return { ...resolveOptions({ bufferBytes: 16 * 1024, ...more, retention: others }), segmentBytes, retention: { ...others, ...(maxBytes === undefined ? {} : { maxBytes }) } };
}

class Place {
  readonly machine: SimMachine;
  readonly owner: Owner = { alive: true };

  constructor(seed: number, diskBytes = Number.POSITIVE_INFINITY) {
    this.machine = new SimMachine({ seed, diskBytes });
  }

  open(options: ResolvedOptions): Promise<LaneLog> {
    return LaneLog.openOn({ storage: new SimStorage(this.machine), reason: "test" }, "/log", options);
  }

  get now(): number {
    return this.machine.loop.now;
  }

  wait(millis: number): Promise<void> {
    return this.machine.loop.sleep(this.owner, millis * 1000);
  }

  /** Of the segments' files, with those that wait to be used. */
  get diskBytes(): number {
    return this.machine.disk.files().filter(({ path }) => path.endsWith(".segment")).reduce((sum, { inode }) => sum + inode.size, 0);
  }
}

async function timesOf(partition: Partition): Promise<LogRecord[]> {
  const all: LogRecord[] = [];
  for await (const record of partition.read()) all.push(record);
  return all;
}

/** Fills a segment and begins the next one, so that what was before is looked at. */
async function seal(place: Place, log: LaneLog): Promise<void> {
  log.rotate();
  await log.partition("\u{1F512}").append("x");
  await place.wait(500);
}

test("by count: just so many stay, of the partitions that say so, from the end of the segment on", async () => {
  const place = new Place(1);
  const log = await place.open(optionsWith({ partitions: { few: { maxRecords: 10 }, "some*": { maxRecords: 25 } } }));
  for (let count = 0; count < 30; count++) await log.write(["few", "some.a", "some.b", "all"].map((partition) => ({ partition, data: String(count) })));
  assert.deepEqual(["few", "some.a", "all"].map((name) => log.partition(name).firstSeq), [1, 1, 1]);
  await seal(place, log);
  assert.deepEqual(["few", "some.a", "some.b", "all"].map((name) => log.partition(name).firstSeq), [21, 6, 6, 1]);
  assert.deepEqual(await contents(log.partition("few")), Array.from({ length: 10 }, (_, index) => String(20 + index)));
  assert.equal(log.stats()[0]?.retentionRecords, 30);
  assert.equal(log.stats()[0]?.retentionTrims, 3);
  await log.close();

  const again = await place.open(optionsWith({ partitions: { "*": { maxRecords: 3 }, few: "keep" } }));
  await place.wait(500);
  assert.deepEqual(["few", "some.a", "all"].map((name) => again.partition(name).firstSeq), [21, 28, 28], "other limits hold from the next opening on");
  await again.close();
});

test("by age: what is younger stays, what is older by an eighth is gone, also of an idle log; keep stays; own ages hold", async () => {
  const place = new Place(2);
  const log = await place.open(optionsWith({ maxAgeMs: 80_000, partitions: { audit: "keep", short: { maxAgeMs: 16_000 } } }));
  const names = ["short", "events", "audit"];
  const check = async (): Promise<void> => {
    for (const [name, age] of [["short", 16_000], ["events", 80_000]] as const) {
      const { firstSeq, lastSeq } = log.partition(name);
      const records = await timesOf(log.partition(name));
      assert.equal(records.length, lastSeq - firstSeq + 1);
      assert.ok((records[0]?.time ?? Number.POSITIVE_INFINITY) > place.now - age - 2000 - 500, `${name} holds nothing older than its age and an eighth of the smallest`);
      const born = bornAt.get(name) as number[];
      const due = born.findIndex((time) => time >= place.now - age);
      assert.ok(firstSeq <= (due < 0 ? lastSeq + 1 : due + 1), `${name} has lost nothing younger than its age`);
    }
    assert.equal(log.partition("audit").firstSeq, 1);
  };
  const bornAt = new Map(names.map((name) => [name, [] as number[]]));
  for (let count = 0; count < 400; count++) {
    const name = names[count % 3] as string;
    await log.partition(name).append("x".repeat(300));
    (bornAt.get(name) as number[]).push(place.now);
    await place.wait(500);
    if (count % 20 === 0) await check();
  }
  await place.wait(92_000);
  await check();
  assert.equal(log.partition("events").firstSeq, log.partition("events").lastSeq + 1, "an idle log ends its segment, and lets it go");
  assert.equal(log.partition("audit").lastSeq, 133);
  const stats = log.stats()[0];
  assert.equal(stats?.retentionRecords, 267);
  await log.close();
});

test("by size: the files fit, the newest stay, and no segment went that had room", async () => {
  const place = new Place(3);
  const maxBytes = 8 * segmentBytes;
  const log = await place.open(optionsWith({ maxBytes }));
  const events = log.partition("events");
  for (let count = 1; count <= 900; count++) {
    await events.append("x".repeat(5000));
    if (count % 100 !== 0) continue;
    await place.wait(200);
    // The spare files: four at most, and what is written ahead of them.
    assert.ok(place.diskBytes <= maxBytes + 5 * segmentBytes, `${place.diskBytes} bytes after ${count} records`);
    // One to a block of 8 KiB.
    if (count >= 300) assert.ok(events.lastSeq - events.firstSeq >= 6 * 15, `${events.lastSeq - events.firstSeq} records are left after ${count}`);
  }
  assert.ok(events.firstSeq > 600);
  await log.close();
});

test("by size: a partition that is kept keeps its segments; the others give up no more for it than without it", async () => {
  const kept: number[] = [];
  for (const keeps of [false, true]) {
    const place = new Place(4);
    const log = await place.open({ ...optionsWith({ maxBytes: 8 * segmentBytes, partitions: { state: "keep" } }), reclaim: null });
    await log.partition(keeps ? "state" : "stats").append("x".repeat(100));
    for (let count = 1; count <= 605; count++) await log.partition("events").append("x".repeat(5000));
    await place.wait(200);
    kept.push(log.partition("events").firstSeq);
    assert.equal(log.partition(keeps ? "state" : "stats").firstSeq, keeps ? 1 : 2);
    assert.equal((log.stats()[0]?.segmentsKept as number) > 20, keeps);
    await log.close();
    const again = await place.open({ ...optionsWith({ maxBytes: 8 * segmentBytes, partitions: { state: "keep" } }), reclaim: null });
    await place.wait(200);
    assert.equal(again.partition("events").firstSeq, kept[kept.length - 1], "nor after the next opening");
    await again.close();
  }
  assert.equal(kept[0], kept[1]);
});

test("by a partition's bytes: so many stay at least, and not a segment's worth more; what its user trims counts", async () => {
  const place = new Place(5);
  const maxBytes = 200_000;
  const options = optionsWith({ partitions: { "limited*": { maxBytes } } });
  let log = await place.open(options);
  const bytes = new Map<string, number[]>([["limited.a", []], ["limited.b", []], ["free", []]]);
  for (let round = 1; round <= 12; round++) {
    for (let count = 0; count < 60; count++) {
      for (const [name, sizes] of bytes) {
        if (name === "limited.b" && count % 3 > 0) continue;
        const size = 200 + ((count * 37) % 3000);
        await log.partition(name).append(Buffer.alloc(size));
        sizes.push(size);
      }
    }
    if (round === 5) await log.partition("limited.a").trim(log.partition("limited.a").firstSeq + 40);
    await seal(place, log);
    for (const name of ["limited.a", "limited.b"]) {
      const { firstSeq } = log.partition(name);
      const sizes = bytes.get(name) as number[];
      const left = sizes.slice(firstSeq - 1).reduce((sum, size) => sum + size, 0);
      const trimmedByUser = name === "limited.a" && round === 5;
      assert.ok(firstSeq === 1 || left >= maxBytes || trimmedByUser, `${left} bytes of ${name} are left in round ${round}`);
      assert.ok(left < maxBytes + segmentBytes, `${left} bytes of ${name} are left in round ${round}`);
    }
    if (round % 4 === 0) {
      await log.close();
      log = await place.open(options);
      await place.wait(200);
    }
  }
  assert.ok(log.partition("limited.a").firstSeq > 300 && log.partition("limited.b").firstSeq > 50);
  assert.equal(log.partition("free").firstSeq, 1);
  await log.close();
});

test("truncated records don't stand for those written anew: age takes what the segment has alive, no more", async () => {
  const place = new Place(6);
  const log = await place.open(optionsWith({ maxAgeMs: 40_000 }));
  const raft = log.partition("raft");
  for (let count = 0; count < 10; count++) await raft.append(`old ${count}`);
  await seal(place, log);
  await place.wait(20_000);
  await raft.truncate(4);
  for (let count = 0; count < 8; count++) await raft.append(`new ${count}`);
  await seal(place, log);
  await place.wait(22_000);
  assert.deepEqual([raft.firstSeq, raft.lastSeq], [5, 12]);
  assert.deepEqual(await contents(raft), Array.from({ length: 8 }, (_, index) => `new ${index}`));
  await log.close();
});

test("a truncation that waits for its turn: retention doesn't take the records written anew behind it for old ones", async () => {
  let gone = 0;
  for (let moment = 20; moment < 60; moment++) {
    const place = new Place(moment);
    const log = await place.open(optionsWith({ maxBytes: 5 * segmentBytes }, { bufferCount: 2 }));
    const raft = log.partition("raft");
    await raft.appendBatch(Array.from({ length: 10 }, (_, index) => `old ${index}`));
    // With one of these the fifth segment begins, and the first is given up.
    const noise = (): Promise<number> => log.partition("noise").append("x".repeat(7000));
    for (let count = 0; count < 40; count++) await noise();
    for (let count = 0; count < moment; count++) await noise();
    // More than the buffers hold: the truncation waits behind them.
    const waiting = Array.from({ length: 12 }, noise);
    const truncated = raft.truncate(2).then(() => true, () => false);
    const appended = raft.appendBatch(Array.from({ length: 5 }, (_, index) => `new ${index}`));
    await Promise.all([...waiting, appended]);
    await place.wait(100);
    if (await truncated) assert.ok(raft.firstSeq <= 3, `moment ${moment}: "raft" begins at ${raft.firstSeq}, and what was written anew at 3`);
    if (raft.firstSeq > 1) gone++;
    await log.close();
  }
  assert.ok(gone > 5, `${gone} of 40`);
});

test("thousands of partitions in a segment: their trims share some blocks, and appends go on between them", async () => {
  const place = new Place(7);
  const log = await place.open({ ...optionsWith({ partitions: { "p*": { maxRecords: 1 } } }), segmentBytes: 1024 * 1024 });
  const names = Array.from({ length: 3000 }, (_, index) => `p${index}`);
  for (let round = 0; round < 2; round++) {
    for (const name of names) {
      log.partition(name).enqueue("x");
      if (log.needDrain) await log.drain();
    }
    await log.sync();
  }
  const before = log.stats()[0];
  log.rotate();
  await log.partition("q").append("x");
  while ((log.stats()[0]?.retentionTrims as number) < names.length) await log.partition("q").append("in between");
  const after = log.stats()[0];
  const own = (after?.blocks as number) - (before?.blocks as number) - log.partition("q").lastSeq;
  assert.ok(own < 40, `${own} blocks for ${names.length} trims and a checkpoint`);
  assert.ok(log.partition("q").lastSeq > 3);
  assert.deepEqual(names.map((name) => log.partition(name).firstSeq).filter((first) => first !== 2), []);
  await log.close();
});

test("a disk that is as large as the limit: a writer goes on for ever", async () => {
  const maxBytes = 6 * segmentBytes;
  const place = new Place(8, maxBytes + 4 * segmentBytes);
  const log = await place.open(optionsWith({ maxBytes }));
  for (let count = 1; count <= 1500; count++) await log.partition(`p${count % 3}`).append("x".repeat(4000));
  assert.ok(log.partition("p0").firstSeq > 300);
  await log.close();
});

test("a cursor that rests holds no segment, and its position stays", async () => {
  const place = new Place(9);
  const log = await place.open(optionsWith({ maxBytes: 6 * segmentBytes }));
  await log.partition("events").append("x");
  const cursor = log.cursor("reader");
  await cursor.set(1);
  for (let count = 1; count <= 400; count++) await log.partition("events").append("x".repeat(5000));
  await place.wait(200);
  assert.ok((log.stats()[0]?.segmentsKept as number) <= 7, `${log.stats()[0]?.segmentsKept} segments are kept`);
  assert.equal(await cursor.get(), 1);
  await log.close();
});

test("closing in the middle of it: nothing is written afterwards, and the next opening does the rest", async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const place = new Place(seed);
    const options = optionsWith({ partitions: { "p*": { maxRecords: 1 } } });
    const log = await place.open(options);
    for (let round = 0; round < 2; round++) await log.write(Array.from({ length: 100 }, (_, index) => ({ partition: `p${index}`, data: "x" })));
    log.rotate();
    await log.partition("q").append("x");
    await place.machine.loop.sleep(place.owner, seed * 150);
    await log.close();
    const { digest } = place.machine;
    await place.wait(100_000);
    assert.equal(place.machine.digest, digest, "a closed log does nothing");
    const again = await place.open(options);
    await place.wait(100);
    assert.deepEqual(Array.from({ length: 100 }, (_, index) => again.partition(`p${index}`).firstSeq).filter((first) => first !== 2), []);
    await again.close();
  }
});

/** What one life appended, and what of it was acknowledged when it died. */
interface Written {
  readonly times: number[];
  acknowledged: number;
}

test("power cuts and kills in the middle of it: what no limit gives up is there, whole and in order", async () => {
  const names = ["count", "age", "bytes", "kept"];
  let crashes = 0;
  let trimmed = 0;
  for (let seed = 1; seed <= 20; seed++) {
    const random = new Random(seed, 9);
    const place = new Place(seed);
    const retention: RetentionOption = { maxAgeMs: 8000, partitions: { count: { maxRecords: 20 }, bytes: { maxBytes: 60_000, maxAgeMs: 1e12 }, kept: "keep" } };
    const written = new Map(names.map((name) => [name, { times: [], acknowledged: 0 } as Written]));
    for (let life = 0; life < 3; life++) {
      // Without limits, for they would go on trimming under the reading.
      const found = await place.open(optionsWith({}));
      for (const name of names) {
        const its = written.get(name) as Written;
        trimmed += check(found, name, its, place.now, `seed ${seed} life ${life}`);
        its.times.length = found.partition(name).lastSeq;
        for (const [index, text] of (await contents(found.partition(name))).entries()) assert.equal(text.split(" ")[0], `${name}:${found.partition(name).firstSeq + index}`);
      }
      await found.close();
      const storage = new SimStorage(place.machine);
      const log = await LaneLog.openOn({ storage, reason: "test" }, "/log", optionsWith(retention));
      const crash = place.machine.crashAfter(random.between(50, 4000), random.chance(0.5) ? storage.owner : undefined).then(() => { crashes++; });
      void work(log, written, random, storage);
      await crash;
    }
  }
  assert.equal(crashes, 60);
  assert.ok(trimmed > 1500, `${trimmed} records were trimmed`);
});

async function work(log: LaneLog, written: ReadonlyMap<string, Written>, random: Random, { clock }: SimStorage): Promise<void> {
  for (;;) {
    const name = random.pick([...written.keys()]);
    const its = written.get(name) as Written;
    const partition = log.partition(name);
    const seq = partition.lastSeq + 1;
    its.times[seq - 1] = clock.now();
    const done = partition.append(`${name}:${seq} ${"x".repeat(random.below(4000))}`).then(() => { its.acknowledged = Math.max(its.acknowledged, seq); });
    if (random.chance(0.7)) await done;
    if (random.chance(0.02)) log.rotate();
    if (random.chance(0.05)) await new Promise<void>((resolve) => { clock.after(random.below(800), resolve); });
  }
}

/** Returns how many records have gone. */
function check(log: LaneLog, name: string, { times, acknowledged }: Written, now: number, where: string): number {
  const { firstSeq, lastSeq } = log.partition(name);
  assert.ok(lastSeq >= acknowledged, `${where}: "${name}" has lost ${acknowledged - lastSeq} acknowledged records`);
  const young = times.findIndex((time) => time >= now - 8000);
  const bound = { count: lastSeq - 19, age: young < 0 ? lastSeq + 1 : young + 1, bytes: lastSeq - 15, kept: 1 }[name] as number;
  assert.ok(firstSeq <= Math.max(1, bound), `${where}: "${name}" begins at ${firstSeq}, and ${bound} was due to stay`);
  return firstSeq - 1;
}

onEachBackend("retention for real", (backend) => {
  for (const lane of ["inline", "thread"] as const) {
    test(`${lane}: the first sequence moves by itself, in every thread`, async () => {
      await withLog(freshPath(), { backend, ...small, lane, retention: { partitions: { p: { maxRecords: 5 } } } }, async (log) => {
        const partition = log.partition("p");
        await partition.appendBatch(Array.from({ length: 20 }, (_, index) => String(index)));
        log.rotate();
        await partition.append("20");
        // Whether the last record is durable when the segment is looked into, chance decides.
        while (partition.firstSeq < 16) await log.partition("q").append("x");
        assert.ok(partition.firstSeq <= 17);
        assert.deepEqual((await contents(partition)).slice(-5), ["16", "17", "18", "19", "20"]);
      });
    });
  }

  test("limits that mean nothing are refused, each by its name", async () => {
    const wrong: readonly (readonly [unknown, string])[] = [
      [null, "retention"],
      [[], "retention"],
      [{ maxRecords: 5 }, "retention.maxRecords"],
      [{ maxBytes: 1024 }, "retention.maxBytes"],
      [{ maxAgeMs: 0 }, "retention.maxAgeMs"],
      [{ maxAgeMs: "1d" }, "retention.maxAgeMs"],
      [{ partitions: ["a"] }, "retention.partitions"],
      [{ partitions: { a: "forget" } }, 'retention.partitions["a"]'],
      [{ partitions: { a: { maxCount: 1 } } }, 'retention.partitions["a"].maxCount'],
      [{ partitions: { a: { maxRecords: 1.5 } } }, 'retention.partitions["a"].maxRecords'],
      [{ partitions: { "\u0000a": "keep" } }, 'retention.partitions["\\u0000a"]'],
      [{ partitions: { "": "keep" } }, 'retention.partitions[""]'],
    ];
    for (const [retention, option] of wrong) {
      const error = await refused("RINGWALL_INVALID_OPTION", () => withLog(freshPath(), { backend, ...small, retention: retention as RetentionOption }, () => Promise.resolve()));
      assert.equal((error.details as { option: string }).option, option);
    }
    const directory = freshPath();
    await withLog(directory, { backend }, () => Promise.resolve());
    await refused("RINGWALL_INVALID_OPTION", () => withLog(directory, { backend, readOnly: true, retention: { maxAgeMs: 1 } }, () => Promise.resolve()));
  });

  test("a segment ends after an eighth of the smallest age, or earlier where that was asked for", () => {
    const ageOf = (options: LogOptions): number => resolveOptions(options).segmentAgeMs;
    assert.equal(ageOf({ retention: { maxAgeMs: 80_000 } }), 10_000);
    assert.equal(ageOf({ retention: { maxAgeMs: 80_000, partitions: { a: { maxAgeMs: 16_000 }, b: "keep" } } }), 2000);
    assert.equal(ageOf({ retention: { maxAgeMs: 80 } }), 1000);
    assert.equal(ageOf({ retention: { maxAgeMs: 80_000 }, segmentAgeMs: 500 }), 500);
    assert.equal(ageOf({ retention: { maxAgeMs: 80_000 }, segmentAgeMs: 50_000 }), 10_000);
    assert.equal(ageOf({ retention: { maxAgeMs: 1e15 } }), 0);
    assert.equal(ageOf({ retention: { partitions: { a: { maxRecords: 1 } } }, segmentAgeMs: 7 }), 7);
  });
});
