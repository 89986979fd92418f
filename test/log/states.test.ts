// Every public operation in every state of a log: what it does, as one table. The table is printed.

import assert from "node:assert/strict";
import fs from "node:fs";
import { describe, test } from "node:test";
import { Log, RingwallError, type Partition } from "#src/index.js";
import { contents, freshPath, onEachBackend, small, withLog } from "./log-fixture.js";

/** A log whose partition "p" has the records 1 to 3, in some state, and how to end it. */
interface Subject {
  readonly log: Log;
  readonly partition: Partition;
  readonly end: () => Promise<void>;
  /** A close is under way: it ends what waits, however long it takes. */
  readonly closes?: boolean;
}

type State = "open" | "rotating" | "poisoned" | "closing" | "closed" | "read-only";
const states: readonly State[] = ["open", "rotating", "poisoned", "closing", "closed", "read-only"];

type Operation = (subject: Subject) => unknown;
const operations: Readonly<Record<string, Operation>> = {
  append: ({ partition }) => partition.append("x"),
  "append (large)": ({ partition }) => partition.append(new Uint8Array(100_000)),
  appendBatch: ({ partition }) => partition.appendBatch(["x", "y"]),
  enqueue: ({ partition }) => partition.enqueue("x"),
  write: ({ log }) => log.write([{ partition: "p", data: "x" }, { partition: "new", data: "x" }]),
  "append (new)": ({ log }) => log.partition("another").append("x"),
  "append (call)": ({ partition }) => partition.append("x", { producer: "a", seq: 2 }),
  "append (known call)": ({ partition }) => partition.append("3", { producer: "a", seq: 1 }),
  trim: ({ partition }) => partition.trim(2),
  truncate: ({ partition }) => partition.truncate(2),
  sync: ({ log }) => log.sync(),
  drain: ({ log }) => log.drain(),
  rotate: ({ log }) => log.rotate(),
  get: ({ partition }) => partition.get(1),
  read: ({ partition }) => partition.read({ from: 2 }).next(),
  readBatches: ({ partition }) => partition.readBatches().next(),
  tail: ({ partition }) => partition.tail({ from: 3 }).next(),
  "tail (waiting)": async ({ partition, closes }) => {
    const abort = new AbortController();
    const next = partition.tail({ from: 1000, signal: abort.signal }).next();
    if (closes !== true) setTimeout(() => abort.abort(), 20);
    return next;
  },
  partition: ({ log }) => log.partition("unheard of").name,
  partitions: ({ log }) => log.partitions().length > 0,
  "cursor.get": ({ log }) => log.cursor("c").get(),
  "cursor.set": ({ log }) => log.cursor("c").set(2),
  "cursor.set (new)": ({ log }) => log.cursor("another").set(1),
  "cursor.delete": ({ log }) => log.cursor("c").delete(),
  cursors: ({ log }) => log.cursors().length > 0,
  numbers: ({ partition }) => [partition.firstSeq, partition.lastSeq, partition.durableSeq],
  stats: ({ log }) => log.stats().length >= 0,
  info: ({ log }) => log.info.uuid.length === 32,
  needDrain: ({ log }) => log.needDrain,
  close: ({ log }) => log.close(),
};

const ok = "ok";
/** What each state answers; an operation that is not named gets `other`. */
const table: Readonly<Record<State, { readonly other: string; readonly except: Readonly<Record<string, string>> }>> = {
  open: { other: ok, except: { "tail (waiting)": "RINGWALL_ABORTED" } },
  rotating: { other: ok, except: { "tail (waiting)": "RINGWALL_ABORTED" } },
  poisoned: {
    other: ok,
    except: writes("RINGWALL_POISONED", { sync: "RINGWALL_POISONED", drain: "RINGWALL_POISONED", "tail (waiting)": "RINGWALL_POISONED", close: "RINGWALL_POISONED" }),
  },
  closing: { other: ok, except: writes("RINGWALL_CLOSED", { sync: "RINGWALL_CLOSED", "tail (waiting)": "RINGWALL_CLOSED" }) },
  closed: {
    other: ok,
    except: writes("RINGWALL_CLOSED", {
      sync: "RINGWALL_CLOSED", get: "RINGWALL_CLOSED", "cursor.get": "RINGWALL_CLOSED", read: "RINGWALL_CLOSED", readBatches: "RINGWALL_CLOSED", tail: "RINGWALL_CLOSED", "tail (waiting)": "RINGWALL_CLOSED",
    }),
  },
  "read-only": {
    other: ok,
    except: writes("RINGWALL_READ_ONLY", { sync: "RINGWALL_READ_ONLY", drain: "RINGWALL_READ_ONLY", rotate: "RINGWALL_READ_ONLY", "tail (waiting)": "RINGWALL_ABORTED" }),
  },
};

