// Opening a log: finding or creating its directory, the writer's lock, the superblock, the recovery of its lanes.
//
// Every step that can refuse comes before the first step that writes. What was taken is given back when a later step fails.

import { RingwallError } from "../base/errors.js";
import type { PartitionTable } from "../core/partition-table.js";
import { isNameLost } from "../core/own-names.js";
import { chooseKernels } from "../format/kernels.js";
import { laneDirectoryName, lockName, parseLaneDirectory, superblockName } from "../format/names.js";
import { blocksInFlightUnbounded, type LaneRecord, type Superblock } from "../format/superblock.js";
import { demandNoBackupMark } from "../recovery/backup-mark.js";
import { recoverLane } from "../recovery/recover-lane.js";
import type { RecoveredLane } from "../recovery/recovered-lane.js";
import { confirmSuperblock, createSuperblock, laneWithFiles, readSuperblock } from "../recovery/superblock-file.js";
import type { Storage } from "../storage/storage.js";
import { Lane } from "./lane.js";
import { demandAligned, demandNumbersLeft, demandTableFits } from "./lane-limits.js";
import type { ResolvedOptions } from "./options.js";
import { LaneLooks } from "./lane-looks.js";
import { ReadOnlyLane } from "./read-only-lane.js";
import { SuperblockStore } from "./superblock-store.js";

/** Time for measuring the flush methods of a new log's device. */
const probeMillisMax = 6;
/** A block is sent on its way in mid-turn once it has this many bytes, or so many callers wait for it: their turns take about as long as the device does. */
const eagerBytes = 64 * 1024;
const eagerWaiters = 128;
const beaconMs = 20;

export interface OpenedWriter {
  readonly kind: "writer";
  readonly lanes: readonly Lane[];
  readonly superblock: SuperblockStore;
  readonly unlock: () => Promise<void>;
}

export interface OpenedReader {
  readonly kind: "reader";
  readonly lanes: readonly ReadOnlyLane[];
  readonly superblock: Superblock;
}

export interface OpenRequest {
  readonly directory: string;
  readonly storage: Storage;
  readonly options: ResolvedOptions;
}

export async function openWriter(request: OpenRequest): Promise<OpenedWriter> {
  const { directory, storage, options } = request;
  const names = await storage.files.list(directory);
  if (names === null) {
    if (!options.create) throw notFound(directory);
    await storage.files.makeDirectory(directory);
  } else demandLog(directory, names, options.create);
  const unlock = await storage.lock(directory);
  const lanes: Lane[] = [];
  try {
    const superblock = new SuperblockStore(storage.files, directory, await readOrCreate(request));
    const recovered = await recoverAll(request, superblock.current);
    for (const [lane, image] of recovered.entries()) {
      const record = superblock.current.lanes[lane] as LaneRecord;
      image.table.forgetTruncationsBefore(record.firstSegment);
      demandNumbersLeft(record, superblock.current.sequence, image, directory);
      demandTableFits(image.table, options, directory);
    }
    demandDistinctNames(recovered, directory);
    await confirmSuperblock(storage.files, directory, superblock.current);
    for (const [lane, image] of recovered.entries()) lanes.push(createLane(request, superblock, lane, image));
    await startEpoch(request, superblock, recovered, lanes);
    return { kind: "writer", lanes, superblock, unlock };
  } catch (error) {
    // The first error is the one to tell.
    for (const lane of lanes) await lane.abandon().catch(() => undefined);
    await unlock().catch(() => undefined);
    throw error;
  }
}

/**
 * Preparing segments touches no byte of the old epoch; no block is written before all of it is through. Else: 1. the
 * superblock's write is slow, and the first segment comes of age; 2. a block of epoch 5 begins the next one; 3. power
 * fails, the superblock still says 4; 4. the next opening takes 5 again, and the dead block counts as its own.
 */
