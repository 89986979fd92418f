// The checkpoint: the state of a lane's partition table, with which each segment begins, so that the segments
// before it may go. It is one group of frames of kind `checkpoint`; each payload is a run of entries:
//
//   +0   u32  partition id
//   +4   u16  bytes of the name
//   +6   u16  T + 8192 × P: T truncations, the first P of them past
//   +8   u64  first sequence that is kept
//   +16  u64  last sequence, 0 when there was never a record
//   +24       T times: u64 segment, u64 offset, u64 last sequence kept: records before that place with a higher one are dead;
//             a past one has nothing left to hide, and is there for readers that missed it
//   …         name in UTF-8, then zeros up to a multiple of 8
//
// Pure. An entry never spans frames. Truncations ascend by place and by last sequence kept: an older one with a higher
// bound hides nothing that the newer one does not hide.

import { roundUp8, readU64, writeU64 } from "../base/numbers.js";

/** Records of the partition that lie before (segment, offset) and have a sequence above `after` are dead. */
export interface Truncation {
  readonly segment: number;
  readonly offset: number;
  readonly after: number;
  /**
   * Its segment is freed: it hides nothing. It tells readers that missed it, or others up to its place, how far back they must go:
   * none of those kept less than `after`.
   */
  readonly isPast?: true;
}

export interface CheckpointEntry {
  readonly id: number;
  readonly name: string;
  readonly firstSequence: number;
  readonly lastSequence: number;
  /** Past ones first. */
  readonly truncations: readonly Truncation[];
}

/** Of nearly every partition: one array each would cost as much as its numbers do. */
export const noTruncations: readonly Truncation[] = [];

const fixedBytes = 24;
const shortName = 64;
export const truncationBytes = 24;

export const partitionNameBytesMax = 1024;
/** Of one partition. No block size lets a writer get near it. */
export const storedTruncationsMax = 4096;
/** Of one partition, and of those. */
export const storedPastMax = 7;
const pastUnit = 8192;

/** Bytes of an entry at most. */
export function checkpointEntryBytesMax(nameBytes: number, truncations: number): number {
  return fixedBytes + truncations * truncationBytes + roundUp8(nameBytes);
}

/** Truncations that a partition can have so that its entry fits a payload of that size, whatever its name. */
export function truncationsMax(payloadBytesMax: number): number {
  return Math.floor((payloadBytesMax - checkpointEntryBytesMax(partitionNameBytesMax, 0)) / truncationBytes);
}

/** One payload after the other, as entries come. */
export class CheckpointEncoder {
  readonly #payloadBytesMax: number;
  #payload: Buffer;
  #view: DataView;
  /** Of the payload: where the next entry goes. */
  used = 0;

  constructor(payloadBytesMax: number) {
    this.#payloadBytesMax = payloadBytesMax;
    this.#payload = Buffer.alloc(payloadBytesMax);
    this.#view = viewOf(this.#payload);
  }

