// Writes whole logs whose every checksum is right and whose contents may be absurd.
//
// A model keeps the state that a sound writer would have, so that the absurd stands deep inside of what is plausible.
// How often it strays is drawn per log: never, rarely, often. With never the log is sound, and must be found so.

import fs from "node:fs";
import path from "node:path";
import { inOneGo } from "#src/base/slices.js";
import { SegmentIndex } from "#src/core/segment-index.js";
import { checkpointPayloads } from "#src/format/checkpoint.js";
import { encodeIndexFile, indexHeaderBytes } from "#src/format/index-file.js";
import { indexName, laneDirectoryName, segmentName } from "#src/format/names.js";
import { blockSeed } from "#src/format/seed.js";
import { encodeSegmentHeader } from "#src/format/segment-header.js";
import { encodeSuperblock, type LaneRecord } from "#src/format/superblock.js";
import { VarintReader } from "#src/format/varint.js";
import { crc32c } from "#src/base/crc32c.js";
import { mutate, sealedBlock, sealPage, varints, type HostileBlock, type HostileFrame } from "./hostile.js";
import type { Random } from "./random.js";

const alignment = 4096;
const baseTime = 1_700_000_000_000;
const groupGoesOn = 0x4000_0000;
const groupContinued = 0x8000_0000;
const recordGoesOn = 0x1000_0000;
const recordContinued = 0x2000_0000;
/** Where rules change, as u64. */
const wild = [0, 1, 2, 3, 7, 255, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 40, 2 ** 51, 2 ** 51 + 1, 2 ** 52 - 1, 2 ** 52, 2 ** 52 + 1, 2 ** 53 - 1, 2 ** 53, 2 ** 60, 2 ** 64 - 2 ** 12, 8.64e15];

interface Partition {
  readonly id: number;
  readonly name: string;
  first: number;
  last: number;
  truncations: { segment: number; offset: number; after: number }[];
}

export interface WrittenLog {
  readonly directory: string;
  /** How often anything was absurd. */
  readonly strayed: number;
  /** Payloads of all data frames, by "lane/sequence". */
  readonly payloads: ReadonlyMap<string, readonly Uint8Array[]>;
  /** Records that a sound reader finds, by "lane/partition". */
  readonly records: ReadonlyMap<string, { readonly first: number; readonly last: number }>;
}

export function writeHostileLog(directory: string, random: Random): WrittenLog {
  return new LogWriter(directory, random).write();
}

/** What may be absurd: says so one time in `oddsOf`. */
class Fate {
  readonly random: Random;
  readonly #odds: number;
  strayed = 0;

  constructor(random: Random, odds: number) {
    this.random = random;
    this.#odds = odds;
  }

  strays(): boolean {
    const strays = this.#odds > 0 && this.random.below(this.#odds) === 0;
    if (strays) this.strayed++;
    return strays;
  }

  /** `sound`, or anything near it or far from it. */
  number(sound: number): number {
    if (!this.strays()) return sound;
    return this.random.below(3) === 0 ? this.random.pick(wild) : Math.max(0, sound + this.random.pick([-100, -2, -1, 1, 2, 5, 1000]));
  }

  u32(sound: number): number {
    return this.number(sound) % 2 ** 32;
  }
}

class LogWriter {
  readonly #directory: string;
  readonly #random: Random;
  readonly #fate: Fate;
  readonly #uuid: Uint8Array;
  readonly #records = new Map<string, { first: number; last: number }>();
  readonly #payloads = new Map<string, readonly Uint8Array[]>();

  constructor(directory: string, random: Random) {
    this.#directory = directory;
    this.#random = random;
    this.#fate = new Fate(random, random.pick([0, 1000, 300, 100, 40, 8]));
    this.#uuid = random.bytes(16);
  }

