// Reading since a moment: against a model of every record's time, whatever the clock did meanwhile.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import type { LogOptions, LogRecord, Partition, RingwallError } from "#src/index.js";
import { countingFiles } from "#src/cli/verify/counting-files.js";
import { LaneLog } from "#src/log/lane-log.js";
import { resolveOptions } from "#src/log/options.js";
import { chooseStorage } from "#src/storage/choose.js";
import { freshPath, onEachBackend, refused, seeded, small, withLog } from "./log-fixture.js";

/** Every look at it may move it. */
class RiggedClock {
  time = Date.UTC(2030, 0, 1);
  stepMillis = 0;

  readonly now = (): number => {
    this.time += this.stepMillis;
    return this.time;
  };
}

async function openAt(clock: RiggedClock, directory: string, options: LogOptions): Promise<LaneLog> {
  const { storage } = chooseStorage({ backend: options.backend ?? "fs" });
  return LaneLog.openOn({ storage: { ...storage, clock: { ...storage.clock, now: clock.now } }, reason: "rigged" }, directory, resolveOptions(options));
}

async function all(records: AsyncIterable<LogRecord>): Promise<LogRecord[]> {
  const list: LogRecord[] = [];
  for await (const record of records) list.push(record);
  return list;
}

/** Asks for the time of every record, for those around it, and for what lies before and behind all of them. */
async function assertSince(partition: Partition, pick: (below: number) => number): Promise<number> {
  const records = await all(partition.read());
  const moments = new Set(records.flatMap(({ time }) => [time - 1, time, time + 1]));
  for (const since of [0, ...[...moments].filter(() => pick(moments.size) < 30), Number.MAX_SAFE_INTEGER]) {
    const due = records.find(({ time }) => time >= since);
    const [found] = await all(partition.read({ since, limit: 1 }));
    assert.equal(found?.seq, due?.seq, `of "${partition.name}" since ${since}`);
    if (found !== undefined) assert.deepEqual(Buffer.from(found.data), Buffer.from((due as LogRecord).data));
  }
  const ends = records.length === 0 ? undefined : { first: (records[0] as LogRecord).time, last: (records[records.length - 1] as LogRecord).time };
  assert.deepEqual(await partition.times(), ends);
  return records.length;
}

