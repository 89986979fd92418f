// One physical log: takes work, keeps its order, says when blocks are cut. The only scheduler in the library.
//
//   append → open block (tail.ts) → … → acknowledgement; what finds no space waits in a queue, first in, first out
//
// Owns the queue and the lane's life: open, poisoned, closing, closed. What a cut block goes through is the tail's; how
// an operation is laid into frames is the placer's; where segments come from and go to is the supply's and the shelf's;
// what comes with time is the timers'.

import { RingwallError } from "../base/errors.js";
import { roundUp8 } from "../base/numbers.js";
import type { PartitionState, PartitionTable } from "../core/partition-table.js";
import type { SegmentIndex } from "../core/segment-index.js";
import { blockFlag } from "../format/block.js";
import { frameHeaderBytes } from "../format/frame.js";
import { runAll } from "../storage/run-all.js";
import type { BlockWriter } from "../storage/storage.js";
import { later, newAcknowledgement, resolveOfLast } from "./acknowledgement.js";
import { demandPossible, placedItems, type GroupItem } from "./atomic-group.js";
import type { BlockBuffer, Resolve } from "./block-buffer.js";
import { Conditions } from "./conditions.js";
import { Drains } from "./drains.js";
import { FullDisk } from "./full-disk.js";
import { laneFeatures } from "./lane-features.js";
import type { LaneSegment } from "./lane-segment.js";
import type { LaneSettings } from "./lane-settings.js";
import { asFailure, poisonedBy, supplyFor } from "./lane-supply.js";
import { LaneStats } from "./lane-stats.js";
import { LaneTimers } from "./lane-timers.js";
import { copyWhatWaits, refuseOperation, trimItems, type MovedItem, type Operation, type PlacedItem, type PlacedRecord } from "./operation.js";
import { OperationQueue } from "./operation-queue.js";
import { Placer } from "./placer.js";
import { Reclaim } from "./reclaim.js";
import { copied } from "./record-data.js";
import { Releases } from "./releases.js";
import { SegmentShelf } from "./segment-shelf.js";
import type { SegmentSupply } from "./segment-supply.js";
import { SmallGroup } from "./small-group.js";
import { Tail } from "./tail.js";
import type { WordRange } from "./word-range.js";

export type LaneState =
  | { readonly kind: "open" | "closing" | "closed" }
  | { readonly kind: "poisoned"; readonly error: RingwallError };

