// Recovers one lane: which of its blocks count, what state they lead to, and whether anything acknowledged is lost.
//
// The order of work: list the files; trust sealed segments by their index files' headers; follow the chain of blocks
// through the rest, past the first invalid block to the end of everything; ask the recovery table; then take what
// counts, or say exactly what is lost. It changes nothing but stale index files, and makes accepted blocks durable.

import { assert } from "../base/assert.js";
import { RingwallError } from "../base/errors.js";
import { decideRecovery, factsOf, type RecoveryRow } from "../core/recovery-table.js";
import type { LostSequences } from "../core/loss-ledger.js";
import { isNameLost } from "../core/own-names.js";
import { settleMoved } from "../core/moved-losses.js";
import type { PartitionTable } from "../core/partition-table.js";
import { Replay } from "../core/replay.js";
import type { SegmentIndex } from "../core/segment-index.js";
import { blockBytesMax } from "../format/block.js";
import type { IndexHeader } from "../format/index-file.js";
import type { Kernels } from "../format/kernels.js";
import { indexName } from "../format/names.js";
import type { LaneRecord, Superblock } from "../format/superblock.js";
import type { FileSystem } from "../storage/storage.js";
import { readIndexHeaders } from "./index-headers.js";
import { listLane, segmentPath, type LaneFiles } from "./lane-files.js";
import { goesOnBehindSeal } from "./later-epoch.js";
import { LanePass, type ChainEnd, type PassSegment } from "./lane-pass.js";
import { readIndexFile, rebuildIndex, stepBack } from "./load-segment-index.js";
import type { DamagedRange, FollowStart, KnownSegment, LostRange, RecoveredLane, RecoveryReport } from "./recovered-lane.js";
import { rewriteBlocks } from "./rewrite-blocks.js";
import { salvageLane } from "./salvage.js";
import { scanSegments, type ScanSource, type SegmentFile } from "./scan.js";
import { ReadBuffers } from "./segment-reader.js";

export interface RecoverLaneOptions {
  readonly files: FileSystem;
  /** Of the lane. */
  readonly directory: string;
  readonly lane: number;
  readonly superblock: Superblock;
  readonly kernels: Kernels;
  /** False: the caller holds the writer's lock and will begin a new epoch. */
  readonly readOnly: boolean;
  /** A writer is at work meanwhile: only blocks that it has declared durable count. */
  readonly liveWriter: boolean;
  /** False: scan every segment, sealed ones too, and behind the seal of a closed log. True when left out. */
  readonly trustIndexes?: boolean;
  /** Bytes of one read. */
  readonly chunkBytes?: number;
}

/** Rejects with RINGWALL_DAMAGED when acknowledged data is lost and the caller wants to write; `details` is the report. */
export async function recoverLane(options: RecoverLaneOptions): Promise<RecoveredLane> {
  return new LaneRecovery(options).run();
}

/** One way through the segments from `start` (index in the kept ones) on. */
interface Attempt {
  readonly start: number;
  readonly pass: LanePass;
  readonly replay: Replay;
}

class LaneRecovery {
  readonly #options: RecoverLaneOptions;
  readonly #record: LaneRecord;
  readonly #source: ScanSource;
  readonly #started = performance.now();
  readonly #notes: string[] = [];
  #files: LaneFiles = { segments: [], indexes: [], leftovers: [] };
  #kept: SegmentFile[] = [];
  #headers = new Map<number, IndexHeader>();
  /** Highest block that any valid index names. */
  #vouched = 0;
  /** Blocks behind the seal are looked at as well: on demand, or because there are some. */
  #ignoresSeal = false;
  /** Every segment from the first kept one to this one must have its file. */
  #lastDue = 0;
  readonly #rebuilt = new Map<number, SegmentIndex>();
  #scannedBytes = 0;