async function startEpoch({ directory, storage, options }: OpenRequest, superblock: SuperblockStore, recovered: readonly RecoveredLane[], lanes: readonly Lane[]): Promise<void> {
  const isNew = superblock.current.lanes.every(({ epoch }) => epoch === 0);
  await syncNames(storage, directory);
  const starts = lanes.map((lane) => lane.start());
  // Of a new log the superblock comes last. So one that names an epoch says that there was a first segment, and a log
  // whose segments were all removed before any horizon spoke of them does not pass for an empty one.
  if (!isNew) starts.push(beginEpoch(superblock, recovered, options));
  await allThrough(starts);
  if (isNew) await beginEpoch(superblock, recovered, options);
  for (const lane of lanes) lane.begin();
}

/** Nothing is under way any more when it rejects. */
async function allThrough(work: readonly Promise<void>[]): Promise<void> {
  for (const outcome of await Promise.allSettled(work)) if (outcome.status === "rejected") throw outcome.reason;
}

export async function openReader(request: OpenRequest): Promise<OpenedReader> {
  const { directory, storage } = request;
  const names = await storage.files.list(directory);
  if (names === null) throw notFound(directory);
  demandLog(directory, names, false);
  const { superblock } = await readSuperblock(storage.files, directory);
  const kernels = chooseKernels();
  const lanes: ReadOnlyLane[] = [];
  for (let lane = 0; lane < superblock.lanes.length; lane++) {
    const looks = new LaneLooks({ directory, lane, kernels, storage });
    const { uuid, alignment } = superblock;
    lanes.push(new ReadOnlyLane({ lane, directory: laneDirectory(directory, lane), uuid, alignment, kernels, storage, looks, recovered: await looks.anew() }));
  }
  demandDistinctNames(lanes, directory);
  return { kind: "reader", lanes, superblock };
}

/** A partition lives on one lane: of two with one name nobody could ever read the second. */
function demandDistinctNames(lanes: readonly { readonly table: PartitionTable }[], directory: string): void {
  if (lanes.length === 1) return;
  const homes = new Map<string, number>();
  for (const [lane, { table }] of lanes.entries()) {
    for (const { name } of table) {
      const home = homes.get(name);
      if (home !== undefined && !isNameLost(name)) {
        throw new RingwallError("RINGWALL_DAMAGED", `the partition lives on lane ${String(home)} and on lane ${String(lane)}`, {
          place: { path: directory, lane, partition: name },
          remedy: "`ringwall repair` copies both, the second under another name.",
        });
      }
      homes.set(name, lane);
    }
  }
}

function laneDirectory(directory: string, lane: number): string {
  return `${directory}/${laneDirectoryName(lane)}`;
}

/**
 * 1. a creation is killed before it synced the directories; 2. the next opening finds everything and goes on; 3. power
 * fails: the names were never durable, the whole log is gone. So every opening syncs them; clean ones cost nothing.
 * Before a lane makes a file: else that one may be what the power leaves, and without a superblock it counts as damage.
 */
async function syncNames(storage: Storage, directory: string): Promise<void> {
  await storage.files.syncDirectory(directory);
  const parent = directory.replace(/\/+$/, "").replace(/[^/]+$/, "");
  await storage.files.syncDirectory(parent === "" ? "." : parent);
}

/** A directory is taken when it is a log, all of it, or empty but for what an interrupted creation left. */
function demandLog(directory: string, names: readonly string[], create: boolean): void {
  demandNoBackupMark(directory, names);
  if (names.includes(superblockName)) return;
  const foreign = names.find((name) => !name.startsWith(lockName) && parseLaneDirectory(name) === null && !name.startsWith(superblockName) && !/^probe\.[0-9a-f]{16}$/.test(name));
  if (foreign !== undefined) {
    throw new RingwallError("RINGWALL_NOT_A_LOG", `the directory holds no log, and is not empty (${JSON.stringify(foreign)})`, {
      place: { path: directory },
      remedy: "Name a log's directory, an empty one, or one that does not exist yet.",
    });
  }
  if (!create) throw notFound(directory);
}

function notFound(directory: string): RingwallError {
  return new RingwallError("RINGWALL_NOT_FOUND", "there is no log here", { place: { path: directory }, remedy: "Check the path, or open it for writing with { create: true }." });
}

