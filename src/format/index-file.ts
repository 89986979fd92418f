// The index file of a sealed segment: what core/segment-index.ts holds, in one file, so that the segment needs no scan.
//
//   +0    u64  magic "RWINDEX1"
//   +8    u32  header checksum: CRC-32C of bytes 12-127
//   +12   u32  format version
//   +16   16 B log uuid
//   +32   u32  lane
//   +36   u32  epoch of the last block
//   +40   u64  segment id
//   +48   u64  base time, milliseconds since 1970
//   +56   u64  offset of the first block
//   +64   u64  offset behind the last block
//   +72   u64  first block sequence
//   +80   u64  last block sequence
//   +88   u32  checksum field of the last block
//   +92   u32  body checksum: CRC-32C of the body
//   +96   u64  time of the newest record, milliseconds since 1970; 0 without records
//   +104  u32  body bytes
//   +108  u32  runs
//   +112  u32  epoch starts
//   +116  u32  voids
//   +120  u32  flags; bit 0: the last group goes on in the next segment
//   +124  u32  highest partition that a run is of; 0 without runs
//   +128       body: epoch starts, voids, runs, as varints (7 bits a byte, low bits first; bit 7: more follow)
//
// The header alone links a segment to its neighbours when a log is opened; the body is read when the segment is. Pure.

import { crc32c } from "../base/crc32c.js";
import type { Slices } from "../base/slices.js";
import { countedNumberMax, isStorable, readU64, writeU64 } from "../base/numbers.js";
import { blockBytesMax, pageBytes } from "./block.js";
import { VarintReader, VarintWriter } from "./varint.js";
import { formatVersion } from "./version.js";

const magic = Uint8Array.from(Buffer.from("RWINDEX1", "latin1"));

export const indexHeaderBytes = 128;
const u32Max = 0xffff_ffff;
/** A stride is less: a record that lies this far behind an entry has one of its own. */
export const strideBytesMax = 8192;
/** Between two looks whether others have their turn. */
const runsPerSlice = 1024;
const bytesPerSlice = 128 * 1024;
/** Varints of a run without its entries, and of an entry with its stride. */
const runNumbers = 8;
const entryNumbers = 4;

/** Where a record lies: the block's offset in the segment file, and the frame's offset from the block's start. */
export interface RecordPlace {
  readonly sequence: number;
  readonly blockOffset: number;
  readonly frameOffset: number;
  /** The records up to the next entry's, or the run's last, begin so many bytes behind each other; 0: that is not known. */
  readonly stride: number;
}

/** The numbers of a run: one partition's part of the segment. */
export interface RunNumbers {
  /** First and last sequence in this segment; 0 and 0 when truncation left none. */
  readonly firstSequence: number;
  readonly lastSequence: number;
  /** Records and payload bytes ever written here, dead ones included. */
  readonly records: number;
  readonly payloadBytes: number;
  /** Milliseconds since 1970 of the first and the newest record. */
  readonly firstTime: number;
  readonly lastTime: number;
}

/** By ascending partitions. */
interface SourceRuns {
  readonly size: number;
  /** Those from place `from` to before `to`. The next call may overwrite them. */
  slice(from: number, to: number): RunSlice;
}

/** Some runs that follow each other, by place from 0 on. */
export interface RunSlice {
  readonly key: Float64Array;
  readonly firstSequence: Float64Array;
  /** How far the last sequence lies behind the first. */
  readonly more: Float64Array;
  readonly records: Float64Array;
  readonly payloadBytes: Float64Array;
  readonly firstTime: Float64Array;
  /** From the first record to the newest. */
  readonly millis: Float64Array;
  /** Where the run's entries end among those of all. */
  readonly entryEnd: Float64Array;
  /** Of an entry: how far it lies behind the run's first sequence; the page of its block; the frame's offset there and the stride, both divided by 8. */
  readonly step: Float64Array;
  readonly page: Float64Array;
  readonly frame: Float64Array;
  /** Null: all are 0. */
  readonly stride: Float64Array | null;
}

