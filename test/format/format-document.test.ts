// docs/FORMAT.md against the code: every table of offsets, every constant, every flag and kind, the recovery table, the dump.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { inOneGo } from "#src/base/slices.js";
import { crc32c, crc32cNumber } from "#src/base/crc32c.js";
import { readU64 } from "#src/base/numbers.js";
import { recoveryTable } from "#src/core/recovery-table.js";
import { SegmentIndex } from "#src/core/segment-index.js";
import { blockBytesMax, blockFlag, blockHeaderBytes, encodeBlockHeader, pageBytes } from "#src/format/block.js";
import { countedNumberMax, storedNumberMax } from "#src/base/numbers.js";
import { checkpointPayloads, partitionNameBytesMax, storedPastMax, storedTruncationsMax } from "#src/format/checkpoint.js";
import { frameFlag, frameHeaderBytes, frameKind, framePayloadBytesMax, groupFramesMax } from "#src/format/frame.js";
import { encodeIndexFile, indexHeaderBytes } from "#src/format/index-file.js";
import { portableKernels } from "#src/format/kernels.js";
import { Memory } from "#src/format/memory.js";
import { blockSeed } from "#src/format/seed.js";
import { encodeSegmentHeader } from "#src/format/segment-header.js";
import { blocksInFlightUnbounded, encodeSuperblock, lanesMax, superblockBytes } from "#src/format/superblock.js";
import { formatVersion } from "#src/format/version.js";
import { checkpoint, define, LogBuilder, record } from "../recovery/log-builder.js";

const document = readFileSync(fileURLToPath(new URL("../../../docs/FORMAT.md", import.meta.url)), "utf8");

type Row = Record<string, string>;

