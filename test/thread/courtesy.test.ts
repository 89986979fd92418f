// When a thread that waits by looking lets others have the processor.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Courtesy } from "#src/thread/courtesy.js";

const switched = 1;
const atOnce = 0.001;

/** Yields in waits of so many milliseconds, each of which helps somebody, or nobody. */
function yieldsOf(courtesy: Courtesy, waits: number, waitMillis: number, tookMillis: number): number {
  let yields = 0;
  for (let wait = 0; wait < waits; wait++) {
    for (let now = 0, since = 0; now < waitMillis; now += 0.25) {
      if (!courtesy.isDue(now - since)) continue;
      yields++;
      since = now;
      courtesy.handleYield(tookMillis);
    }
  }
  return yields;
}

test("somebody wants the processor: every half millisecond of each wait", () => {
  assert.equal(yieldsOf(new Courtesy("auto"), 100, 2, switched), 300);
});

test("nobody does: it tries a few times, and then no wait of a few milliseconds costs a call", () => {
  const courtesy = new Courtesy("auto");
  assert.ok(yieldsOf(courtesy, 10_000, 3, atOnce) <= 5);
  assert.equal(yieldsOf(courtesy, 10_000, 3, atOnce), 0);
});

test("processors have become scarce: one long wait, and it is courteous again", () => {
  const courtesy = new Courtesy("auto");
  yieldsOf(courtesy, 100, 3, atOnce);
  assert.equal(yieldsOf(courtesy, 1, 4.5, switched), 1);
  assert.equal(yieldsOf(courtesy, 10, 2, switched), 30);
});

test("never: not even in the longest wait", () => {
  assert.equal(yieldsOf(new Courtesy("never"), 1, 50, switched), 0);
});
