// `ringwall bench recover`: how long opening takes. An empty log; a closed log with many sealed segments; and a log whose
// writer was killed, with all its records in one segment, so that every byte of it must be scanned.

import path from "node:path";
import type { LogOptions } from "../../log/options.js";
import type { ExitCode } from "../exit-codes.js";
import { bytesText, countText, tableText } from "../quantities.js";
import type { BenchMachine } from "./bench-machine.js";
import { optionsOf, runBench, type BenchContext, type BenchFlags } from "./bench-run.js";
import { factsText, rangedText } from "./bench-text.js";
import { roundsOf } from "./contender.js";
import { measureGrown, type GrownReport } from "./recover-grown.js";
import { spreadOf, type Spread } from "./spread.js";
import { scanFigures, timedOpen, type OpenFigures, type Opened, type ScanFigures } from "./timed-open.js";
import { oneSegmentFor, readThroughCache, writeAndKill, writeAndClose } from "./unclean-log.js";

export interface RecoverBenchFlags extends BenchFlags {
  readonly bytes: number;
  readonly recordBytes: number;
  readonly sealedBytes: number;
  readonly repeat: number;
  /** Of the log of many segments. */
  readonly segmentBytes: number;
  readonly incremental?: boolean;
  /** Percent; true: one. */
  readonly damage?: number | true;
}

/** `incremental`, `full` and `damaged` only where they were asked for. */
export interface RecoverReport extends Partial<GrownReport> {
  readonly bench: "recover";
  readonly backend: string;
  readonly rounds: number;
  /** A directory that did not exist: made, probed, opened. */
  readonly create: Spread<OpenFigures>;
  /** The same log again, closed and empty. */
  readonly empty: Spread<OpenFigures>;
  readonly sealed: Spread<OpenFigures> & { readonly segments: number; readonly scannedBytes: number };
  /** Opened read-only, out of the page cache; `fromDevice` is the first opening, `forWriting` the last. */
  readonly unclean: Spread<ScanFigures> & { readonly scannedBytes: number; readonly scannedRecords: number; readonly verdict: string; readonly fromDevice: ScanFigures; readonly forWriting: ScanFigures };
  readonly machine: BenchMachine;
  readonly options: Record<string, unknown>;
}

const sealedSegmentBytes = 1024 * 1024;
const uncleanBytesMax = 512 * 1024 ** 2;

export function recoverBench(flags: RecoverBenchFlags): Promise<ExitCode> {
  return runBench(flags, (context) => measure(flags, context), recoverText);
}

async function measure(flags: RecoverBenchFlags, context: BenchContext): Promise<RecoverReport> {
  const { machine, onStep } = context;
  onStep("opening empty logs");
  const { create, empty, backend } = await measureEmpty(flags, context);
  onStep(`writing ${bytesText(flags.sealedBytes)} into a log that is closed`);
  const sealed = await measureSealed(flags, context);
  onStep(`writing ${bytesText(uncleanBytesOf(flags))} into a log whose writer is killed`);
  const unclean = await measureUnclean(flags, context);
  const grown = flags.incremental === true || flags.damage !== undefined ? await measureGrown({ ...flags, damage: damageOf(flags) }, context) : {};
  return { bench: "recover", backend, rounds: flags.repeat, create: spreadOf(create), empty: spreadOf(empty), sealed, unclean, ...grown, machine, options: optionsOf(flags) };
}

/** Of a log of many segments there is one besides, and both need not be large. */
function uncleanBytesOf({ bytes, incremental, damage }: RecoverBenchFlags): number {
  return incremental === true || damage !== undefined ? Math.min(bytes, uncleanBytesMax) : bytes;
}

function damageOf({ damage }: RecoverBenchFlags): number | null {
  return damage === undefined ? null : damage === true ? 1 : damage;
}

async function measureEmpty({ repeat, backend }: RecoverBenchFlags, { place, isStopped, onStep }: BenchContext): Promise<{ create: OpenFigures[]; empty: OpenFigures[]; backend: string }> {
  const pair = async (): Promise<{ created: Opened; opened: Opened }> => {
    const directory = place.fresh("empty");
    const created = await timedOpen(directory, { backend });
    const opened = await timedOpen(directory, { backend });
    place.discard(directory);
    return { created, opened };
  };
  // One more, unmeasured: the first opening of a process compiles the code.
  const first = await pair();
  const rounds = await roundsOf({ name: "empty logs", round: pair }, { rounds: repeat, isStopped, onRound: onStep });
  const millis = ({ openMillis }: Opened): OpenFigures => ({ openMillis });
  return { create: rounds.map(({ created }) => millis(created)), empty: rounds.map(({ opened }) => millis(opened)), backend: first.created.backend };
}

