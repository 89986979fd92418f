// Which bytes of a segment a reader asks for: whatever he wants, also what the run does not hold any more.

import assert from "node:assert/strict";
import { test } from "node:test";
import { SegmentIndex } from "#src/core/segment-index.js";
import { exactPosition, type PartitionRun } from "#src/core/segment-runs.js";
import { pointStretch, ReadPlan } from "#src/log/read-plan.js";
import { alignment } from "./lane-builder.js";

const key = 7;
const frame = 3736;
const count = 30;

/** Records at equal distances from the first block's first frame on; truncated to `last`. */
function strided(last: number): { readonly run: PartitionRun; readonly endOffset: number } {
  const index = new SegmentIndex(1, 0, alignment);
  const { growing } = index;
  const slot = growing.open(key);
  const first = alignment + 64;
  for (let sequence = 1; sequence <= count; sequence++) {
    const at = first + (sequence - 1) * frame;
    if (growing.note(slot, sequence, at, frame - 24, 0)) growing.addEntry(slot, sequence, alignment, at - alignment);
  }
  growing.truncate(slot, last);
  return { run: growing.get(key) as PartitionRun, endOffset: alignment + Math.ceil((64 + count * frame) / alignment) * alignment };
}

test("a plan's stretches go forward and stay in the segment, for every first record, at the run's end and behind it", () => {
  for (const last of [count, count - 1, 20, 19, 2, 1]) {
    const { run, endOffset } = strided(last);
    for (let first = 1; first <= count + 2; first++) {
      for (const [position, isDamaged] of [[alignment, false], [alignment + 64 + (first - 1) * frame, false], [alignment, true]] as const) {
        const plan = new ReadPlan({ run, position, first, last: Math.max(first, last), endOffset, isDamaged });
        let end = 0;
        for (let stretch = plan.next(64 * 1024), rounds = 0; stretch !== null; stretch = plan.next(64 * 1024)) {
          const what = `first ${String(first)} of ${String(last)} at ${String(position)}: [${String(stretch.start)}, ${String(stretch.end)})`;
          assert.ok(stretch.start < stretch.end && stretch.start >= end && stretch.end <= endOffset, what);
          if (first <= last && end === 0) assert.ok(stretch.start <= Math.max(position, recordAt(run, first)), what);
          assert.ok(++rounds < 100, what);
          ({ end } = stretch);
        }
      }
      const point = pointStretch(run, first, endOffset);
      if (first > last) assert.equal(point, null, `a record behind ${String(last)}`);
      else assert.ok(point !== null && point.start <= recordAt(run, first) && point.end > recordAt(run, first));
    }
  }
});

function recordAt(run: PartitionRun, sequence: number): number {
  return exactPosition(run.entry(run.entryAtOrBefore(sequence)), sequence) ?? 0;
}
