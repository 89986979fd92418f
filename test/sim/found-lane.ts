// What a log holds, read through its public interface, and whether that is a state which the model allows.

import { RingwallError } from "#src/base/errors.js";
import type { Log } from "#src/log/log.js";
import type { Partition } from "#src/log/partition.js";
import type { RecoveryReport } from "#src/recovery/recovered-lane.js";
import { apply, copied, imageOf, type LaneImage, type LaneModel } from "./lane-model.js";
import { describe, holds } from "./payload.js";

export interface FoundPartition {
  readonly name: string;
  readonly first: number;
  readonly last: number;
  readonly records: ReadonlyMap<number, Uint8Array>;
  /** Sequences that were reported as damaged. */
  readonly lost: readonly { readonly first: number; readonly last: number }[];
}

export type FoundLane = Map<string, FoundPartition>;

export async function findLanes(log: Log): Promise<FoundLane[]> {
  const lanes = Array.from({ length: log.info.lanes }, (): FoundLane => new Map());
  for (const partition of log.partitions()) (lanes[partition.lane] as FoundLane).set(partition.name, await readAll(partition));
  return lanes;
}

async function readAll(partition: Partition): Promise<FoundPartition> {
  const { firstSeq, lastSeq, name } = partition;
  const records = new Map<number, Uint8Array>();
  const lost: { first: number; last: number }[] = [];
  let due = firstSeq;
  while (due <= lastSeq) {
    try {
      for await (const batch of partition.readBatches({ from: due })) {
        for (const { seq, data } of batch) {
          if (seq !== due) throw new Error(`reading ${name} gave ${String(seq)} where ${String(due)} was due`);
          records.set(seq, data);
          due++;
        }
      }
      if (due <= lastSeq) throw new Error(`reading ${name} ended before ${String(due)}, its last is ${String(lastSeq)}`);
    } catch (error) {
      if (!(error instanceof RingwallError) || error.code !== "RINGWALL_DAMAGED") throw error;
      const { firstSequence, lastSequence } = error.details as { readonly firstSequence: number; readonly lastSequence: number };
      if (firstSequence > due || lastSequence < due) throw new Error(`reading ${name} from ${String(due)} reports the loss of ${String(firstSequence)} to ${String(lastSequence)}`, { cause: error });
      lost.push({ first: due, last: lastSequence });
      due = lastSequence + 1;
    }
  }
  return { name, first: firstSeq, last: lastSeq, records, lost };
}

export type Match =
  /** `steps`: how many of the model's steps are in force. */
  | { readonly kind: "match"; readonly steps: number; readonly image: LaneImage }
  | { readonly kind: "mismatch"; readonly reasons: readonly string[] };

/** What a damaged lane's report says is gone. */
export interface ReportedLoss {
  readonly lost: RecoveryReport["lost"];
  /** False: more may be gone than `lost` names. */
  readonly exact: boolean;
}

/** Looks for a prefix of the model's steps, of `from` steps at least, after which the lane holds exactly what was found. */
export function match(model: LaneModel, found: FoundLane, from: number, reported: ReportedLoss | null = null): Match {
  const image = copied(model.base);
  const reasons: string[] = [];
  for (let steps = 0; ; steps++) {
    if (steps >= from) {
      const difference = reported === null ? differenceOf(image, found) : hiddenLoss({ model, image, found, reported });
      if (difference === null) return { kind: "match", steps, image };
      if (reasons.length < 12) reasons.push(`after ${String(model.folded + steps)} steps: ${difference}`);
    }
    const step = model.steps[steps];
    if (step === undefined) return { kind: "mismatch", reasons };
    const problem = apply(image, step);
    if (problem !== null) return { kind: "mismatch", reasons: [problem] };
  }
}

function differenceOf(image: LaneImage, found: FoundLane): string | null {
  for (const name of found.keys()) imageOf(image, name);
  for (const [name, wanted] of image) {
    const there = found.get(name);
    const first = there?.first ?? 1;
    const last = there?.last ?? 0;
    if (first !== wanted.first || last !== wanted.last) {
      return `${name} should hold ${String(wanted.first)} to ${String(wanted.last)} and holds ${String(first)} to ${String(last)}`;
    }
    for (const [sequence, payload] of wanted.records) {
      const data = there?.records.get(sequence);
      if (data === undefined) {
        if (there?.lost.some((range) => range.first <= sequence && sequence <= range.last) === true) continue;
        return `${name} ${String(sequence)} is missing`;
      }
      if (!holds(data, payload)) return `${name} ${String(sequence)} should be record ${payload.id.toString(36)} of ${String(payload.bytes)} bytes and is ${describe(data)}`;
    }
  }
  return null;
}

interface Comparison {
  readonly model: LaneModel;
  readonly image: LaneImage;
  readonly found: FoundLane;
  readonly reported: ReportedLoss;
}

/** What is missing or different in a damaged lane although its report does not name it. */
function hiddenLoss(comparison: Comparison): string | null {
  const { image, found, reported: { lost, exact } } = comparison;
  if (!exact) return wrongRecord(comparison);
  for (const [name, wanted] of image) {
    const there = found.get(name);
    for (const sequence of wanted.records.keys()) {
      if (there?.records.has(sequence) === true) continue;
      const isNamed = lost.some((range) => (range.name ?? name) === name && range.firstSequence <= sequence && sequence <= range.lastSequence);
      if (!isNamed) return `${name} ${String(sequence)} is missing and not named`;
    }
  }
  return wrongRecord(comparison);
}

/**
 * A record that differs from the one that belongs there. Records that the image lacks are not looked at: what hid them may be
 * lost. Where more may be lost than is named, that may be a truncation: then a record that it had hidden is back.
 */
function wrongRecord({ model, image, found, reported }: Comparison): string | null {
  for (const [name, wanted] of image) {
    for (const [sequence, payload] of wanted.records) {
      const data = found.get(name)?.records.get(sequence);
      if (data === undefined || holds(data, payload)) continue;
      if (!reported.exact && model.everGiven(name, sequence).some((given) => holds(data, given))) continue;
      return `${name} ${String(sequence)} should be record ${payload.id.toString(36)} of ${String(payload.bytes)} bytes and is ${describe(data)}`;
    }
  }
  return null;
}