  write(): WrittenLog {
    const lanes: LaneRecord[] = [];
    const count = this.#random.pick([1, 1, 1, 2]);
    for (let lane = 0; lane < count; lane++) {
      const writer = new LaneWriter(path.join(this.#directory, laneDirectoryName(lane)), lane, this.#uuid, this.#fate);
      lanes.push(writer.write());
      for (const [sequence, payloads] of writer.payloads) this.#payloads.set(`${String(lane)}/${String(sequence)}`, payloads);
      for (const { name, first, last } of writer.partitions) this.#records.set(`${String(lane)}/${name}`, { first, last });
    }
    this.#writeSuperblock(lanes);
    return { directory: this.#directory, strayed: this.#fate.strayed, payloads: this.#payloads, records: this.#records };
  }

  /** All copies alike, or some of another generation that says something else. */
  #writeSuperblock(lanes: readonly LaneRecord[]): void {
    const fate = this.#fate;
    const superblock = { uuid: this.#uuid, sequence: 5, alignment, flushMethod: "dsync" as const, created: baseTime, lanes };
    const pages = [0, 1, 2, 3].map((copy) => {
      const page = encodeSuperblock(superblock, copy);
      if (!fate.strays()) return page;
      const view = new DataView(page.buffer);
      for (const at of [32, 56]) setU64(view, at, fate.number(Number(view.getBigUint64(at, true))));
      if (fate.random.below(2) === 0) view.setUint32(48, fate.random.pick([0, 1, 4095, 4097, 8192, 65_536, 2 ** 24, 2 ** 24 + 4096, 0xffff_f000]), true);
      for (let at = 128; at < 128 + lanes.length * 64; at += 64) {
        for (const field of [8, 16, 24, 32, 40]) if (fate.random.below(3) === 0) setU64(view, at + field, fate.number(Number(view.getBigUint64(at + field, true))));
        for (const field of [0, 4, 48]) if (fate.random.below(3) === 0) view.setUint32(at + field, fate.u32(view.getUint32(at + field, true)), true);
      }
      if (fate.random.below(6) === 0) mutate(page, fate.random, 12, 300);
      sealPage(page);
      return page;
    });
    fs.writeFileSync(path.join(this.#directory, "superblock"), Buffer.concat(pages));
  }
}

class LaneWriter {
  readonly partitions: Partition[] = [];
  /** Of data frames, by sequence. */
  readonly payloads = new Map<number, Uint8Array[]>();
  readonly #directory: string;
  readonly #lane: number;
  readonly #uuid: Uint8Array;
  readonly #fate: Fate;
  readonly #random: Random;
  #segment = 0;
  #position = 0;
  #parts: Uint8Array[] = [];
  #index = new SegmentIndex(1, baseTime, alignment);
  #sequence = 1;
  #checksum = 0;
  #epoch = 1;
  #epochAt = { segment: 1, offset: alignment, block: 1 };
  /** Frames of the block that is being made, and what they are before they stray. */
  #frames: HostileFrame[] = [];
  #used = 64;
  #time = 0;
  #missing = false;

  constructor(directory: string, lane: number, uuid: Uint8Array, fate: Fate) {
    this.#directory = directory;
    this.#lane = lane;
    this.#uuid = uuid;
    this.#fate = fate;
    this.#random = fate.random;
    fs.mkdirSync(directory, { recursive: true });
  }

  write(): LaneRecord {
    const random = this.#random;
    const closes = random.below(2) === 0;
    const segments = 1 + random.below(4);
    for (let segment = 1; segment <= segments; segment++) {
      this.#beginSegment(segment);
      for (let blocks = 1 + random.below(5); blocks > 0; blocks--) {
        if (this.#sequence > 1 && random.below(10) === 0) this.#beginEpoch();
        for (let operations = random.below(10); operations > 0; operations--) this.#operate();
        this.#writeBlock(0);
      }
      if (segment === segments && closes) this.#writeBlock(4);
      // An index of the last one says that the lane had gone over to a next one.
      this.#endSegment(segment < segments || this.#fate.strays());
    }
    return {
      epoch: this.#epoch, state: closes ? "closed" : "open", epochSegment: this.#epochAt.segment, epochOffset: this.#epochAt.offset, epochBlock: this.#epochAt.block,
      horizon: closes ? this.#sequence - 1 : this.#epochAt.block - 1, firstSegment: 1, blocksInFlightMax: random.pick([1, 4, 0xffff_ffff]),
    };
  }

  #beginSegment(segment: number): void {
    const fate = this.#fate;
    this.#segment = segment;
    this.#position = alignment;
    this.#index = new SegmentIndex(segment, baseTime, alignment);
    const page = encodeSegmentHeader({ uuid: this.#uuid, lane: this.#lane, alignment, segment, baseTime, segmentBytes: 1 << 20 });
    if (fate.strays()) {
      mutate(page, this.#random, 12, 64);
      sealPage(page);
    }
    this.#parts = [page];
    if (fate.strays()) return;
    this.#addCheckpoint();
    if (fate.strays()) this.#addCheckpoint();
  }

  #addCheckpoint(): void {
    const random = this.#random;
    const fate = this.#fate;
    const entries = this.partitions.map(({ id, name, first, last, truncations }) => ({ id, name, firstSequence: first, lastSequence: last, truncations }));
    if (fate.strays()) entries.splice(random.below(entries.length + 1), 1);
    if (fate.strays()) entries.push(...entries.slice(0, 2));
    if (fate.strays()) entries.reverse();
    const payloads = [...checkpointPayloads(entries, random.pick([1100, 32 * 1024]))];
    for (const [at, payload] of payloads.entries()) {
      const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
      if (payload.length > 0 && fate.strays()) {
        const field = random.pick([8, 16, 24, 32, 40]);
        if (field + 8 <= payload.length) setU64(view, field, fate.number(Number(view.getBigUint64(field, true))));
        if (random.below(2) === 0) view.setUint32(0, fate.u32(view.getUint32(0, true)), true);
        if (random.below(3) === 0) mutate(payload, random);
      }
      const flags = (at > 0 ? groupContinued : 0) + (at < payloads.length - 1 ? groupGoesOn : 0);
      this.#add({ kind: 5, flags, partition: 0, sequence: 0, payload });
    }
  }

  #beginEpoch(): void {
    this.#epoch = Math.min(0xffff_ffff, this.#fate.u32(this.#epoch + 1));
    this.#epochAt = { segment: this.#segment, offset: this.#position, block: this.#sequence };
  }

  #operate(): void {
    const random = this.#random;
    this.#time += random.below(3);
    const operation = this.partitions.length === 0 ? 0 : random.below(12);
    const partition = this.partitions[random.below(Math.max(1, this.partitions.length))] as Partition;
    if (operation === 0) this.#define();
    else if (operation <= 6) this.#record(partition, 0);
    else if (operation === 7) this.#batch(partition);
    else if (operation === 8) this.#fragments(partition);
    else if (operation === 9 && partition.last > 0) {
      partition.first = Math.max(partition.first, 1 + random.below(partition.last + 3));
      partition.last = Math.max(partition.last, partition.first - 1);
      this.#add({ kind: 3, flags: 0, partition: partition.id, sequence: partition.first, payload: empty });
    } else if (operation === 10 && partition.last >= partition.first) this.#truncate(partition);
    else this.#record(partition, 0);
  }

  #define(): void {
    const id = this.partitions.length + 1;
    const sound = `p${String(this.#lane)}-${String(id)}`;
    const name = this.#fate.strays() ? this.#random.pick(["", "p0-1", "\0name lost: 3", "x".repeat(1025), "x".repeat(5000), "\ud800"]) : sound;
    const payload = Buffer.alloc(4 + Buffer.byteLength(name));
    payload.writeUInt32LE(this.#fate.u32(id), 0);
    payload.write(name, 4);
    // An id without a record is none: like a writer, which defines with the first record.
    this.#add({ kind: 2, flags: groupGoesOn, partition: 0, sequence: 0, payload });
    const partition = { id, name: sound, first: 1, last: 0, truncations: [] };
    this.partitions.push(partition);
    this.#record(partition, groupContinued);
  }

  #record(partition: Partition, flags: number): void {
    partition.last++;
    this.#add({ kind: 1, flags, partition: partition.id, sequence: partition.last, payload: this.#random.bytes(this.#random.pick([0, 1, 8, 30, 200])) });
  }

  #batch(partition: Partition): void {
    const count = 2 + this.#random.below(4);
    for (let at = 0; at < count; at++) this.#record(partition, (at > 0 ? groupContinued : 0) + (at < count - 1 ? groupGoesOn : 0));
  }

  #fragments(partition: Partition): void {
    partition.last++;
    const count = 2 + this.#random.below(3);
    for (let at = 0; at < count; at++) {
      const flags = (at > 0 ? groupContinued + recordContinued : 0) + (at < count - 1 ? groupGoesOn + recordGoesOn : 0);
      this.#add({ kind: 1, flags, partition: partition.id, sequence: partition.last, payload: this.#random.bytes(this.#random.pick([8, 40, 3000])) });
    }
  }

  #truncate(partition: Partition): void {
    const after = partition.first - 1 + this.#random.below(partition.last - partition.first + 1);
    this.#add({ kind: 4, flags: 0, partition: partition.id, sequence: after, payload: empty });
    partition.last = after;
    const offset = this.#position + this.#used - 24;
    partition.truncations = [...partition.truncations.filter((older) => older.after < after), { segment: this.#segment, offset, after }];
  }

  #add(frame: { kind: number; flags: number; partition: number; sequence: number; payload: Uint8Array }): void {
    const fate = this.#fate;
    const random = this.#random;
    if (fate.strays()) return;
    const sequence = fate.number(frame.sequence);
    const made: HostileFrame = {
      kindAndFlags: (((fate.strays() ? random.below(16) : frame.kind) << 24) | (fate.strays() ? random.below(16) << 28 : frame.flags)) >>> 0,
      partition: fate.u32(frame.partition),
      time: fate.strays() ? random.pick([0, 5, 0x7fff_ffff, 0xffff_ffff]) : this.#time,
      low: sequence % 2 ** 32,
      high: Math.floor(sequence / 2 ** 32),
      payload: fate.strays() ? random.bytes(random.below(100)) : frame.payload,
    };
    if (((made.kindAndFlags >>> 24) & 0xf) === 1) this.payloads.set(sequence, [...(this.payloads.get(sequence) ?? []), made.payload]);
    for (let copies = fate.strays() ? 2 : 1; copies > 0; copies--) {
      this.#frames.push(made);
      this.#used += 24 + ((made.payload.length + 7) & ~7);
    }
    if (fate.strays() && this.#frames.length > 1) this.#frames.push(this.#frames.splice(random.below(this.#frames.length), 1)[0] as HostileFrame);
  }

  #writeBlock(flags: number): void {
    const fate = this.#fate;
    const random = this.#random;
    const isStart = this.#sequence === this.#epochAt.block;
    const sound: HostileBlock = {
      sequence: this.#sequence, horizon: this.#sequence - 1, epoch: this.#epoch, previousChecksum: this.#checksum, flags: flags + (isStart ? 1 : 0), baseTime, frames: this.#frames,
    };
    const block = fate.strays() ? this.#strayed(sound) : sound;
    const { bytes, checksum } = sealedBlock(block, blockSeed({ uuid: this.#uuid, lane: this.#lane, segment: this.#segment, epoch: block.epoch }), this.#position);
    if (fate.strays()) mutate(bytes, random);
    if (fate.strays()) bytes.fill(0, random.below(bytes.length));
    if (!fate.strays()) {
      this.#note(sound, bytes.length, checksum);
      this.#parts.push(bytes);
      this.#position += bytes.length;
      this.#checksum = checksum;
    }
    this.#sequence = fate.strays() ? Math.max(1, Math.min(2 ** 52, block.sequence + 1)) : this.#sequence + 1;
    this.#frames = [];
    this.#used = 64;
  }

  #strayed(block: HostileBlock): HostileBlock {
    const random = this.#random;
    const pick = <T>(odd: T, sound: T): T => (random.below(3) === 0 ? odd : sound);
    return {
      ...block,
      sequence: pick(this.#fate.number(block.sequence), block.sequence), horizon: pick(random.pick(wild), block.horizon), epoch: pick(random.pick([0, 1, 2, 3, 99, 0xffff_ffff]), block.epoch),
      flags: pick(random.below(64), block.flags), baseTime: pick(random.pick(wild), block.baseTime), previousChecksum: pick(0, block.previousChecksum),
      lies: random.below(3) === 0 ? { blockBytes: random.pick([0, 4096, 8192, 2 ** 24, 2 ** 24 + 4096, 0xffff_f000]), dataBytes: random.pick([0, 8, 4032, 100, 2 ** 24]), frameCount: random.pick([0, 1, 0xffff_ffff]) } : undefined,
    };
  }

  /** As a writer keeps it in memory. */
  #note({ sequence, epoch }: HostileBlock, bytes: number, checksum: number): void {
    const index = this.#index;
    index.noteBlock(this.#position, bytes, sequence, epoch, checksum);
    let at = 64;
    for (const { kindAndFlags, partition, low, high, time, payload } of this.#frames) {
      const number = low + high * 2 ** 32;
      const isData = ((kindAndFlags >>> 24) & 0xf) === 1;
      if (isData && (kindAndFlags & recordContinued) === 0 && number > 0) index.run(partition).note(number, this.#position, at, payload.length, baseTime + time);
      if (((kindAndFlags >>> 24) & 0xf) === 4) index.truncate(partition, number);
      at += 24 + ((payload.length + 7) & ~7);
    }
  }

  #endSegment(isSealed: boolean): void {
    const fate = this.#fate;
    const random = this.#random;
    this.#parts.push(new Uint8Array(random.pick([0, 4096, 8192]) + (fate.strays() ? random.below(5000) : 0)));
    if (fate.strays() && random.below(3) === 0) this.#missing = true;
    else {
      const segment = fate.strays() && random.below(4) === 0 ? random.pick([this.#segment + 1, 900_000, 2 ** 52, 2 ** 53 - 1]) : this.#segment;
      fs.writeFileSync(path.join(this.#directory, segmentName(segment)), Buffer.concat(this.#parts));
    }
    if (isSealed && random.below(2) === 0) this.#writeIndex();
  }

  #writeIndex(): void {
    let bytes: Uint8Array;
    try {
      bytes = inOneGo(encodeIndexFile(this.#index, this.#uuid, this.#lane));
    } catch {
      return;
    }
    if (this.#fate.strays()) bytes = this.#strayedIndex(bytes);
    fs.writeFileSync(path.join(this.#directory, indexName(this.#segment)), bytes);
  }

  /** Other numbers in header and body, under checksums that fit. */
  #strayedIndex(whole: Uint8Array): Uint8Array {
    const random = this.#random;
    const reader = new VarintReader(whole, indexHeaderBytes);
    const numbers: number[] = [];
    while (reader.at < whole.length) numbers.push(reader.read());
    for (let changes = random.below(4); changes > 0; changes--) numbers[random.below(numbers.length)] = random.pick(wild);
    if (random.below(6) === 0) numbers.splice(random.below(numbers.length), random.below(4));
    const bytes = Buffer.concat([whole.subarray(0, indexHeaderBytes), varints(numbers)]);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let changes = random.below(3); changes > 0; changes--) setU64(view, random.pick([40, 48, 56, 64, 72, 80, 96]), random.pick(wild));
    for (let changes = random.below(2); changes > 0; changes--) view.setUint32(random.pick([32, 36, 88, 108, 112, 116, 120]), random.pick(wild) % 2 ** 32, true);
    view.setUint32(92, crc32c(bytes, 0, indexHeaderBytes), true);
    view.setUint32(104, bytes.length - indexHeaderBytes, true);
    view.setUint32(8, crc32c(bytes, 0, 12, indexHeaderBytes), true);
    return bytes;
  }
}

const empty = new Uint8Array(0);

function setU64(view: DataView, at: number, value: number): void {
  view.setBigUint64(at, BigInt.asUintN(64, BigInt(value)), true);
}
