// One thread wakes another by a completion in a ring; here both ends are in one thread, each with its ring.

import assert from "node:assert/strict";
import fs from "node:fs";
import { test } from "node:test";
import { loadNative } from "#src/native/binding.js";
import { setup } from "#src/storage/uring/kernel-interface.js";
import { openRing } from "#src/storage/uring/ring.js";
import { RingWaker, WakeableRing } from "#src/storage/uring/ring-wake.js";
import { openUring } from "#src/storage/uring/uring-storage.js";

const here = openUring();
const skip = here.kind === "refused" ? here.reason : false;

/** A waker on a polling ring, with what it was told of failures. */
function withWaker(body: (waker: RingWaker, failed: Promise<void>) => Promise<void>): Promise<void> {
  const native = loadNative();
  assert.ok(native.kind === "loaded");
  const verdict = openRing(native.binding, { entries: 8, flags: setup.sqPoll, pollIdleMillis: 1 });
  assert.ok(verdict.kind === "open");
  let tell = (): void => undefined;
  const failed = new Promise<void>((resolve) => { tell = resolve; });
  const waker = RingWaker.open(verdict.ring.descriptor, () => { tell(); });
  assert.ok(waker !== null);
  return body(waker, failed).finally(() => {
    waker.close();
    verdict.ring.close();
  });
}

test("every wake-up arrives, also while its ring has not been looked at, and after its maker has closed the own descriptor", { skip }, () =>
  withWaker(async (waker) => {
    for (let round = 0; round < 100; round++) {
      let wake = (): void => undefined;
      const woken = new Promise<void>((resolve) => { wake = resolve; });
      const ring = WakeableRing.open(() => { wake(); });
      assert.ok(ring !== null);
      const descriptor = ring.share();
      assert.ok(descriptor !== null);
      const hold = setInterval(() => undefined, 1000);
      for (let index = 0; index < 20; index++) assert.equal(waker.wake(descriptor), true);
      await woken;
      clearInterval(hold);
      ring.close();
      // Nobody is there any more, and it leads into no other ring: also when the number is given out again at once.
      assert.equal(waker.wake(descriptor), true);
      waker.release(descriptor);
    }
  }));

test("a wake-up that can't be delivered is told, and none goes that way any more", { skip }, () =>
  withWaker(async (waker, failed) => {
    const noRing = fs.openSync("/dev/null", "r");
    const hold = setInterval(() => undefined, 1000);
    assert.equal(waker.wake(noRing), true);
    await failed;
    clearInterval(hold);
    assert.equal(waker.wake(noRing), false);
    fs.closeSync(noRing);
  }));
