// Recovery of whole lanes whose every checksum fits and whose contents are absurd: a verdict or a code, in bounded time.

import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { RingwallError } from "#src/index.js";
import { encodeCheckpoint } from "#src/format/checkpoint.js";
import { chooseKernels } from "#src/format/kernels.js";
import { segmentName } from "#src/format/names.js";
import { blockSeed } from "#src/format/seed.js";
import { encodeSegmentHeader } from "#src/format/segment-header.js";
import { recoverLane } from "#src/recovery/recover-lane.js";
import { nodeFileSystem } from "#src/storage/node-files.js";
import { mutate, sealedBlock, type HostileFrame } from "./hostile.js";
import { fuzz, type Random } from "./random.js";

const directory = fs.mkdtempSync(path.join(fs.existsSync("/dev/shm") ? "/dev/shm" : os.tmpdir(), "ringwall-fuzz-"));
after(() => fs.rmSync(directory, { recursive: true, force: true }));
const uuid = Uint8Array.from({ length: 16 }, (_, index) => index + 1);
const alignment = 4096;
const heapBytesMax = 512 * 1024 * 1024;
const groupFlags = [0, 0, 0, 0x4000_0000, 0x8000_0000, 0xc000_0000, 0x5000_0000, 0xe000_0000, 0xf000_0000];

function frame(random: Random): HostileFrame {
  const kind = random.pick([1, 1, 1, 1, 2, 4, 5, 6, 15]);
  const payload = kind === 2 ? define(random) : kind === 5 ? checkpoint(random) : random.bytes(random.below(100));
  const isOdd = random.below(10) === 0;
  return {
    kindAndFlags: ((kind << 24) | random.pick(groupFlags)) >>> 0,
    partition: kind === 2 || kind === 5 ? 0 : random.pick([1, 1, 2, 2, 3, isOdd ? 9 : 1]),
    time: random.pick([0, 5, 0xffff_ffff]),
    low: random.pick([0, 1, 2, 3, 4, 5, 6, isOdd ? 0xffff_ffff : 7]),
    high: 0,
    payload,
  };
}

function define(random: Random): Uint8Array {
  const payload = Buffer.alloc(4 + random.below(6), "n");
  payload.writeUInt32LE(random.pick([0, 1, 2, 3, 4, 9]), 0);
  return payload;
}

function checkpoint(random: Random): Uint8Array {
  const entries = Array.from({ length: random.below(4) }, (_, index) => ({
    id: random.below(8) === 0 ? random.pick([0, 7, 0xffff_ffff]) : index + 1,
    name: ["a", "b", "c"][index]!,
    firstSequence: 1,
    lastSequence: random.pick([0, 1, 9, 2 ** 40]),
    truncations: Array.from({ length: random.below(3) }, () => ({ segment: random.below(4), offset: 4096 * random.below(9), after: random.pick([0, 1, 2 ** 53 - 1]) })),
  }));
  const payload = encodeCheckpoint(entries, 1 << 16)[0]!;
  return random.below(8) === 0 ? payload.subarray(0, random.below(payload.length + 1)) : payload;
}

/** Writes a lane of one to three segments, mostly a chain; returns its last epoch. */
function writeLane(random: Random): number {
  let sequence = 1;
  let previousChecksum = 0;
  let epoch = 1;
  for (const name of fs.readdirSync(directory)) fs.rmSync(path.join(directory, name));
  const segments = 1 + random.below(3);
  for (let segment = 1; segment <= segments; segment++) {
    const parts: Uint8Array[] = [encodeSegmentHeader({ uuid, lane: 0, alignment, segment, baseTime: 1000, segmentBytes: 1 << 20 })];
    let position = alignment;
    for (let count = random.below(6); count > 0; count--) {
      const isNewEpoch = sequence === 1 || random.below(12) === 0;
      if (isNewEpoch && sequence > 1) epoch++;
      const isOdd = random.below(12) === 0;
      const frames = Array.from({ length: random.below(8) }, () => frame(random));
      if (position === alignment && random.below(4) > 0) frames.unshift({ ...frame(random), kindAndFlags: 5 << 24, partition: 0, payload: checkpoint(random) });
      const block = {
        sequence: isOdd ? random.pick([1, sequence + 1, sequence + 100, sequence + 5000]) : sequence,
        horizon: isOdd ? random.below(sequence + 1) : sequence - 1,
        epoch, previousChecksum: isOdd && random.below(2) === 0 ? 1 : previousChecksum, flags: (isNewEpoch ? 1 : 0) | random.pick([0, 0, 2, 4, 8]), baseTime: random.pick([1000, 0, 2 ** 53 - 1]), frames,
      };
      const { bytes, checksum } = sealedBlock(block, blockSeed({ uuid, lane: 0, segment, epoch }), position);
      if (random.below(10) === 0) mutate(bytes, random);
      parts.push(bytes);
      position += bytes.length;
      previousChecksum = checksum;
      sequence++;
    }
    parts.push(new Uint8Array(random.below(3) * 4096 + random.pick([0, 0, 1, 4095])));
    if (random.below(20) > 0) fs.writeFileSync(path.join(directory, segmentName(segment)), Buffer.concat(parts));
  }
  return epoch;
}

test("recovery of hostile lanes ends with a verdict or a code", async (t) => {
  const verdicts = new Map<string, number>();
  const before = process.memoryUsage().heapUsed;
  await fuzz(t, 6, async (random) => {
    const epoch = writeLane(random);
    const lane = {
      epoch: random.below(6) === 0 ? random.below(4) : epoch, state: random.pick(["open", "closed"] as const), epochSegment: random.below(3) + 1, epochOffset: alignment * (1 + random.below(4)),
      epochBlock: 1 + random.below(5), horizon: random.pick([0, 1, 3, 10, 2 ** 53 - 2]), firstSegment: random.pick([1, 1, 1, 2, 3, 900_000]), blocksInFlightMax: random.pick([1, 4, 0xffff_ffff]),
    };
    const superblock = { uuid, sequence: 1, alignment, flushMethod: "dsync" as const, created: 0, lanes: [lane] };
    try {
      const { report, table } = await recoverLane({ files: nodeFileSystem(), directory, lane: 0, superblock, kernels: chooseKernels(), readOnly: true, liveWriter: random.below(4) === 0 });
      verdicts.set(report.verdict, (verdicts.get(report.verdict) ?? 0) + 1);
      for (const { firstSequence, lastSequence } of report.lost) assert.ok(firstSequence <= lastSequence && Number.isSafeInteger(lastSequence), `lost ${String(firstSequence)} to ${String(lastSequence)}`);
      for (const state of table) assert.ok(Number.isSafeInteger(state.lastSequence) && Number.isSafeInteger(state.firstSequence), `${state.name}: ${String(state.firstSequence)} to ${String(state.lastSequence)}`);
    } catch (error) {
      if (!(error instanceof RingwallError)) throw error;
      verdicts.set(error.code, (verdicts.get(error.code) ?? 0) + 1);
    }
    assert.ok(process.memoryUsage().heapUsed - before < heapBytesMax, "memory stays bounded");
  });
  t.diagnostic([...verdicts].map(([verdict, count]) => `${verdict} ${String(count)}`).join(", "));
  if (process.env["RINGWALL_FUZZ_SEED"] === undefined) assert.ok(verdicts.has("damaged") && verdicts.has("clean"), "both sides are reached");
});
