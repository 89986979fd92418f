// Frames: fields where the format says, checksums that bind every bit to its place, and what is never a frame.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { crc32c, crc32cNumber } from "#src/base/crc32c.js";
import {
  frameBytes, frameFlag, frameFlagsOf, frameHeaderBytes, frameKind, frameKindOf, framePartition, framePayloadBytes, framePayloadBytesMax, frameSequence, frameTime,
} from "#src/format/frame.js";
import { nativeKernels, portableKernels, type Kernels } from "#src/format/kernels.js";
import { Memory } from "#src/format/memory.js";
import { blockSeed } from "#src/format/seed.js";
import { loadNative } from "#src/native/binding.js";
import { uuid, withEachBitFlipped } from "./bits.js";

const seed = blockSeed({ uuid, lane: 3, segment: 7, epoch: 5 });
const position = 2 ** 33 + 4096 + 64;

/** A frame at `start`, not sealed; returns the offset behind it. */
function writeFrame(memory: Memory, start: number, payload: Uint8Array, kindAndFlags: number = frameKind.data << 24): number {
  const view = new DataView(memory.buffer);
  view.setUint32(start + 4, (payload.length | kindAndFlags) >>> 0, true);
  view.setUint32(start + 8, 0xdead_beef, true);
  view.setUint32(start + 12, 0xffff_fffe, true);
  view.setBigUint64(start + 16, 0x001f_ffff_ffff_fffdn, true);
  memory.bytes.set(payload, start + frameHeaderBytes);
  return start + frameBytes(payload.length);
}

function sequenceOf(...lengths: number[]): { memory: Memory; end: number; starts: number[] } {
  const memory = new Memory(new ArrayBuffer(lengths.reduce((sum, length) => sum + frameBytes(length), 0) + 64));
  const starts: number[] = [];
  let end = 0;
  for (const length of lengths) {
    starts.push(end);
    end = writeFrame(memory, end, Uint8Array.from({ length }, (_, index) => index * 7 + length));
  }
  return { memory, end, starts };
}

test("fields are read from where the format puts them, at their limits", () => {
  const memory = new Memory(new ArrayBuffer(64));
  writeFrame(memory, 8, new Uint8Array(5), 0xf500_0000);
  assert.equal(framePayloadBytes(memory, 8), 5);
  assert.equal(frameKindOf(memory, 8), 5);
  assert.equal(frameFlagsOf(memory, 8), 0xf000_0000);
  assert.equal(framePartition(memory, 8), 0xdead_beef);
  assert.equal(frameTime(memory, 8), 0xffff_fffe);
  assert.equal(frameSequence(memory, 8), Number.MAX_SAFE_INTEGER - 2);
  memory.words[3] = 0xffff_ffff;
  assert.equal(framePayloadBytes(memory, 8), framePayloadBytesMax);
});

test("sizes: header 24, payload padded to 8, flags and kinds on their own bits", () => {
  assert.deepEqual([0, 1, 7, 8, 9, framePayloadBytesMax].map(frameBytes), [24, 32, 32, 32, 40, 24 + 2 ** 24]);
  const flags = Object.values(frameFlag);
  assert.equal(flags.reduce((sum, flag) => sum + flag, 0), 0xf000_0000);
  assert.equal(new Set(Object.values(frameKind)).size, Object.keys(frameKind).length);
  assert.ok(Object.values(frameKind).every((kind) => kind > 0 && kind < 16));
});

const native = loadNative();
const kernelSets: readonly Kernels[] = native.kind === "loaded" ? [portableKernels, nativeKernels(native.binding)] : [portableKernels];
if (native.kind === "absent") test("native frame kernels", { skip: native.reason }, () => undefined);