/** The first table whose header row begins with `columns`, below the heading if one is given. */
function table(columns: readonly string[], heading?: string): Row[] {
  const lines = document.split("\n");
  const from = heading === undefined ? 0 : lines.findIndex((line) => /^#+ /.test(line) && line.replace(/^#+ /, "") === heading);
  assert.ok(from >= 0, `the document has a section ${String(heading)}`);
  const cells = (line: string): string[] => line.split("|").slice(1, -1).map((cell) => cell.trim());
  const at = lines.findIndex((line, index) => index >= from && line.startsWith(`| ${columns.join(" | ")} |`));
  assert.ok(at >= 0, `the document has a table of ${columns.join(", ")}`);
  const names = cells(lines[at]!);
  const end = lines.findIndex((line, index) => index > at && !line.startsWith("|"));
  return lines.slice(at + 2, end).map((line) => Object.fromEntries(cells(line).map((cell, index) => [names[index]!, cell])));
}

/** The fields of a structure, back to back from 0 to `bytes`, each with the content that `written` has there. */
function checkLayout(heading: string, bytes: number, written: Uint8Array, expected: Record<string, number | string | Uint8Array>): void {
  const rows = table(["offset", "bytes", "field"], heading);
  const view = new DataView(written.buffer, written.byteOffset, written.length);
  let at = 0;
  for (const row of rows) {
    const [offset, length, field] = [Number(row["offset"]), Number(row["bytes"]), row["field"]!];
    assert.equal(offset, at, `${heading}: ${field} follows the field before it`);
    at += length;
    const content = written.subarray(offset, offset + length);
    if (field === "zero") {
      assert.ok(content.every((byte) => byte === 0), `${heading}: zeros at ${String(offset)}`);
      continue;
    }
    const value = expected[field];
    assert.notEqual(value, undefined, `${heading}: the test knows ${field}`);
    if (typeof value === "number") {
      const read = length === 2 ? view.getUint16(offset, true) : length === 4 ? view.getUint32(offset, true) : readU64(view, offset);
      assert.equal(read, value, `${heading}: ${field}`);
    } else assert.deepEqual(Buffer.from(content), Buffer.from(value as string), `${heading}: ${field}`);
    if (field === "magic") assert.equal(row["content"], `\`${String(value)}\``);
  }
  assert.equal(at, bytes, `${heading}: bytes in all`);
  assert.deepEqual(Object.keys(expected).filter((field) => !rows.some((row) => row["field"] === field)), [], `${heading}: fields that the document lacks`);
}

const uuid = Uint8Array.from({ length: 16 }, (_, index) => 0x80 + index);
const big = 2 ** 40 + 5;

test("the constants are the code's", () => {
  const code: Record<string, number> = {
    "format version": formatVersion,
    "page bytes": pageBytes,
    "superblock bytes": superblockBytes,
    "lanes at most": lanesMax,
    "block bytes at most": blockBytesMax,
    "block header bytes": blockHeaderBytes,
    "frame header bytes": frameHeaderBytes,
    "frame payload bytes at most": framePayloadBytesMax,
    "index header bytes": indexHeaderBytes,
    "partition name bytes at most": partitionNameBytesMax,
    "blocks in flight, without bound": blocksInFlightUnbounded,
    "number at most": storedNumberMax,
    "base time at most": countedNumberMax,
    "truncations of a partition at most": storedTruncationsMax,
    "past truncations of a partition at most": storedPastMax,
    "frames of a group at most": groupFramesMax,
  };
  assert.deepEqual(Object.fromEntries(table(["constant", "value"]).map((row) => [row["constant"]!, Number(row["value"])])), code);
});

test("superblock and lane record", () => {
  const lane = { epoch: 11, state: "closed", epochSegment: big + 1, epochOffset: big + 2, epochBlock: big + 3, horizon: big + 4, firstSegment: big + 5, blocksInFlightMax: 12 } as const;
  const page = encodeSuperblock({ uuid, sequence: big, alignment: 8192, flushMethod: "linked", created: big + 9, lanes: [lane, lane] }, 2);
  const record = page.subarray(128, 192);
  checkLayout("Superblock", 192, page, {
    magic: "RINGWALL", checksum: crc32c(page, 0, 12, 4096), "format version": formatVersion, uuid, sequence: big, copy: 2, lanes: 2, alignment: 8192,
    "flush method": 2, created: big + 9, "lane records": record,
  });
  assert.deepEqual(page.subarray(192, 256), record, "one lane record behind the other");
  assert.ok(page.subarray(256).every((byte) => byte === 0));
  checkLayout("Lane record", 64, record, {
    epoch: 11, state: 2, "epoch segment": big + 1, "epoch offset": big + 2, "epoch block": big + 3, horizon: big + 4, "first segment": big + 5, "blocks in flight": 12,
  });
});

test("segment header", () => {
  const page = encodeSegmentHeader({ uuid, lane: 3, alignment: 8192, segment: big, baseTime: big + 1, segmentBytes: big + 2 });
  checkLayout("Segment header", 4096, page, {
    magic: "RWSEGMNT", checksum: crc32c(page, 0, 12, 4096), "format version": formatVersion, uuid, lane: 3, alignment: 8192, segment: big, "base time": big + 1, "segment bytes": big + 2,
  });
});

/** The seed as the document defines it, byte by byte. */
function seedOf(lane: number, segment: number, epoch: number): number {
  const bytes = Buffer.alloc(32);
  bytes.set(uuid, 0);
  bytes.writeUInt32LE(lane, 16);
  bytes.writeBigUInt64LE(BigInt(segment), 20);
  bytes.writeUInt32LE(epoch, 28);
  return crc32c(bytes, 0);
}

function placed(seed: number, position: number): number {
  return crc32cNumber(Math.floor(position / 2 ** 32), crc32cNumber(position >>> 0, seed));
}

test("block header, its seed and what its checksum covers", () => {
  const seed = blockSeed({ uuid, lane: 3, segment: big, epoch: 7 });
  assert.equal(seed, seedOf(3, big, 7));
  const memory = new Memory(new ArrayBuffer(4096));
  const header = { sequence: big, horizon: big - 1, epoch: 7, blockBytes: 4096, dataBytes: 48, frameCount: 2, baseTime: big + 1, previousChecksum: 0xfedcba98, flags: 5 };
  encodeBlockHeader(memory, 0, header, seed, big * 4);
  checkLayout("Block header", blockHeaderBytes, memory.bytes, {
    magic: "RWBK", checksum: crc32c(memory.bytes, placed(seed, big * 4), 8, 64), sequence: big, horizon: big - 1, epoch: 7, "block bytes": 4096, "data bytes": 48,
    "frame count": 2, "base time": big + 1, "previous checksum": 0xfedcba98, flags: 5,
  });
});

test("frame header and what its checksum covers", () => {
  const memory = new Memory(new ArrayBuffer(64));
  memory.words.set([0, (11 | (frameKind.trim << 24) | frameFlag.groupGoesOn) >>> 0, 9, 1234, 5, 2 ** 8], 2);
  memory.bytes.fill(0x77, 32, 43);
  const seed = blockSeed({ uuid, lane: 0, segment: 1, epoch: 1 });
  assert.equal(portableKernels.sealFrames(memory, 8, 48, seed, big * 8), 1);
  const frame = memory.bytes.subarray(8, 48);
  checkLayout("Frame header", frameHeaderBytes, frame, {
    checksum: crc32c(frame, placed(seed, big * 8), 4, 40), "length and kind": 11 + 3 * 2 ** 24 + 2 ** 30, partition: 9, time: 1234, sequence: 2 ** 40 + 5,
  });
});

test("flags and kinds", () => {
  const spaced = (name: string): string => name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
  const named = (values: Record<string, number>, map: (value: number) => number): Record<string, number> =>
    Object.fromEntries(Object.entries(values).map(([name, value]) => [spaced(name), map(value)]));
  const documented = (column: string, value: string): Record<string, number> => Object.fromEntries(table([column, value]).map((row) => [row[column]!, Number(row[value])]));
  assert.deepEqual(documented("block flag", "bit"), named(blockFlag, Math.log2));
  assert.deepEqual(documented("frame flag", "bit"), named(frameFlag, Math.log2));
  assert.deepEqual(documented("frame kind", "value"), named(frameKind, (value) => value));
});

test("checkpoint entry and truncation", () => {
  const truncations = [{ segment: big + 1, offset: big + 2, after: big + 3, isPast: true as const }, { segment: 1, offset: 2, after: 3 }];
  const payload = [...checkpointPayloads([{ id: 77, name: "größe", firstSequence: big, lastSequence: big + 9, truncations }], 1 << 20)][0]!;
  checkLayout("Checkpoint entry", 24, payload, { partition: 77, "name bytes": 7, truncations: 2 + 8192, "first sequence": big, "last sequence": big + 9 });
  checkLayout("Truncation", 24, payload.subarray(24), { segment: big + 1, offset: big + 2, after: big + 3 });
  assert.equal(Buffer.from(payload.subarray(72, 79)).toString(), "größe");
  assert.equal(payload.length, 80);
});

test("index header, and a body as the document describes it", () => {
  const index = new SegmentIndex(big, 1000, 4096);
  index.noteBlock(4096, 8192, 300, 2, 0xaabbccdd);
  index.run(5).note(200, 4096, 64, 9, 1010);
  index.run(5).note(201, 4096, 104, 4, 1015);
  index.movedStretch(5, 7).note(7, 4096, 200, 10, 1016);
  index.movedStretch(5, 3).note(3, 4096, 400, 11, 1016);
  index.voids.push({ from: 4300, to: 4340 });
  index.goesOn = true;
  const bytes = inOneGo(encodeIndexFile(index, uuid, 4));
  checkLayout("Index header", indexHeaderBytes, bytes, {
    magic: "RWINDEX1", checksum: crc32c(bytes, 0, 12, 128), "format version": formatVersion, uuid, lane: 4, "last epoch": 2, segment: big, "base time": 1000,
    "first offset": 4096, "end offset": 12288, "first block": 300, "last block": 300, "last checksum": 0xaabbccdd, "body checksum": crc32c(bytes, 0, 128), "last time": 1016,
    "body bytes": bytes.length - 128, runs: 3, epochs: 1, voids: 1, flags: 1, "highest partition": 5,
  });
  const varint = (value: number): number[] => (value < 128 ? [value] : [(value & 127) | 128, ...varint(value >>> 7)]);
  const fresh = [10, 200, 1, 2, 13, 10, 5, 3, 200, 1, 8, 5];
  const moved = [1, 7, 0, 1, 10, 16, 0, 2, 7, 1, 25, 0, 3, 0, 1, 11, 16, 0, 2, 3, 1, 50];
  const body = [1, 2, 4300, 40, ...fresh, ...moved].flatMap(varint);
  assert.deepEqual([...bytes.subarray(128)], body);
});

test("the recovery table has the code's rows and verdicts, in its order", () => {
  const documented = table(["row", "superblock"]).map((row) => [row["row"], row["verdict"]]);
  assert.deepEqual(documented, recoveryTable.map((row) => [row.label, row.verdict]));
});

test("the dump is what the code writes", () => {
  const log = new LogBuilder(16 * 1024);
  try {
    log.enter(1);
    log.block([...checkpoint([]), define(1, "orders"), { ...record(1, 1, "hello"), time: 7 }], { flags: blockFlag.checkpoint });
    const bytes = readFileSync(log.path(1));
    const shown = new Set<number>();
    for (const [, offset, hex] of document.matchAll(/^([0-9a-f]{8}) {2}((?:[0-9a-f]{2} ?){16}) {1,2};/gm)) {
      const at = Number.parseInt(offset!, 16);
      shown.add(at);
      assert.equal(bytes.subarray(at, at + 16).toString("hex"), hex!.replaceAll(" ", ""), `line ${offset!}`);
    }
    for (let at = 0; at < bytes.length; at += 16) {
      if (!shown.has(at)) assert.ok(bytes.subarray(at, at + 16).every((byte) => byte === 0), `bytes at ${String(at)} are shown`);
    }
    assert.equal(shown.size, 14);
  } finally {
    log.remove();
  }
});
