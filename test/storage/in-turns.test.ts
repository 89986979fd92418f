// Long work beside others: a turn for them in between, unless it is urgent.

import assert from "node:assert/strict";
import { test } from "node:test";
import { inOneGo, type Slices } from "#src/base/slices.js";
import { inTurns } from "#src/storage/in-turns.js";
import type { Clock } from "#src/storage/storage.js";

function* counting(done: string[], slices: readonly number[]): Slices<number> {
  for (const nanos of slices) {
    done.push("slice");
    yield nanos;
  }
  return done.length;
}

/** Its turns come one after the other, each noted. */
function clockNoting(done: string[]): Clock {
  const after: Clock["after"] = (ms, action, keepsAlive) => {
    assert.deepEqual([ms, keepsAlive], [0, true]);
    queueMicrotask(() => {
      done.push("turn");
      action();
    });
    return () => undefined;
  };
  return { now: () => 0, defer: () => assert.fail("nothing is deferred"), after };
}

test("others have a turn where 300 µs of work are done, and not before", async () => {
  const done: string[] = [];
  const slices = [100_000, 100_000, 100_000, 400_000, 1, 1];
  assert.equal(await inTurns(clockNoting(done), () => false)(counting(done, slices)), 8);
  assert.deepEqual(done, ["slice", "slice", "slice", "turn", "slice", "turn", "slice", "slice"]);
});

test("once it is urgent the rest is done at once", async () => {
  const done: string[] = [];
  await inTurns(clockNoting(done), () => done.length > 4)(counting(done, new Array<number>(9).fill(300_000)));
  assert.deepEqual(done, ["slice", "turn", "slice", "turn", ...new Array<string>(7).fill("slice")]);
  assert.equal(inOneGo(counting([], [1, 2, 3])), 3);
});