function writes(code: string, more: Record<string, string>): Record<string, string> {
  const refused = ["append", "append (large)", "appendBatch", "enqueue", "write", "append (new)", "trim", "truncate", "append (call)", "append (known call)", "cursor.set", "cursor.set (new)", "cursor.delete"];
  return { ...Object.fromEntries(refused.map((name) => [name, code])), ...more };
}

async function subjectIn(state: State, backend: "uring" | "fs"): Promise<Subject> {
  const directory = freshPath();
  const log = await Log.open(directory, { backend, ...small });
  const partition = log.partition("p");
  for (const data of ["1", "2"]) await partition.append(data);
  await partition.append("3", { producer: "a", seq: 1 });
  await log.cursor("c").set(1);
  const close = async (): Promise<void> => log.close();
  switch (state) {
    case "open":
      return { log, partition, end: close };
    case "rotating": {
      log.rotate();
      // On its way into the segment that is being prepared.
      const pending = partition.append("into the next segment");
      return { log, partition, end: async () => void (await pending, await close()) };
    }
    case "poisoned": {
      // The lane's directory is away: the next segment can't be made, which is no full disk.
      fs.renameSync(`${directory}/lane-00`, `${directory}/moved`);
      log.rotate();
      await assert.rejects(Promise.all(Array.from({ length: 3 }, async () => { for (;;) { log.rotate(); await partition.append("x"); } })), { code: "RINGWALL_POISONED" });
      fs.renameSync(`${directory}/moved`, `${directory}/lane-00`);
      return { log, partition, end: () => close().catch(() => undefined) };
    }
    case "closing": {
      const pending = partition.append("pending");
      const closing = log.close();
      return { log, partition, closes: true, end: async () => void (await pending, await closing) };
    }
    case "closed":
      await log.close();
      return { log, partition, end: close };
    case "read-only": {
      await log.close();
      const reader = await Log.open(directory, { backend, readOnly: true });
      return { log: reader, partition: reader.partition("p"), end: () => reader.close() };
    }
  }
}

async function outcomeOf(operation: Operation, subject: Subject): Promise<string> {
  try {
    await operation(subject);
    return ok;
  } catch (error) {
    return error instanceof RingwallError ? error.code : String(error);
  }
}

