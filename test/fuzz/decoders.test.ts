// The decoders under hostile bytes: a verdict, never an exception, never more memory than the input is worth.

import assert from "node:assert/strict";
import { test } from "node:test";
import { inOneGo } from "#src/base/slices.js";
import { crc32c } from "#src/base/crc32c.js";
import { SegmentIndex } from "#src/core/segment-index.js";
import { decodeBlockHeader, encodeBlockHeader } from "#src/format/block.js";
import { decodeCheckpoint, checkpointPayloads } from "#src/format/checkpoint.js";
import { decodeIndexBody, decodeIndexHeader, encodeIndexFile, indexHeaderBytes } from "#src/format/index-file.js";
import { chooseKernels, portableKernels } from "#src/format/kernels.js";
import { Memory } from "#src/format/memory.js";
import { decodeSegmentHeader, encodeSegmentHeader } from "#src/format/segment-header.js";
import { decodeSuperblock, encodeSuperblock, type Superblock } from "#src/format/superblock.js";
import { mutate, sealPage } from "./hostile.js";
import { fuzz, type Random } from "./random.js";

const uuid = Uint8Array.from({ length: 16 }, (_, index) => index + 1);
const kernels = chooseKernels();
const superblock: Superblock = {
  uuid, sequence: 7, alignment: 4096, flushMethod: "dsync", created: 1_700_000_000_000,
  lanes: [{ epoch: 3, state: "open", epochSegment: 2, epochOffset: 8192, epochBlock: 40, horizon: 39, firstSegment: 1, blocksInFlightMax: 4 }],
};

/** Valid ones must be met too, or the mutations stop at the first comparison. */
function demandBoth(counts: readonly [valid: number, invalid: number]): void {
  assert.ok(counts[0] > 0 && counts[1] > 0, `valid ${String(counts[0])}, not valid ${String(counts[1])}`);
}

test("superblock", async (t) => {
  const counts: [number, number] = [0, 0];
  const copies = [0, 1, 2, 3].map((copy) => encodeSuperblock(superblock, copy));
  await fuzz(t, 2, (random) => {
    const bytes = Buffer.concat(copies);
    const page = bytes.subarray(0, 4096);
    mutate(page, random, 8, 300);
    if (random.below(4) > 0) sealPage(page);
    for (let copy = 1; copy < 4; copy++) if (random.below(2) === 0) bytes.fill(0, copy * 4096, (copy + 1) * 4096);
    const verdict = decodeSuperblock(random.below(8) === 0 ? bytes.subarray(0, random.below(bytes.length)) : bytes);
    counts[verdict.kind === "valid" ? 0 : 1]++;
    if (verdict.kind === "valid") assert.ok(verdict.superblock.lanes.length <= 32);
  });
  demandBoth(counts);
});

test("segment header", async (t) => {
  const counts: [number, number] = [0, 0];
  const page = encodeSegmentHeader({ uuid, lane: 0, alignment: 4096, segment: 1, baseTime: 1, segmentBytes: 1 << 20 });
  await fuzz(t, 1, (random) => {
    const bytes = page.slice();
    mutate(bytes, random, 0, 80);
    if (random.below(4) > 0) sealPage(bytes);
    counts[decodeSegmentHeader(random.below(8) === 0 ? bytes.subarray(0, random.below(4096)) : bytes) === null ? 1 : 0]++;
  });
  demandBoth(counts);
});

test("block header: what verifies is plausible", async (t) => {
  const counts: [number, number] = [0, 0];
  const memory = new Memory(new ArrayBuffer(4096));
  const number = (random: Random): number => random.pick([0, 1, 4096, 8192, 2 ** 24, 2 ** 24 + 4096, 2 ** 31, 2 ** 32 - 4096, 2 ** 53 - 1, 2 ** 60]);
  await fuzz(t, 2, (random) => {
    const position = random.below(1000) * 4096;
    const header = {
      sequence: number(random), horizon: number(random), epoch: random.below(5), blockBytes: number(random) >>> 0, dataBytes: random.below(5000), frameCount: number(random) >>> 0,
      baseTime: number(random), previousChecksum: 1, flags: random.below(16),
    };
    encodeBlockHeader(memory, 0, header, 5, position);
    if (random.below(4) === 0) mutate(memory.bytes, random, 0, 64);
    const decoded = decodeBlockHeader(memory, 0, 5, position);
    counts[decoded === null ? 1 : 0]++;
    if (decoded === null) return;
    assert.ok(decoded.dataBytes + 64 <= decoded.blockBytes && decoded.blockBytes <= 2 ** 24 && decoded.horizon < decoded.sequence && Number.isSafeInteger(decoded.sequence));
    assert.ok(decoded.frameCount * 24 <= decoded.dataBytes);
  });
  demandBoth(counts);
});

