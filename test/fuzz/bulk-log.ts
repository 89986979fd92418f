// Writes a log of some megabytes that repeats a few frames, each of a right checksum: what takes time or memory with the
// square of how often something comes shows here, as a hang.

import fs from "node:fs";
import path from "node:path";
import { laneDirectoryName, segmentName } from "#src/format/names.js";
import { blockSeed } from "#src/format/seed.js";
import { encodeSegmentHeader } from "#src/format/segment-header.js";
import { encodeSuperblock } from "#src/format/superblock.js";
import { sealedBlock, sealPage, type HostileFrame } from "./hostile.js";
import type { WrittenLog } from "./hostile-log.js";
import type { Random } from "./random.js";

const alignment = 4096;
const baseTime = 1_700_000_000_000;
const empty = new Uint8Array(0);

/** How a number goes on from turn to turn. */
type Course = (turn: number) => number;

interface Pattern {
  readonly kindAndFlags: number;
  readonly partition: Course;
  readonly sequence: Course;
  readonly payload: (turn: number) => Uint8Array;
  /** Its checksum is broken every so many turns; 0: never. */
  readonly brokenEvery: number;
}

export function writeBulkLog(directory: string, random: Random): WrittenLog {
  const lane = path.join(directory, laneDirectoryName(0));
  fs.mkdirSync(lane, { recursive: true });
  const uuid = random.bytes(16);
  const patterns = Array.from({ length: 1 + random.below(3) }, () => pattern(random));
  const segments = random.pick([1, 1, 2, 12]);
  const bytesMax = random.pick([1, 1, 2]) * 1024 * 1024;
  const blockDataMax = random.pick([4000, 60_000, 1_000_000]);
  const epochs = random.below(4) === 0;
  let sequence = 1;
  let checksum = 0;
  let epoch = 1;
  let turn = 0;
  for (let segment = 1; segment <= segments; segment++) {
    const parts = [encodeSegmentHeader({ uuid, lane: 0, alignment, segment, baseTime, segmentBytes: bytesMax })];
    let position = alignment;
    for (let isFirst = true; position < bytesMax / segments; isFirst = false) {
      const frames: HostileFrame[] = isFirst ? [{ kindAndFlags: 5 << 24, partition: 0, time: 0, low: 0, high: 0, payload: empty }, definition(1)] : [];
      for (let used = 0; used < blockDataMax; turn++) {
        for (const each of patterns) {
          const payload = each.payload(turn);
          frames.push({ kindAndFlags: each.kindAndFlags, partition: each.partition(turn), time: turn, low: each.sequence(turn) % 2 ** 32, high: 0, payload });
          used += 24 + ((payload.length + 7) & ~7);
        }
      }
      if (epochs && sequence > 1) epoch++;
      const block = { sequence, horizon: sequence - 1, epoch, previousChecksum: checksum, flags: sequence === 1 || epochs ? 1 : 0, baseTime, frames };
      const sealed = sealedBlock(block, blockSeed({ uuid, lane: 0, segment, epoch }), position);
      breakSome(sealed.bytes, patterns, frames);
      parts.push(sealed.bytes);
      position += sealed.bytes.length;
      checksum = sealed.checksum;
      sequence++;
    }
    fs.writeFileSync(path.join(lane, segmentName(segment)), Buffer.concat(parts));
  }
  const record = { epoch, state: "open", epochSegment: 1, epochOffset: alignment, epochBlock: 1, horizon: sequence - 1, firstSegment: 1, blocksInFlightMax: 4 } as const;
  const superblock = { uuid, sequence: 5, alignment, flushMethod: "dsync" as const, created: baseTime, lanes: [{ ...record, epochBlock: epochs ? sequence - 1 : 1 }] };
  fs.writeFileSync(path.join(directory, "superblock"), Buffer.concat([0, 1, 2, 3].map((copy) => {
    const page = encodeSuperblock(superblock, copy);
    sealPage(page);
    return page;
  })));
  return { directory, strayed: 1, payloads: new Map(), records: new Map() };
}

function pattern(random: Random): Pattern {
  const kind = random.pick([1, 1, 1, 1, 2, 3, 4, 4, 5]);
  const flags = random.pick([0, 0, 0, 4, 8, 12, 5, 14, 15, random.below(16)]);
  const payload = random.bytes(random.pick([0, 0, 8, 30]));
  return {
    kindAndFlags: ((kind << 24) | (flags << 28)) >>> 0,
    partition: kind === 2 || kind === 5 ? () => 0 : course(random, 1),
    sequence: kind === 2 ? () => 0 : course(random, random.below(3)),
    payload: kind === 2 ? (turn) => definition(turn + 2).payload : () => payload,
    brokenEvery: random.pick([0, 0, 0, 1, 2, 50]),
  };
}

function course(random: Random, from: number): Course {
  const step = random.pick([0, 1, 1, 2, 3]);
  const modulus = random.pick([1, 2, 100, 5000, 2 ** 31, 2 ** 31]);
  return random.below(6) === 0 ? (turn) => Math.max(0, 1_000_000 - turn) : (turn) => from + step * (turn % modulus);
}

function definition(id: number): HostileFrame {
  const payload = Buffer.alloc(12);
  payload.writeUInt32LE(id, 0);
  payload.write(id.toString(36).padStart(8, "n"), 4);
  return { kindAndFlags: 2 << 24, partition: 0, time: 0, low: 0, high: 0, payload };
}

/** Frames lie in the order of the patterns, behind those that begin a segment. */
function breakSome(block: Uint8Array, patterns: readonly Pattern[], frames: readonly HostileFrame[]): void {
  let at = 64;
  const first = frames.length % patterns.length;
  for (const [index, { payload }] of frames.entries()) {
    const every = (patterns[(index + patterns.length - first) % patterns.length] as Pattern).brokenEvery;
    if (every > 0 && index % (every * patterns.length) === 0 && index > 1) block[at] = (block[at] as number) ^ 1;
    at += 24 + ((payload.length + 7) & ~7);
  }
}
