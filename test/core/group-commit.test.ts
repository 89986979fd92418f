// Group commit: every order of submissions and completions, explored; the horizon, the bound in flight, when a block is cut.

import assert from "node:assert/strict";
import { test } from "node:test";
import { GroupCommit } from "#src/core/group-commit.js";

const eager = { eagerBytes: 1000, eagerWaiters: 10 };

/** What has happened: s for a submission, or the sequence of a completion. */
type Step = "s" | number;

function replay(inFlightMax: number, base: number, steps: readonly Step[]): { readonly commit: GroupCommit; readonly completed: ReadonlySet<number> } {
  const commit = new GroupCommit({ inFlightMax, ...eager, horizon: base });
  const completed = new Set<number>();
  for (const step of steps) {
    if (step === "s") commit.handleSubmitted(commit.submitted + 1, 1, 1);
    else {
      completed.add(step);
      assert.equal(commit.handleWritten(step), commit.horizon);
    }
  }
  return { commit, completed };
}

test("every order of completions of up to seven blocks, every bound: the horizon is the longest complete prefix", () => {
  let states = 0;
  const explore = (inFlightMax: number, base: number, steps: readonly Step[], blocks: number): void => {
    const { commit, completed } = replay(inFlightMax, base, steps);
    states++;
    let prefix = base;
    while (completed.has(prefix + 1)) prefix++;
    assert.equal(commit.horizon, prefix, steps.join());
    assert.equal(commit.inFlight, commit.submitted - prefix);
    assert.ok(commit.inFlight <= inFlightMax, "never more in flight than recovery allows for");
    assert.equal(commit.hasRoom, commit.inFlight < inFlightMax);
    assert.equal(commit.cutsAtTurnEnd, commit.inFlight === 0);
    for (const bytes of [0, 999, 1000, 2000]) {
      for (const records of [0, 9, 10, 20]) assert.equal(commit.isEager(bytes, records), (bytes >= 1000 || records >= 10) && commit.hasRoom);
    }
    if (commit.hasRoom && commit.submitted < base + blocks) explore(inFlightMax, base, [...steps, "s"], blocks);
    for (let block = prefix + 1; block <= commit.submitted; block++) if (!completed.has(block)) explore(inFlightMax, base, [...steps, block], blocks);
  };
  explore(1, 0, [], 6);
  explore(2, 0, [], 7);
  explore(3, 0, [], 6);
  explore(4, 2 ** 40, [], 5);
  assert.ok(states > 3000, `${states} states`);
});

test("what can't be is an assertion: out of order, beyond the bound, twice, or never submitted", () => {
  const fresh = (): GroupCommit => new GroupCommit({ inFlightMax: 2, ...eager, horizon: 10 });
  const refuse = (steps: (commit: GroupCommit) => void): void => {
    assert.throws(() => steps(fresh()), { name: "RingwallAssertionError" });
  };
  refuse((commit) => commit.handleSubmitted(10, 1, 1));
  refuse((commit) => commit.handleSubmitted(12, 1, 1));
  refuse((commit) => { for (const sequence of [11, 12, 13]) commit.handleSubmitted(sequence, 1, 1); });
  refuse((commit) => commit.handleWritten(11));
  refuse((commit) => commit.handleWritten(10));
  refuse((commit) => { commit.handleSubmitted(11, 1, 1); commit.handleSubmitted(12, 1, 1); commit.handleWritten(12); commit.handleWritten(12); });
  refuse((commit) => { commit.handleSubmitted(11, 1, 1); commit.handleWritten(11); commit.handleWritten(11); });
  for (const inFlightMax of [0, 31, -1]) assert.throws(() => new GroupCommit({ inFlightMax, ...eager, horizon: 0 }), { name: "RingwallAssertionError" });
});

test("thirty in flight, completed backwards: the horizon waits for the first", () => {
  const commit = new GroupCommit({ inFlightMax: 30, ...eager, horizon: 5 });
  for (let sequence = 6; sequence <= 35; sequence++) commit.handleSubmitted(sequence, 1, 1);
  assert.equal(commit.hasRoom, false);
  for (let sequence = 35; sequence > 6; sequence--) assert.equal(commit.handleWritten(sequence), 5);
  assert.equal(commit.handleWritten(6), 35);
  assert.equal(commit.inFlight, 0);
});

test("no block is eager under infinite bounds: durability by interval", () => {
  const commit = new GroupCommit({ inFlightMax: 4, eagerBytes: Number.POSITIVE_INFINITY, eagerWaiters: Number.POSITIVE_INFINITY, horizon: 0 });
  assert.equal(commit.isEager(Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER), false);
});

/** Keeps `count` blocks on their way, each of so much, for so many submissions. */
function load(commit: GroupCommit, count: number, submissions: number, amount: { readonly bytes: number; readonly waiters: number }): void {
  for (let submission = 0; submission < submissions; submission++) {
    while (commit.inFlight >= count) commit.handleWritten(commit.horizon + 1);
    commit.handleSubmitted(commit.submitted + 1, amount.bytes, amount.waiters);
  }
  while (commit.inFlight > 0) commit.handleWritten(commit.horizon + 1);
}

test("the bounds grow with the load, to four times what they were, and shrink when it has gone", () => {
  const commit = new GroupCommit({ inFlightMax: 4, ...eager, horizon: 0 });
  load(commit, 4, 8, { bytes: 2000, waiters: 5 });
  assert.deepEqual([1999, 2000].map((bytes) => commit.isEager(bytes, 0)), [false, true], "a quarter of 8000 bytes");
  assert.deepEqual([9, 10].map((waiters) => commit.isEager(0, waiters)), [false, true], "half of 20 waiters");
  load(commit, 4, 8, { bytes: 100_000, waiters: 1000 });
  assert.deepEqual([3999, 4000].map((bytes) => commit.isEager(bytes, 0)), [false, true]);
  assert.deepEqual([39, 40].map((waiters) => commit.isEager(0, waiters)), [false, true]);
  load(commit, 1, 500, { bytes: 1000, waiters: 1 });
  assert.deepEqual([999, 1000].map((bytes) => commit.isEager(bytes, 0)), [false, true]);
  assert.deepEqual([9, 10].map((waiters) => commit.isEager(0, waiters)), [false, true]);
});

test("what a block held leaves the load when the horizon passes it, in whatever order blocks complete", () => {
  const commit = new GroupCommit({ inFlightMax: 4, ...eager, horizon: 0 });
  for (let round = 0; round < 500; round++) {
    const first = commit.submitted + 1;
    for (const bytes of [1000, 2000, 3000]) commit.handleSubmitted(commit.submitted + 1, bytes, 0);
    for (const sequence of [first + 2, first, first + 1]) commit.handleWritten(sequence);
  }
  assert.deepEqual([1499, 1500].map((bytes) => commit.isEager(bytes, 0)), [false, true], "a quarter of 6000 bytes");
});
