// Keeps segments ready ahead of the tail: creates or recycles files, writes their header and zeros, syncs file and directory.
//
// Owns: the prepared segments, the free files, and the one chain of background work on them. It never touches a byte that
// a block may stand on: it writes zeros only behind `readyEnd`, which moves after the sync.
// A full disk shows here and not in the append path: the supply then says `full` and goes on when asked again.

import { RingwallError } from "../base/errors.js";
import { alignUp } from "../base/numbers.js";
import { segmentName } from "../format/names.js";
import { encodeSegmentHeader } from "../format/segment-header.js";
import { runAll } from "../storage/run-all.js";
import type { FileSystem, StorageFile, WriterFile } from "../storage/storage.js";

export interface SegmentSupplyOptions {
  readonly files: FileSystem;
  readonly now: () => number;
  /** Directory of the lane. */
  readonly directory: string;
  readonly lane: number;
  readonly uuid: Uint8Array;
  readonly alignment: number;
  readonly segmentBytes: number;
  /** Segments kept ready beyond the current one, at least once the current one is half full, and free files kept at most. */
  readonly readyMin: number;
  readonly readyMax: number;
  readonly openWriter: (path: string) => Promise<WriterFile>;
  readonly closeWriter: (file: WriterFile) => Promise<void>;
  /** Space was made, or making it failed: whoever waits looks again. */
  readonly onChange: () => void;
}

/** A segment that can take blocks in [alignment, readyEnd). */
export interface ReadySegment {
  readonly id: number;
  readonly path: string;
  readonly baseTime: number;
  readonly file: StorageFile;
  readonly writerFile: WriterFile;
  /** Zeros, or stale bytes of a recycled file, are on stable media up to here. */
  readyEnd: number;
  /** It is not extended any more: the disk has no room and others are ready, or the lane has left it. */
  isFinal: boolean;
}

export type SupplyTrouble = { readonly kind: "none" } | { readonly kind: "full" | "failed"; readonly error: RingwallError };

/** A ready segment older than this is renewed: its frames could not tell their time any more. */
const readyMillisMax = 0x3fff_ffff;
/**
 * Never written to, so all of it is the one page of zeros that the system has. Written so much at a time: the file is locked while
 * the kernel copies it, and blocks that go into the same file wait for that.
 */
const zeros = new Uint8Array(1024 * 1024);
/**
 * Of zeros before each sync, unless blocks come so fast that they would wait for zeros: 1. 64 MiB are written; 2. their sync hands
 * them to the disk in one go; 3. blocks stand behind them for forty milliseconds.
 */
const calmStepBytes = 4 * 1024 * 1024;
const firstStepBytes = 1024 * 1024;
const aheadBytesMin = 4 * 1024 * 1024;
const aheadBytesMax = 64 * 1024 * 1024;

export class SegmentSupply {
  readonly #options: SegmentSupplyOptions;
  readonly #ready: ReadySegment[] = [];
  readonly #freePaths: string[] = [];
  #nextId = 1;
  #aheadBytes = aheadBytesMin;
  /** Blocks come faster than zeros did lately. */
  #isBehind = false;
  #work: Promise<void> = Promise.resolve();
  #preparing = false;
  #extending = false;
  #closed = false;
  trouble: SupplyTrouble = { kind: "none" };
  /** Segments made so far, by a new file and by a recycled one. */
  created = 0;
  recycled = 0;

  constructor(options: SegmentSupplyOptions) {
    this.#options = options;
  }

  /** The first segment of a new log, ready when it resolves. */
  async start(id: number, freePaths: readonly string[]): Promise<void> {
    this.#nextId = id;
    for (const free of freePaths) this.#freePaths.push(free);
    await this.#prepare(firstStepBytes);
  }