async function readOrCreate({ directory, storage, options }: OpenRequest): Promise<Superblock> {
  const names = (await storage.files.list(directory)) ?? [];
  if (names.includes(superblockName)) {
    const { superblock } = await readSuperblock(storage.files, directory);
    demandAligned(options, superblock.alignment, directory);
    return superblock;
  }
  await demandNoOrphans(storage, directory);
  const { flushMethod, alignment } = await storage.probe(directory, probeMillisMax);
  demandAligned(options, alignment, directory);
  for (let lane = 0; lane < options.lanes; lane++) await storage.files.makeDirectory(laneDirectory(directory, lane));
  const lane: LaneRecord = {
    epoch: 0, state: "closed", epochSegment: 1, epochOffset: alignment, epochBlock: 1, horizon: 0, firstSegment: 1, blocksInFlightMax: 1,
  };
  const superblock: Superblock = {
    uuid: storage.randomUuid(),
    sequence: 1,
    alignment,
    flushMethod,
    created: storage.clock.now(),
    lanes: Array.from({ length: options.lanes }, () => lane),
  };
  // The superblock comes last: a log is there when it is, and an interrupted creation is begun anew.
  await storage.files.syncDirectory(directory);
  await createSuperblock(storage.files, directory, superblock);
  return superblock;
}

/** Segments without a superblock are what is left of a log, not an empty directory: they must not be overwritten. */
async function demandNoOrphans(storage: Storage, directory: string): Promise<void> {
  const lane = await laneWithFiles(storage.files, directory);
  if (lane === null) return;
  throw new RingwallError("RINGWALL_DAMAGED", `the superblock is missing, but ${lane.name} holds ${String(lane.files)} files`, {
    place: { path: `${directory}/${superblockName}` },
    remedy: "Bring the superblock back from a copy, or run `ringwall repair`; remove the directory only if its records are not needed.",
  });
}

async function recoverAll({ directory, storage }: OpenRequest, superblock: Superblock): Promise<RecoveredLane[]> {
  const kernels = chooseKernels();
  const recovered: RecoveredLane[] = [];
  for (let lane = 0; lane < superblock.lanes.length; lane++) {
    recovered.push(await recoverLane({ files: storage.files, directory: laneDirectory(directory, lane), lane, superblock, kernels, readOnly: false, liveWriter: false }));
  }
  return recovered;
}

/** The epoch's number is durable before its first block: a number used twice would let dead blocks pass for live ones. */
async function beginEpoch(superblock: SuperblockStore, recovered: readonly RecoveredLane[], options: ResolvedOptions): Promise<void> {
  const changes = new Map<number, Partial<LaneRecord>>();
  for (const [lane, image] of recovered.entries()) {
    const before = superblock.current.lanes[lane] as LaneRecord;
    const last = image.segments[image.segments.length - 1];
    changes.set(lane, {
      epoch: before.epoch + 1,
      state: "open",
      epochSegment: last?.segment ?? 1,
      epochOffset: last?.index?.endOffset ?? superblock.current.alignment,
      epochBlock: image.nextBlock,
      horizon: image.nextBlock - 1,
      blocksInFlightMax: options.durability.mode === "none" ? blocksInFlightUnbounded : options.blocksInFlight,
    });
  }
  await superblock.updateLanes(changes);
}

function createLane({ directory, storage, options }: OpenRequest, superblock: SuperblockStore, lane: number, recovered: RecoveredLane): Lane {
  const { uuid, alignment, flushMethod, lanes } = superblock.current;
  return new Lane({
    lane,
    directory: laneDirectory(directory, lane),
    storage,
    kernels: chooseKernels(),
    uuid,
    alignment,
    flush: options.durability.mode === "none" ? "never" : flushMethod,
    durability: options.durability,
    segmentBytes: options.segmentBytes,
    segmentAgeMs: options.segmentAgeMs,
    bufferBytes: options.bufferBytes,
    bufferCount: options.bufferCount,
    blocksInFlight: options.blocksInFlight,
    gatherBytes: options.gatherBytes,
    reclaim: options.reclaim,
    eagerBytes,
    eagerWaiters,
    beaconMs,
    epoch: (lanes[lane] as LaneRecord).epoch + 1,
    recovered,
    updateSuperblock: (change) => superblock.updateLane(lane, change),
  });
}
