// Indexes of sealed segments in memory: bounded by bytes, not by number.

import assert from "node:assert/strict";
import { test } from "node:test";
import { SegmentIndex } from "#src/core/segment-index.js";
import { IndexCache } from "#src/log/index-cache.js";

function indexOf(segment: number, partitions: number): SegmentIndex {
  const index = new SegmentIndex(segment, 1000, 4096);
  for (let partition = 1; partition <= partitions; partition++) index.run(partition).note(1, 4096, 64 + 32 * partition, 8, 1000);
  index.pack();
  return index;
}

test("many small indexes stay, few large ones do; what was used last goes last", () => {
  const cache = new IndexCache(100_000);
  for (let segment = 1; segment <= 60; segment++) cache.add(indexOf(segment, 1));
  assert.ok(Array.from({ length: 60 }, (_, at) => cache.get(at + 1)).every((index) => index !== undefined));
  cache.get(1);
  for (let segment = 61; segment <= 63; segment++) cache.add(indexOf(segment, 1500));
  assert.ok(cache.bytes <= 100_000, `${cache.bytes}`);
  assert.deepEqual([61, 62, 63, 1].map((segment) => cache.get(segment)?.segment), [61, 62, 63, 1]);
  assert.equal(cache.get(2), undefined);
});

test("the bytes of what left are not counted, nor those of an index that came twice", () => {
  const cache = new IndexCache(1_000_000);
  for (let round = 0; round < 10; round++) cache.add(indexOf(1, 100));
  const { bytes } = cache;
  assert.ok(bytes > 0 && bytes < 10_000, `${bytes}`);
  cache.add(indexOf(2, 100));
  cache.delete(2);
  cache.delete(3);
  assert.equal(cache.bytes, bytes);
  cache.delete(1);
  assert.equal(cache.bytes, 0);
});

test("an index larger than the cache is there until the next one comes", () => {
  const cache = new IndexCache(5000);
  cache.add(indexOf(1, 10_000));
  assert.equal(cache.get(1)?.runs.size, 10_000);
  cache.add(indexOf(2, 10));
  assert.deepEqual([cache.get(1), cache.get(2)?.segment], [undefined, 2]);
});
