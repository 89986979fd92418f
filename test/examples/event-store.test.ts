// The event store of examples/: versions, conflicts, and after kills a projection that counted each event once.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Log } from "#src/index.js";
import { contents, freshPath, seeded } from "../log/log-fixture.js";
import { example, runMain } from "./killed-main.js";

interface Store {
  version(stream: string): number;
  append(stream: string, events: readonly object[], expected: number): Promise<number>;
  read(stream: string, from?: number): AsyncIterable<{ version: number; n: number }>;
  close(): Promise<void>;
}

const { EventStore } = await example<{ EventStore: { open(directory: string): Promise<Store> } }>("event-store");

test("of several that append behind the same version one wins; versions have no hole", async () => {
  const store = await EventStore.open(freshPath());
  const outcomes = await Promise.allSettled([1, 2, 3].map((n) => store.append("s", [{ n }, { n }], 0)));
  assert.deepEqual(outcomes.map(({ status }) => status), ["fulfilled", "rejected", "rejected"]);
  await assert.rejects(store.append("s", [{ n: 9 }], 1), { name: "ConflictError", version: 2 });
  assert.equal(await store.append("s", [{ n: 4 }], 2), 3);
  const found: number[][] = [];
  for await (const { version, n } of store.read("s")) found.push([version, n]);
  assert.deepEqual(found, [[1, 1], [2, 1], [3, 4]]);
  assert.deepEqual([store.version("s"), store.version("other")], [3, 0]);
  await store.close();
});

interface Booking {
  readonly stream: string;
  readonly version: number;
  readonly amount: number;
}

test("killed four times: each event is in its stream and in the order of all, and each balance counts each event once", async (t) => {
  const random = seeded(t);
  const directory = freshPath();
  for (let life = 0; life < 4; life++) assert.equal((await runMain("event-store", [directory, "30000"], 2 + random(300))).how, "SIGKILL");
  const { lines, how } = await runMain("event-store", [directory, "60"]);
  assert.equal(how, 0);
  await using log = await Log.open(directory);
  const all = (await contents(log.partition("all"))).map((text) => JSON.parse(text) as Booking);
  const balances = (await contents(log.partition("balances"))).map((text) => JSON.parse(text) as { account: string; balance: number });
  const sums = new Map<string, number>();
  assert.equal(balances.length, all.length);
  for (const [index, { stream, amount }] of all.entries()) {
    sums.set(stream, (sums.get(stream) ?? 0) + amount);
    assert.deepEqual(balances[index], { account: stream, balance: sums.get(stream) });
  }
  for (const stream of sums.keys()) {
    const events = (await contents(log.partition(`stream ${stream}`))).map((text) => JSON.parse(text) as Booking);
    assert.deepEqual(events, all.filter((event) => event.stream === stream));
    assert.deepEqual(events.map(({ version }) => version), events.map((_, index) => index + 1));
  }
  assert.equal(lines.at(-1), `sum ${[...sums.values()].reduce((sum, balance) => sum + balance, 0)}`);
});
