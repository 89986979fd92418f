// Writes real segment files of one lane with the format layer alone, and keeps what a lane keeps in memory about them:
// a ReadSource over a directory, for tests of reading. Durability moves only when a test says so.

import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { alignUp } from "#src/base/numbers.js";
import { RingwallError } from "#src/base/errors.js";
import { PartitionTable, type PartitionState } from "#src/core/partition-table.js";
import { SegmentIndex } from "#src/core/segment-index.js";
import { blockHeaderBytes, encodeBlockHeader } from "#src/format/block.js";
import { checkpointPayloads } from "#src/format/checkpoint.js";
import { frameBytes, frameFlag, frameHeaderBytes, frameKind } from "#src/format/frame.js";
import { chooseKernels, type Kernels } from "#src/format/kernels.js";
import { Memory } from "#src/format/memory.js";
import { segmentName } from "#src/format/names.js";
import { blockSeed } from "#src/format/seed.js";
import { encodeSegmentHeader } from "#src/format/segment-header.js";
import type { ReadSource } from "#src/log/read-source.js";
import { segmentFilesOf } from "#src/log/segment-files.js";
import { nodeFileSystem } from "#src/storage/node-files.js";
import type { FileSystem, StorageFile } from "#src/storage/storage.js";

export const alignment = 4096;

export interface LaneBuilderOptions {
  readonly kernels?: Kernels;
  readonly blockBytes?: number;
}

/** Counts what goes through it. */
export class CountingFiles implements FileSystem {
  readonly #inner = nodeFileSystem();
  bytesRead = 0;
  reads = 0;
  opened = 0;
  closed = 0;
  /** Runs before each read, e.g. to change the log under the reader, or to throw what a device would. */
  beforeRead: ((position: number, bytes: number) => void | Promise<void>) | null = null;

  makeDirectory = (at: string): Promise<void> => this.#inner.makeDirectory(at);
  list = (at: string): Promise<string[] | null> => this.#inner.list(at);
  rename = (from: string, to: string): Promise<void> => this.#inner.rename(from, to);
  remove = (at: string): Promise<void> => this.#inner.remove(at);
  syncDirectory = (at: string): Promise<void> => this.#inner.syncDirectory(at);

  async open(at: string, mode: "read" | "write" | "create"): Promise<StorageFile> {
    const file = await this.#inner.open(at, mode);
    this.opened++;
    return {
      path: file.path,
      size: () => file.size(),
      readAt: async (into, position) => {
        await this.beforeRead?.(position, into.length);
        const bytes = await file.readAt(into, position);
        this.reads++;
        this.bytesRead += bytes;
        return bytes;
      },
      writeAt: (bytes, position) => file.writeAt(bytes, position),
      sync: () => file.sync(),
      close: async () => {
        this.closed++;
        await file.close();
      },
    };
  }
}

interface Waiter {
  readonly state: PartitionState;
  readonly sequence: number;
  readonly resolve: () => void;
}

export class LaneBuilder implements ReadSource {
  readonly isDamaged = false;
  readonly lane = 3;
  readonly directory: string;
  readonly uuid = Uint8Array.from({ length: 16 }, (_, index) => index * 7 + 1);
  readonly alignment = alignment;
  readonly kernels: Kernels;
  readonly files = new CountingFiles();
  readonly table = new PartitionTable();
  readonly indexes = new Map<number, SegmentIndex>();
  segmentIds: readonly number[] = [];
  segment = 0;
  epoch = 1;
  /** Tails that wait for records to become durable. */
  waiters: Waiter[] = [];
  readonly #blockBytes: number;
  readonly #memory: Memory;
  #used = blockHeaderBytes;
  #frames = 0;
  #block = 1;
  #clock = 1_700_000_000_000;
  #file: StorageFile | null = null;

  static async create(options: LaneBuilderOptions = {}): Promise<LaneBuilder> {
    const builder = new LaneBuilder(await mkdtemp(path.join(os.tmpdir(), "ringwall-read-")), options);
    await builder.rotate();
    return builder;
  }

  private constructor(directory: string, options: LaneBuilderOptions) {
    this.directory = directory;
    this.kernels = options.kernels ?? chooseKernels();
    this.#blockBytes = options.blockBytes ?? 64 * 1024;
    this.#memory = new Memory(new ArrayBuffer(this.#blockBytes));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await segmentFilesOf(this).close();
    await this.#file?.close();
    await rm(this.directory, { recursive: true });
  }

