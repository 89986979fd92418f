// The new log: written through the lanes of an ordinary log, with sequences and times of the old one.
//
// Owns the staging directory inside the target. The log is made there, closed, and moved up with its superblock last:
// a target that an interrupted repair leaves behind is no log, and can't be mistaken for a whole one.
// Times: lanes under durability "interval" ask the clock for each record, and this clock says what the record's time was.

import fs from "node:fs";
import { assert } from "../base/assert.js";
import { RingwallError } from "../base/errors.js";
import { countedNumberMax } from "../base/numbers.js";
import type { PartitionState } from "../core/partition-table.js";
import { checkpointEntryBytesMax } from "../format/checkpoint.js";
import { superblockName } from "../format/names.js";
import { hasTableRoom } from "../log/lane-limits.js";
import type { Lane } from "../log/lane.js";
import { openWriter, type OpenedWriter } from "../log/open-log.js";
import { resolveOptions } from "../log/options.js";
import type { Storage } from "../storage/storage.js";
import type { SalvagedPart } from "./repair-report.js";

const stagingName = "repair-incomplete";
/** Segments made ready before a long silence count their times from before it; 32 bits of milliseconds are 49 days. */
const silenceMillisMax = 10 * 86_400_000;
const readySegmentsMax = 3;
const emptyBytes = new Uint8Array(0);

export interface TargetOptions {
  readonly storage: Storage;
  readonly target: string;
  readonly lanes: number;
  readonly segmentBytes: number | null;
  /** No record is older, milliseconds since 1970. */
  readonly firstTime: number;
}

/** Rejects with RINGWALL_INVALID_ARGUMENT unless there is nothing at `target`, or an empty directory. */
export async function demandEmpty(storage: Storage, target: string): Promise<void> {
  const names = (await storage.files.list(target)) ?? [];
  const [name] = names;
  if (name === undefined) return;
  const isLeftover = names.length === 1 && name === stagingName;
  throw new RingwallError("RINGWALL_INVALID_ARGUMENT", `the target is not empty (${JSON.stringify(name)})`, {
    place: { path: target },
    remedy: isLeftover ? "An interrupted repair left that: remove it and run the repair again." : "Name a directory that does not exist yet, or an empty one.",
  });
}

export class TargetLog {
  readonly #options: TargetOptions;
  readonly #staging: string;
  #opened: OpenedWriter | null = null;
  /** What the clock says. */
  #time: number;
  /** Of the last record, by lane. */
  readonly #laneTimes: number[];

  constructor(options: TargetOptions) {
    this.#options = options;
    this.#staging = `${options.target}/${stagingName}`;
    this.#time = options.firstTime;
    this.#laneTimes = Array.from({ length: options.lanes }, () => options.firstTime);
  }

  get uuid(): Uint8Array {
    return this.#writer.superblock.current.uuid;
  }

  async open(): Promise<void> {
    const { storage, target, lanes, segmentBytes } = this.#options;
    await storage.files.makeDirectory(target);
    const sizes = segmentBytes === null ? {} : { segmentBytes };
    const options = resolveOptions({ lanes, durability: { mode: "interval", ms: 1000, recordsMax: 1_000_000 }, reclaim: false, ...sizes });
    this.#opened = await openWriter({ directory: this.#staging, storage: withTimes(storage, () => this.#time), options });
  }

