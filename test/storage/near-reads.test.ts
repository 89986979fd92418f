// Reads that the page cache could not answer: asked for again on the event loop's turns, and left to who waits when they don't come.

import assert from "node:assert/strict";
import { test } from "node:test";
import { NearReads } from "#src/storage/near-reads.js";
import type { ReadRequest } from "#src/storage/node-files.js";

function request(position: number, bytes = 100): ReadRequest {
  return { descriptor: 0, path: "", into: new Uint8Array(bytes), position };
}

test("what is there on the next turn is answered, and nobody else is asked", async () => {
  let turns = 0;
  const near = new NearReads(({ position }) => position + turns++, () => assert.fail("asked"));
  const reads = [near.wait(request(1000)), near.wait(request(2000))];
  assert.deepEqual([near.isBusy, turns], [true, 0]);
  assert.deepEqual(await Promise.all(reads), [1000, 2001]);
  assert.equal(near.isBusy, false);
  assert.equal(await near.wait(request(3000)), 3002);
});

test("what does not come is left to who waits, with its errors; after four times in a row others go there at once", async () => {
  const asked: number[] = [];
  let looks = 0;
  const near: NearReads = new NearReads(
    () => ~(looks++ * 0),
    async ({ position }) => {
      asked.push(position);
      if (position === 2) throw new Error("no");
      if (position === 5) {
        const before = looks;
        assert.equal(await near.wait(request(99)), 99);
        assert.deepEqual([looks, asked.at(-1)], [before, 99]);
      }
      return position;
    },
  );
  const together = [1, 2].map((position) => near.wait(request(position)));
  await assert.rejects(together[1]!, /^Error: no$/);
  assert.equal(await together[0], 1);
  for (const position of [3, 4, 5]) {
    const before = looks;
    assert.equal(await near.wait(request(position)), position);
    assert.ok(looks > before);
  }
  assert.deepEqual(asked, [1, 2, 3, 4, 5, 99]);
  assert.equal(near.isBusy, false);
});

test("one that does not come holds up none that do, and does not wait for ever beside them", async () => {
  let isOver = false;
  const near = new NearReads(
    ({ position }) => (position === 1 ? ~0 : position),
    async ({ position }) => {
      isOver = true;
      return position;
    },
  );
  const stuck = near.wait(request(1));
  for (let position = 2; !isOver; position++) assert.equal(await near.wait(request(position)), position);
  assert.equal(await stuck, 1);
});

test("long reads and the 33rd at once are left to who waits at once", async () => {
  const asked: number[] = [];
  const near = new NearReads(({ position }) => position, async ({ position }) => {
    asked.push(position);
    return position;
  });
  const reads = [near.wait(request(1, 64 * 1024 + 1)), ...Array.from({ length: 33 }, (_, index) => near.wait(request(100 + index, 64 * 1024)))];
  assert.deepEqual(asked, [1, 132]);
  assert.deepEqual(await Promise.all(reads), [1, ...Array.from({ length: 33 }, (_, index) => 100 + index)]);
});
