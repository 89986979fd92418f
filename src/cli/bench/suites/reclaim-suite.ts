// The suite `reclaim`: what it costs that live records are moved out of old segments. Callers append beside trims that leave old
// segments partly alive; rounds with reclaim and without it alternate, each on a log of its own.

import { CommandError } from "../../report-failure.js";
import { appendFiguresOf, runRound } from "../caller-round.js";
import type { AppendFigures } from "../contender.js";
import { logFactsOf, logOptionsOf, type LogFlags } from "../log-settings.js";
import { makePayloads } from "../payloads.js";
import { quantilesOf } from "../samples.js";
import { backendsOf, closeLogs, everyCallOf, openLog, type OpenedLog } from "./log-entrant.js";
import type { Entrant, Group, Suite, SuiteFlags } from "./suite.js";
import { TrimmedLoad, trimPatterns, type TrimPattern } from "./trimmed-load.js";

export interface ReclaimFlags extends SuiteFlags, LogFlags {
  readonly backend: "auto" | "uring" | "fs";
  readonly bytes: number;
  readonly callers: number;
  readonly live: number;
  readonly factor: number;
  readonly patterns?: readonly string[];
}

export interface ReclaimFigures extends AppendFigures {
  /** Payload moved for each byte of payload that was appended. */
  readonly movedBytesPerByte: number;
  /** Bytes on the device for each byte of payload that was appended. */
  readonly deviceBytesPerByte: number;
  /** Kept segments, for each byte of payload that is alive. */
  readonly diskBytesPerLiveByte: { readonly p50: number; readonly max: number };
  /** The same, for each byte that is promised at most: `factor` times the live payload, and eight segments. */
  readonly diskBytesPerPromisedByte: { readonly p50: number; readonly max: number };
  /** How long of the round writers were held for disk use to stay below that, and how often. */
  readonly holdShare: number;
  readonly holdsPerSecond: number;
  readonly segmentsReclaimed: number;
  readonly segmentsKept: number;
}

const segmentBytes = 8 * 1024 ** 2;
/** Beside what the factor allows, always: docs/decisions/0008-live-records-are-moved-on.md. */
const segmentsBesideMax = 8;
const warmUpSecondsMax = 60;
const warmUpRoundSeconds = 0.25;

export const reclaimSuite: Suite<ReclaimFlags> = {
  measures: [
    { path: "movedBytesPerByte", title: "moved/byte", digits: 2 },
    { path: "diskBytesPerLiveByte.p50", title: "disk/live", digits: 2 },
    { path: "diskBytesPerLiveByte.max", title: "max", digits: 2 },
    { path: "diskBytesPerPromisedByte.max", title: "max of promised", digits: 2 },
    { path: "holdShare", title: "held", digits: 2 },
    { path: "holdsPerSecond", title: "holds/s", digits: 0 },
    { path: "recordsPerSecond", title: "records/s", digits: 0, isCompared: true },
    { path: "ackMicros.p50", title: "p50 µs", digits: 0 },
    { path: "ackMicros.p99", title: "p99 µs", digits: 0, isCompared: true },
  ],
  groups: (flags) => backendsOf(flags.backend).flatMap((backend) => patternsOf(flags).map((pattern): Group => ({
    name: `${backend}, ${pattern.name}`,
    open: async ({ place }) => {
      const logs: OpenedLog[] = [];
      const options = { segmentBytes, ...logOptionsOf({ ...flags, backend }) };
      for (const reclaim of [{ factor: flags.factor }, false] as const) logs.push(await openLog(place, { ...options, reclaim }));
      const entrants = logs.map((opened, at) => entrantOf({ opened, pattern, flags, isOn: at === 0, segmentBytes: options.segmentBytes }));
      return { entrants, close: () => closeLogs(place, logs) };
    },
  }))),
};

function patternsOf({ patterns = trimPatterns.map(({ name }) => name) }: ReclaimFlags): TrimPattern[] {
  return patterns.map((wanted) => {
    const pattern = trimPatterns.find(({ name }) => name === wanted);
    if (pattern === undefined) throw new CommandError(`--patterns: there is no ${JSON.stringify(wanted)}; known are ${trimPatterns.map(({ name }) => name).join(", ")}`);
    return pattern;
  });
}