type SourceRun = RunNumbers & { readonly entryCount: number; entry(index: number): RecordPlace };

export interface IndexSource {
  readonly segment: number;
  readonly baseTime: number;
  readonly firstOffset: number;
  readonly endOffset: number;
  readonly firstBlock: number;
  readonly lastBlock: number;
  readonly lastChecksum: number;
  readonly goesOn: boolean;
  readonly epochs: readonly { readonly offset: number; readonly epoch: number }[];
  readonly voids: readonly { readonly from: number; readonly to: number }[];
  /** All of them, final. */
  pack(): SourceRuns;
  readonly moved: ReadonlyMap<number, readonly SourceRun[]>;
}

/** What a body is decoded into. */
export interface IndexTarget {
  goesOn: boolean;
  readonly epochs: { readonly offset: number; readonly epoch: number }[];
  readonly voids: { readonly from: number; readonly to: number }[];
  /** The entries that follow are the run's. */
  restoreRun(partition: number, run: RunNumbers): void;
  /** A stretch of moved records; the entries that follow are its own. */
  restoreStretch(partition: number, run: RunNumbers): void;
  restoreEntry(place: RecordPlace): void;
}

export interface IndexHeader {
  readonly uuid: Uint8Array;
  readonly lane: number;
  readonly lastEpoch: number;
  readonly segment: number;
  readonly baseTime: number;
  readonly firstOffset: number;
  readonly endOffset: number;
  readonly firstBlock: number;
  readonly lastBlock: number;
  readonly lastChecksum: number;
  readonly bodyChecksum: number;
  readonly lastTime: number;
  readonly bodyBytes: number;
  readonly runCount: number;
  readonly epochCount: number;
  readonly voidCount: number;
  readonly goesOn: boolean;
  /** That a run is of; 0 without runs. */
  readonly highestPartition: number;
}

/** The whole file, in slices: that of a hundred thousand partitions takes tens of milliseconds. */
export function* encodeIndexFile(index: IndexSource, uuid: Uint8Array, lane: number): Slices<Uint8Array> {
  const writer = new VarintWriter(indexHeaderBytes);
  const { lastTime, highestPartition } = yield* encodeBody(writer, index);
  const bytes = writer.finish();
  const bodyChecksum = yield* checksumOf(bytes, indexHeaderBytes);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  bytes.set(magic, 0);
  view.setUint32(12, formatVersion, true);
  bytes.set(uuid, 16);
  view.setUint32(32, lane, true);
  view.setUint32(36, index.epochs[index.epochs.length - 1]?.epoch ?? 0, true);
  writeU64(view, 40, index.segment);
  writeU64(view, 48, index.baseTime);
  writeU64(view, 56, index.firstOffset);
  writeU64(view, 64, index.endOffset);
  writeU64(view, 72, index.firstBlock);
  writeU64(view, 80, index.lastBlock);
  view.setUint32(88, index.lastChecksum, true);
  view.setUint32(92, bodyChecksum, true);
  writeU64(view, 96, lastTime);
  view.setUint32(104, bytes.length - indexHeaderBytes, true);
  view.setUint32(108, runCount(index), true);
  view.setUint32(112, index.epochs.length, true);
  view.setUint32(116, index.voids.length, true);
  view.setUint32(120, index.goesOn ? 1 : 0, true);
  view.setUint32(124, highestPartition, true);
  view.setUint32(8, crc32c(bytes, 0, 12, indexHeaderBytes), true);
  return bytes;
}

