// A log of many segments whose writer was killed, for `bench recover`: opened with the sealed segments' indexes
// (incremental), without them (full), and without them and with damage.

import { randomInt } from "node:crypto";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import type { LogOptions } from "../../log/options.js";
import type { RecoveryReport } from "../../recovery/recovered-lane.js";
import { laneDirectoryName, parseLaneFile } from "../../format/names.js";
import { CommandError } from "../report-failure.js";
import type { BenchContext } from "./bench-run.js";
import { interleave, roundsOf, type Contender } from "./contender.js";
import { scanFigures, timedOpen, type Opened, type ScanFigures } from "./timed-open.js";
import { spreadOf, type Spread } from "./spread.js";
import { readThroughCache, writeAndKill } from "./unclean-log.js";

export interface GrownFlags {
  readonly bytes: number;
  readonly recordBytes: number;
  readonly segmentBytes: number;
  readonly repeat: number;
  readonly backend: "auto" | "uring" | "fs";
  /** Percent of the pages; null: none. */
  readonly damage: number | null;
}

export type GrownFigures = Spread<ScanFigures> & { readonly segments: number; readonly scannedBytes: number; readonly scannedRecords: number; readonly verdict: string };

export interface DamagedFigures extends GrownFigures {
  readonly pagesDamaged: number;
  /** Damaged pages that lie in no range of the report: 0, or recovery hides damage. */
  readonly pagesUnnamed: number;
  readonly rangesNamed: number;
  readonly recordsLost: number;
}

export interface GrownReport {
  readonly incremental: GrownFigures;
  /** Out of the page cache, where the log is small enough to fit into it: `isCached`. */
  readonly full: GrownFigures & { readonly isCached: boolean };
  /** Everything read once, before it was in the page cache. */
  readonly fullFromDevice: ScanFigures;
  readonly damaged?: DamagedFigures;
}

const pageBytes = 4096;
const markBytes = 16;
/** Of the memory that is free: what a log may take of the page cache. */
const cacheShare = 0.6;
/** More than all blocks in flight: the writer was killed before a later block could say that the last ones were durable, so damage there is a torn tail. */
const tailBytes = 4 * 1024 * 1024;

export async function measureGrown(flags: GrownFlags, { place, interrupt, isStopped, onStep }: BenchContext): Promise<GrownReport> {
  const { bytes, recordBytes, segmentBytes, repeat, backend, damage } = flags;
  const directory = place.fresh("grown");
  const options: LogOptions = { backend, segmentBytes };
  onStep("writing a log of many segments whose writer is killed");
  await writeAndKill({ directory, bytes, recordBytes, options }, interrupt.signal, onStep);
  const lane = path.join(directory, laneDirectoryName(0));
  removeSpare(lane);
  const indexes = new SetAside(lane, place.fresh("indexes"));
  const open = (): Promise<Opened> => timedOpen(directory, { ...options, readOnly: true });
  onStep("reading everything from the device");
  indexes.take();
  const fullFromDevice = scanFigures(await open());
  const isCached = bytes < os.freemem() * cacheShare;
  if (isCached) await readThroughCache(lane);
  const contender = (name: string, prepare: () => void): Contender<Opened> => ({
    name,
    round: () => {
      prepare();
      return open();
    },
  });
  const contenders = [contender("by index", () => { indexes.bringBack(); }), contender("all read", () => { indexes.take(); })];
  const results = await interleave(contenders, { rounds: repeat, seconds: 0, isStopped, onRound: onStep });
  const [incremental, all] = contenders.map(({ name }) => grownFigures(results.get(name) as Opened[])) as [GrownFigures, GrownFigures];
  const full = { ...all, isCached };
  if (damage === null || isStopped()) {
    place.discard(directory);
    return { incremental, full, fullFromDevice };
  }
  onStep(`damaging ${String(damage)} % of the pages`);
  const damaged = await measureDamaged(damagePages(lane, damage, segmentBytes), { open, repeat, isStopped, onStep });
  place.discard(directory);
  return { incremental, full, fullFromDevice, damaged };
}

interface DamagedRun {
  readonly open: () => Promise<Opened>;
  readonly repeat: number;
  readonly isStopped: () => boolean;
  readonly onStep: (text: string) => void;
}

