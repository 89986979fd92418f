// Who waits for a partition's records: let go by that partition alone, however many others are waited for.

import assert from "node:assert/strict";
import { test } from "node:test";
import { PartitionState } from "#src/core/partition-table.js";
import { Log } from "#src/index.js";
import { DurableWaiters } from "#src/log/durable-waiters.js";
import { holdings } from "../leaks/holdings.js";
import { freshPath, onEachBackend, refused, small } from "./log-fixture.js";

const states = (count: number): PartitionState[] => Array.from({ length: count }, (_, index) => new PartitionState(index + 1, `p${String(index)}`));

/** Waits that note when they are over. */
function watched(waiters: DurableWaiters, waited: readonly PartitionState[], signal?: AbortSignal): { readonly over: string[]; readonly all: Promise<unknown> } {
  const over: string[] = [];
  const all = waited.map((state) => waiters.wait(state, state.durableSequence, signal).then(() => over.push(state.name)));
  return { over, all: Promise.allSettled(all) };
}

/** Memory outside of the heap that its objects hold. */
async function externalBytes(): Promise<number> {
  await holdings();
  return process.memoryUsage().external;
}

/** One that never ends fails its test instead of holding it up. */
async function within<Result>(result: Promise<Result> | undefined): Promise<Result | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => { timer = setTimeout(() => { reject(new Error("nothing came")); }, 30_000); });
  return Promise.race([result, late]).finally(() => { clearTimeout(timer); });
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

test("of the partitions that changed those are let go whose record is there, that were cut below it, or dropped; the others wait on", async () => {
  const waiters = new DurableWaiters();
  const [more, cut, dropped, same, unnamed] = states(5) as [PartitionState, PartitionState, PartitionState, PartitionState, PartitionState];
  for (const state of [more, cut, dropped, same, unnamed]) Object.assign(state, { lastSequence: 5, placedSequence: 5, durableSequence: 5 });
  const { over, all } = watched(waiters, [more, more, cut, dropped, same, unnamed]);
  more.durableSequence = 6;
  unnamed.durableSequence = 6;
  cut.truncate({ segment: 1, offset: 64, after: 3 });
  dropped.drop();
  // More partitions are waited for than changed, and the other way round.
  waiters.handleChanged([more, cut, dropped, same], 3);
  await turn();
  assert.deepEqual([over.sort(), waiters.size], [["p0", "p0", "p1", "p2"], 2]);
  waiters.handleChanged([same, ...states(7)], 8);
  await turn();
  assert.deepEqual([over.sort(), waiters.size], [["p0", "p0", "p1", "p2", "p4"], 1]);
  waiters.handleChanged([same], 0);
  same.durableSequence = 6;
  waiters.notify();
  await all;
  assert.deepEqual([over.at(-1), waiters.size], ["p3", 0]);
});

test("one that is aborted leaves the others of its partition, and nothing behind; a failure ends all, also those to come", async () => {
  const waiters = new DurableWaiters();
  const [one, other] = states(2) as [PartitionState, PartitionState];
  const ending = new AbortController();
  const aborted = refused("RINGWALL_ABORTED", () => waiters.wait(one, 0, ending.signal));
  const { over, all } = watched(waiters, [one, other]);
  ending.abort();
  await aborted;
  assert.equal(waiters.size, 2);
  one.durableSequence = 1;
  waiters.handleChanged([one], 1);
  await turn();
  assert.deepEqual([over, waiters.size], [["p0"], 1]);
  waiters.fail(new Error("over"));
  await all;
  assert.deepEqual([over, waiters.size], [["p0"], 0]);
  await assert.rejects(waiters.wait(other, 0, undefined), /over/);
});

onEachBackend("many waiting tails", (backend) => {
  test("each of a tail's partition hears of its record, and keeps nothing of what it gave while it waits", async () => {
    const log = await Log.open(freshPath(), { backend, ...small });
    const partitions = Array.from({ length: 100 }, (_, index) => log.partition(`p${String(index)}`));
    await Promise.all(partitions.map((partition) => partition.append(Buffer.alloc(100_000))));
    const before = await externalBytes();
    const tails = partitions.map((partition) => partition.tail());
    for (const tail of tails) assert.equal((await tail.next()).value?.seq, 1);
    const next = tails.map((tail) => tail.next());
    const kept = (await externalBytes()) - before;
    assert.ok(kept < 2_000_000, `${String(kept)} bytes for 10 MB that were given`);
    for (const partition of [...partitions].reverse()) partition.enqueue("more");
    assert.deepEqual((await Promise.all(next)).map(({ value }) => value?.seq), partitions.map(() => 2));
    const [dropped, truncated, ...others] = tails.map((tail) => tail.next());
    const told = [refused("RINGWALL_DROPPED", () => within(dropped)), refused("RINGWALL_NOT_FOUND", () => within(truncated))];
    // They wait by now, and are not about to look.
    await externalBytes();
    await Promise.all([partitions[0]?.drop(), partitions[1]?.truncate(1)]);
    await Promise.all(told);
    await Promise.all(tails.map((tail) => tail.return(undefined)));
    assert.deepEqual(await Promise.all(others), others.map(() => ({ done: true, value: undefined })));
    await log.close();
  });
});