  /** False: the payload has no room for it, which an empty one always has. Hot: for each partition, segment by segment. */
  add(entry: CheckpointEntry): boolean {
    const nameAt = fixedBytes + entry.truncations.length * truncationBytes;
    // Names are measured only where it matters: a character has three bytes at most.
    if (this.used + nameAt + roundUp8(entry.name.length * 3) > this.#payload.length && !this.#hasRoom(entry)) return false;
    const nameBytes = writeName(entry.name, this.#payload, this.used + nameAt);
    writeNumbers(entry, nameBytes, this.#view, this.used);
    this.used += nameAt + roundUp8(nameBytes);
    return true;
  }

  /** What was added since the last call, maybe nothing. */
  take(): Uint8Array {
    const payload = this.#payload.subarray(0, this.used);
    this.#begin(this.#payloadBytesMax);
    return payload;
  }

  #hasRoom(entry: CheckpointEntry): boolean {
    const bytes = checkpointEntryBytesMax(Buffer.byteLength(entry.name), entry.truncations.length);
    if (this.used + bytes <= this.#payload.length) return true;
    if (this.used > 0) return false;
    this.#begin(bytes);
    return true;
  }

  #begin(bytes: number): void {
    this.#payload = Buffer.alloc(bytes);
    this.#view = viewOf(this.#payload);
    this.used = 0;
  }
}

/** Payloads of at most `payloadBytesMax` that hold all entries, in order, each made when it is asked for. At least one, maybe empty. */
export function* checkpointPayloads(entries: Iterable<CheckpointEntry>, payloadBytesMax: number): Generator<Uint8Array, undefined, undefined> {
  const encoder = new CheckpointEncoder(payloadBytesMax);
  for (const entry of entries) {
    if (encoder.add(entry)) continue;
    yield encoder.take();
    encoder.add(entry);
  }
  yield encoder.take();
}

/** Gives the entry at `at` other sequences and truncations. False, and nothing is done, where it would take another room. */
export function rewriteEntry(payload: DataView, at: number, firstSequence: number, lastSequence: number, truncations: readonly Truncation[]): boolean {
  if (truncationCountAt(payload, at) !== truncations.length) return false;
  writeU64(payload, at + 8, firstSequence);
  writeU64(payload, at + 16, lastSequence);
  if (truncations.length > 0) writeTruncations(truncations, payload, at);
  return true;
}

function truncationCountAt(view: DataView, at: number): number {
  return view.getUint16(at + 6, true) % pastUnit;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** A partition's name, or null when the bytes can't be one. */
export function decodePartitionName(bytes: Uint8Array): string | null {
  return decodeName(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), 0, bytes.length);
}

function decodeName(bytes: Buffer, from: number, to: number): string | null {
  if (to - from < 1 || to - from > partitionNameBytesMax) return null;
  if (isAscii(bytes, from, to)) return bytes.toString("latin1", from, to);
  const name = bytes.toString("utf8", from, to);
  // Bytes that are no UTF-8 come back as others: two names would be one.
  return Buffer.from(name, "utf8").equals(bytes.subarray(from, to)) ? name : null;
}

function isAscii(bytes: Buffer, from: number, to: number): boolean {
  for (let at = from; at < to; at++) if ((bytes[at] as number) >= 0x80) return false;
  return true;
}

/** The entries of one payload, or null when its lengths don't add up or an entry can't be a partition's. */
export function decodeCheckpoint(payload: Uint8Array): CheckpointEntry[] | null {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.length);
  const view = viewOf(payload);
  const entries: CheckpointEntry[] = [];
  let at = 0;
  while (at < payload.length) {
    if (at + fixedBytes > payload.length) return null;
    const nameBytes = view.getUint16(at + 4, true);
    const truncationCount = truncationCountAt(view, at);
    const pastCount = Math.floor(view.getUint16(at + 6, true) / pastUnit);
    const nameAt = at + fixedBytes + truncationCount * truncationBytes;
    const next = at + roundUp8(nameAt - at + nameBytes);
    if (next > payload.length) return null;
    const name = decodeName(bytes, nameAt, nameAt + nameBytes);
    if (name === null || truncationCount > storedTruncationsMax || pastCount > truncationCount) return null;
    const entry: CheckpointEntry = {
      id: view.getUint32(at, true),
      name,
      firstSequence: readU64(view, at + 8),
      lastSequence: readU64(view, at + 16),
      truncations: truncationCount === 0 ? noTruncations : Array.from({ length: truncationCount }, (_, index) => decodeTruncation(view, at + fixedBytes + index * truncationBytes, index < pastCount)),
    };
    if (!isPlausible(entry)) return null;
    entries.push(entry);
    at = next;
  }
  return entries;
}

/** A NaN (a damaged u64) fails every comparison. */
function isPlausible({ id, firstSequence, lastSequence, truncations }: CheckpointEntry): boolean {
  if (!(id >= 1 && firstSequence >= 1 && lastSequence >= firstSequence - 1)) return false;
  return truncations.every((truncation, at) => {
    const before = truncations[at - 1];
    if (!(truncation.segment >= 1 && truncation.offset >= 0 && truncation.after >= 0)) return false;
    if (before === undefined) return true;
    const follows = truncation.segment > before.segment || (truncation.segment === before.segment && truncation.offset > before.offset);
    return follows && truncation.after > before.after;
  });
}

function decodeTruncation(view: DataView, at: number, isPast: boolean): Truncation {
  const truncation = { segment: readU64(view, at), offset: readU64(view, at + 8), after: readU64(view, at + 16) };
  return isPast ? { ...truncation, isPast } : truncation;
}

function writeNumbers({ id, firstSequence, lastSequence, truncations }: CheckpointEntry, nameBytes: number, view: DataView, at: number): void {
  view.setUint32(at, id, true);
  view.setUint16(at + 4, nameBytes, true);
  writeU64(view, at + 8, firstSequence);
  writeU64(view, at + 16, lastSequence);
  writeTruncations(truncations, view, at);
}

/** Of the entry at `at`. */
function writeTruncations(truncations: readonly Truncation[], view: DataView, at: number): void {
  let truncationAt = at + fixedBytes;
  let pastCount = 0;
  for (const truncation of truncations) {
    if (truncation.isPast === true) pastCount++;
    writeU64(view, truncationAt, truncation.segment);
    writeU64(view, truncationAt + 8, truncation.offset);
    writeU64(view, truncationAt + 16, truncation.after);
    truncationAt += truncationBytes;
  }
  view.setUint16(at + 6, truncations.length + pastUnit * pastCount, true);
}

/** Returns its bytes. A call out of JavaScript costs more than the characters of a short name, where each is a byte. */
function writeName(name: string, into: Buffer, at: number): number {
  const { length } = name;
  if (length > shortName) return into.write(name, at, "utf8");
  for (let index = 0; index < length; index++) {
    const character = name.charCodeAt(index);
    if (character >= 0x80) return into.write(name, at, "utf8");
    into[at + index] = character;
  }
  return length;
}