  /** Takes over a segment that already holds blocks. `end`: offset behind the last accepted block. */
  async adopt(id: number, path: string, baseTime: number, end: number, freePaths: readonly string[]): Promise<ReadySegment> {
    this.#nextId = id + 1;
    for (const free of freePaths) this.#freePaths.push(free);
    const file = await this.#options.files.open(path, "write");
    const size = Math.min(await file.size(), this.#options.segmentBytes);
    const readyEnd = Math.max(end, size - (size % this.#options.alignment));
    return { id, path, baseTime, file, writerFile: await this.#options.openWriter(path), readyEnd, isFinal: false };
  }

  /** Whether a segment beyond the current one is ready. */
  get hasReady(): boolean {
    return this.#ready.length > 0;
  }

  /** The next segment, or null when none is ready yet: `onChange` comes when it is. */
  take(): ReadySegment | null {
    const [first] = this.#ready;
    // 1. a segment is made ready; 2. the log idles for 50 days; 3. the time in a frame has 32 bits of milliseconds.
    if (first !== undefined && this.#options.now() - first.baseTime > readyMillisMax) this.#renewReady();
    const segment = this.#ready.shift() ?? null;
    if (segment === null) {
      this.#isBehind = true;
      this.#wantSegment();
    }
    return segment;
  }

  /** Ready segments that are too old get a new header, and with it a new base time, before anyone takes them. */
  #renewReady(): void {
    const old = this.#ready.splice(0);
    void this.#enqueue(async () => {
      // One that was made ready meanwhile has a higher number: it would come out of turn.
      old.push(...this.#ready.splice(0));
      for (const segment of old) {
        await this.#closeSegment(segment);
        this.#freePaths.push(segment.path);
      }
      this.#nextId = (old[0] as ReadySegment).id;
    });
  }

  /** Called when the tail moved to `offset`: makes space ahead of it, in the background. */
  handleTail(segment: ReadySegment, offset: number): void {
    const { segmentBytes, readyMin } = this.#options;
    if (segment.readyEnd < segmentBytes) {
      const room = segment.readyEnd - offset;
      this.#isBehind = room < this.#aheadBytes * (3 / 4);
      if (room < this.#aheadBytes) this.#wantSpace(segment);
    }
    if (offset > segmentBytes / 2 && this.#ready.length < readyMin) this.#wantSegment();
  }

  /** An append waits for space: asks again, also after a full disk, and looks further ahead from now on. */
  handleStall(segment: ReadySegment): void {
    this.#aheadBytes = Math.min(aheadBytesMax, this.#aheadBytes * 2);
    this.#isBehind = true;
    if (segment.readyEnd < this.#options.segmentBytes) this.#wantSpace(segment);
    else this.#wantSegment();
  }

  /** A kept file has nothing left to keep: it becomes a future segment, or goes. The caller made sure that nothing refers to it. */
  async recycle(path: string): Promise<void> {
    await this.#enqueue(async () => {
      this.#freePaths.push(path);
      if (this.#freePaths.length + this.#ready.length > this.#options.readyMax) await this.#removeOneFree();
    });
    if (this.#ready.length < this.#options.readyMin) this.#wantSegment();
  }

  /** The lane has left the segment and all of it is durable: its files are closed, after the work on them that is under way. */
  retire(segment: ReadySegment): Promise<void> {
    segment.isFinal = true;
    const closed = this.#work.then(() => this.#closeSegment(segment));
    this.#work = closed.catch(() => undefined);
    return closed;
  }

  /** Waits for background work and closes the files of segments that were not taken. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#work;
    await runAll(this.#ready.splice(0).map((segment) => () => this.#closeSegment(segment)));
  }

  async #closeSegment(segment: ReadySegment): Promise<void> {
    await runAll([() => this.#options.closeWriter(segment.writerFile), () => segment.file.close()]);
  }

  #wantSegment(): void {
    if (this.#preparing) return;
    this.#preparing = true;
    void this.#enqueue(async () => {
      try {
        await this.#prepare(this.#aheadBytes);
      } finally {
        this.#preparing = false;
      }
    });
  }

  #wantSpace(segment: ReadySegment): void {
    if (this.#extending) return;
    this.#extending = true;
    void this.#enqueue(async () => {
      try {
        await this.#extend(segment, Math.min(this.#syncBytes, this.#aheadBytes / 2));
      } finally {
        this.#extending = false;
      }
    });
  }

  /** Never rejects: what fails is `trouble`. */
  #enqueue(task: () => Promise<void>): Promise<void> {
    this.#work = this.#work.then(async () => {
      if (this.#closed) return;
      try {
        await task();
        this.trouble = { kind: "none" };
      } catch (error) {
        this.trouble = troubleOf(error);
      }
      if (!this.#closed) this.#options.onChange();
    });
    return this.#work;
  }

  async #prepare(stepBytes: number): Promise<void> {
    const { files, directory, lane, uuid, alignment, segmentBytes } = this.#options;
    const id = this.#nextId;
    const path = `${directory}/${segmentName(id)}`;
    // One that has the name already must be the one: renaming another over it would lose a file of the list.
    const [free] = this.#freePaths.splice(Math.max(0, this.#freePaths.indexOf(path)), 1);
    if (free !== undefined && free !== path) await this.#rename(free, path);
    const file = await files.open(path, free === undefined ? "create" : "write");
    try {
      const baseTime = this.#options.now();
      const header = new Uint8Array(alignment);
      header.set(encodeSegmentHeader({ uuid, lane, alignment, segment: id, baseTime, segmentBytes }));
      await file.writeAt(header, 0);
      const size = await file.size();
      const readyEnd = Math.max(alignment, Math.min(size, segmentBytes) - (Math.min(size, segmentBytes) % alignment));
      const end = await this.#writeSynced(file, readyEnd, readyEnd > stepBytes ? 0 : stepBytes);
      // 1. blocks of this segment are acknowledged; 2. power fails; 3. the directory forgot the name: all of them are lost.
      // So the name is durable before the segment is handed out.
      await files.syncDirectory(directory);
      const writerFile = await this.#options.openWriter(path);
      this.#nextId++;
      this.#ready.push({ id, path, baseTime, file, writerFile, readyEnd: end, isFinal: false });
      if (free === undefined) this.created++;
      else this.recycled++;
    } catch (error) {
      await file.close();
      // The half-made file carries the next segment's name and is taken up again.
      this.#freePaths.unshift(path);
      throw error;
    }
  }

  async #rename(free: string, path: string): Promise<void> {
    try {
      await this.#options.files.rename(free, path);
    } catch (error) {
      this.#freePaths.push(free);
      throw error;
    }
  }

  /** Any but the one that has the next segment's name: that one is used next. */
  async #removeOneFree(): Promise<boolean> {
    const next = `${this.#options.directory}/${segmentName(this.#nextId)}`;
    const at = this.#freePaths.findLastIndex((path) => path !== next);
    if (at === -1) return false;
    const [victim] = this.#freePaths.splice(at, 1) as [string];
    await this.#options.files.remove(victim);
    await this.#options.files.syncDirectory(this.#options.directory);
    return true;
  }

  async #extend(segment: ReadySegment, stepBytes: number): Promise<void> {
    if (segment.isFinal) return;
    try {
      const end = await this.#makeRoom(() => this.#writeZeros(segment.file, segment.readyEnd, stepBytes));
      await segment.file.sync();
      segment.readyEnd = end;
    } catch (error) {
      if (!isFull(error) || this.#ready.length === 0) throw error;
      segment.isFinal = true;
    }
  }

  /** Of zeros, before each sync. */
  get #syncBytes(): number {
    return this.#isBehind ? aheadBytesMax : calmStepBytes;
  }

  /** A segment of so many has room for records: a quarter of a full one at most is checkpoint, and some is kept for control records. */
  get #usefulBytes(): number {
    const { segmentBytes } = this.#options;
    return Math.max(segmentBytes / 2, segmentBytes / 4 + 128 * 1024);
  }