onEachBackend("states", (backend) => {
  describe("operations", () => {
    for (const state of states) {
      test(`every operation on a log that is ${state}`, async (t) => {
        const { other, except } = table[state];
        const found: Record<string, string> = {};
        const due: Record<string, string> = {};
        for (const [name, operation] of Object.entries(operations)) {
          // One log for each: an operation must not profit from the one before.
          const subject = await subjectIn(state, backend);
          due[name] = except[name] ?? other;
          found[name] = await outcomeOf(operation, subject);
          await subject.end();
        }
        t.diagnostic(`${state}: ${Object.entries(found).map(([name, outcome]) => `${name} ${outcome.replace("RINGWALL_", "")}`).join(", ")}`);
        assert.deepEqual(found, due);
      });
    }
  });

  test("close with thousands of appends pending: each settles, in order, and all are there", async () => {
    const directory = freshPath();
    const log = await Log.open(directory, { backend, ...small });
    const settled: number[] = [];
    const appends = Array.from({ length: 3000 }, (_, index) => log.partition(`p${index % 3}`).append(`${index}`.padEnd((index % 100) * 30)).then(() => settled.push(index)));
    const large = log.partition("large").append(new Uint8Array(2 * 1024 * 1024));
    await log.close();
    assert.deepEqual(settled, Array.from({ length: 3000 }, (_, index) => index), "settled when close resolves");
    assert.equal(await large, 1);
    await Promise.all(appends);
    const again = await Log.open(directory, { backend });
    assert.deepEqual(["p0", "p1", "p2", "large"].map((name) => again.partition(name).lastSeq), [1000, 1000, 1000, 1]);
    await again.close();
  });

  test("close behind operations under way, each by itself and all together: all settle, and what was accepted is there", async () => {
    const started = Object.entries(operations).filter(([name]) => name !== "close");
    // What reads may find the log closed, or its record trimmed by another of them.
    const reading = ["get", "read", "readBatches", "tail"];
    const late = ["RINGWALL_CLOSED", "RINGWALL_TRIMMED"];
    for (const together of [...started.map((one) => [one]), started]) {
      const directory = freshPath();
      const log = await Log.open(directory, { backend, ...small, bufferCount: 16 }); // room for all of them, or enqueue is refused
      const partition = log.partition("p");
      for (const data of ["1", "2"]) await partition.append(data);
      await partition.append("3", { producer: "a", seq: 1 });
      const subject: Subject = { log, partition, end: () => log.close(), closes: true };
      const outcomes = together.map(async ([name, operation]) => ({ name, outcome: await outcomeOf(operation, subject) }));
      await log.close();
      for (const { name, outcome } of await Promise.all(outcomes)) {
        if (name === "tail (waiting)") assert.equal(outcome, "RINGWALL_CLOSED", name);
        else assert.ok(outcome === ok || (reading.includes(name) && late.includes(outcome)), `${name}: ${outcome}`);
      }
      const accepted = ["p", "new", "another"].map((name) => log.partition(name).lastSeq);
      await withLog(directory, { backend }, async (again) => {
        assert.deepEqual(["p", "new", "another"].map((name) => again.partition(name).lastSeq), accepted, together.map(([name]) => name).join());
        await contents(again.partition("p"));
      });
    }
  });

  test("close twice is one close; await using closes; a log can be opened again as soon as close has resolved", async () => {
    const directory = freshPath();
    const log = await Log.open(directory, { backend, ...small });
    const pending = log.partition("p").append("x");
    assert.equal(log.close(), log.close());
    await log.close();
    await pending;
    for (let round = 0; round < 3; round++) {
      await using again = await Log.open(directory, { backend, ...small });
      assert.equal(again.partition("p").lastSeq, round + 1);
      await again.partition("p").append("x");
    }
    const last = await Log.open(directory, { backend, ...small });
    await last[Symbol.asyncDispose]();
    await last.close();
    assert.deepEqual(fs.readdirSync(directory).sort(), ["lane-00", "superblock"], "no lock is left");
  });

  test("close right after opening, of a log that never had a record, many times", async () => {
    const directory = freshPath();
    for (let round = 0; round < 5; round++) {
      const log = await Log.open(directory, { backend, ...small });
      assert.equal(log.info.recovery[0]!.verdict, "clean");
      assert.deepEqual(log.partitions(), []);
      await log.close();
    }
    const log = await Log.open(directory, { backend, ...small });
    assert.equal(await log.partition("p").append("x"), 1);
    await log.close();
  });

  test("a tail that waits, a read that is parked and a drain end when the log is closed", async () => {
    const log = await Log.open(freshPath(), { backend, ...small });
    const partition = log.partition("p");
    for (let index = 0; index < 500; index++) {
      if (log.needDrain) await log.drain();
      partition.enqueue("x".repeat(100));
    }
    await log.sync();
    const waiting = partition.tail({ from: 501 }).next();
    const read = partition.read();
    await read.next();
    const outcomes = Promise.allSettled([waiting, partition.append("last")]);
    await log.close();
    const [tail, append] = await outcomes;
    // The record that closing made durable is what the tail waited for.
    assert.ok(tail.status === "fulfilled" ? tail.value.value?.seq === 501 : (tail.reason as RingwallError).code === "RINGWALL_CLOSED", JSON.stringify(tail));
    assert.deepEqual(append, { status: "fulfilled", value: 501 });
    await read.return(undefined);
  });
});