test("checkpoint", async (t) => {
  const counts: [number, number] = [0, 0];
  const entries = Array.from({ length: 5 }, (_, index) => ({ id: index + 1, name: "n".repeat(index * 5 + 1), firstSequence: 1, lastSequence: 9, truncations: [{ segment: 1, offset: 4096, after: 3 }] }));
  const payload = [...checkpointPayloads(entries, 1 << 16)][0]!;
  await fuzz(t, 3, (random) => {
    const bytes = random.below(3) === 0 ? random.bytes(random.below(200)) : payload.slice();
    mutate(bytes, random);
    const decoded = decodeCheckpoint(random.below(4) === 0 ? bytes.subarray(0, random.below(bytes.length + 1)) : bytes);
    counts[decoded === null ? 1 : 0]++;
    // Counts lead no further than the bytes do.
    if (decoded !== null) assert.ok(decoded.reduce((sum, { truncations }) => sum + 24 + 24 * truncations.length, 0) <= bytes.length);
  });
  demandBoth(counts);
});

test("index file: absurd varints and counts", async (t) => {
  const counts: [number, number] = [0, 0];
  const index = new SegmentIndex(3, 1000, 4096);
  index.noteBlock(4096, 65_536, 10, 2, 77);
  for (let sequence = 1; sequence <= 40; sequence++) index.run(1 + (sequence % 3)).note(Math.ceil(sequence / 3), 4096, 64 + sequence * 1000, 900, 1000 + sequence);
  index.voids.push({ from: 5000, to: 6000 });
  const whole = inOneGo(encodeIndexFile(index, uuid, 0));
  await fuzz(t, 3, (random) => {
    const bytes = Buffer.from(whole);
    mutate(bytes, random, random.below(2) === 0 ? 96 : indexHeaderBytes);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    if (random.below(4) > 0) view.setUint32(92, crc32c(bytes, 0, indexHeaderBytes), true);
    if (random.below(2) > 0) view.setUint32(104, bytes.length - indexHeaderBytes, true);
    if (random.below(4) > 0) view.setUint32(8, crc32c(bytes, 0, 12, indexHeaderBytes), true);
    const header = decodeIndexHeader(bytes);
    const target = new SegmentIndex(3, 1000, 4096);
    const isValid = header !== null && decodeIndexBody(bytes, header, target);
    counts[isValid ? 0 : 1]++;
    const entries = [...target.runs.values()].reduce((sum, run) => sum + run.entryCount, 0);
    assert.ok(entries + target.runs.size + target.epochs.length + target.voids.length <= bytes.length + 3, "no more is kept than the bytes can name");
  });
  demandBoth(counts);
});

test("frames: native and portable kernels agree on hostile lengths", async (t) => {
  const memory = new Memory(new ArrayBuffer(8192));
  let frames = 0;
  await fuzz(t, 4, (random) => {
    memory.bytes.fill(0);
    const end = 8 * (8 + random.below(512));
    let at = 0;
    while (at + 24 <= end) {
      const payload = Math.min(random.below(200), end - at - 24);
      memory.words[(at >>> 2) + 1] = payload | (random.below(16) << 24);
      memory.words[(at >>> 2) + 2] = random.below(4);
      memory.words[(at >>> 2) + 4] = random.below(2 ** 32);
      const next = at + 24 + ((payload + 7) & ~7);
      if (next > end) break;
      at = next;
    }
    const position = 4096 * random.below(2 ** 20);
    portableKernels.sealFrames(memory, 0, at, 9, position);
    if (random.below(3) > 0) mutate(memory.bytes, random, 0, end);
    const start = 8 * random.below(end / 8);
    const verified = portableKernels.verifyFrames(memory, start, end, 9, position + start);
    const found = portableKernels.findFrame(memory, start, end, 9, position + start);
    assert.ok(verified >= start && verified <= end && found >= start && found <= end);
    assert.equal(kernels.verifyFrames(memory, start, end, 9, position + start), verified);
    assert.equal(kernels.findFrame(memory, start, end, 9, position + start), found);
    if (verified > start) frames++;
  });
  assert.ok(frames > 0, "some inputs verify");
});
