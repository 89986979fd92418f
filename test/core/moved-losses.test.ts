// Which copies count for a damaged lane's losses.

import assert from "node:assert/strict";
import { test } from "node:test";
import { settleMoved } from "#src/core/moved-losses.js";
import { PartitionTable } from "#src/core/partition-table.js";
import { SegmentIndex } from "#src/core/segment-index.js";
import type { RunNumbers } from "#src/format/index-file.js";

function numbers(firstSequence: number, lastSequence: number): RunNumbers {
  return { firstSequence, lastSequence, records: lastSequence - firstSequence + 1, payloadBytes: 100, firstTime: 1, lastTime: 1 };
}

/** Partition 1 has 1 to 6, and 4 is lost as a fresh record; copies of 1 to 5 lie in `copies`, fresh ones of 3 to 6 in segment 2. */
function lossesWith(copies: number): unknown {
  const table = new PartitionTable();
  table.restore({ id: 1, name: "a", firstSequence: 1, lastSequence: 6, truncations: [] });
  const indexes = [1, 2, 3].map((segment) => new SegmentIndex(segment, 0, 4096));
  indexes[1]!.restoreRun(1, numbers(3, 6));
  indexes[copies - 1]!.restoreStretch(1, numbers(1, 5));
  return settleMoved([{ partition: 1, firstSequence: 4, lastSequence: 4 }], table, indexes).lost.map(({ firstSequence, lastSequence }) => [firstSequence, lastSequence]);
}

test("a copy covers a loss where it lies behind the fresh records, and not where fresh ones were appended after it: it is of a record that was truncated", () => {
  assert.deepEqual(lossesWith(3), []);
  assert.deepEqual(lossesWith(1), [[4, 4]]);
});
