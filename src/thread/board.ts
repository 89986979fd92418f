// The board: what the lane's thread makes known to every thread at once, in shared memory that only it writes, but for the bell.
//
// Holds the log's state, the counters of each lane, and every partition with its first, last and durable sequence.
// Partitions are only ever added: the place of one is its name for ever. Every number is one 64-bit word that is
// stored and loaded whole, so none is ever seen half; two numbers may be of different moments.
// A number that an answer depends on is stored before the answer is published: who has the one sees the other.

import { RingwallError } from "../base/errors.js";
import type { LogStats } from "../log/log.js";

export type BoardState = "open" | "closed";

/** Where things are: 64-bit words, then bytes. */
const slot = { state: 0, directoryEnd: 1, laneCount: 2, stats: 32 } as const;
/** 32-bit word, in a cache line of its own: the number of the lane's sleep while its thread sleeps and wants a message, else 0. */
const sleepsWord = 32;
/** 32-bit word, in a cache line of its own, and the only one that producers write: how often the bell was rung. */
const bellWord = 48;
const statsFields = [
  "lane", "records", "payloadBytes", "blocks", "blockBytes", "recordsPerBlockMean", "waits", "stalls", "segments", "segmentsReleased",
  "retentionRecords", "retentionTrims",
  "segmentsReclaimed", "bytesMoved", "reclaimStoppedAt", "reclaimHolds", "reclaimHoldMicros",
  "horizon", "blocksInFlight", "partitions", "segmentsKept", "p50", "p99", "max",
] as const;
const directoryStart = 8192;
type StatsField = (typeof statsFields)[number];
const boardBytesMax = 256 * 1024 * 1024;
const maxSleeps = 0x7fff_ffff;
const growthBytes = 64 * 1024;

/** Of a partition, 64-bit words from its place; then the name. */
const field = { first: 0, last: 1, durable: 2, lane: 3, exists: 4, nameBytes: 5 } as const;
const entryHeaderBytes = 48;

export interface BoardNumbers {
  readonly first: number;
  readonly last: number;
  readonly durable: number;
}

/** The views of both sides. */
class BoardViews {
  readonly buffer: SharedArrayBuffer;
  /** These two grow with the board. */
  readonly slots: BigInt64Array;
  readonly bytes: Uint8Array;
  readonly words: Int32Array;
  /** For numbers that are no integers. */
  readonly float = new Float64Array(1);
  readonly floatBits = new BigInt64Array(this.float.buffer);

  constructor(buffer: SharedArrayBuffer) {
    this.buffer = buffer;
    this.slots = new BigInt64Array(buffer);
    this.bytes = new Uint8Array(buffer);
    this.words = new Int32Array(buffer, 0, directoryStart / 4);
  }

  load(index: number): number {
    return Number(Atomics.load(this.slots, index));
  }

  store(index: number, value: number): void {
    Atomics.store(this.slots, index, BigInt(value));
  }
}

export class BoardWriter {
  readonly buffer = new SharedArrayBuffer(directoryStart + growthBytes, { maxByteLength: boardBytesMax });
  readonly #views = new BoardViews(this.buffer);
  /** What stands on the board of all lanes' statistics; zeros at first, as there. */
  #stats = new Float64Array(0);
  #end = directoryStart;
  #sleeps = 0;

  constructor() {
    this.#views.store(slot.directoryEnd, this.#end);
  }