async function measureDamaged(pages: readonly DamagedPage[], { open, repeat, isStopped, onStep }: DamagedRun): Promise<DamagedFigures> {
  const rounds = await roundsOf({ name: "damaged", round: open }, { rounds: repeat, isStopped, onRound: onStep });
  const { damaged = [], lost = [] } = (rounds[0] as Opened).report as RecoveryReport;
  return {
    ...grownFigures(rounds),
    pagesDamaged: pages.length,
    pagesUnnamed: pages.filter(({ segment, offset }) => !damaged.some((range) => range.segment === segment && range.from < offset + pageBytes && range.to > offset)).length,
    rangesNamed: damaged.length,
    recordsLost: lost.reduce((sum, { firstSequence, lastSequence }) => sum + lastSequence - firstSequence + 1, 0),
  };
}

function grownFigures(rounds: readonly Opened[]): GrownFigures {
  const { segments, scannedBytes, scannedRecords, verdict } = rounds[0] as Opened;
  return { ...spreadOf(rounds.map(scanFigures)), segments, scannedBytes, scannedRecords, verdict };
}

/** Index files out of a lane's directory, and back. */
class SetAside {
  readonly #lane: string;
  readonly #aside: string;

  constructor(lane: string, aside: string) {
    this.#lane = lane;
    this.#aside = aside;
    fs.mkdirSync(aside);
  }

  take(): void {
    this.#move(this.#lane, this.#aside);
  }

  bringBack(): void {
    this.#move(this.#aside, this.#lane);
  }

  #move(from: string, to: string): void {
    for (const name of fs.readdirSync(from)) if (parseLaneFile(name).kind === "index") fs.renameSync(path.join(from, name), path.join(to, name));
  }
}

interface DamagedPage {
  readonly segment: number;
  readonly offset: number;
}

function segmentFilesOf(lane: string): { readonly segment: number; readonly target: string }[] {
  const files = fs.readdirSync(lane).flatMap((name) => {
    const file = parseLaneFile(name);
    return file.kind === "segment" ? [{ segment: file.segment, target: path.join(lane, name) }] : [];
  });
  return files.sort((a, b) => a.segment - b.segment);
}

/** Of the files that were laid out, those that nothing was written to; the next segment stays, as any writer has it ready. */
function removeSpare(lane: string): void {
  const [, ...spare] = segmentFilesOf(lane).filter(({ target }) => !holdsBlocks(target));
  for (const { target } of spare) fs.rmSync(target);
}

/** Damages pages of all but the newest segments, chosen at random; never a segment's header. */
function damagePages(lane: string, percent: number, segmentBytes: number): DamagedPage[] {
  const segments = segmentFilesOf(lane).filter(({ target }) => holdsBlocks(target));
  segments.splice(-1 - Math.ceil(tailBytes / segmentBytes));
  if (segments.length === 0) throw new CommandError("--damage needs a log of several segments: more --bytes, or a smaller --segment-bytes");
  return segments.flatMap(({ segment, target }) => damageFile(target, percent).map((offset) => ({ segment, offset })));
}

function holdsBlocks(target: string): boolean {
  const descriptor = fs.openSync(target, "r");
  const page = Buffer.alloc(pageBytes);
  fs.readSync(descriptor, page, 0, pageBytes, pageBytes);
  fs.closeSync(descriptor);
  return page.some((byte) => byte !== 0);
}

function damageFile(target: string, percent: number): number[] {
  const descriptor = fs.openSync(target, "r+");
  try {
    const pages = Math.floor(fs.fstatSync(descriptor).size / pageBytes);
    const offsets = new Set<number>();
    const mark = Buffer.alloc(markBytes);
    for (let count = Math.max(1, Math.round((pages * percent) / 100)); count > 0; count--) {
      const offset = randomInt(1, pages) * pageBytes;
      fs.readSync(descriptor, mark, 0, markBytes, offset);
      // Zeros are the space behind the last block; a page is not damaged back to what it was.
      if (offsets.has(offset) || mark.every((byte) => byte === 0)) continue;
      for (let at = 0; at < markBytes; at++) mark[at] = (mark[at] as number) ^ 0xff;
      fs.writeSync(descriptor, mark, 0, markBytes, offset);
      offsets.add(offset);
    }
    fs.fsyncSync(descriptor);
    return [...offsets];
  } finally {
    fs.closeSync(descriptor);
  }
}
