// What one run is like: sizes, modes, faults, all from its seed.

import { resolveOptions, type ResolvedDurability, type ResolvedOptions } from "#src/log/options.js";
import type { FaultKind, FaultRates } from "#src/storage/sim/faults.js";
import type { Random } from "#src/storage/sim/random.js";
import type { ForeignKind } from "./foreign-superblock.js";

/** Faults of a run come in one flavour, so that the oracle knows what it may expect. */
export type Flavour =
  /** Crashes only; operations may be slow, short, stuck. Any report of damage is false. */
  | "crashes"
  /** Writes and flushes fail, the disk fills up. Nothing acknowledged is lost. */
  | "errors"
  /** Media go bad: what is lost must be reported. */
  | "damage";

export interface RunPlan {
  readonly flavour: Flavour;
  readonly lanes: number;
  readonly faults: Partial<FaultRates>;
  readonly faultsMax: Partial<Record<FaultKind, number>>;
  readonly diskBytes: number;
  readonly flushMethod: "dsync" | "linked" | "separate";
  readonly partitions: number;
  readonly lives: number;
  /** Bit rot or unreadable sectors come between two lives, or in the middle of one. */
  readonly rot: "never" | "between lives" | "while open";
  /** A superblock that is not this log's, or not of this time, is put in its place after a life. */
  readonly foreign: "never" | ForeignKind;
  /** Payload sizes: mostly small, or mostly large. */
  readonly recordBytes: "small" | "mixed" | "large";
}

export function planRun(random: Random): RunPlan {
  const flavour = random.pick<Flavour>(["crashes", "crashes", "crashes", "errors", "damage", "damage"]);
  const isDamage = flavour === "damage";
  const damage = isDamage ? random.pick(["rot", "rot", "rot", "misdirected", "syncLie", "foreign"]) : "none";
  const error = flavour === "errors" ? random.pick(["write", "sync", "full", "all"]) : "none";
  return {
    flavour,
    lanes: random.pick([1, 1, 1, 2, 3]),
    faults: {
      slow: random.pick([0, 0.02, 0.2]),
      short: random.pick([0, 0.1]),
      stuck: flavour === "crashes" && random.chance(0.1) ? 0.01 : 0,
      writeError: error === "write" || error === "all" ? 0.01 : 0,
      syncError: error === "sync" || error === "all" ? 0.01 : 0,
      syncForgets: error === "sync" || error === "all" ? 0.5 : 0,
      misdirected: damage === "misdirected" ? random.pick([0.005, 0.03]) : 0,
      syncLie: damage === "syncLie" ? random.pick([0.02, 0.3]) : 0,
    },
    faultsMax: { writeError: 2, syncError: 2, misdirected: 1, syncLie: random.pick([1, 1, 3, 100]) },
    diskBytes: error === "full" || error === "all" ? random.between(3, 14) * 128 * 1024 : Number.POSITIVE_INFINITY,
    flushMethod: random.pick(["dsync", "linked", "separate"]),
    partitions: random.pick([1, 3, 12]),
    lives: random.between(2, 6),
    rot: damage === "rot" ? random.pick(["between lives", "while open"]) : "never",
    foreign: damage === "foreign" ? random.pick<ForeignKind>(["older", "of a closed copy", "of a killed copy", "of a killed copy"]) : "never",
    recordBytes: random.pick(["small", "mixed", "mixed", "large"]),
  };
}

/** Options of one opening: they may change from one to the next. */
export function planOptions(random: Random, { lanes, flavour, foreign }: RunPlan): ResolvedOptions {
  const bufferBytes = random.pick([16, 16, 32]) * 1024;
  const modes: ResolvedDurability[] = [{ mode: "sync" }, { mode: "sync" }, { mode: "sync" }, { mode: "interval", ms: random.pick([1, 20]), recordsMax: random.pick([3, 1000]) }];
  if (flavour !== "damage") modes.push({ mode: "none" });
  // Where nothing is flushed, a power cut leaves holes with many blocks behind them: more than the copy had in flight.
  const leavesHoles = foreign === "of a killed copy" && random.chance(0.8);
  const bufferCount = random.between(2, 8);
  return {
    ...resolveOptions({ lanes, bufferBytes, bufferCount, blocksInFlight: random.between(1, 4), gatherBytes: bufferCount % 2 === 0 ? 0 : 1024 * 1024, recordBytesMax: 1024 * 1024 }),
    durability: leavesHoles ? { mode: "none" } : random.pick(modes),
    // Below what users may ask for: rotation, fragments over segments and recycling are what is to be tried.
    segmentBytes: random.pick([64, 64, 128, 256]) * 1024,
    segmentAgeMs: random.pick([0, 0, 30]),
    reclaim: random.chance(0.9) ? { factor: random.pick([1.1, 2]), bytesPerSecond: random.pick([2 ** 40, 2 ** 22]) } : null,
  };
}
