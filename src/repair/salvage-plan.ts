// What the new log will hold: which runs of each partition survive, under which names, and which sequences are missing.
//
// A log's sequences have no holes, so records behind a loss need a partition of their own: "orders@700" holds what
// survived of "orders" from sequence 700 on, with its sequences unchanged. Nothing that survived is thrown away.

import { storedNumberMax } from "../base/numbers.js";
import type { PartitionState } from "../core/partition-table.js";
import { isNameLost } from "../core/own-names.js";
import { partitionNameBytesMax } from "../format/checkpoint.js";
import type { RepairedPartition, SalvagedPart, SequenceRange } from "./repair-report.js";
import type { SurvivingRecord } from "./surviving-records.js";

/** Which part of a partition with a loss keeps its name: see `RepairOptions.namesTo`. */
export type NamesTo = "first" | "last";

interface Run {
  readonly firstSequence: number;
  lastSequence: number;
  payloadBytes: number;
}

/** One lane's survivors, counted in a walk over it. */
export class LaneSurvivors {
  readonly lane: number;
  readonly #states: readonly PartitionState[];
  readonly #runs = new Map<PartitionState, Run[]>();
  /** Of the first record, milliseconds since 1970; null without records. */
  firstTime: number | null = null;

  constructor(lane: number, states: Iterable<PartitionState>) {
    this.lane = lane;
    this.#states = [...states];
  }

  note({ state, sequence, time, data }: SurvivingRecord): void {
    this.firstTime ??= time;
    const runs = this.#runs.get(state) ?? [];
    const last = runs[runs.length - 1];
    if (last !== undefined && last.lastSequence + 1 === sequence) {
      last.lastSequence = sequence;
      last.payloadBytes += data.length;
      return;
    }
    runs.push({ firstSequence: sequence, lastSequence: sequence, payloadBytes: data.length });
    this.#runs.set(state, runs);
  }

  get names(): string[] {
    return this.#states.flatMap((state) => nameOf(state) ?? []);
  }

  plan(namesTo: NamesTo, names: NamePool): RepairedPartition[] {
    // Nothing is known of a partition without name and records but that it was there.
    const known = this.#states.filter((state) => nameOf(state) !== null || state.lastSequence > 0);
    return known.map((state) => {
      const name = nameOf(state);
      const runs = this.#runs.get(state) ?? [];
      const { lane } = this;
      const { id: partition, firstSequence, lastSequence } = state;
      const salvaged = nameParts(names.claim(name) ?? names.fresh(`lost-name-${String(lane)}-${String(partition)}`), withEnd(runs, lastSequence, namesTo), namesTo, names);
      return { lane, partition, name, firstSequence, lastSequence, salvaged, missing: holes(runs, firstSequence, lastSequence) };
    });
  }
}

/** Names of the new log, each given out once. */
export class NamePool {
  readonly #taken: Set<string>;
  readonly #claimed = new Set<string>();

  constructor(taken: Iterable<string>) {
    this.#taken = new Set(taken);
  }

  /** A name that is in the pool goes to the first who wants it: on a sound log nobody else does. */
  claim(name: string | null): string | null {
    if (name === null || !this.#claimed.has(name)) {
      if (name !== null) this.#claimed.add(name);
      return name;
    }
    return this.fresh(partName(name, 1));
  }

  /** `wanted`, or something like it when that is taken or too long. */
  fresh(wanted: string): string {
    for (let attempt = 1; ; attempt++) {
      const name = attempt === 1 ? wanted : `${wanted}~${String(attempt)}`;
      if (this.#taken.has(name)) continue;
      this.#taken.add(name);
      return name;
    }
  }
}

function nameOf(state: PartitionState): string | null {
  return isNameLost(state.name) ? null : state.name;
}

/** The part that keeps the name goes on behind everything that ever was acknowledged, even if nothing of it is left. */
function withEnd(runs: readonly Run[], lastSequence: number, namesTo: NamesTo): readonly Run[] {
  const isWhole = runs[runs.length - 1]?.lastSequence === lastSequence;
  if (runs.length > 0 && (namesTo === "first" || isWhole)) return runs;
  const end = Math.min(lastSequence, storedNumberMax - 1);
  return [...runs, { firstSequence: end + 1, lastSequence: end, payloadBytes: 0 }];
}

function nameParts(name: string, runs: readonly Run[], namesTo: NamesTo, names: NamePool): SalvagedPart[] {
  const keeper = namesTo === "first" ? 0 : runs.length - 1;
  return runs.map((run, at) => ({
    name: at === keeper ? name : names.fresh(partName(name, run.firstSequence)),
    firstSequence: run.firstSequence,
    lastSequence: run.lastSequence,
    records: run.lastSequence - run.firstSequence + 1,
    payloadBytes: run.payloadBytes,
  }));
}

function partName(name: string, firstSequence: number): string {
  const suffix = `@${String(firstSequence)}`;
  let stem = name;
  // Room for what tells names apart, too.
  while (Buffer.byteLength(stem) + suffix.length + 8 > partitionNameBytesMax) stem = [...stem].slice(0, -1).join("");
  return stem + suffix;
}

function holes(runs: readonly Run[], firstSequence: number, lastSequence: number): SequenceRange[] {
  const missing: SequenceRange[] = [];
  let due = firstSequence;
  for (const run of runs) {
    if (run.firstSequence > due) missing.push({ firstSequence: due, lastSequence: run.firstSequence - 1 });
    due = run.lastSequence + 1;
  }
  if (due <= lastSequence) missing.push({ firstSequence: due, lastSequence });
  return missing;
}