export class Lane {
  readonly settings: LaneSettings;
  readonly table: PartitionTable;
  readonly stats = new LaneStats();
  readonly shelf: SegmentShelf;
  readonly small: SmallGroup;
  /** A segment takes no more blocks, and its index is written. */
  onSealed: ((index: SegmentIndex) => void) | null = null;
  readonly #supply: SegmentSupply;
  readonly #writer: BlockWriter;
  readonly #tail: Tail;
  readonly #placer: Placer;
  readonly #timers: LaneTimers;
  readonly #reclaim: Reclaim | null;
  readonly #releases = new Releases({
    inBackground: (task) => this.#inBackground(task),
    release: async () => {
      const freed = await this.shelf.release({ table: this.table, isCheckpointPlaced: this.#tail.isCheckpointPlaced }, () => this.#placedIsDurable().then(() => this.#tail.stableBlock), (path, isMoved) => {
        this.stats.segmentsReleased++;
        if (isMoved) this.stats.segmentsReclaimed++;
        return this.#supply.recycle(path);
      });
      for (const index of freed) this.#reclaim?.handleFreed(index);
    },
  });
  readonly #queue = new OperationQueue();
  readonly #conditions = new Conditions(() => this.#state.kind === "poisoned");
  /** Durable segments whose index is being written. */
  readonly #sealing = new Set<LaneSegment>();
  readonly #drains = new Drains({ isClear: () => this.#queue.length === 0, defer: (action) => { this.settings.storage.clock.defer(action); } });
  readonly #acknowledgesAtOnce: boolean;

  readonly #fullDisk: FullDisk;

  #state: LaneState = { kind: "open" };
  #turnEndScheduled = false;
  /** Sealing and releasing of segments, one after the other. Never rejects. */
  #background: Promise<void> = Promise.resolve();

  constructor(settings: LaneSettings) {
    const { storage, bufferBytes, bufferCount, alignment } = settings;
    this.settings = settings;
    this.table = settings.recovered.table;
    this.#acknowledgesAtOnce = settings.durability.mode === "interval";
    this.#writer = storage.createWriter({
      bufferBytes,
      bufferCount,
      writesInFlight: settings.blocksInFlight,
      alignment,
      flush: settings.flush,
      onWritten: (token, error) => { this.#handleWritten(token, error); },
      onBatchEnd: () => { this.#settle(); },
    });
    this.#supply = supplyFor(settings, this.#writer, { timeMin: () => this.#tail.lastTime, onChange: () => { this.#handleSupply(); } });
    this.shelf = new SegmentShelf(settings);
    this.#tail = new Tail({
      settings,
      stats: this.stats,
      writer: this.#writer,
      supply: this.#supply,
      onSegment: (index) => {
        this.shelf.setCurrent(index);
        this.#timers.armAge();
      },
      onBlock: () => { this.#reclaim?.handleBlock(); },
      onSegmentDone: (segment) => { this.#seal(segment); }, onChanged: (states, count) => { this.shelf.handleChanged(states, count); }, onFailure: (error) => { this.handleFailure(error); },
    });
    this.#placer = new Placer(this.#tail, this.table, this.stats);
    this.#fullDisk = new FullDisk({
      queue: this.#queue, tail: this.#tail, drains: this.#drains, releases: this.#releases,
      isClosing: () => this.#state.kind === "closing", place: (operation) => this.#place(operation), settle: () => { this.#settle(); },
    });
    this.small = new SmallGroup(this.#placer, {
      acknowledgesAtOnce: this.#acknowledgesAtOnce, demandOpen: () => { this.#demandOpen(); }, afterPlacing: (block) => { this.#afterPlacing(block); },
      blockWith: (bytes) => (this.#queue.mustWait ? null : this.#tail.blockWith(bytes)),
    });
    this.#reclaim = settings.reclaim === null ? null : new Reclaim(this);
    this.#timers = new LaneTimers({
      settings,
      tail: this.#tail,
      state: () => this.#state.kind,
      isQuiet: () => this.#isQuiet(),
      settle: () => { this.#settle(); },
    });
  }

  /** Makes the first segment ready. It writes no block: the epoch may not be durable yet. */
  async start(): Promise<void> {
    const { segments, freeFiles } = this.settings.recovered;
    this.shelf.writeMissingIndexes((task) => { void this.#inBackground(task); });
    const last = segments[segments.length - 1];
    if (last === undefined || last.index === null) {
      await this.#supply.start(1, freeFiles);
      return;
    }
    const ready = await this.#supply.adopt(last.segment, last.path, last.index.baseTime, last.index.endOffset, freeFiles);
    this.#tail.adopt(ready, last.index);
  }

  /** Blocks may be written from now on: the epoch is durable. */
  begin(): void {
    this.#timers.begin();
  }

  get state(): LaneState {
    return this.#state;
  }

  /** What the backend uses here and why not more. */
  get features(): ReturnType<typeof laneFeatures> {
    return laneFeatures(this.#writer.features, this.settings);
  }

  get horizon(): number {
    return this.#tail.commit.horizon;
  }

  get blocksInFlight(): number {
    return this.#tail.commit.inFlight;
  }

  get needDrain(): boolean {
    return this.#queue.length > 0;
  }

  /** Whether a truncation that was asked for is not placed yet. */
  get truncationWaits(): boolean {
    return this.#queue.truncates;
  }

  get pollingRing(): number | undefined {
    return this.#writer.pollingRing;
  }

  /** Takes what has completed; whether there was anything. Two loads where there is nothing. */
  reap(): boolean {
    if (this.#writer.reap() === 0) return false;
    this.#settle();
    return true;
  }

  /** Why the lane takes no more work. */
  refusal(): RingwallError {
    return this.#poison ?? new RingwallError("RINGWALL_CLOSED", "the log is closed", { place: { path: this.settings.directory }, remedy: "Open it again." });
  }

  /** One record; resolves to its sequence once it is durable as `durability` says. `data` may be reused at once. */
  append(state: PartitionState, data: Uint8Array | string): Promise<number> {
    this.#writer.reap();
    if (this.#state.kind !== "open") return Promise.reject(this.refusal());
    const bytes = typeof data === "string" ? Buffer.byteLength(data) : data.length;
    const block = this.#blockFor(state, bytes);
    if (block === null) {
      // The copy comes first: if there is no memory for it, no sequence is lost.
      const own = copied(data);
      const queued = ++state.lastSequence;
      return this.#queueRecords([{ kind: "record", state, sequence: queued, data: own }], queued);
    }
    const sequence = ++state.lastSequence;
    this.#placer.placeRecord(block, state, sequence, data, bytes);
    if (this.#acknowledgesAtOnce) {
      this.#afterPlacing(block);
      return Promise.resolve(sequence);
    }
    const promise = newAcknowledgement();
    block.addWaiter(resolveOfLast(), sequence);
    this.#afterPlacing(block);
    return promise;
  }

  /**
   * As `append` for a caller that has one function for its acknowledgements: it gets `value`, never before this has returned the
   * sequence. Throws where `append` rejects at once. Hot: allocates nothing where an append waits for the media.
   */
  appendFor(state: PartitionState, data: WordRange, resolve: Resolve, value: number): number {
    this.#demandOpen();
    const acknowledge = this.#acknowledgesAtOnce ? later(resolve) : resolve;
    const block = this.#blockFor(state, data.length);
    if (block === null) {
      const own = copied(data.view());
      this.#pushRecords([{ kind: "record", state, sequence: ++state.lastSequence, data: own }], acknowledge, value);
      return state.lastSequence;
    }
    const sequence = ++state.lastSequence;
    this.#placer.placeRecord(block, state, sequence, data, data.length);
    if (this.#acknowledgesAtOnce) acknowledge(value);
    else block.addWaiter(acknowledge, value);
    this.#afterPlacing(block);
    return sequence;
  }

  /** One record without acknowledgement; returns its sequence. Throws RINGWALL_BACKPRESSURE past the memory limit. */
  enqueue(state: PartitionState, data: Uint8Array | string): number {
    this.#demandOpen();
    const bytes = typeof data === "string" ? Buffer.byteLength(data) : data.length;
    const block = this.#blockFor(state, bytes);
    if (block === null) {
      const { trouble } = this.#supply;
      if (trouble.kind === "full" && this.#tail.lacksSpace && this.#queue.length > 0 && !this.#fullDisk.mayBringSpace) {
        this.#settle();
        throw trouble.error;
      }
      this.#queue.demandRoom(bytes, this.settings);
      const own = copied(data);
      const sequence = ++state.lastSequence;
      this.#pushRecords([{ kind: "record", state, sequence, data: own }], null, 0);
      return sequence;
    }
    const sequence = ++state.lastSequence;
    this.#placer.placeRecord(block, state, sequence, data, bytes);
    this.#afterPlacing(block);
    return sequence;
  }

  /**
   * Records, and truncations before them, that become durable together or not at all. Resolves to one number for each item, in
   * order: the record's sequence, or the last sequence that the truncation left.
   */
  async appendAtomic(group: readonly GroupItem[]): Promise<number[]> {
    this.#demandOpen();
    demandPossible(group, this.table, this.settings);
    const items = placedItems(group, this.settings);
    // Of truncations that take nothing away, an earlier one may be on its way.
    const done = items.length === 0 ? this.sync() : this.#queueRecords(items, 0);
    copyWhatWaits(this.#queue.last, items);
    const records = items.filter((item) => item.kind === "record");
    await done;
    for (const item of items) if (item.kind === "truncate") this.#reclaim?.handleTruncate(item.state);
    let record = 0;
    return group.map(({ truncate }) => truncate ?? (records[record++] as PlacedRecord).sequence);
  }

  /** Head trim or tail truncation of a partition that exists. Resolves when it is durable. */
  async control(kind: "trim" | "truncate", state: PartitionState, sequence: number): Promise<void> {
    this.#demandOpen();
    const before = kind === "truncate" ? state.lastSequence : state.firstAsked;
    if (kind === "truncate") state.lastSequence = Math.min(before, sequence);
    else state.firstAsked = Math.max(before, sequence);
    await this.#inQueue((resolve) => ({ kind, state, sequence, before, resolve }));
    this.#reclaim?.[kind === "trim" ? "handleTrim" : "handleTruncate"](state);
  }

  /** Copies of records of old segments, before all that waits. Resolves once they are placed, with their bytes. */
  async moveOn(items: readonly MovedItem[]): Promise<number> {
    this.#demandOpen();
    return this.#inQueue((resolve) => ({ kind: "move", items, itemIndex: 0, itemBytes: 0, placedBytes: 0, resolve }), "pushFirst");
  }

  /** Records wait, with all behind them, until they are not held any more; copies go on. For callers in the middle of placing, too. */
  hold(isHeld: boolean): void {
    this.#queue.isHeld = isHeld;
    this.stats.handleHold(isHeld);
    if (!isHeld) this.settings.storage.clock.defer(() => { this.#settle(); });
  }

  /**
   * Head trims of many partitions that exist, in as few blocks as they need. Resolves when all are durable. What asks for less than
   * is trimmed already is left out.
   */
  async trimAll(trims: readonly { readonly state: PartitionState; readonly sequence: number }[]): Promise<void> {
    this.#demandOpen();
    const items = trimItems(trims);
    if (items.length === 0) return;
    await this.#inQueue((resolve) => ({ kind: "trims", items, itemIndex: 0, resolve }));
    for (const { state } of items) this.#reclaim?.handleTrim(state);
  }

  /** A partition that exists is gone, and its name free at once. Resolves when that is durable. */
  async drop(state: PartitionState): Promise<void> {
    this.#demandOpen();
    state.life = "dropping";
    this.table.releaseName(state);
    await this.#inQueue((resolve) => ({ kind: "drop", state, undo: () => { this.shelf.handleChanged([this.table.keepName(state)], 1); }, resolve }));
    this.#reclaim?.handleDrop(state);
  }

  /** Resolves when everything accepted so far is durable. */
  async sync(): Promise<void> {
    this.#demandOpen();
    await this.#inQueue((resolve) => ({ kind: "sync", resolve }));
    if (this.settings.flush === "never") await this.#syncFiles();
  }

  /** Resolves when nothing waits for space. */
  async drain(): Promise<void> {
    if (this.#state.kind === "poisoned") throw this.#state.error;
    if (this.#queue.length === 0) return;
    const drained = this.#drains.wait();
    this.#settle();
    await drained;
  }

  /** Ends the current segment: the next block begins a new one. */
  requestRotation(): void {
    this.#tail.requestRotation();
  }

  /**
   * Frees every segment at the head that holds nothing live any more. Rejects with RINGWALL_DAMAGED when the index of a
   * sealed segment can't be had: then nothing is freed, and the lane goes on.
   */
  async release(): Promise<void> {
    await this.releaseDead();
    this.#reclaim?.check();
  }

  async releaseDead(): Promise<void> {
    await this.#releases.next();
    if (this.#state.kind === "poisoned") throw this.#state.error;
  }

  /** Resolves when everything placed by now is on stable media, in every mode, also while closing. */
  async #placedIsDurable(): Promise<void> {
    // A waiter on a block of a poisoned lane would wait for ever.
    if (this.#poison !== null) throw this.#poison;
    await this.#tail.written();
    if (this.settings.flush === "never") await this.#syncFiles();
  }

  /**
   * Makes everything accepted durable, writes a seal, frees everything. A poisoned lane is only freed, and the poison is
   * told: what `enqueue` accepted, nobody else would hear of.
   */
  async close(): Promise<void> {
    if (this.#state.kind === "closing" || this.#state.kind === "closed") return;
    let failure: RingwallError | null = null;
    if (this.#state.kind === "open") {
      this.#state = { kind: "closing" };
      await this.#closeCleanly().catch((error: unknown) => { failure = asFailure(error, this.settings.directory); });
    }
    const freed = this.#free();
    await freed.catch(() => undefined);
    failure = this.#poison ?? failure ?? this.#fullDisk.unheard;
    if (this.#state.kind !== "poisoned") this.#state = { kind: "closed" };
    await runAll([() => (failure === null ? Promise.resolve() : Promise.reject(failure)), () => freed]);
  }

  /** Frees everything and writes nothing: for a log whose opening failed. */
  async abandon(): Promise<void> {
    this.#state = { kind: "closed" };
    await this.#free();
  }

  async #free(): Promise<void> {
    this.#timers.cancel();
    await this.#reclaim?.stop();
    await this.#background;
    const files = this.#unsealed().map((segment) => () => segment.ready.file.close());
    await runAll([() => this.#supply.close(), () => this.#writer.close(), ...files, () => this.shelf.close()]);
  }

  async #closeCleanly(): Promise<void> {
    this.#settle();
    await this.#reclaim?.stop();
    if (this.#tail.holdsFrames) this.#tail.closeBlock();
    await this.#conditions.wait(() => this.#isQuiet());
    await this.#fullDisk.looked;
    await this.#background;
    if (this.#poison !== null) return;
    // A lane that never wrote anything needs no seal: the superblock says where it ends.
    if (!this.#tail.isUntouched) {
      await this.#conditions.wait(() => this.#tail.writeEmptyBlock(blockFlag.seal) || this.#supply.trouble.kind !== "none");
      await this.#conditions.wait(() => this.#tail.commit.inFlight === 0);
    }
    if (this.settings.flush === "never" && this.#poison === null) await this.#syncFiles();
    await this.#background;
    if (this.#poison !== null) return;
    await this.settings.updateSuperblock({ state: "closed", horizon: this.#tail.commit.horizon });
  }

  #isQuiet(): boolean {
    return this.#queue.length === 0 && this.#tail.isQuiet;
  }

  /** The block into which a single frame for this record can go at once. Hot. */
  #blockFor(state: PartitionState, bytes: number): BlockBuffer | null {
    if (this.#queue.mustWait || state.id === 0) return null;
    return this.#tail.blockWith(frameHeaderBytes + roundUp8(bytes));
  }

  /** Hot: once per record. */
  #afterPlacing(block: BlockBuffer): void {
    if (this.#tail.commit.isEager(block.cursor - block.start, block.waiterCount)) this.#tail.closeBlock();
    else if (!this.#turnEndScheduled) this.#scheduleTurnEnd();
  }

  #demandOpen(): void {
    this.#writer.reap();
    if (this.#state.kind !== "open") throw this.refusal();
  }

  #inQueue(operation: (resolve: Resolve) => Operation, push: "push" | "pushFirst" = "push"): Promise<number> {
    const promise = newAcknowledgement();
    this.#queue[push](operation(resolveOfLast()));
    this.#settle();
    return promise;
  }

  #queueRecords(items: readonly PlacedItem[], value: number): Promise<number> {
    const promise = newAcknowledgement();
    this.#pushRecords(items, resolveOfLast(), value);
    return promise;
  }

  #pushRecords(items: readonly PlacedItem[], resolve: Resolve | null, value: number): void {
    const effects = items.some(({ kind }) => kind === "truncate") ? [] : null;
    this.#queue.push({ kind: "records", items, itemIndex: 0, itemBytes: 0, started: false, effects, resolve, value });
    this.#settle();
    if (this.#queue.length > 0) this.stats.waits++;
  }

  /** Moves on what can move: closed blocks out, waiting operations in. Safe to call at any time. */
  #settle(): void {
    if (this.#state.kind === "poisoned") return;
    this.#tail.submitClosed();
    while (this.#queue.first !== undefined && this.#place(this.#queue.first)) this.#queue.shift();
    if (this.#tail.holdsFrames && !this.#turnEndScheduled) this.#scheduleTurnEnd();
    this.#drains.release();
    this.#conditions.check();
  }

  /** Places what it can of an operation; true when it is through. */
  #place(operation: Operation): boolean {
    switch (operation.kind) {
      case "records": {
        if (this.#queue.isHeld && !operation.started) return false;
        const block = this.#placer.placeRecords(operation);
        if (block === null) return false;
        if (operation.resolve === null) return true;
        if (this.#acknowledgesAtOnce) operation.resolve(operation.value);
        else block.addWaiter(operation.resolve, operation.value);
        return true;
      }
      case "trim":
      case "truncate":
      case "trims":
      case "drop":
        if (!this.#placer.placeControl(operation)) return false;
        // Its caller waits for the media in every mode.
        if (this.#acknowledgesAtOnce) this.#tail.closeBlock();
        return true;
      case "move":
        if (!this.#placer.placeMoved(operation)) return false;
        operation.resolve(operation.placedBytes);
        return true;
      case "sync":
        if (!this.#tail.addWaiterForAll(operation.resolve)) operation.resolve(0);
        return true;
    }
  }

  #handleWritten(token: number, error: RingwallError | null): void {
    if (this.#state.kind === "poisoned") return;
    if (error !== null) {
      this.#fail(error);
      return;
    }
    if (!this.#tail.handleWritten(token)) return;
    this.#settle();
    if (this.#tail.uncovered) this.#timers.armBeacon();
  }

  /** All that begins in a segment is durable: its index is written and its files are closed. */
  #seal(segment: LaneSegment): void {
    this.#sealing.add(segment);
    void this.#inBackground(async () => {
      if (this.settings.flush === "never") await this.#syncFiles();
      // It gives turns to those who append, unless it falls behind them.
      const isUrgent = (): boolean => this.#sealing.size > 1 || this.#state.kind !== "open";
      await this.shelf.addSealed(segment.index, isUrgent);
      await this.#reclaim?.handleSealed(segment.index, isUrgent);
      this.#sealing.delete(segment);
      await this.#supply.retire(segment.ready);
      this.onSealed?.(segment.index);
    });
  }

  /** Runs after the background work before it. A failure poisons the lane. */
  #inBackground(task: () => Promise<void>): Promise<void> {
    this.#background = this.#background.then(task).catch((error: unknown) => { this.#fail(asFailure(error, this.settings.directory)); });
    return this.#background;
  }

  /** Under durability "none": what was written so far is on stable media when it resolves. A failure poisons. */
  async #syncFiles(): Promise<void> {
    const target = this.#tail.commit.horizon;
    try {
      await Promise.all(this.#unsealed().map((segment) => this.#writer.syncFile(segment.ready.writerFile)));
    } catch (error) {
      this.#fail(asFailure(error, this.settings.directory));
      throw this.refusal();
    }
    // Another flush failed meanwhile: the kernel took what that one could not write for clean, and this one passed it over.
    if (this.#poison !== null) throw this.refusal();
    this.#tail.syncedBlock = Math.max(this.#tail.syncedBlock, target);
  }

  #unsealed(): LaneSegment[] {
    return [...this.#sealing, ...this.#tail.leaving, ...(this.#tail.current === null ? [] : [this.#tail.current])];
  }

  #scheduleTurnEnd(): void {
    const { durability, storage } = this.settings;
    if (durability.mode === "interval" && this.#state.kind === "open") {
      this.#timers.armInterval(durability);
      return;
    }
    this.#turnEndScheduled = true;
    storage.clock.defer(this.#turnEnd);
  }

  readonly #turnEnd = (): void => {
    this.#turnEndScheduled = false;
    if (this.#state.kind === "poisoned" || !this.#tail.holdsFrames) return;
    this.#writer.reap();
    if (this.#tail.commit.cutsAtTurnEnd && this.#tail.holdsFrames) this.#tail.closeBlock();
  };

  #handleSupply(): void {
    const { trouble } = this.#supply;
    if (this.#state.kind === "closed") return;
    if (trouble.kind === "failed") this.#fail(trouble.error);
    else if (trouble.kind === "full" && this.#tail.lacksSpace) {
      this.#fullDisk.handle(trouble.error);
      this.#conditions.check();
      if (this.#queue.length > 0) this.#timers.armSpaceRetry();
    } else this.#settle();
  }

  /** A write or flush failed: what is pending is unknown, nothing more is accepted, nothing is retried. */
  #fail(cause: RingwallError): void {
    if (this.#state.kind === "poisoned") return;
    const error = poisonedBy(cause, this.settings.directory);
    this.#state = { kind: "poisoned", error };
    this.#timers.cancel();
    this.#tail.failWaiters(error);
    for (const operation of this.#queue.clear()) refuseOperation(operation, error);
    this.#drains.fail(error);
    this.shelf.fail(error);
    this.#conditions.check();
  }

  /** Something that must not happen, in work of the lane that nobody waits for. */
  handleFailure(error: unknown): void {
    this.#fail(asFailure(error, this.settings.directory));
  }

  get #poison(): RingwallError | null {
    return this.#state.kind === "poisoned" ? this.#state.error : null;
  }
}
