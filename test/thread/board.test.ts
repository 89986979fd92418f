// What the lane's thread makes known on the board arrives at its readers.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { LogStats } from "#src/index.js";
import { BoardReader, BoardWriter } from "#src/thread/board.js";

function statsOf(lane: number, step: number): LogStats {
  return {
    lane, records: 1000 * step, payloadBytes: 5 * step, blocks: step, blockBytes: 4096 * step, recordsPerBlockMean: 0.1 + step, waits: 0, stalls: 0, segments: 1, segmentsReleased: 0,
    retentionRecords: 0, retentionTrims: 0, segmentsReclaimed: 0, bytesMoved: 2 ** 40 + step, reclaimStoppedAt: 0, reclaimHolds: step, reclaimHoldMicros: 100 * step,
    horizon: step - lane, blocksInFlight: (4 - step) % 4, partitions: 3, segmentsKept: 2, writeMicros: { p50: 90.5 + step, p99: 1000 / (step + 1), max: 7 },
  };
}

test("statistics of every lane: each update is what a reader has then, changed numbers, kept ones, and those that fall back to zero", () => {
  const writer = new BoardWriter();
  const reader = new BoardReader(writer.buffer);
  for (const step of [1, 2, 2, 0, 3, 1]) {
    const lanes = [statsOf(0, step), statsOf(1, step)];
    writer.updateStats(lanes);
    assert.deepEqual(reader.stats(), lanes);
  }
});