/** The header in the first 128 bytes of an index file, or null when it is not valid. */
export function decodeIndexHeader(bytes: Uint8Array): IndexHeader | null {
  if (bytes.length < indexHeaderBytes || !magic.every((byte, at) => bytes[at] === byte)) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, indexHeaderBytes);
  if (view.getUint32(8, true) !== crc32c(bytes, 0, 12, indexHeaderBytes)) return null;
  if (view.getUint32(12, true) !== formatVersion) return null;
  const header: IndexHeader = {
    uuid: bytes.slice(16, 32),
    lane: view.getUint32(32, true),
    lastEpoch: view.getUint32(36, true),
    segment: readU64(view, 40),
    baseTime: readU64(view, 48),
    firstOffset: readU64(view, 56),
    endOffset: readU64(view, 64),
    firstBlock: readU64(view, 72),
    lastBlock: readU64(view, 80),
    lastChecksum: view.getUint32(88, true),
    bodyChecksum: view.getUint32(92, true),
    lastTime: readU64(view, 96),
    bodyBytes: view.getUint32(104, true),
    runCount: view.getUint32(108, true),
    epochCount: view.getUint32(112, true),
    voidCount: view.getUint32(116, true),
    goesOn: (view.getUint32(120, true) & 1) !== 0,
    highestPartition: view.getUint32(124, true),
  };
  return isPlausible(header) ? header : null;
}

/** Decodes the body of the whole file `bytes`; false when it is not valid, and then `target` holds a part of it at most. */
export function decodeIndexBody(bytes: Uint8Array, header: IndexHeader, target: IndexTarget): boolean {
  if (bytes.length !== indexHeaderBytes + header.bodyBytes) return false;
  if (crc32c(bytes, 0, indexHeaderBytes) !== header.bodyChecksum) return false;
  target.goesOn = header.goesOn;
  const reader = new VarintReader(bytes, indexHeaderBytes);
  return decodeEpochs(reader, header, target) && decodeVoids(reader, header, target) && decodeRuns(reader, header, target) && reader.at === bytes.length;
}

/** Each begins inside the segment and behind the one before; the first with the first block. */
function decodeEpochs(reader: VarintReader, { epochCount, firstOffset, endOffset }: IndexHeader, { epochs }: IndexTarget): boolean {
  let offset = 0;
  for (let index = 0; index < epochCount && reader.valid; index++) {
    const step = reader.read() * pageBytes;
    const epoch = reader.read();
    offset += step;
    const isInOrder = index === 0 ? offset === firstOffset : step > 0;
    if (!isInOrder || offset >= endOffset || epoch > u32Max) return false;
    epochs.push({ offset, epoch });
  }
  return epochCount > 0 && reader.valid;
}

function decodeVoids(reader: VarintReader, { voidCount, endOffset }: IndexHeader, { voids }: IndexTarget): boolean {
  let end = 0;
  for (let index = 0; index < voidCount && reader.valid; index++) {
    const from = end + reader.read();
    end = from + reader.read();
    if (end > endOffset) return false;
    voids.push({ from, to: end });
  }
  return reader.valid;
}

function decodeRuns(reader: VarintReader, header: IndexHeader, target: IndexTarget): boolean {
  let key = 0;
  for (let index = 0; index < header.runCount && reader.valid; index++) {
    const step = reader.read();
    key += step;
    // A partition has one run of fresh records and any number of stretches of moved ones.
    if (key < 2 || Math.floor(key / 2) > u32Max || (step === 0 && key % 2 === 0)) return false;
    if (!decodeRun(reader, header, key, target)) return false;
  }
  return reader.valid && Math.floor(key / 2) === header.highestPartition;
}

function isPlausible(header: IndexHeader): boolean {
  const { firstBlock, lastBlock, firstOffset, endOffset, segment, baseTime, lastTime } = header;
  // A NaN (a damaged u64) fails every comparison.
  return (
    segment > 0 && baseTime <= countedNumberMax && lastTime >= 0 && firstBlock > 0 && lastBlock >= firstBlock &&
    firstOffset > 0 && firstOffset % pageBytes === 0 && endOffset % pageBytes === 0 && endOffset > firstOffset
  );
}

function* checksumOf(bytes: Uint8Array, start: number): Slices<number> {
  let checksum = 0;
  for (let at = start; at < bytes.length; at += bytesPerSlice) {
    const end = Math.min(at + bytesPerSlice, bytes.length);
    checksum = crc32c(bytes, checksum, at, end);
    yield end - at;
  }
  return checksum;
}