  /** As `#writeZeros`, synced, a step at a time. */
  async #writeSynced(file: StorageFile, from: number, bytes: number): Promise<number> {
    const wanted = Math.min(this.#options.segmentBytes, from + bytes);
    let end = from;
    for (;;) {
      const asked = Math.min(wanted, end + this.#syncBytes);
      try {
        end = await this.#makeRoom(() => this.#writeZeros(file, end, asked - end));
      } catch (error) {
        // Of a freed file that was short already, what is there is of use, too.
        if (!isFull(error) || (end === from && end < this.#usefulBytes)) throw error;
        return end;
      }
      await file.sync();
      if (end < asked || end >= wanted) return end;
    }
  }

  /** On a full disk, files that are kept for recycling are given up, one after the other. */
  async #makeRoom(attempt: () => Promise<number>): Promise<number> {
    for (;;) {
      try {
        return await attempt();
      } catch (error) {
        if (!isFull(error) || this.#freePaths.length === 0 || !(await this.#removeOneFree())) throw error;
      }
    }
  }

  /** Zeros from `from` on, up to the segment's size; not synced. Returns where they end: short of `stepBytes` where the disk had room for some. */
  async #writeZeros(file: StorageFile, from: number, stepBytes: number): Promise<number> {
    const { alignment, segmentBytes } = this.#options;
    const end = Math.min(segmentBytes, alignUp(from + stepBytes, alignment));
    try {
      for (let at = from; at < end; at += zeros.length) {
        await file.writeAt(zeros.subarray(0, Math.min(zeros.length, end - at)), at);
      }
      return end;
    } catch (error) {
      if (!isFull(error)) throw error;
      const size = Math.min(end, await file.size());
      // What did fit is of use: else the next attempt would find it, and what was refused meanwhile had had room.
      if (size - (size % alignment) > from) return size - (size % alignment);
      throw error;
    }
  }
}

function isFull(error: unknown): boolean {
  return error instanceof RingwallError && error.code === "RINGWALL_DISK_FULL";
}

function troubleOf(error: unknown): SupplyTrouble {
  if (error instanceof RingwallError) return { kind: isFull(error) ? "full" : "failed", error };
  return { kind: "failed", error: new RingwallError("RINGWALL_IO", "a segment could not be prepared", { cause: error }) };
}