for (const kernels of kernelSets) {
  describe(`kernels ${kernels.name}`, () => {
    test("the checksum covers the position, then everything behind it, continued from the seed", () => {
      const { memory, end } = sequenceOf(13);
      assert.equal(kernels.sealFrames(memory, 0, end, seed, position), 1);
      const placed = crc32cNumber(Math.floor(position / 2 ** 32), crc32cNumber(position >>> 0, seed));
      assert.equal(memory.words[0], crc32c(memory.bytes, placed, 4, end));
    });

    test("sealed frames verify, back to back, of every length", () => {
      const { memory, end, starts } = sequenceOf(0, 1, 7, 8, 9, 100, 0, 1000, 4096);
      assert.equal(kernels.sealFrames(memory, 0, end, seed, position), starts.length);
      assert.equal(kernels.verifyFrames(memory, 0, end, seed, position), end);
      for (const start of starts) assert.equal(kernels.verifyFrames(memory, start, end, seed, position + start), end);
      assert.equal(kernels.findFrame(memory, 0, end, seed, position), 0);
      assert.equal(kernels.findFrame(memory, 8, end, seed, position + 8), starts[1]);
    });

    test("each single bit of a frame, header, payload and padding, is noticed", () => {
      const { memory, end, starts } = sequenceOf(5, 13, 8);
      const [, start, next] = starts as [number, number, number];
      kernels.sealFrames(memory, 0, end, seed, position);
      withEachBitFlipped(memory.bytes, [start, next], (bit) => {
        assert.equal(kernels.verifyFrames(memory, 0, end, seed, position), start, bit);
        assert.equal(kernels.findFrame(memory, start, end, seed, position + start), next, bit);
      });
      assert.equal(kernels.verifyFrames(memory, 0, end, seed, position), end);
    });

    test("another place, log, lane, segment or epoch: no frame", () => {
      const { memory, end } = sequenceOf(20);
      kernels.sealFrames(memory, 0, end, seed, position);
      for (const other of [position + 8, position - 8, position + 2 ** 32, position - 2 ** 32, 0]) assert.equal(kernels.verifyFrames(memory, 0, end, seed, other), 0);
      const sources = [
        { uuid: uuid.map((byte, index) => (index === 15 ? byte ^ 1 : byte)), lane: 3, segment: 7, epoch: 5 }, { uuid, lane: 2, segment: 7, epoch: 5 }, { uuid, lane: 3, segment: 8, epoch: 5 },
        { uuid, lane: 3, segment: 7, epoch: 6 }, { uuid, lane: 3, segment: 7 + 2 ** 32, epoch: 5 }, { uuid, lane: 7, segment: 3, epoch: 5 },
      ];
      for (const source of sources) assert.equal(kernels.verifyFrames(memory, 0, end, blockSeed(source), position), 0, JSON.stringify(source));
    });

    test("zeros, all ones and a sealed frame of kind 0 are no frames, whatever the seed", () => {
      const zeros = new Memory(new ArrayBuffer(4096));
      const ones = new Memory(new ArrayBuffer(4096));
      ones.bytes.fill(0xff);
      for (let some = 0; some < 1000; some++) {
        const anySeed = Math.imul(some, 0x9e37_79b9) >>> 0;
        for (const memory of [zeros, ones]) {
          assert.equal(kernels.verifyFrames(memory, 0, 4096, anySeed, some * 4096), 0);
          assert.equal(kernels.findFrame(memory, 0, 4096, anySeed, some * 4096), 4096);
        }
      }
      const memory = new Memory(new ArrayBuffer(64));
      const end = writeFrame(memory, 0, new Uint8Array(8), 0);
      kernels.sealFrames(memory, 0, end, seed, position);
      assert.equal(kernels.verifyFrames(memory, 0, end, seed, position), 0);
    });

    test("a length that leads over the end is neither sealed nor valid", () => {
      const { memory, end } = sequenceOf(8, 100);
      kernels.sealFrames(memory, 0, end, seed, position);
      for (const cut of [end - 8, end - 100, 40]) {
        assert.equal(kernels.verifyFrames(memory, 0, cut, seed, position), 32, `cut at ${cut}`);
        assert.equal(kernels.sealFrames(memory, 0, cut, seed, position), -1);
      }
      const huge = new Memory(new ArrayBuffer(64));
      huge.words[1] = 0x01ff_ffff;
      assert.equal(kernels.verifyFrames(huge, 0, 64, seed, position), 0);
      assert.equal(kernels.sealFrames(huge, 0, 64, seed, position), -1);
    });
  });
}