async function measureSealed({ sealedBytes, recordBytes, repeat, backend }: RecoverBenchFlags, { place, isStopped, onStep }: BenchContext): Promise<RecoverReport["sealed"]> {
  const directory = place.fresh("sealed");
  const options: LogOptions = { backend, segmentBytes: sealedSegmentBytes, bufferBytes: 256 * 1024 };
  await writeAndClose({ directory, bytes: sealedBytes, recordBytes, options });
  const rounds = await roundsOf({ name: "a closed log", round: () => timedOpen(directory, options) }, { rounds: repeat, isStopped, onRound: onStep });
  place.remove(directory);
  const { segments, scannedBytes } = rounds[0] as Opened;
  return { ...spreadOf(rounds.map(({ openMillis }) => ({ openMillis }))), segments, scannedBytes };
}

async function measureUnclean(flags: RecoverBenchFlags, { place, isStopped, interrupt, onStep }: BenchContext): Promise<RecoverReport["unclean"]> {
  const { recordBytes, repeat, backend } = flags;
  const bytes = uncleanBytesOf(flags);
  const directory = place.fresh("unclean");
  const options: LogOptions = { backend, segmentBytes: oneSegmentFor(bytes, recordBytes) };
  await writeAndKill({ directory, bytes, recordBytes, options }, interrupt.signal, onStep);
  const first = await timedOpen(directory, { ...options, readOnly: true });
  // Recovery reads past the page cache what is not in it.
  await readThroughCache(path.join(directory, "lane-00"));
  const rounds = await roundsOf({ name: "a log whose writer was killed", round: () => timedOpen(directory, { ...options, readOnly: true }) }, { rounds: repeat, isStopped, onRound: onStep });
  const last = await timedOpen(directory, options);
  place.discard(directory);
  const { scannedBytes, scannedRecords, verdict } = first;
  return { ...spreadOf(rounds.map(scanFigures)), scannedBytes, scannedRecords, verdict, fromDevice: scanFigures(first), forWriting: scanFigures(last) };
}

function recoverText({ create, empty, sealed, unclean, incremental, full, fullFromDevice, damaged, machine, backend }: RecoverReport): string {
  const millis = (spread: Spread<OpenFigures>): string => rangedText({ median: spread.median.openMillis, min: spread.min.openMillis, max: spread.max.openMillis }, 1);
  const rate = rangedText({ median: unclean.median.megabytesPerSecond, min: unclean.min.megabytesPerSecond, max: unclean.max.megabytesPerSecond }, 0);
  const rows = [
    ["", "open, ms", ""],
    ["a new log", millis(create), ""],
    ["an empty log", millis(empty), ""],
    ["a closed log", millis(sealed), `${countText(sealed.segments)} segments, ${bytesText(sealed.scannedBytes)} read`],
    ["after a kill, page cache", millis(unclean), `${rate} MB/s; ${bytesText(unclean.scannedBytes)}, ${countText(unclean.scannedRecords)} records, ${unclean.verdict}`],
    ["after a kill, first time", unclean.fromDevice.openMillis.toFixed(1), `${countText(unclean.fromDevice.megabytesPerSecond)} MB/s`],
    ["after a kill, for writing", unclean.forWriting.openMillis.toFixed(1), `${countText(unclean.forWriting.megabytesPerSecond)} MB/s`],
  ];
  if (fullFromDevice !== undefined) rows.push(["many segments, first time", fullFromDevice.openMillis.toFixed(1), `${countText(fullFromDevice.megabytesPerSecond)} MB/s`]);
  const grown = { "many segments, by index": incremental, "many segments, all read": full, "the same, damaged": damaged };
  for (const [name, figures] of Object.entries(grown)) {
    if (figures !== undefined) rows.push([name, millis(figures), `${countText(figures.median.megabytesPerSecond)} MB/s; ${countText(figures.segments)} segments, ${bytesText(figures.scannedBytes)}, ${countText(figures.scannedRecords)} records, ${figures.verdict}`]);
  }
  if (damaged !== undefined) rows.push(["", "", `${countText(damaged.pagesDamaged)} pages damaged, ${countText(damaged.pagesUnnamed)} of them not named; ${countText(damaged.rangesNamed)} ranges, ${countText(damaged.recordsLost)} records lost`]);
  return [tableText(rows), "", `backend ${backend}`, factsText({ machine })].join("\n");
}
