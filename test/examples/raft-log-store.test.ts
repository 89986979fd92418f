// The Raft log store of examples/: its operations, and what Raft needs of them after a kill in the middle of overwrites.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import type { RaftEntry, RaftLogStore } from "../../examples/raft-log-store/raft-log-store.mjs";
import { freshPath, onEachBackend, seeded, small } from "../log/log-fixture.js";
import { openStore } from "./raft-store.js";

const childPath = fileURLToPath(new URL("./raft-child.js", import.meta.url));

function entries(first: number, count: number, term: number): { index: number; term: number; data: string }[] {
  return Array.from({ length: count }, (_, at) => ({ index: first + at, term, data: `${term}:${first + at}` }));
}

async function all(store: RaftLogStore): Promise<string[]> {
  const found: string[] = [];
  for await (const { index, term, data } of store.getLogs(store.firstIndex, store.lastIndex)) {
    assert.equal(Buffer.from(data).toString(), `${term}:${index}`);
    found.push(`${term}:${index}`);
  }
  return found;
}

const named = (first: number, count: number, term: number): string[] => entries(first, count, term).map(({ data }) => data);

/** What a line of the child says. */
interface Said {
  readonly begin?: "state" | "entries" | "compact";
  readonly done?: "state" | "entries" | "compact";
  readonly term: number;
  readonly first: number;
  readonly count: number;
  readonly before: number;
}

/** Term of each index, the first index that is kept, and the stored term. */
interface Model {
  readonly terms: ReadonlyMap<number, number>;
  readonly first: number;
  readonly term: number;
}

function after({ terms, first, term }: Model, said: Said): Model {
  const kind = said.begin ?? said.done;
  if (kind === "state") return { terms, first, term: said.term };
  if (kind === "compact") return { terms: new Map([...terms].filter(([index]) => index >= said.before)), first: Math.max(first, said.before), term };
  const kept = [...terms].filter(([index]) => index < said.first);
  return { terms: new Map([...kept, ...entries(said.first, said.count, said.term).map(({ index }) => [index, said.term] as const)]), first, term };
}

onEachBackend("Raft log store", (backend) => {
  const options = { backend, ...small };

  test("entries, conflict, head and tail, term and vote; all of it there when it is opened again", async () => {
    const directory = freshPath();
    const store = await openStore(directory, options);
    assert.deepEqual([store.firstIndex, store.lastIndex, await store.getLog(1), store.state], [0, 0, undefined, { term: 0, votedFor: null }]);
    await store.setState({ term: 1, votedFor: "a" });
    await store.storeLogs(entries(1, 10, 1));
    await store.storeLogs(entries(7, 2, 2));
    assert.deepEqual(await all(store), [...named(1, 6, 1), ...named(7, 2, 2)]);
    await assert.rejects(store.storeLogs(entries(10, 1, 2)), RangeError);
    await store.deleteRange(1, 3);
    await assert.rejects(store.storeLogs(entries(3, 1, 2)), RangeError);
    await assert.rejects(store.deleteRange(5, 6), RangeError);
    await store.deleteRange(8, 8);
    await store.setState({ term: 5 });
    await store.close();
    const again = await openStore(directory, options);
    assert.deepEqual([again.firstIndex, again.lastIndex, again.state], [4, 7, { term: 5, votedFor: null }]);
    assert.deepEqual(await all(again), [...named(4, 3, 1), ...named(7, 1, 2)]);
    assert.equal((await again.getLog(7))?.term, 2);
    await again.close();
  });

  test("a snapshot is installed: entries begin anew behind it, and go on there after reopening", async () => {
    const directory = freshPath();
    const store = await openStore(directory, options);
    await store.storeLogs(entries(1, 5, 1));
    await store.deleteRange(1, 5);
    assert.deepEqual([store.firstIndex, store.lastIndex], [0, 0]);
    await store.storeLogs(entries(1000, 3, 2));
    await store.close();
    const again = await openStore(directory, options);
    await again.storeLogs(entries(1002, 2, 3));
    assert.deepEqual(await all(again), [...named(1000, 2, 2), ...named(1002, 2, 3)]);
    for (let term = 4; term < 600; term++) await again.setState({ term, votedFor: "b" });
    await again.close();
    const last = await openStore(directory, options);
    assert.deepEqual([last.firstIndex, last.lastIndex, last.state], [1000, 1003, { term: 599, votedFor: "b" }]);
    await last.close();
  });

  test("killed in the middle of overwrites, five times: what had resolved is there, and what had not is there whole or not at all", async (t) => {
    const random = seeded(t);
    const directory = freshPath();
    let model: Model = { terms: new Map(), first: 1, term: 0 };
    for (let kill = 0; kill < 5; kill++) {
      const said = await runUntilKilled(directory, 40 + random(60));
      const last = said[said.length - 1]!;
      for (const line of said) if (line.done !== undefined) model = after(model, line);
      const possible = last.begin === undefined ? [model] : [model, after(model, last)];
      const store = await openStore(directory, options);
      const found: RaftEntry[] = [];
      for await (const entry of store.getLogs(store.firstIndex, store.lastIndex)) found.push({ ...entry, data: new Uint8Array(0) });
      const shapes = possible.map(({ terms, term, first }) => JSON.stringify([first, term, [...terms]]));
      const shape = JSON.stringify([store.firstIndex, store.state.term, found.map(({ index, term }) => [index, term])]);
      assert.ok(shapes.includes(shape), `kill ${kill}: found ${shape}, possible were ${shapes.join(" and ")}`);
      // Raft: terms never go down along the log, and none is above the stored one.
      for (const [at, { term }] of found.entries()) assert.ok(term >= (found[at - 1]?.term ?? 0) && term <= store.state.term);
      await store.close();
      model = possible[shapes.indexOf(shape)]!;
    }
  });

  /** What the child said until SIGKILL came, after so many lines. */
  async function runUntilKilled(directory: string, lines: number): Promise<Said[]> {
    const child = spawn(process.execPath, [childPath, directory, backend], { stdio: ["ignore", "pipe", "inherit"] });
    let output = "";
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      output += chunk;
      if (output.split("\n").length > lines) child.kill("SIGKILL");
    });
    const [, signal] = (await once(child, "close")) as [number | null, string | null];
    assert.equal(signal, "SIGKILL", output);
    return output.split("\n").slice(0, -1).map((line) => JSON.parse(line) as Said);
  }
});