  get index(): SegmentIndex {
    return this.indexes.get(this.segment)!;
  }

  async segmentIndex(segment: number): Promise<SegmentIndex> {
    const index = this.indexes.get(segment);
    if (index === undefined) throw new RingwallError("RINGWALL_TRIMMED", `segment ${String(segment)} is gone`);
    return index;
  }

  knownIndex(segment: number): SegmentIndex | undefined {
    return this.indexes.get(segment);
  }

  partition(name: string): PartitionState {
    return this.table.byName(name) ?? this.table.define(this.table.nextId, name);
  }

  segmentPath(segment = this.segment): string {
    return path.join(this.directory, segmentName(segment));
  }

  /** Adds a record to the open block, in fragments when it does not fit. Returns its sequence. */
  async append(state: PartitionState, data: Uint8Array): Promise<number> {
    const sequence = ++state.lastSequence;
    this.#clock++;
    const payloadBytesMax = this.#blockBytes - blockHeaderBytes - frameHeaderBytes;
    if (data.length <= payloadBytesMax) {
      await this.#makeRoom(data.length);
      this.#note(state, sequence, data.length);
      this.#frame(frameKind.data, state.id, sequence, data, 0);
      return sequence;
    }
    for (let at = 0; at < data.length; ) {
      if (this.#roomBytes() < 64) await this.cut();
      const part = data.subarray(at, at + this.#roomBytes());
      if (at === 0) this.#note(state, sequence, data.length);
      const goesOn = at + part.length < data.length;
      this.#frame(frameKind.data, state.id, sequence, part, this.#fragmentFlags(at > 0, goesOn));
      at += part.length;
      if (goesOn && this.rotateInRecord) await this.rotate();
    }
    return sequence;
  }

  /** Continues fragmented records in a new segment after each fragment. */
  rotateInRecord = false;

  /** The frames of a record that was never completed: they lie in a void and use up no sequence. */
  async appendIncomplete(state: PartitionState, data: Uint8Array): Promise<void> {
    await this.#makeRoom(data.length);
    const from = this.index.endOffset + this.#used;
    this.#frame(frameKind.data, state.id, state.lastSequence + 1, data, this.#fragmentFlags(false, true));
    this.index.voids.push({ from, to: this.index.endOffset + this.#used });
  }

  /** Cuts the open block and writes it; what it holds is durable unless `isDurable` is false. */
  async cut(isDurable = true): Promise<void> {
    if (this.#frames > 0) await this.#write();
    if (isDurable) this.makeDurable();
  }

  makeDurable(): void {
    for (const state of this.table) state.durableSequence = state.lastSequence;
    const woken = this.waiters.filter((waiter) => waiter.state.durableSequence > waiter.sequence);
    this.waiters = this.waiters.filter((waiter) => !woken.includes(waiter));
    for (const waiter of woken) waiter.resolve();
  }

  async truncate(state: PartitionState, after: number): Promise<void> {
    await this.#makeRoom(0);
    this.#frame(frameKind.truncate, state.id, after, new Uint8Array(0), 0);
    state.truncate({ segment: this.segment, offset: this.index.endOffset + this.#used, after });
    this.index.truncate(state.id, after);
    await this.cut();
  }

  /** A writer opens the log anew. */
  async beginEpoch(): Promise<void> {
    await this.cut();
    this.epoch++;
  }

  /** The next segment, which begins with a checkpoint. */
  async rotate(): Promise<void> {
    await this.cut();
    await this.#file?.close();
    this.segment++;
    const index = new SegmentIndex(this.segment, this.#clock, alignment);
    this.#file = await this.files.open(this.segmentPath(), "create");
    const { uuid, lane, segment } = this;
    await this.#file.writeAt(encodeSegmentHeader({ uuid, lane, alignment, segment, baseTime: this.#clock, segmentBytes: 1 << 30 }), 0);
    this.indexes.set(segment, index);
    this.segmentIds = [...this.segmentIds, segment];
    const payloads = [...checkpointPayloads([...this.table].map((state) => state.toCheckpoint()), this.#blockBytes - 1024)];
    for (const payload of payloads) {
      await this.#makeRoom(payload.length);
      this.#frame(frameKind.checkpoint, 0, 0, payload, 0);
    }
    await this.#write();
  }

  /** Takes the oldest segment away; its file is overwritten with other bytes under its readers. */
  async recycleFirst(): Promise<void> {
    const [segment, ...rest] = this.segmentIds;
    this.segmentIds = rest;
    this.indexes.delete(segment!);
    segmentFilesOf(this).forget(segment!);
    const file = await this.files.open(this.segmentPath(segment), "write");
    await file.writeAt(new Uint8Array(await file.size()).fill(0xa5), 0);
    await file.close();
    await this.files.remove(this.segmentPath(segment));
  }

  async overwrite(position: number, bytes: Uint8Array, segment = this.segment): Promise<void> {
    const file = await this.files.open(this.segmentPath(segment), "write");
    await file.writeAt(bytes, position);
    await file.close();
  }

  lookAgain(): Promise<boolean> {
    return Promise.resolve(false);
  }

  durableBeyond(state: PartitionState, sequence: number, signal: AbortSignal | undefined): Promise<void> {
    if (state.durableSequence > sequence) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const waiter = { state, sequence, resolve };
      this.waiters.push(waiter);
      signal?.addEventListener("abort", () => {
        this.waiters = this.waiters.filter((other) => other !== waiter);
        reject(signal.reason as Error);
      });
      this.#onWait.splice(0).forEach((wake) => wake());
    });
  }

  #onWait: (() => void)[] = [];

  /** Resolves once a tail waits. */
  waited(): Promise<void> {
    return this.waiters.length > 0 ? Promise.resolve() : new Promise((resolve) => this.#onWait.push(resolve));
  }

  #fragmentFlags(isContinued: boolean, goesOn: boolean): number {
    const continued = isContinued ? frameFlag.recordContinued | frameFlag.groupContinued : 0;
    return (continued | (goesOn ? frameFlag.recordGoesOn | frameFlag.groupGoesOn : 0)) >>> 0;
  }

  #roomBytes(): number {
    return Math.max(0, this.#blockBytes - this.#used - frameHeaderBytes);
  }

  async #makeRoom(payloadBytes: number): Promise<void> {
    if (this.#used + frameBytes(payloadBytes) > this.#blockBytes) await this.cut();
  }

  #note(state: PartitionState, sequence: number, bytes: number): void {
    this.index.run(state.id).note(sequence, this.index.endOffset, this.#used, bytes, this.#clock);
  }

  #frame(kind: number, partition: number, sequence: number, payload: Uint8Array, flags: number): void {
    const { words, bytes } = this.#memory;
    const word = this.#used >>> 2;
    words[word] = 0;
    words[word + 1] = (payload.length | (kind << 24) | flags) >>> 0;
    words[word + 2] = partition;
    words[word + 3] = this.#clock - this.index.baseTime;
    words[word + 4] = sequence;
    words[word + 5] = 0;
    const end = this.#used + frameBytes(payload.length);
    bytes.fill(0, this.#used + frameHeaderBytes, end);
    bytes.set(payload, this.#used + frameHeaderBytes);
    this.#used = end;
    this.#frames++;
  }

  async #write(): Promise<void> {
    const offset = this.index.endOffset;
    const blockBytes = alignUp(this.#used, alignment);
    const seed = blockSeed({ uuid: this.uuid, lane: this.lane, segment: this.segment, epoch: this.epoch });
    this.#memory.bytes.fill(0, this.#used, blockBytes);
    this.kernels.sealFrames(this.#memory, blockHeaderBytes, this.#used, seed, offset + blockHeaderBytes);
    const sequence = this.#block++;
    const header = { sequence, horizon: sequence - 1, epoch: this.epoch, blockBytes, dataBytes: this.#used - blockHeaderBytes, frameCount: this.#frames };
    const checksum = encodeBlockHeader(this.#memory, 0, { ...header, baseTime: this.index.baseTime, previousChecksum: 0, flags: 0 }, seed, offset);
    await this.#file!.writeAt(this.#memory.bytes.subarray(0, blockBytes), offset);
    this.index.noteBlock(offset, blockBytes, sequence, this.epoch, checksum);
    this.#used = blockHeaderBytes;
    this.#frames = 0;
  }
}