  /** The partition for a part. It exists durably at the latest when the log is published, also without records. */
  async begin(laneNumber: number, part: SalvagedPart): Promise<PartitionState> {
    const lane = this.#lane(laneNumber);
    const { table, settings } = lane;
    const { name, firstSequence, records } = part;
    if (!hasTableRoom(table, settings, checkpointEntryBytesMax(name.length * 3, 0))) {
      throw new RingwallError("RINGWALL_INVALID_OPTION", `segments of ${String(settings.segmentBytes)} bytes can't describe more than ${String(table.size)} partitions`, {
        place: { path: this.#options.target, lane: laneNumber, partition: name },
        remedy: "Ask for a larger segmentBytes.",
      });
    }
    const state = table.reserve(name);
    // 1. a lane is copied up to its newest record; 2. an older lane begins with a part that is defined here, at that time; 3. its records
    // can't have earlier ones any more.
    this.#time = this.#laneTimes[laneNumber] as number;
    if (firstSequence === 1 && records > 0) return state;
    await definedEmpty(lane, state);
    // A trim beyond the end moves the numbering on.
    if (firstSequence > 1) await lane.control("trim", state, firstSequence);
    assert(state.lastSequence === firstSequence - 1, "a part begins where it began");
    return state;
  }

  /** Appends a record as it was. What it returns, if anything, is to be awaited before the next call. `data` is copied at once. A time beyond all clocks becomes the last one. */
  add(laneNumber: number, state: PartitionState, time: number, data: Uint8Array): Promise<void> | undefined {
    const lane = this.#lane(laneNumber);
    if (time > countedNumberMax) return this.add(laneNumber, state, countedNumberMax, data);
    if (time - (this.#laneTimes[laneNumber] as number) > silenceMillisMax) return this.#passSilence(laneNumber, state, time, data);
    this.#laneTimes[laneNumber] = time;
    this.#time = time;
    lane.enqueue(state, data);
    return lane.needDrain ? lane.drain() : undefined;
  }

  /** Everything is durable, closed, and under the target's own name. */
  async publish(): Promise<void> {
    const { lanes, unlock } = this.#writer;
    for (const lane of lanes) await lane.close();
    this.#opened = null;
    await unlock();
    const { storage: { files }, target } = this.#options;
    const names = (await files.list(this.#staging)) ?? [];
    for (const name of names.filter((other) => other.startsWith("lane-"))) await files.rename(`${this.#staging}/${name}`, `${target}/${name}`);
    await files.syncDirectory(target);
    await files.rename(`${this.#staging}/${superblockName}`, `${target}/${superblockName}`);
    await files.syncDirectory(target);
    await this.#removeStaging();
    await files.syncDirectory(target);
  }

  /** Removes what was begun; the target is as it was, or an empty directory. Never rejects. */
  async abandon(): Promise<void> {
    const opened = this.#opened;
    this.#opened = null;
    for (const lane of opened?.lanes ?? []) await lane.close().catch(() => undefined);
    await opened?.unlock().catch(() => undefined);
    await this.#removeStaging().catch(() => undefined);
  }

  async #removeStaging(): Promise<void> {
    await fs.promises.rm(this.#staging, { recursive: true, force: true });
  }

  /** Uses up what was made ready before the silence: a trim that trims nothing is a frame like any other. */
  async #passSilence(laneNumber: number, state: PartitionState, time: number, data: Uint8Array): Promise<void> {
    const lane = this.#lane(laneNumber);
    if (state.id === 0) await definedEmpty(lane, state);
    await lane.sync();
    this.#laneTimes[laneNumber] = time;
    this.#time = time;
    for (let count = 0; count < readySegmentsMax; count++) {
      lane.requestRotation();
      await lane.control("trim", state, state.firstSequence);
    }
    const waits = this.add(laneNumber, state, time, data);
    if (waits !== undefined) await waits;
  }

  #lane(lane: number): Lane {
    const found = this.#writer.lanes[lane];
    assert(found !== undefined, "the new log has as many lanes as the old one");
    return found;
  }

  get #writer(): OpenedWriter {
    assert(this.#opened !== null, "the new log is open");
    return this.#opened;
  }
}

/** Only a record defines a partition, so there is one, and it is truncated away. */
async function definedEmpty(lane: Lane, state: PartitionState): Promise<void> {
  await lane.appendAtomic([{ state, data: emptyBytes }]);
  await lane.control("truncate", state, 0);
}

function withTimes(storage: Storage, now: () => number): Storage {
  const { clock } = storage;
  return {
    name: storage.name,
    files: storage.files,
    notes: storage.notes,
    clock: { now, defer: (action) => { clock.defer(action); }, after: (ms, action, keepsAlive) => clock.after(ms, action, keepsAlive) },
    probe: (directory, millisMax) => storage.probe(directory, millisMax),
    createWriter: (options) => storage.createWriter(options),
    randomUuid: () => storage.randomUuid(),
    lock: (directory) => storage.lock(directory),
    isLocked: (directory) => storage.isLocked(directory),
    close: () => storage.close(),
  };
}
