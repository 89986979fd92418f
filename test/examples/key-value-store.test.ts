// The key-value store of examples/: what it was told is there, also after kills, and its log stays short.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Log } from "#src/index.js";
import { freshPath, seeded } from "../log/log-fixture.js";
import { example, runMain } from "./killed-main.js";

interface Store {
  readonly size: number;
  get(key: string): unknown;
  entries(): Iterable<[string, unknown]>;
  set(key: string, value: unknown): Promise<void>;
  delete(key: string): Promise<void>;
  checkpoint(): Promise<void>;
  close(): Promise<void>;
}

const { KeyValueStore } = await example<{ KeyValueStore: { open(directory: string): Promise<Store> } }>("key-value-store");

test("set, get, delete and checkpoints; all of it there when it is opened again", async () => {
  const directory = freshPath();
  let store = await KeyValueStore.open(directory);
  await store.checkpoint();
  await store.set("a", 1);
  await store.set("b", { deep: [null, "ü"] });
  await store.checkpoint();
  await store.set("a", 2);
  await store.delete("b");
  await store.set("c", false);
  for (let round = 0; round < 3; round++) {
    assert.deepEqual([...store.entries()].sort(), [["a", 2], ["c", false]]);
    await store.close();
    store = await KeyValueStore.open(directory);
    if (round === 1) await store.checkpoint();
  }
  await store.close();
});

test("killed six times: every write that was said to be durable is there, and most of the log is trimmed", async (t) => {
  const random = seeded(t);
  const directory = freshPath();
  let last = 0;
  for (let life = 0; life < 6; life++) {
    const { lines, how } = await runMain("key-value-store", [directory, "100000"], 2 + random(4000));
    assert.equal(how, "SIGKILL");
    assert.ok(Number(/last (\d+)$/.exec(lines[0] as string)?.[1]) >= last, `${lines[0]}, and ${last} was durable`);
    last = Math.max(last, ...lines.slice(1).map((line) => Number(line.split(" ")[1])));
  }
  const store = await KeyValueStore.open(directory);
  assert.ok(last > 1000 && (store.get("last") as number) >= last);
  for (let number = Math.max(1, last - 299); number <= last; number++) assert.ok((store.get(`key ${number % 300}`) as number) >= number, String(number));
  await store.close();
  await using log = await Log.open(directory);
  const writes = log.partition("writes");
  assert.ok(writes.lastSeq > 2000 && writes.lastSeq - writes.firstSeq < 1500, `${writes.firstSeq} to ${writes.lastSeq}`);
});
