// When a ring is looked at by turns of the event loop, and when that ends.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Spin, type SpinWay } from "#src/storage/uring/spin.js";

/** What is in flight, how often it was looked at, and how long each yield takes. */
class Ring {
  inFlight = 0;
  looks = 0;
  yieldMillis = 0;
  readonly spin: Spin;

  constructor(way: SpinWay) {
    this.spin = new Spin({ way, inFlight: () => this.inFlight, look: () => { this.looks++; }, yieldProcessor: () => { busyFor(this.yieldMillis); } });
  }

  submit(): void {
    this.inFlight++;
    this.spin.handleSubmitted();
  }
}

function busyFor(millis: number): void {
  const until = performance.now() + millis;
  while (performance.now() < until);
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
}

/** Turns until longer than any spin has gone by. */
async function turnsBeyond(millis: number): Promise<void> {
  const until = performance.now() + millis;
  while (performance.now() < until) await turns(1);
}

test("busy: one write in flight is waited for, two are looked after until one of them is through", async () => {
  const ring = new Ring("busy");
  ring.submit();
  await turns(3);
  assert.equal(ring.looks, 0);
  ring.submit();
  await turns(1);
  ring.inFlight = 1;
  await turns(2);
  const looks = ring.looks;
  assert.ok(looks > 0);
  await turns(5);
  assert.equal(ring.looks, looks);
});

for (const [way, inFlight] of [["busy", 2], ["asked", 1]] as const) {
  test(`${way}: after its time the descriptor is waited for, whatever is in flight`, async () => {
    const ring = new Ring(way);
    while (ring.inFlight < inFlight) ring.submit();
    await turnsBeyond(20);
    const looks = ring.looks;
    assert.ok(looks > 0);
    await turns(20);
    assert.equal(ring.looks, looks);
  });
}

test("busy: when somebody else took the processor it rests, also at the next submissions", async () => {
  const ring = new Ring("busy");
  ring.yieldMillis = 2;
  ring.submit();
  ring.submit();
  await turns(5);
  assert.equal(ring.looks, 1);
  ring.yieldMillis = 0;
  ring.submit();
  await turns(5);
  assert.equal(ring.looks, 1);
});

test("device: nobody else looks, so it goes on while anything is in flight", async () => {
  const ring = new Ring("device");
  ring.yieldMillis = 2;
  ring.submit();
  for (let looks = 0; looks < 5; looks++) {
    const before = ring.looks;
    while (ring.looks === before) await turns(1);
  }
  ring.inFlight = 0;
  const looks = ring.looks;
  await turnsBeyond(20);
  assert.ok(ring.looks <= looks + 1);
});