  /** Stored before the rings are looked at a last time: see lane-server.ts. */
  setAsleep(): void {
    this.#sleeps = (this.#sleeps % maxSleeps) + 1;
    Atomics.store(this.#views.words, sleepsWord, this.#sleeps);
  }

  setAwake(): void {
    Atomics.store(this.#views.words, sleepsWord, 0);
  }

  /** Changes whenever a producer has posted a message. Hot. */
  get bell(): number {
    return Atomics.load(this.#views.words, bellWord);
  }

  setClosed(): void {
    this.#views.store(slot.state, 1);
  }

  /** Makes room for these; throws RINGWALL_INVALID_ARGUMENT when there can be none. */
  demandRoom(names: readonly string[]): void {
    const end = names.reduce((sum, name) => sum + entryBytes(Buffer.byteLength(name)), this.#end);
    if (end > this.buffer.byteLength) this.#grow(end);
  }

  /** Adds a partition; returns its place. */
  add(name: string, lane: number): number {
    this.demandRoom([name]);
    const bytes = Buffer.from(name, "utf8");
    const place = this.#end;
    const end = place + entryBytes(bytes.length);
    const first = place / 8;
    this.#views.store(first + field.first, 1);
    this.#views.store(first + field.lane, lane);
    this.#views.store(first + field.nameBytes, bytes.length);
    this.#views.bytes.set(bytes, place + entryHeaderBytes);
    this.#end = end;
    this.#views.store(slot.directoryEnd, end);
    return place;
  }

  update(place: number, { first, last, durable }: BoardNumbers, exists: boolean): void {
    const at = place / 8;
    this.#views.store(at + field.first, first);
    this.#views.store(at + field.last, last);
    this.#views.store(at + field.durable, durable);
    this.#views.store(at + field.exists, exists ? 1 : 0);
  }

  /** A hundred times a second in a thread that wants no garbage: what has not changed is not stored, for a 64-bit word is an object on its way. */
  updateStats(lanes: readonly LogStats[]): void {
    const count = statsFields.length;
    if (this.#stats.length < lanes.length * count) this.#stats = new Float64Array(lanes.length * count);
    for (let lane = 0; lane < lanes.length; lane++) {
      for (let offset = 0; offset < count; offset++) this.#storeStat(lane * count + offset, statOf(lanes[lane] as LogStats, statsFields[offset] as StatsField));
    }
    this.#views.store(slot.laneCount, lanes.length);
  }

  #storeStat(index: number, value: number): void {
    if (this.#stats[index] === value) return;
    this.#stats[index] = value;
    const { float, floatBits, slots } = this.#views;
    float[0] = value;
    Atomics.store(slots, slot.stats + index, floatBits[0] as bigint);
  }

  #grow(end: number): void {
    const wanted = Math.max(end, Math.min(boardBytesMax, this.buffer.byteLength * 2));
    if (wanted > boardBytesMax) throw new RingwallError("RINGWALL_INVALID_ARGUMENT", "a log whose lane runs in a thread can't name so many partitions");
    this.buffer.grow(wanted);
  }
}

export class BoardReader {
  readonly buffer: SharedArrayBuffer;
  readonly #views: BoardViews;
  readonly #places = new Map<string, number>();
  #readTo = directoryStart;
  /** The last sleep of the lane that this producer ended. */
  #wokenFrom = 0;

  constructor(buffer: SharedArrayBuffer) {
    this.buffer = buffer;
    this.#views = new BoardViews(buffer);
  }

  get state(): BoardState {
    return this.#views.load(slot.state) === 0 ? "open" : "closed";
  }

  /**
   * Whether to wake the lane's thread: true once for each of its sleeps. Every producer has its own answer. If they shared
   * one: 1. a producer takes it; 2. its thread is terminated before it sends the message; 3. nobody else wakes the lane. Hot.
   */
  takeWakeUp(): boolean {
    const sleep = Atomics.load(this.#views.words, sleepsWord);
    if (sleep === 0 || sleep === this.#wokenFrom) return false;
    this.#wokenFrom = sleep;
    return true;
  }

  /** After a message was posted: a lane's thread that is busy in memory looks at its messages for this alone. */
  ringBell(): void {
    Atomics.add(this.#views.words, bellWord, 1);
  }

  /** The place of a partition that some thread has named; undefined for others. */
  placeOf(name: string): number | undefined {
    const known = this.#places.get(name);
    if (known !== undefined) return known;
    this.#readOn();
    return this.#places.get(name);
  }

  numbers(place: number): BoardNumbers {
    const at = place / 8;
    return { first: this.#views.load(at + field.first), last: this.#views.load(at + field.last), durable: this.#views.load(at + field.durable) };
  }

  lane(place: number): number {
    return this.#views.load(place / 8 + field.lane);
  }

  /** Names of the partitions that exist, lane by lane, in the order in which they became known. */
  existing(): string[] {
    this.#readOn();
    const found = [...this.#places].filter(([, place]) => this.#views.load(place / 8 + field.exists) === 1);
    return found.sort(([, one], [, other]) => this.lane(one) - this.lane(other) || one - other).map(([name]) => name);
  }

  stats(): LogStats[] {
    return Array.from({ length: this.#views.load(slot.laneCount) }, (_, lane) => {
      const { p50, p99, max, ...rest } = Object.fromEntries(statsFields.map((name, offset) => [name, this.#float(slot.stats + lane * statsFields.length + offset)])) as Record<StatsField, number>;
      return { ...rest, writeMicros: { p50, p99, max } };
    });
  }

  #float(index: number): number {
    const { float, floatBits, slots } = this.#views;
    floatBits[0] = Atomics.load(slots, index);
    return float[0] as number;
  }

  #readOn(): void {
    const end = this.#views.load(slot.directoryEnd);
    while (this.#readTo < end) {
      const place = this.#readTo;
      const nameBytes = this.#views.load(place / 8 + field.nameBytes);
      const start = place + entryHeaderBytes;
      // A copy: text decoders refuse shared memory.
      this.#places.set(Buffer.from(this.#views.bytes.slice(start, start + nameBytes)).toString("utf8"), place);
      this.#readTo = place + entryBytes(nameBytes);
    }
  }
}

function statOf(lane: LogStats, field: StatsField): number {
  return field === "p50" || field === "p99" || field === "max" ? lane.writeMicros[field] : lane[field];
}

function entryBytes(nameBytes: number): number {
  return entryHeaderBytes + Math.ceil(nameBytes / 8) * 8;
}