  constructor(options: RecoverLaneOptions) {
    const { files, lane, superblock, kernels } = options;
    this.#options = options;
    const record = superblock.lanes[lane];
    if (record === undefined) throw new RingwallError("RINGWALL_INVALID_ARGUMENT", `the log has no lane ${String(lane)}`);
    this.#record = record;
    this.#source = {
      files,
      lane,
      uuid: superblock.uuid,
      alignment: superblock.alignment,
      kernels,
      boundary: { epoch: record.epoch, segment: record.epochSegment, offset: record.epochOffset },
      buffers: new ReadBuffers(options.chunkBytes),
    };
  }

  async run(): Promise<RecoveredLane> {
    await this.#list();
    const start = await this.#rebuildBetween(this.#firstUntrusted());
    if (this.#options.liveWriter) return this.#runBesideWriter(start);
    const attempt = await this.#follow(start, null);
    const { pass } = attempt;
    const { epoch } = this.#record;
    if (pass.endsAtSeal && (await goesOnBehindSeal(this.#source, this.#kept, pass.end, epoch))) {
      this.#ignoresSeal = true;
      return this.#conclude(await this.#follow(start, null));
    }
    return this.#conclude(attempt);
  }

  async #list(): Promise<void> {
    const { files, directory, lane, liveWriter, trustIndexes = true } = this.#options;
    this.#files = await listLane(files, directory);
    const { firstSegment } = this.#record;
    this.#kept = this.#files.segments.filter((file) => file.segment >= firstSegment);
    if (liveWriter) {
      // Files move while the directory is listed. What lies behind a hole is seen at the next look.
      const hole = this.#kept.findIndex((file, index) => index > 0 && file.segment !== (this.#kept[index - 1] as SegmentFile).segment + 1);
      if (hole > 0) this.#kept.length = hole;
    }
    const source = { files, directory, lane, uuid: this.#source.uuid };
    const headers = await readIndexHeaders(source, this.#files.indexes.filter((segment) => segment >= firstSegment));
    // An index is written for durable blocks only: what it names must be there, also when its segments are scanned all the same.
    for (const header of headers.values()) this.#vouched = Math.max(this.#vouched, header.lastBlock);
    // Files may move meanwhile beside a writer only.
    if (!liveWriter) {
      this.#lastDue = lastDue(this.#record, headers);
      this.#kept = withMissing(this.#kept, { first: firstSegment, last: this.#lastDue, directory });
    }
    if (trustIndexes) this.#headers = headers;
  }

  /** The place in `#kept` of the first segment behind the last one with a trusted index. */
  #firstUntrusted(): number {
    this.#distrustMisfits();
    for (let index = this.#kept.length - 1; index >= 0; index--) {
      if (this.#headers.has((this.#kept[index] as SegmentFile).segment)) return index + 1;
    }
    return 0;
  }

  /** An index counts only when its segment is there and the next index continues it. */
  #distrustMisfits(): void {
    let due = this.#record.firstSegment;
    for (const [index, { segment }] of this.#kept.entries()) {
      if (segment !== due && !(index === 0 && this.#options.liveWriter)) {
        // Behind a missing segment everything is looked at.
        for (const file of this.#kept.slice(index)) this.#headers.delete(file.segment);
        return;
      }
      due = segment + 1;
      const header = this.#headers.get(segment);
      const next = this.#headers.get(segment + 1);
      if (header !== undefined && next !== undefined && next.firstBlock !== header.lastBlock + 1) this.#headers.delete(segment);
    }
  }

  /** Segments without a trusted index that lie before `start` are scanned alone; returns where the last scan begins. */
  async #rebuildBetween(start: number): Promise<number> {
    const { files, directory, lane, kernels } = this.#options;
    const { uuid, alignment } = this.#source;
    for (let at = 0; at < start; at++) {
      const { segment } = this.#kept[at] as SegmentFile;
      if (this.#headers.has(segment)) continue;
      const index = await rebuildIndex({ files, directory, lane, uuid, alignment, kernels, segment }).catch(nullIfDamaged);
      const next = this.#headers.get(segment + 1);
      // Any doubt: everything from here on is scanned as one.
      if (index === null || (at > 0 && index.firstBlock !== this.#chainBefore(at).nextBlock) || (next !== undefined && next.firstBlock !== index.lastBlock + 1)) return at;
      this.#rebuilt.set(segment, index);
      this.#scannedBytes += index.endOffset;
      this.#notes.push(`segment ${String(segment)}: its index was missing or damaged and was rebuilt`);
    }
    return start;
  }

  /** What the first block of kept segment `at` must continue, by the index of the segment before. */
  #chainBefore(at: number): ChainEnd {
    const first = this.#kept[0]?.segment ?? 1;
    if (at === 0) return { nextBlock: first === 1 ? 1 : 0, previousChecksum: 0, epoch: 0 };
    const { segment } = this.#kept[at - 1] as SegmentFile;
    const rebuilt = this.#rebuilt.get(segment);
    if (rebuilt !== undefined) {
      return { nextBlock: rebuilt.lastBlock + 1, previousChecksum: rebuilt.lastChecksum, epoch: rebuilt.epochAt(rebuilt.endOffset - 1) };
    }
    const header = this.#headers.get(segment);
    assert(header !== undefined, "segments before the scan have an index");
    return { nextBlock: header.lastBlock + 1, previousChecksum: header.lastChecksum, epoch: header.lastEpoch };
  }

  /** Follows the chain from kept segment `from` on, or from further up when the state can't be had from there. */
  async #follow(from: number, limit: number | null, look = false): Promise<Attempt> {
    let tries = 0;
    for (let start = Math.min(from, this.#kept.length); ; start = Math.max(0, start - stepBack(tries))) {
      while (this.#goesOnInto(start)) start--;
      const replay = new Replay();
      const pass = await this.#scanFrom(start, look ? null : replay, limit);
      const { segments } = pass;
      const stateless = segments.length === 0 || (segments.length === 1 && replay.checkpointIncomplete) || replay.beginsInsideGroup;
      if (start === 0 && stateless && !look) this.#contradictStateless({ start, pass, replay });
      if (start === 0 || look || !stateless) return { start, pass, replay };
      tries++;
    }
  }

  /** Segments are freed when a later one holds the whole state durably: then the first that is kept can't be torn. */
  #contradictStateless({ pass, replay }: Attempt): void {
    const { firstSegment } = this.#record;
    if (this.#options.liveWriter || firstSegment === 1 || this.#cutOf(pass) <= this.#horizonOf(pass)) return;
    replay.contradictions.push({ segment: firstSegment, offset: this.#source.alignment, reason: "the segments before were freed, and this one does not hold the state" });
  }

  /**
   * Whether the last group of the segment before goes on in kept segment `start`. The index may be older than the group's end:
   * 1. a group begins in segment 1 and goes on in 2; 2. the index of 1 is written; 3. power fails, and the part in 2 is lost;
   * 4. the index still counts the part in 1. So both segments are scanned together.
   */
  #goesOnInto(start: number): boolean {
    const before = start === 0 ? undefined : (this.#kept[start - 1] as SegmentFile).segment;
    return before !== undefined && (this.#rebuilt.get(before) ?? this.#headers.get(before))?.goesOn === true;
  }

  async #scanFrom(start: number, replay: Replay | null, limit: number | null): Promise<LanePass> {
    const { alignment } = this.#source;
    const { state, epoch, horizon, firstSegment } = this.#record;
    const { liveWriter, trustIndexes = true } = this.#options;
    const first = start === 0 && !liveWriter ? firstSegment : (this.#kept[start]?.segment ?? firstSegment);
    const place = { segment: first, offset: alignment };
    const hasSeal = state === "closed" && !liveWriter && horizon > 0 && trustIndexes && !this.#ignoresSeal;
    const seal = hasSeal ? horizon : null;
    const pass = new LanePass({ chain: this.#chainBefore(start), place, alignment, replay, limit, seal, epochMax: liveWriter ? null : epoch });
    this.#scannedBytes += (await scanSegments(this.#source, this.#kept, place, pass)).bytes;
    return pass;
  }

  async #runBesideWriter(start: number): Promise<RecoveredLane> {
    let seen = (await this.#follow(start, null, true)).pass;
    // The writer may have trimmed the first segments since the superblock was read, and be using their files anew.
    while (start === 0 && seen.segments.length === 0 && seen.marks.length > 0 && this.#kept.length > 1) {
      this.#kept.shift();
      seen = (await this.#follow(start, null, true)).pass;
    }
    let cut = this.#cutOf(seen);
    let horizon = this.#horizonOf(seen);
    if (cut <= horizon) {
      // A block may have been written between the reads of its place and of the horizon that covers it. A second look
      // sees everything that was durable at the first.
      const again = (await this.#follow(start, null, true)).pass;
      cut = this.#cutOf(again);
      if (cut <= horizon) return this.#conclude(await this.#follow(start, null));
      horizon = this.#horizonOf(again);
    }
    const attempt = await this.#follow(start, Math.min(cut - 1, horizon));
    if (attempt.replay.contradictions.length > 0) return this.#conclude(attempt);
    return this.#take(attempt, { verdict: "clean", label: "beside a writer" });
  }

  #horizonOf(pass: LanePass): number {
    let horizon = Math.max(this.#record.horizon, pass.horizon);
    // An index is written only for durable blocks.
    for (const header of this.#headers.values()) horizon = Math.max(horizon, header.lastBlock);
    if (this.#options.trustIndexes === false) horizon = Math.max(horizon, this.#vouched);
    return horizon;
  }

  /** g: the first block that is not valid. */
  #cutOf(pass: LanePass): number {
    if (pass.chain.nextBlock > 0) return pass.chain.nextBlock;
    // Not even the first block of a lane that was trimmed is there: somewhere below the first one that is.
    return Math.max(1, Math.min(this.#horizonOf(pass), ...pass.marks.slice(0, 1).map((mark) => mark.sequence - 1)));
  }

  #decide({ pass, replay }: Attempt): RecoveryRow {
    const { alignment } = this.#source;
    const { blocksInFlightMax, state } = this.#record;
    const end = pass.end;
    const windowBytes = blocksInFlightMax * blockBytesMax;
    let unreadableBlocks = 0;
    for (const { file, range } of pass.unreadable) {
      const near = file.segment > end.segment || range.from < end.offset + windowBytes;
      if (near) unreadableBlocks += Math.ceil((range.to - Math.max(range.from, file.segment === end.segment ? end.offset : 0)) / alignment);
    }
    return decideRecovery(
      factsOf({
        state,
        horizon: this.#horizonOf(pass),
        firstInvalid: this.#cutOf(pass),
        beyondLowest: pass.marks.reduce((lowest, mark) => Math.min(lowest, mark.sequence), pass.marks[0]?.sequence ?? 0),
        beyondHighest: pass.marks.reduce((highest, mark) => Math.max(highest, mark.sequence), 0),
        window: blocksInFlightMax,
        unreadableBlocks,
        contradictions: replay.contradictions.length,
        isSuperblockOlder: pass.laterEpoch !== null,
        isFileMissing: this.#absent(pass).length > 0,
      }),
    );
  }

  /** Segments without which the lane could not be where it is: a segment's name and header are durable before a block of it or of a later one is written. */
  #absent({ missing, blank, marks }: LanePass): SegmentFile[] {
    const last = marks.reduce((highest, { segment }) => Math.max(highest, segment), this.#lastDue);
    return [...missing, ...blank].filter(({ segment }) => segment <= last);
  }

  /**
   * 1. someone has made an index up, right in every checksum, with records of an id that was never given out; 2. a partition is made and
   * gets that id; 3. the records are its own. Returns whether the log contradicts itself.
   */
  #contradictIds({ start, replay }: Attempt): boolean {
    const given = replay.table.nextId - 1;
    for (const { segment } of this.#kept.slice(0, start)) {
      const named = this.#headers.get(segment)?.highestPartition ?? 0;
      if (named > given) replay.contradictions.push({ segment, offset: 0, reason: `${indexName(segment)} names partition ${String(named)}, and ${String(given)} were ever made` });
    }
    return replay.contradictions.length > 0;
  }

  async #conclude(attempt: Attempt): Promise<RecoveredLane> {
    let row = this.#decide(attempt);
    if (row.verdict !== "damaged" && !this.#options.liveWriter && this.#contradictIds(attempt)) row = this.#decide(attempt);
    if (row.verdict !== "damaged") return this.#take(attempt, row);
    const damaged = await this.#takeDamaged(attempt, row);
    if (this.#options.readOnly) return damaged;
    throw damagedError(this.#options, damaged.report, row);
  }

  async #take(attempt: Attempt, { verdict, label }: Pick<RecoveryRow, "verdict" | "label">): Promise<RecoveredLane> {
    const { pass, replay, start } = attempt;
    const cut = this.#cutOf(pass);
    const horizon = this.#horizonOf(pass);
    const accepted = this.#withoutHalfCheckpoint(attempt);
    const follow = this.#options.liveWriter && !replay.checkpointIncomplete && pass.chain.nextBlock > 0 ? this.#followFrom(attempt) : null;
    if (follow === null) replay.finish();
    else replay.pause();
    const last = accepted[accepted.length - 1];
    const before = this.#chainBefore(start);
    const nextBlock = last === undefined ? Math.max(1, before.nextBlock) : last.index.lastBlock + 1;
    if (!this.#options.readOnly) {
      await rewriteBlocks(this.#source, pass.uncovered.filter(({ sequence }) => sequence > horizon && sequence < nextBlock));
      await this.#removeStaleIndexes(last?.file.segment ?? this.#record.firstSegment, accepted);
    }
    const discarded = pass.marks.filter((mark) => mark.valid).map((mark) => mark.sequence);
    // Only blocks that are there, and so no more than the bytes hold, whatever their sequences are.
    for (const { index } of pass.segments.slice(accepted.length)) {
      for (let block = index.firstBlock; block <= index.lastBlock; block++) discarded.push(block);
    }
    const image = this.#laneOf(attempt, accepted, nextBlock, {
      verdict, row: label, horizon, firstInvalidBlock: cut, discardedBlocks: discarded.sort((a, b) => a - b), damaged: [], lost: [], lostExact: true,
    });
    return { ...image, follow };
  }

  #followFrom({ pass, replay }: Attempt): FollowStart {
    const last = pass.segments[pass.segments.length - 1];
    const place = pass.end;
    return { replay, chain: pass.chain, place, index: last?.index ?? null, firstSegment: pass.segments[0]?.file.segment ?? place.segment, record: this.#record };
  }

  /**
   * A cut inside the checkpoint of a segment moves to the segment's beginning. Else:
   * 1. half of a segment's checkpoint is durable; 2. power fails; 3. the next epoch goes on behind that half; 4. the
   * segments before are trimmed: the state that this segment should have begun with is gone.
   */
  #withoutHalfCheckpoint({ pass, replay, start }: Attempt): readonly PassSegment[] {
    if (!replay.checkpointIncomplete || pass.segments.length === 0) return pass.segments;
    assert(pass.segments.length > 1 || start === 0, "a half checkpoint was followed from the segment before");
    return pass.segments.slice(0, -1);
  }

  async #takeDamaged(attempt: Attempt, row: RecoveryRow): Promise<RecoveredLane> {
    const { pass, replay, start } = attempt;
    const horizon = this.#horizonOf(pass);
    const salvage = await salvageLane({
      source: this.#source, record: this.#record, kept: this.#kept, directory: this.#options.directory, pass, replay, horizon,
      // Below H they are part of a gap.
      blank: row.label === "missing file" ? this.#absent(pass).filter((file) => pass.blank.includes(file)) : [],
    });
    const before = await this.#indexesBefore(start);
    const contradictions = [...(pass.laterEpoch === null ? [] : [pass.laterEpoch]), ...replay.contradictions].map(
      ({ segment, offset, reason }): DamagedRange => ({ segment, path: segmentPath(this.#options.directory, segment), from: offset, to: offset, reason }),
    );
    const { lost, unnamed } = settleMoved(salvage.lost, replay.table, [...before, ...salvage.segments.map(({ index }) => index)]);
    this.#notes.push(`${row.label}: ${row.why}`);
    return this.#laneOf(attempt, salvage.segments, Math.max(salvage.lastBlock, horizon) + 1, {
      verdict: "damaged",
      row: row.label,
      horizon,
      firstInvalidBlock: this.#cutOf(pass),
      discardedBlocks: [],
      damaged: [...salvage.damaged, ...contradictions],
      lost: lost.map((range) => named(range, replay.table)),
      lostExact: replay.losses.isExact(unnamed) && before.length === start,
    });
  }

  /** Of the kept segments before `start`, as many as there are. */
  async #indexesBefore(start: number): Promise<SegmentIndex[]> {
    const { files, directory, lane } = this.#options;
    const indexes: SegmentIndex[] = [];
    for (const { segment } of this.#kept.slice(0, start)) {
      const index = this.#rebuilt.get(segment) ?? (await readIndexFile({ files, directory, lane, uuid: this.#source.uuid }, segment));
      if (index !== null) indexes.push(index);
    }
    return indexes;
  }

  #laneOf(attempt: Attempt, accepted: readonly PassSegment[], nextBlock: number, verdict: VerdictReport): RecoveredLane {
    const { pass, replay, start } = attempt;
    const before = this.#kept.slice(0, start).map((file): KnownSegment => ({ ...file, index: this.#rebuilt.get(file.segment) ?? null }));
    const segments: KnownSegment[] = [...before, ...accepted.map(({ file, index }) => ({ ...file, index }))];
    let lastTime = replay.lastTime;
    for (const header of this.#headers.values()) lastTime = Math.max(lastTime, header.lastTime);
    return {
      report: {
        ...verdict,
        lane: this.#options.lane,
        discardedFrames: replay.discardedFrames,
        notes: [...this.#notes, ...pass.notes],
        segments: segments.length,
        scannedBytes: this.#scannedBytes,
        scannedRecords: replay.records,
        millis: performance.now() - this.#started,
      },
      table: replay.table,
      segments,
      freeFiles: this.#freeFiles(segments),
      nextBlock,
      previousChecksum: accepted[accepted.length - 1]?.index.lastChecksum ?? this.#chainBefore(start).previousChecksum,
      lastTime,
      follow: null,
    };
  }

  /**
   * Files prepared ahead come first, ascending, so that each is taken under its own name or a lower one:
   * 1. file 3 is renamed to 8, which was prepared; 2. "8" is taken from this list later and renamed to 9; 3. a segment in use is gone.
   */
  #freeFiles(segments: readonly KnownSegment[]): string[] {
    const last = segments[segments.length - 1]?.segment ?? 0;
    const { firstSegment } = this.#record;
    const ahead = this.#files.segments.filter(({ segment }) => segment >= firstSegment && segment > last);
    const behind = this.#files.segments.filter(({ segment }) => segment < firstSegment);
    return [...ahead, ...behind].map(({ path }) => path);
  }

  /**
   * The current segment goes on; those outside the kept ones are no segments any more; and where a group was dropped
   * the index file may still count it. It must be gone before the new epoch begins, which makes the drop final.
   */
  async #removeStaleIndexes(current: number, accepted: readonly PassSegment[]): Promise<void> {
    const { files, directory } = this.#options;
    const dropped = new Set(accepted.flatMap(({ file, index }) => (index.voids.length > 0 ? [file.segment] : [])));
    const stale = this.#files.indexes.filter((segment) => segment < this.#record.firstSegment || segment >= current || dropped.has(segment));
    const paths = [...stale.map((segment) => `${directory}/${indexName(segment)}`), ...this.#files.leftovers];
    for (const path of paths) await files.remove(path);
    if (paths.length > 0) await files.syncDirectory(directory);
  }
}

type VerdictReport = Pick<
  RecoveryReport,
  "verdict" | "row" | "horizon" | "firstInvalidBlock" | "discardedBlocks" | "damaged" | "lost" | "lostExact"
>;

/**
 * The last segment whose file must be there. A lane's first segment is durable before the superblock names an epoch, and
 * every later one before the lane leaves the one before, which comes before that one's index is written.
 */
function lastDue({ epoch, epochSegment }: LaneRecord, headers: ReadonlyMap<number, IndexHeader>): number {
  let last = epoch > 0 ? epochSegment : 0;
  for (const segment of headers.keys()) last = Math.max(last, segment + 1);
  return last;
}

/** With an entry for the first of every run of ids up to `last` that has no file: scanning it finds that out. */
function withMissing(segments: readonly SegmentFile[], { first, last, directory }: { readonly first: number; readonly last: number; readonly directory: string }): SegmentFile[] {
  let due = first;
  const kept = segments.flatMap((file) => {
    const missing = file.segment === due ? [] : [{ segment: due, path: segmentPath(directory, due) }];
    due = file.segment + 1;
    return [...missing, file];
  });
  return due <= last ? [...kept, { segment: due, path: segmentPath(directory, due) }] : kept;
}

function named(range: LostSequences, table: PartitionTable): LostRange {
  const name = table.byId(range.partition)?.name;
  return { ...range, name: name === undefined || isNameLost(name) ? null : name };
}

function nullIfDamaged(error: unknown): null {
  if (error instanceof RingwallError && (error.code === "RINGWALL_DAMAGED" || error.code === "RINGWALL_TRIMMED")) return null;
  throw error;
}

const remedyOfDamage = "Open it with { readOnly: true } to read what is left; `ringwall verify` lists the damage, `ringwall repair` brings the log back.";
const remedyOfOlder = "Put the newest superblock back, if there is a copy. If not: { readOnly: true } reads the log, `ringwall verify` lists the damage, `ringwall repair` goes by the blocks and brings the log back.";

function damagedError({ lane }: RecoverLaneOptions, report: RecoveryReport, row: RecoveryRow): RingwallError {
  const range = report.damaged[0];
  const place = range === undefined ? { lane } : { path: range.path, lane, segment: range.segment, offset: range.from };
  const lost = report.lost.slice(0, 5).map(({ partition, name, firstSequence, lastSequence }) => {
    return `${name === null ? `partition ${String(partition)}` : JSON.stringify(name)} ${String(firstSequence)} to ${String(lastSequence)}`;
  });
  const more = report.lost.length > lost.length ? ` and ${String(report.lost.length - lost.length)} more ranges` : "";
  return new RingwallError("RINGWALL_DAMAGED", `${row.why} (${range?.reason ?? row.label}); lost: ${lost.length === 0 ? "no record that is known" : lost.join(", ")}${more}`, {
    place,
    details: report,
    remedy: row.label === "older superblock" ? remedyOfOlder : remedyOfDamage,
  });
}
