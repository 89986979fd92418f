// What is known of a partition's producers, against a plain model of the same rules.

import assert from "node:assert/strict";
import { test } from "node:test";
import { partitionCallsMin, producerCallsMax, ProducerTable } from "#src/core/producer-table.js";

test("the next call is new; one before is known with its place; one after is a gap", () => {
  const table = new ProducerTable();
  assert.deepEqual(table.look("a", 7), { kind: "new" }, "who is not known may begin with any");
  table.add({ producer: "a", number: 7, first: 100, count: 1 });
  table.add({ producer: "b", number: 1, first: 101, count: 5 });
  table.add({ producer: "a", number: 8, first: 106, count: 2 });
  assert.deepEqual(table.look("a", 7), { kind: "known", first: 100, count: 1 });
  assert.deepEqual(table.look("a", 8), { kind: "known", first: 106, count: 2 });
  assert.deepEqual(table.look("a", 9), { kind: "new" });
  assert.deepEqual(table.look("a", 10), { kind: "gap", next: 9, oldest: 7 });
  assert.deepEqual(table.look("a", 6), { kind: "forgotten", next: 9, oldest: 7 });
  assert.deepEqual(table.look("b", 1), { kind: "known", first: 101, count: 5 });
});

test("of one producer the last calls are known, however many there were", () => {
  const table = new ProducerTable();
  for (let number = 1; number <= 5000; number++) table.add({ producer: "a", number, first: 3 * number, count: 3 });
  assert.equal(table.size, producerCallsMax);
  const oldest = 5001 - producerCallsMax;
  for (let number = oldest; number <= 5000; number++) assert.deepEqual(table.look("a", number), { kind: "known", first: 3 * number, count: 3 });
  assert.deepEqual(table.look("a", oldest - 1), { kind: "forgotten", next: 5001, oldest });
});

test("of too many producers those that were silent longest are forgotten", () => {
  const table = new ProducerTable();
  const producers = 300_000;
  for (let index = 0; index < producers; index++) {
    table.add({ producer: `p${index}`, number: 1, first: index + 1, count: 1 });
    if (index % 50_000 === 0) table.add({ producer: "often", number: 1 + index / 50_000, first: index + 1, count: 1 });
    assert.ok(table.size <= 1.2 * partitionCallsMin);
  }
  assert.equal(table.look("often", 1).kind, "known");
  for (const [index, kind] of [[producers - 1, "known"], [producers - partitionCallsMin + 2, "known"], [producers - 1.2 * partitionCallsMin, "new"], [0, "new"]] as const) {
    assert.equal(table.look(`p${Math.floor(index)}`, 1).kind, kind, String(index));
  }
});

test("a call that is taken back is not known, nor what followed it", () => {
  const table = new ProducerTable();
  for (let number = 1; number <= 10; number++) table.add({ producer: "a", number, first: number, count: 1 });
  table.takeBack("a", 5);
  table.takeBack("a", 6);
  table.takeBack("b", 1);
  assert.deepEqual([table.look("a", 4).kind, table.look("a", 5).kind, table.look("a", 6).kind, table.size], ["known", "new", "gap", 4]);
  table.takeBack("a", 1);
  assert.deepEqual([table.look("a", 3).kind, table.size], ["new", 0]);
});

test("a truncation: calls with a record that went are due again, of every producer", () => {
  const table = new ProducerTable();
  table.add({ producer: "a", number: 1, first: 1, count: 1 });
  table.add({ producer: "b", number: 1, first: 2, count: 1 });
  table.add({ producer: "a", number: 2, first: 3, count: 4 });
  table.add({ producer: "c", number: 9, first: 7, count: 1 });
  table.truncate(5);
  assert.deepEqual([table.look("a", 1).kind, table.look("a", 2).kind, table.look("a", 3).kind], ["known", "new", "gap"]);
  assert.deepEqual([table.look("b", 1).kind, table.look("c", 9).kind, table.look("c", 3).kind, table.size], ["known", "new", "new", 2]);
});

test("a table that is made of another's calls is the same, in what it forgets too", () => {
  const table = new ProducerTable();
  const last = new Map<string, number>();
  for (let index = 0, seed = 1; index < 150_000; index++) {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    const producer = `p${(seed >>> 8) % (index < 100_000 ? 300 : 5000)}`;
    const wanted = (last.get(producer) ?? 0) + 1;
    const verdict = table.look(producer, wanted);
    // A truncation made it due again.
    const number = verdict.kind === "gap" ? verdict.next : wanted;
    last.set(producer, number);
    table.add({ producer, number, first: index + 1, count: 1 });
    if (index % 50_000 === 7) table.truncate(index - 20);
  }
  const copy = new ProducerTable();
  for (const call of table.calls()) copy.add(call);
  assert.equal(copy.size, table.size);
  for (let index = 0; index < 70_000; index++) for (const one of [table, copy]) one.add({ producer: `later${index % 40_000}`, number: 1 + Math.floor(index / 40_000), first: 200_000 + index, count: 1 });
  assert.deepEqual([...copy.calls()], [...table.calls()]);
});
