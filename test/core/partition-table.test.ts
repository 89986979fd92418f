// Partitions of a lane: ids, trims and truncations against a plain model, and what a checkpoint brings back.

import assert from "node:assert/strict";
import { test } from "node:test";
import { PartitionState, PartitionTable } from "#src/core/partition-table.js";
import { checkpointEntryBytesMax, checkpointPayloads } from "#src/format/checkpoint.js";

function filled(last: number): PartitionState {
  const state = new PartitionState(1, "p");
  state.lastSequence = state.placedSequence = state.durableSequence = last;
  return state;
}

const numbers = (state: PartitionState): number[] => [state.firstSequence, state.lastSequence, state.placedSequence, state.durableSequence];

test("ids are given once, in order of definition; names are found by name and id", () => {
  const table = new PartitionTable();
  const reserved = table.reserve("reserved");
  assert.deepEqual([reserved.id, table.size, table.nextId], [0, 1, 1]);
  const first = table.define(1, "first");
  table.assignId(reserved);
  assert.deepEqual([first.id, reserved.id, table.nextId], [1, 2, 3]);
  assert.equal(table.byName("reserved"), reserved);
  assert.equal(table.byId(2), reserved);
  assert.deepEqual([table.byName("none"), table.byId(0), table.byId(3), table.byName("__proto__")], [undefined, undefined, undefined, undefined]);
  table.reserve("never written");
  assert.deepEqual([...table].map((state) => state.name), ["first", "reserved"]);
  for (const wrong of [() => table.define(1, "again"), () => table.define(2, "again"), () => table.reserve("first"), () => table.assignId(first)]) {
    assert.throws(wrong, { name: "RingwallAssertionError" });
  }
});

test("a dropped partition's id has no partition and is not given out again, its name is free; high ids cost no more than low ones", () => {
  const table = new PartitionTable();
  const [a, b] = [table.define(1, "a"), table.define(2, "b")];
  const bytes = table.checkpointBytes;
  b.lastSequence = 7;
  table.drop(b);
  assert.deepEqual([b.life, b.lastSequence, table.byId(2), table.byName("b"), table.nextId, table.size, table.drops], ["dropped", 0, undefined, undefined, 3, 1, 1]);
  const again = table.define(4_000_000_000, "b");
  assert.deepEqual([table.byId(4_000_000_000), table.nextId, [...table]], [again, 4_000_000_001, [a, again]]);
  assert.equal(table.checkpointBytes, bytes);
  table.drop(again);
  table.noteHighestId(7);
  assert.deepEqual([[...table], table.nextId], [[a], 4_000_000_001]);
  table.releaseName(a);
  const meanwhile = table.reserve("a");
  table.keepName(a);
  assert.deepEqual([table.byName("a"), table.byId(1), meanwhile.life], [a, a, "dropped"]);
});

test("trim: forwards only, and beyond the end the partition goes on behind it", () => {
  const state = filled(10);
  state.trim(4);
  assert.deepEqual(numbers(state), [4, 10, 10, 10]);
  state.trim(2);
  assert.deepEqual(numbers(state), [4, 10, 10, 10]);
  state.trim(11);
  assert.deepEqual(numbers(state), [11, 10, 10, 10]);
  state.trim(20);
  // What is durable is said by the block that carries the trim, not here.
  assert.deepEqual(numbers(state).slice(0, 3), [20, 19, 19]);
});

test("truncate lowers every last sequence, never raises one, and not below the trim", () => {
  const state = filled(10);
  state.durableSequence = 7;
  state.truncate({ segment: 1, offset: 100, after: 8 });
  assert.deepEqual(numbers(state), [1, 8, 8, 7]);
  state.truncate({ segment: 1, offset: 200, after: 3 });
  assert.deepEqual(numbers(state), [1, 3, 3, 3]);
  state.trim(3);
  state.truncate({ segment: 1, offset: 300, after: 2 });
  assert.deepEqual(numbers(state), [3, 2, 2, 2]);
  assert.throws(() => state.truncate({ segment: 1, offset: 400, after: 1 }), { name: "RingwallAssertionError" });
});