function* encodeBody(writer: VarintWriter, index: IndexSource): Slices<Pick<IndexHeader, "lastTime" | "highestPartition">> {
  let offset = 0;
  for (const epoch of index.epochs) {
    writer.write((epoch.offset - offset) / pageBytes);
    writer.write(epoch.epoch);
    offset = epoch.offset;
  }
  let from = 0;
  for (const range of [...index.voids].sort((a, b) => a.from - b.from)) {
    writer.write(range.from - from);
    writer.write(range.to - range.from);
    from = range.to;
  }
  const runs = new RunEncoder(writer, index.baseTime);
  yield* encodeRuns(runs, index);
  return runs;
}

/** By run key: 2 × partition for fresh records, one more for moved ones. */
function* encodeRuns(encoder: RunEncoder, index: IndexSource): Slices<void> {
  const runs = index.pack();
  const others = [...index.moved].sort(([a], [b]) => a - b);
  let next = 0;
  for (let from = 0; from < runs.size; from += runsPerSlice) {
    const slice = runs.slice(from, Math.min(from + runsPerSlice, runs.size));
    const { key } = slice;
    for (let begin = 0; begin < key.length; ) {
      for (; (others[next]?.[0] ?? Number.POSITIVE_INFINITY) < (key[begin] as number); next++) encodeStretches(encoder, others[next] as (typeof others)[number]);
      const id = others[next]?.[0] ?? Number.POSITIVE_INFINITY;
      let end = begin;
      while (end < key.length && (key[end] as number) <= id) end++;
      encoder.writeSlice(slice, begin, end);
      begin = end;
    }
    yield key.length * 80;
  }
  for (const stretches of others.slice(next)) encodeStretches(encoder, stretches);
}

function encodeStretches(encoder: RunEncoder, [id, stretches]: readonly [id: number, stretches: readonly SourceRun[]]): void {
  for (const stretch of stretches) encoder.write(2 * id + 1, stretch);
}

function runCount(index: IndexSource): number {
  let count = index.pack().size;
  for (const stretches of index.moved.values()) count += stretches.length;
  return count;
}

class RunEncoder {
  /** Of the newest record so far. */
  lastTime = 0;
  readonly #writer: VarintWriter;
  readonly #baseTime: number;
  #key = 0;
  /** Of a slice of runs, as they are written. */
  #values = new Float64Array(0);

  constructor(writer: VarintWriter, baseTime: number) {
    this.#writer = writer;
    this.#baseTime = baseTime;
  }

