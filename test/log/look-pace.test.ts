// When a reader beside a writer looks again, in virtual time.

import assert from "node:assert/strict";
import { test } from "node:test";
import { LookPace } from "#src/log/look-pace.js";
import type { Clock } from "#src/storage/storage.js";
import { EventLoop } from "#src/storage/sim/event-loop.js";

interface FirstLook {
  readonly millis: number;
  readonly pauseShare: number;
  readonly found: boolean;
  /** The clock goes so far in it, besides. */
  readonly jump?: number;
}

/** When looks began and ended, in milliseconds from the first; then they stop. */
async function looksAfter({ millis, pauseShare, found, jump = 0 }: FirstLook): Promise<number[]> {
  const failures: unknown[] = [];
  const loop = new EventLoop({ startMs: 1_000_000, onError: (error) => { failures.push(error); } });
  let shift = 0;
  const clock: Pick<Clock, "now" | "after"> = { now: () => loop.now + shift, after: (wait, action) => loop.schedule({ alive: true }, wait * 1000, action) };
  const times: number[] = [];
  const begins = loop.now;
  await new Promise<void>((resolve) => {
    const pace = new LookPace({
      clock: clock as Clock,
      watch: () => null,
      isWanted: () => times.length < 4,
      look: async () => {
        times.push(loop.now - begins);
        if (times.length === 1) await new Promise<void>((end) => { clock.after(millis, end); });
        shift = jump;
        times.push(loop.now - begins);
        if (times.length >= 4) resolve();
        return { found, pauseShare };
      },
      onFailure: (error) => { failures.push(error); },
    });
    pace.wake();
  });
  assert.deepEqual(failures, []);
  return times;
}

test("what a look took, so many times, passes before the next one, but no more than five seconds", async () => {
  assert.deepEqual(await looksAfter({ millis: 100, pauseShare: 8, found: true }), [0, 100, 900, 900]);
  assert.deepEqual(await looksAfter({ millis: 0, pauseShare: 8, found: true }), [0, 0, 2, 2]);
  // The process was stopped for an hour.
  assert.deepEqual(await looksAfter({ millis: 3_600_000, pauseShare: 8, found: false }), [0, 3_600_000, 3_605_000, 3_605_000]);
  assert.deepEqual(await looksAfter({ millis: 10, pauseShare: 1, found: true, jump: 3_600_000 }), [0, 10, 5010, 5010]);
  assert.deepEqual(await looksAfter({ millis: 10, pauseShare: 1, found: true, jump: -3_600_000 }), [0, 10, 12, 12]);
});
