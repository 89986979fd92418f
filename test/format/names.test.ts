// Names of files: what is written is recognised, in the order of its numbers, and nothing else is.

import assert from "node:assert/strict";
import { test } from "node:test";
import { indexName, laneDirectoryName, parseLaneFile, segmentName } from "#src/format/names.js";

test("segments and indexes are recognised, also beyond eight digits", () => {
  for (const segment of [1, 9, 10, 12_345_678, 99_999_999, 100_000_000, 2 ** 52]) {
    assert.deepEqual(parseLaneFile(segmentName(segment)), { kind: "segment", segment });
    assert.deepEqual(parseLaneFile(indexName(segment)), { kind: "index", segment });
  }
  assert.deepEqual([segmentName(1), indexName(42), laneDirectoryName(0), laneDirectoryName(31)], ["00000001.segment", "00000042.index", "lane-00", "lane-31"]);
});

test("names sort as their numbers do, up to 99 999 999", () => {
  const names = [1, 2, 9, 10, 11, 99, 100, 12_345, 99_999_999].map(segmentName);
  assert.deepEqual([...names].sort(), names);
});

test("everything else is something else", () => {
  for (const name of ["", "1.segment", "0000001.segment", "00000000.segment", "00000001.segment.new", "00000001.index.new", "x00000001.segment", "00000001.Segment", "00000001.seg", "-0000001.segment", "0x000001.index", "99999999999999999999.segment", "9007199254740991.segment", "000000001.segment", "00000001.segment\n", "lock", "superblock"]) {
    assert.deepEqual(parseLaneFile(name), { kind: "other" }, JSON.stringify(name));
  }
});