test("what is truncated: every history of up to ten operations agrees with a list", () => {
  // A history is appends and truncations; each takes the next place. The model remembers which frames are alive.
  let histories = 0;
  const explore = (history: readonly number[]): void => {
    histories++;
    const state = new PartitionState(1, "p");
    let alive: { sequence: number; place: number }[] = [];
    const frames: { sequence: number; place: number }[] = [];
    history.forEach((operation, place) => {
      if (operation < 0) {
        const frame = { sequence: ++state.lastSequence, place };
        frames.push(frame);
        alive.push(frame);
      } else {
        state.truncate({ segment: 1 + (place >> 1), offset: place * 8, after: operation });
        alive = alive.filter(({ sequence }) => sequence <= operation);
      }
    });
    for (const frame of frames) {
      const dead = state.isTruncated(frame.sequence, 1 + (frame.place >> 1), frame.place * 8);
      assert.equal(dead, !alive.includes(frame), `${history.join()} frame ${frame.place}`);
    }
    assert.equal(state.lastSequence, alive.length);
    if (history.length === 10) return;
    explore([...history, -1]);
    for (let after = 0; after < state.lastSequence; after++) explore([...history, after]);
  };
  explore([]);
  assert.ok(histories > 1000, `${histories}`);
});

test("truncations that no later one covers hide until their segments are gone, and are past then", () => {
  const table = new PartitionTable();
  const state = table.define(1, "p");
  for (const [segment, after] of [[1, 90], [2, 50], [3, 70], [4, 60]] as const) {
    state.lastSequence = 100;
    state.truncate({ segment, offset: 8, after });
  }
  assert.deepEqual(state.truncations.map(({ segment }) => segment), [2, 4]);
  table.noteTruncations(state.truncations.length);
  assert.deepEqual([state.isTruncated(61, 2, 0), state.isTruncated(61, 3, 0), table.mayForgetTruncations], [true, true, true]);
  table.forgetTruncationsBefore(4);
  assert.deepEqual(state.truncations, [{ segment: 2, offset: 8, after: 50, isPast: true }, { segment: 4, offset: 8, after: 60 }]);
  assert.deepEqual([state.isTruncated(55, 1, 0), state.isTruncated(61, 3, 0), table.mayForgetTruncations], [false, true, true]);
  table.forgetTruncationsBefore(5);
  assert.deepEqual([state.isTruncated(61, 3, 0), table.mayForgetTruncations], [false, false]);
});

test("past truncations take no more of a checkpoint than four for each partition, and one where there are very many", () => {
  const table = new PartitionTable();
  const cut = (count: number, truncations: number): void => {
    for (let id = 1; id <= count; id++) {
      const state = table.byId(id) ?? table.define(id, `p${id}`);
      for (let after = 1; after <= truncations; after++) {
        state.lastSequence = 100;
        state.truncate({ segment: 1, offset: 8 * id + after, after });
      }
      table.noteTruncations(truncations);
    }
  };
  const counts = (): Set<number> => new Set([...table].map(({ truncations }) => truncations.length));
  cut(1000, 9);
  table.forgetTruncationsBefore(2);
  assert.deepEqual(counts(), new Set([4]));
  cut(10_000, 9);
  table.forgetTruncationsBefore(2);
  assert.deepEqual(counts(), new Set([1]));
  assert.deepEqual(table.byId(7)?.truncations, [{ segment: 1, offset: 65, after: 1, isPast: true }]);
});

test("a checkpoint holds what is placed, not what waits; restored, it is the same table", () => {
  const table = new PartitionTable();
  for (let id = 1; id <= 50; id++) {
    const state = table.define(id, `p${id}`);
    state.lastSequence = id * 3;
    state.placedSequence = state.durableSequence = id * 2;
    if (id % 3 === 0) state.truncate({ segment: id, offset: 64, after: id });
    if (id % 5 === 0) state.trim(Math.min(id, state.placedSequence));
  }
  const restored = new PartitionTable();
  for (const state of table) restored.restore(state.toCheckpoint());
  for (const state of table) {
    const again = restored.byId(state.id) as PartitionState;
    assert.deepEqual(numbers(again), [state.firstSequence, state.placedSequence, state.placedSequence, state.placedSequence]);
    assert.deepEqual([again.name, again.truncations], [state.name, state.truncations]);
  }
});

test("checkpointBytes is never less than the checkpoint", () => {
  const table = new PartitionTable();
  for (const name of ["a", "日本語", "😀".repeat(200), "x".repeat(1024), "ä"]) table.define(table.nextId, name);
  const bytes = [...checkpointPayloads([...table].map((state) => state.toCheckpoint()), 32 * 1024)].reduce((sum, payload) => sum + payload.length, 0);
  assert.ok(table.checkpointBytes >= bytes, `${table.checkpointBytes} for ${bytes}`);
  const before = table.checkpointBytes;
  table.noteTruncations(3);
  assert.equal(table.checkpointBytes - before, checkpointEntryBytesMax(0, 3) - checkpointEntryBytesMax(0, 0));
});