  get highestPartition(): number {
    return Math.floor(this.#key / 2);
  }

  /** Runs of fresh records, from place `from` of the slice to before `to`. */
  writeSlice(slice: RunSlice, from: number, to: number): void {
    const { key, firstSequence, more, records, payloadBytes, firstTime, millis, entryEnd, step, page, frame, stride } = slice;
    let entry = from === 0 ? 0 : (entryEnd[from - 1] as number);
    const count = (to - from) * runNumbers + ((entryEnd[to - 1] as number) - entry) * entryNumbers;
    if (this.#values.length < count) this.#values = new Float64Array(count);
    const values = this.#values;
    let at = 0;
    for (let place = from; place < to; place++) {
      const runKey = 2 * (key[place] as number);
      const isEmpty = records[place] === 0;
      const end = entryEnd[place] as number;
      values[at] = runKey - this.#key;
      values[at + 1] = firstSequence[place] as number;
      values[at + 2] = more[place] as number;
      values[at + 3] = records[place] as number;
      values[at + 4] = payloadBytes[place] as number;
      // A run without records has no times.
      values[at + 5] = isEmpty ? 0 : (firstTime[place] as number) - this.#baseTime;
      values[at + 6] = isEmpty ? 0 : (millis[place] as number);
      const strides = hasStride(stride, entry, end) ? stride : null;
      values[at + 7] = 2 * (end - entry) + (strides === null ? 0 : 1);
      at += runNumbers;
      this.#key = runKey;
      this.lastTime = Math.max(this.lastTime, (firstTime[place] as number) + (millis[place] as number));
      let sequence = -(firstSequence[place] as number);
      let pageBefore = 0;
      for (; entry < end; entry++) {
        values[at] = (step[entry] as number) - sequence;
        values[at + 1] = (page[entry] as number) - pageBefore;
        values[at + 2] = frame[entry] as number;
        at += 3;
        if (strides !== null) values[at++] = strides[entry] as number;
        sequence = step[entry] as number;
        pageBefore = page[entry] as number;
      }
    }
    this.#writer.writeAll(values, at);
  }

  write(key: number, run: SourceRun): void {
    const writer = this.#writer;
    const { firstSequence, records, firstTime, lastTime, entryCount } = run;
    writer.write(key - this.#key);
    this.#key = key;
    writer.write(firstSequence);
    writer.write(run.lastSequence - firstSequence);
    writer.write(records);
    writer.write(run.payloadBytes);
    // A run without records has no times.
    writer.write(records === 0 ? 0 : firstTime - this.#baseTime);
    writer.write(records === 0 ? 0 : lastTime - firstTime);
    if (lastTime > this.lastTime) this.lastTime = lastTime;
    // Moved records lie where the sweep found them: their entries have no strides.
    writer.write(2 * entryCount);
    let sequence = 0;
    let page = 0;
    for (let index = 0; index < entryCount; index++) {
      const entry = run.entry(index);
      const entryPage = entry.blockOffset / pageBytes;
      writer.write(entry.sequence - sequence);
      writer.write(entryPage - page);
      writer.write(entry.frameOffset / 8);
      sequence = entry.sequence;
      page = entryPage;
    }
  }
}

function hasStride(strides: Float64Array | null, from: number, to: number): boolean {
  if (strides !== null) for (let entry = from; entry < to; entry++) if (strides[entry] !== 0) return true;
  return false;
}

function decodeRun(reader: VarintReader, header: IndexHeader, key: number, target: IndexTarget): boolean {
  const firstSequence = reader.read();
  const lastSequence = firstSequence + reader.read();
  const records = reader.read();
  const payloadBytes = reader.read();
  const firstDelta = reader.read();
  const lastDelta = reader.read();
  const firstTime = records === 0 ? 0 : header.baseTime + firstDelta;
  const lastTime = records === 0 ? 0 : firstTime + lastDelta;
  if (!isStorable(lastSequence) || !isStorable(firstTime) || !isStorable(lastTime)) return false;
  const run = { firstSequence, lastSequence, records, payloadBytes, firstTime, lastTime };
  if (key % 2 === 0) target.restoreRun(key / 2, run);
  else target.restoreStretch((key - 1) / 2, run);
  return decodeEntries(reader, header, lastSequence, target);
}

/** They ascend, by sequence and by place, and lie inside the segment; so do the records that strides tell of. */
function decodeEntries(reader: VarintReader, { firstOffset, endOffset }: IndexHeader, lastSequence: number, target: IndexTarget): boolean {
  const countAndStrides = reader.read();
  const entries = Math.floor(countAndStrides / 2);
  const hasStrides = countAndStrides % 2 === 1;
  let sequence = 0;
  let page = 0;
  let position = 0;
  let stride = 0;
  // `valid` ends the loop at the end of the bytes, whatever count they named.
  for (let index = 0; index < entries && reader.valid; index++) {
    const step = reader.read();
    const before = position + Math.max(0, step - 1) * stride;
    sequence += step;
    page += reader.read();
    const blockOffset = page * pageBytes;
    const frameOffset = reader.read() * 8;
    stride = hasStrides ? reader.read() * 8 : 0;
    const isInside = blockOffset >= firstOffset && frameOffset < blockBytesMax && blockOffset + frameOffset < endOffset && stride < strideBytesMax;
    if (step === 0 || sequence > lastSequence || !isInside || blockOffset + frameOffset <= before) return false;
    position = blockOffset + frameOffset;
    target.restoreEntry({ sequence, blockOffset, frameOffset, stride });
  }
  return reader.valid && position + (lastSequence - sequence) * stride < endOffset;
}