interface ReclaimEntrant {
  readonly opened: OpenedLog;
  readonly pattern: TrimPattern;
  readonly flags: ReclaimFlags;
  readonly isOn: boolean;
  readonly segmentBytes: number;
}

function entrantOf(setup: ReclaimEntrant): Entrant {
  const { opened, pattern, isOn, flags: { callers, bytes, live, factor } } = setup;
  const load = new TrimmedLoad(opened.log, pattern, { bytes, records: Math.ceil(live / bytes) });
  return {
    name: isOn ? "reclaim" : "no reclaim",
    settings: { callers, bytes, live, factor, partitions: pattern.partitions, segmentBytes: setup.segmentBytes },
    facts: logFactsOf(opened.log),
    ...(isOn ? { reference: "no reclaim", prepare: (isStopped) => warmUp(setup, load, isStopped) } : {}),
    round: (seconds, isStopped) => round(setup, load, seconds, isStopped),
  };
}

/** Until the whole log was written anew once: from then on as much is moved as ever will be. */
async function warmUp(setup: ReclaimEntrant, load: TrimmedLoad, isStopped: () => boolean): Promise<object> {
  const { opened: { log }, flags: { live, factor } } = setup;
  const started = performance.now();
  const written = (): number => log.stats()[0]?.blockBytes ?? 0;
  while (written() < 2 * factor * live && performance.now() - started < warmUpSecondsMax * 1000 && !isStopped()) await round(setup, load, warmUpRoundSeconds, isStopped);
  return { seconds: (performance.now() - started) / 1000, megabytes: written() / 1e6 };
}

async function round({ opened: { log }, flags, isOn, segmentBytes }: ReclaimEntrant, load: TrimmedLoad, seconds: number, isStopped: () => boolean): Promise<ReclaimFigures> {
  const { callers, bytes, factor } = flags;
  await load.fill();
  const stats = (): ReturnType<typeof log.stats>[number] => log.stats()[0] as ReturnType<typeof log.stats>[number];
  let before = stats();
  let after = before;
  let isOpen = false;
  const ofLive: number[] = [];
  const ofPromised: number[] = [];
  const window = await runRound({ callers, everyCall: everyCallOf(callers), items: makePayloads(bytes), appenders: load.fresh }, {
    seconds,
    isStopped,
    onOpen: () => {
      before = stats();
      isOpen = true;
    },
    onShut: () => {
      after = stats();
      isOpen = false;
    },
    onTick: () => {
      load.trim();
      const liveBytes = load.liveRecords() * bytes;
      // Whole partitions are trimmed: for a moment nothing may be alive.
      if (!isOpen || liveBytes === 0) return;
      const { segmentsKept } = stats();
      ofLive.push((segmentsKept * segmentBytes) / liveBytes);
      ofPromised.push((segmentsKept * segmentBytes) / (factor * liveBytes + segmentsBesideMax * segmentBytes));
    },
  });
  await load.settled();
  // Without reclaim nothing ever comes back, and the disk ends.
  if (!isOn) await load.trimAll();
  const records = window.calls;
  return {
    ...appendFiguresOf(window, { records, bytes, blocks: after.blocks - before.blocks }),
    movedBytesPerByte: (after.bytesMoved - before.bytesMoved) / (records * bytes),
    deviceBytesPerByte: (after.blockBytes - before.blockBytes) / (records * bytes),
    diskBytesPerLiveByte: middleAndMost(ofLive),
    diskBytesPerPromisedByte: middleAndMost(ofPromised),
    holdShare: (after.reclaimHoldMicros - before.reclaimHoldMicros) / 1e6 / window.seconds,
    holdsPerSecond: (after.reclaimHolds - before.reclaimHolds) / window.seconds,
    segmentsReclaimed: after.segmentsReclaimed - before.segmentsReclaimed,
    segmentsKept: after.segmentsKept,
  };
}

function middleAndMost(looks: readonly number[]): { readonly p50: number; readonly max: number } {
  const { p50, max } = quantilesOf([Float64Array.from(looks)], 1);
  return { p50, max };
}
