// A cursor that is deleted and set anew on a simulated machine: power cuts, kills, full disks and failing writes in between.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { LaneLog as Log } from "#src/log/lane-log.js";
import { Random } from "#src/storage/sim/random.js";
import { isRefusal, runSeeds } from "./lives.js";

class World {
  readonly counts = { positions: 0, deletions: 0, found: 0 };
  readonly #random: Random;
  /** Where the cursor may be found: what was acknowledged last, and what is under way; 0: nowhere. */
  #possible = new Set([0]);
  #next = 1;

  constructor(seed: number) {
    this.#random = new Random(seed);
  }

  /** Demands what was told; then never ends, but by a failure of the log. */
  async live(log: Log, pause: () => Promise<void>): Promise<void> {
    const cursor = log.cursor("c");
    const found = await cursor.get();
    assert.ok(this.#possible.has(found), `found at ${String(found)}; possible: ${[...this.#possible].join()}`);
    assert.equal(log.cursors().some(({ name }) => name === "c"), found !== 0);
    this.#possible = new Set([found]);
    this.counts.found += found === 0 ? 0 : 1;
    for (;;) {
      // Deletions and moves that come before the one before is durable, and records that end segments and trim cursors.
      const steps = Array.from({ length: this.#random.between(1, 4) }, () => (this.#random.between(0, 2) === 0 ? 0 : this.#next++));
      for (const step of steps) this.#possible.add(step);
      const moves = steps.map((step) => (step === 0 ? cursor.delete() : cursor.set(step)));
      if (this.#random.between(0, 3) === 0) moves.push(log.write([{ partition: "p", data: "x".repeat(this.#random.between(100, 9000)) }, { cursor: "other", seq: 1 }]).then(() => undefined));
      const { lastSeq } = log.partition("p");
      if (lastSeq > 0 && this.#random.between(0, 9) === 0) moves.push(log.partition("p").trim(lastSeq));
      const failed = (await Promise.allSettled(moves)).filter((outcome) => outcome.status === "rejected");
      for (const { reason } of failed) if (!isRefusal(reason, "RINGWALL_DISK_FULL")) throw reason;
      const now = await cursor.get();
      assert.ok(failed.length > 0 || now === steps.at(-1), `at ${String(now)} after ${steps.join()}`);
      // What was refused may be there after all, or what it would have replaced.
      if (failed.length > 0) await pause();
      else {
        this.#possible = new Set([now]);
        assert.equal(log.allNamed().some(({ name }) => name.endsWith("cursor:c")), now !== 0, "nothing is left of one that was deleted");
        this.counts[now === 0 ? "deletions" : "positions"]++;
      }
    }
  }
}

test("whatever ends a life, a deleted cursor is gone, and one that was set anew is where it was set", (t) => runSeeds(t, (seed) => new World(seed), { lives: 6, eventsMax: 1200 }));
