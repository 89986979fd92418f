// How the lane's thread goes on: in memory, by a turn of its event loop, or asleep.

import assert from "node:assert/strict";
import fs from "node:fs";
import { test } from "node:test";
import { hasRequests, Pace } from "#src/thread/pace.js";

function paceWith(stayingMillis: number): { pace: Pace; world: { bell: number; hasRequests: boolean } } {
  const world = { bell: 0, hasRequests: false };
  const pace = new Pace({ stayingMillis, bell: () => world.bell, hasRequests: () => world.hasRequests });
  pace.handleTurn(0);
  return { pace, world };
}

test("everything in memory: under load it stays there, but for a turn every half second", () => {
  const { pace } = paceWith(50);
  const turns: number[] = [];
  for (let now = 0; now < 10_000; now += 0.25) {
    const step = pace.next(true, now);
    assert.notEqual(step, "sleep");
    if (step !== "turn") continue;
    turns.push(now);
    pace.handleTurn(now);
  }
  assert.equal(turns.length, 19);
});

test("everything in memory: it bears gaps, and sleeps behind a longer one", () => {
  const { pace } = paceWith(50);
  assert.equal(pace.next(true, 1), "stay");
  assert.equal(pace.next(false, 50), "stay");
  assert.equal(pace.next(false, 51), "sleep");
  pace.handleTurn(60);
  assert.equal(pace.next(true, 60), "stay", "woken");
});

test("a message was posted: the event loop turns at once, and once", () => {
  const { pace, world } = paceWith(50);
  assert.equal(pace.next(true, 0.1), "stay");
  world.bell++;
  assert.equal(pace.next(true, 0.2), "turn");
  pace.handleTurn(0.2);
  assert.equal(pace.next(true, 0.3), "stay");
});

test("file work is under way: a turn every millisecond, and sleep after two without work", () => {
  const { pace, world } = paceWith(50);
  world.hasRequests = true;
  assert.equal(pace.next(true, 0.9), "stay", "not looked for at every step");
  assert.equal(pace.next(true, 1), "turn");
  pace.handleTurn(1);
  assert.equal(pace.next(false, 1.9), "stay");
  assert.equal(pace.next(false, 2), "turn");
  pace.handleTurn(2);
  assert.equal(pace.next(false, 3.5), "sleep");
  world.hasRequests = false;
  pace.handleTurn(4);
  assert.equal(pace.next(true, 4), "stay");
  assert.equal(pace.next(false, 40), "stay");
});

test("not everything in memory: every step is a turn, and it sleeps after 50 µs", () => {
  const { pace } = paceWith(0);
  assert.equal(pace.next(true, 1), "turn");
  assert.equal(pace.next(false, 1.04), "turn");
  assert.equal(pace.next(false, 1.06), "sleep");
});

test("requests are what this thread's event loop has to finish, and not who only listens", async () => {
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  while (hasRequests()) await turn();
  const stat = fs.promises.stat(".");
  assert.equal(hasRequests(), true);
  await stat;
  while (hasRequests()) await turn();
});