onEachBackend("reading since a moment", (backend) => {
  for (const mode of ["sync", "interval"] as const) {
    test(`durability ${mode}: the first record of that time, and all behind it, whatever the clock, trims and truncations did`, async (t) => {
      const below = seeded(t);
      const directory = freshPath();
      const options: LogOptions = { backend, ...small, durability: { mode } };
      const clock = new RiggedClock();
      let checked = 0;
      for (let life = 0; life < 3; life++) {
        const log = await openAt(clock, directory, options);
        const names = ["a", "b", "rare"];
        for (let count = 0; count < 100; count++) {
          // Forward, not at all, and back.
          clock.time += (below(4) - 1) * below(5000);
          clock.stepMillis = below(3);
          const partition = log.partition(names[below(20) === 0 ? 2 : below(2)] as string);
          const what = below(40);
          if (what === 0) await partition.truncate(Math.max(partition.firstSeq - 1, partition.lastSeq - below(12)));
          else if (what === 1) await partition.trim(Math.min(partition.lastSeq + 1, partition.firstSeq + below(6)));
          else if (what < 6) await partition.append(Buffer.alloc(below(300_000), what));
          else if (what < 12) await partition.appendBatch(Array.from({ length: 1 + below(20) }, () => Buffer.alloc(below(4000), what)));
          else await partition.append(Buffer.alloc(below(30_000), what));
          if (what === 12) log.rotate();
        }
        await log.sync();
        for (const partition of log.partitions()) checked += await assertSince(partition, below);
        await log.close();
      }
      for (const reopened of [{ backend }, { backend, readOnly: true }, { backend, lane: "thread" as const }]) {
        await withLog(directory, { ...reopened, ...(reopened.readOnly === true ? {} : small) }, async (log) => {
          for (const partition of log.partitions()) checked += await assertSince(partition, below);
        });
      }
      assert.ok(checked > 300, `${checked} records were looked for`);
    });
  }

  test("a clock that goes back: the records written meanwhile have the time of the last one before, and count as that late", async () => {
    const clock = new RiggedClock();
    const log = await openAt(clock, freshPath(), { backend, ...small });
    const start = clock.time;
    const partition = log.partition("p");
    await partition.append("1");
    clock.time = start + 1000;
    await partition.append("2");
    clock.time = start - 5000;
    await partition.append("3");
    clock.time = start + 2000;
    await partition.append("4");
    assert.deepEqual((await all(partition.read())).map(({ time }) => time - start), [0, 1000, 1000, 2000]);
    assert.deepEqual((await all(partition.read({ since: start - 5000 }))).map(({ seq }) => seq), [1, 2, 3, 4]);
    assert.deepEqual((await all(partition.read({ since: new Date(start + 1) }))).map(({ seq }) => seq), [2, 3, 4]);
    assert.deepEqual((await all(partition.read({ since: start + 1000.5 }))).map(({ seq }) => seq), [4]);
    await log.close();
  });

  test("the newest record of a segment was truncated away, and written anew in the next: none that is too old is taken for the first", async () => {
    const clock = new RiggedClock();
    const log = await openAt(clock, freshPath(), { backend, ...small });
    const start = clock.time;
    const partition = log.partition("p");
    for (const data of ["1", "2", "3", "dead"]) {
      clock.time += 1000;
      await partition.append(data);
    }
    await partition.truncate(3);
    log.rotate();
    clock.time += 1000;
    await partition.append("4");
    assert.deepEqual((await all(partition.read({ since: start + 3500, limit: 1 }))).map(({ seq }) => seq), [4]);
    assert.deepEqual((await all(partition.read({ since: start + 2500, limit: 1 }))).map(({ seq }) => seq), [3]);
    await log.close();
  });

  for (const lane of ["inline", "thread"] as const) {
    test(`${lane}: with from, to and limit; what is trimmed, empty or to come`, async () => {
      await withLog(freshPath(), { backend, ...small, lane }, async (log) => {
        const partition = log.partition("p");
        const seqs = async (options: Parameters<Partition["read"]>[0]): Promise<number[]> => (await all(partition.read(options))).map(({ seq }) => seq);
        assert.deepEqual(await seqs({ since: 0 }), []);
        assert.equal(await partition.times(), undefined);
        await partition.appendBatch(Array.from({ length: 10 }, (_, index) => String(index)));
        const { first, last } = (await partition.times()) as { first: number; last: number };
        assert.ok(first <= last && Math.abs(Date.now() - last) < 600_000);
        assert.deepEqual(await seqs({ since: first, from: 4, to: 8, limit: 3 }), [4, 5, 6]);
        assert.deepEqual(await seqs({ since: last + 1, to: 8 }), []);
        await partition.trim(6);
        assert.deepEqual(await seqs({ since: 0 }), [6, 7, 8, 9, 10]);
        await refused("RINGWALL_TRIMMED", () => seqs({ since: 0, from: 2 }));
        for (const since of [new Date(Number.NaN), Number.NaN, Number.POSITIVE_INFINITY, "2026-01-01", null]) {
          await refused("RINGWALL_INVALID_ARGUMENT", () => seqs({ since: since as unknown as Date }));
          await refused("RINGWALL_INVALID_ARGUMENT", () => all(partition.tail({ since: since as unknown as Date })));
        }
        const batches = partition.readBatches({ since: new Date(first), from: 9 });
        assert.deepEqual((await batches.next()).value?.map(({ seq }) => seq), [9, 10]);
        await partition.trim(11);
        assert.equal(await partition.times(), undefined);
        assert.deepEqual(await seqs({ since: 0 }), []);
      });
    });
  }

  test("a tail since a moment to come gives nothing older, and everything from that moment on", async () => {
    const clock = new RiggedClock();
    const log = await openAt(clock, freshPath(), { backend, ...small });
    const partition = log.partition("p");
    const since = clock.time + 10_000;
    await partition.append("1");
    const tail = partition.tail({ since });
    const first = tail.next();
    await partition.append("2");
    clock.time = since - 1;
    await partition.append("3");
    clock.time = since;
    await partition.append("4");
    await partition.append("5");
    assert.deepEqual([await first, await tail.next()].map(({ value }) => (value as LogRecord).seq), [4, 5]);
    await tail.return(undefined);
    const batch = await partition.tailBatches({ since: clock.time, from: 5 }).next();
    assert.deepEqual(batch.value?.map(({ seq }) => seq), [5]);
    await log.close();
  });

  test("damage: records that are lost are passed over only where a later one is too old as well", async () => {
    const clock = new RiggedClock();
    const directory = freshPath();
    const log = await openAt(clock, directory, { backend, ...small });
    const partition = log.partition("p");
    const times: number[] = [];
    for (let seq = 1; seq <= 200; seq++) {
      times.push(clock.time);
      await partition.append(`<record ${seq}>${".".repeat(6000)}`);
      clock.time += 10;
    }
    await log.close();
    const file = path.join(directory, "lane-00", "00000001.segment");
    const bytes = fs.readFileSync(file);
    const at = bytes.indexOf("<record 100>");
    assert.ok(at > 0);
    bytes.fill(0xee, at, at + 20);
    fs.writeFileSync(file, bytes);
    await withLog(directory, { backend, readOnly: true }, async (again) => {
      for (const seq of [1, 2, 50, 98, 99, 101, 102, 103, 150, 200]) {
        const since = times[seq - 1] as number;
        // Number 100 may have been new enough: the reading begins with what is lost, and says so.
        if (seq === 101) continue;
        const [found] = await all(again.partition("p").read({ since, limit: 1 }));
        assert.equal(found?.seq, seq);
      }
      for (const seq of [100, 101]) {
        const error: RingwallError = await refused("RINGWALL_DAMAGED", () => all(again.partition("p").read({ since: times[seq - 1] as number })));
        assert.deepEqual(error.details, { partition: "p", firstSequence: 100, lastSequence: 100 });
      }
    });
  });

  test("a moment is found by halves: with fifty times the records, some reads more", async () => {
    const { storage } = chooseStorage({ backend });
    let reads = 0;
    const files = countingFiles(storage.files, () => { reads++; });
    const clock = new RiggedClock();
    const rigged = { ...storage, files, clock: { ...storage.clock, now: clock.now } };
    const log = await LaneLog.openOn({ storage: rigged, reason: "counting" }, freshPath(), resolveOptions({ backend, ...small }));
    const counts: number[] = [];
    for (const [name, count] of [["few", 100], ["many", 5000]] as const) {
      const partition = log.partition(name);
      const start = clock.time;
      for (let index = 0; index < count; index++) {
        partition.enqueue(Buffer.alloc(400));
        clock.time++;
        if (log.needDrain) await log.drain();
        if (index % 10 === 9) await log.sync();
      }
      await log.sync();
      const before = reads;
      const [found] = await all(partition.read({ since: start + Math.floor(count / 3), limit: 1 }));
      assert.ok(found !== undefined && found.time >= start + count / 3 && found.time < start + count / 3 + 12);
      counts.push(reads - before);
    }
    const [few, many] = counts as [number, number];
    assert.ok(many <= few + 20, `${few} and ${many} reads`);
    await log.close();
  });
});
