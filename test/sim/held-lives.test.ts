// Writers that are held for reclaim are let go, whatever comes: random lives in which all that was accepted must come to an end.
//
// Seeded: RINGWALL_HELD_SEED=7 lives that life alone, RINGWALL_HELD_SEED=7-2000 those.

import assert from "node:assert/strict";
import { test } from "node:test";
import { liveHeld, noCounts } from "./held-life.js";

const lives = 32;

function seedsOf(asked: string | undefined): number[] {
  if (asked !== undefined) {
    const [from, to = from] = asked.split("-").map(Number) as [number, number?];
    return Array.from({ length: to - from + 1 }, (_, at) => from + at);
  }
  const first = Math.floor(Math.random() * 1e9);
  return Array.from({ length: lives }, (_, at) => (at < 24 ? at + 1 : first + at));
}

test("whatever comes while writers are held, all that was accepted comes to its end, and then nothing is read any more", async (t) => {
  const asked = process.env["RINGWALL_HELD_SEED"];
  const counts = noCounts();
  const failures: string[] = [];
  for (const seed of seedsOf(asked)) {
    await liveHeld(seed, counts).catch((error: unknown) => failures.push(String(error)));
  }
  t.diagnostic(JSON.stringify(counts));
  assert.deepEqual(failures, []);
  if (asked === undefined) assert.ok(counts.held > lives / 8 && counts.stopped > 0, "lives in which nobody has to wait, or nothing is damaged, prove nothing");
});
