// The verdict of recovery, as one table: what a lane's bytes say, and what may be done about it.
//
// H: the highest block known durable. g: the first block that is not valid. W: blocks in flight at most.
// `beyond` speaks of blocks behind g that were submitted in the current chain (their headers verify); leftovers of dead
// epochs don't count. Pure. test/core/recovery-table.test.ts demands exactly one row for every input.

import { assert } from "../base/assert.js";
import { blocksInFlightUnbounded } from "../format/superblock.js";

export interface RecoveryFacts {
  /** How the superblock left the lane. */
  readonly state: "open" | "closed";
  /** Where g lies: g ≤ H, or g > H. */
  readonly cut: "within horizon" | "beyond horizon";
  /** Blocks behind g: none; all in [g, g + W); at least one outside. Always "in window" or "none" when W is unbounded. */
  readonly beyond: "none" | "in window" | "outside window";
  /** Unreadable sectors behind the cut: none; too few to hide more than W blocks; enough to hide acknowledged ones. */
  readonly unreadable: "none" | "in window" | "outside window";
  /** Whether the frames of the valid blocks lead from each state to the next. */
  readonly contents: "agree" | "contradict";
  /** "older": a block is of an epoch that the superblock does not know. */
  readonly superblock: "current" | "older";
  /** "missing": the lane had gone over to a segment of whose file nothing is left. */
  readonly files: "there" | "missing";
}

export type RecoveryVerdict = "clean" | "torn tail" | "damaged";

export interface RecoveryRow {
  readonly label: string;
  readonly verdict: RecoveryVerdict;
  readonly why: string;
  readonly holds: (facts: RecoveryFacts) => boolean;
}

const current = (facts: RecoveryFacts): boolean => facts.superblock === "current";
const uncut = (facts: RecoveryFacts): boolean => current(facts) && facts.contents === "agree" && facts.cut === "beyond horizon";
const consistent = (facts: RecoveryFacts): boolean => uncut(facts) && facts.files === "there";
const crashed = (facts: RecoveryFacts): boolean => consistent(facts) && facts.state === "open";

/** Exactly one row holds for any facts. */
export const recoveryTable: readonly RecoveryRow[] = [
  {
    label: "older superblock",
    verdict: "damaged",
    why: "the superblock is older than the blocks: a former one was put back",
    holds: (facts) => !current(facts),
  },
  {
    label: "contradiction",
    verdict: "damaged",
    why: "valid blocks hold records that do not follow from each other",
    holds: (facts) => current(facts) && facts.contents === "contradict",
  },
  {
    label: "lost block",
    verdict: "damaged",
    why: "a block that was durable is not valid any more",
    holds: (facts) => current(facts) && facts.contents === "agree" && facts.cut === "within horizon",
  },
  {
    label: "missing file",
    verdict: "damaged",
    why: "the lane had gone over to a segment of whose file nothing is left",
    holds: (facts) => uncut(facts) && facts.files === "missing",
  },
  {
    label: "written after the seal",
    verdict: "damaged",
    why: "the log was closed, yet blocks follow its seal",
    holds: (facts) => consistent(facts) && facts.state === "closed" && facts.beyond !== "none",
  },
  {
    label: "closed",
    verdict: "clean",
    why: "the log was closed, and every block up to its seal is valid",
    holds: (facts) => consistent(facts) && facts.state === "closed" && facts.beyond === "none",
  },
  {
    label: "beyond the window",
    verdict: "damaged",
    why: "a block lies so far behind the first invalid one that this one must have been durable",
    holds: (facts) => crashed(facts) && facts.beyond === "outside window",
  },
  {
    label: "unreadable tail",
    verdict: "damaged",
    why: "unreadable sectors behind the last valid block may hide blocks that were durable",
    holds: (facts) => crashed(facts) && facts.beyond !== "outside window" && facts.unreadable === "outside window",
  },
  {
    label: "torn",
    verdict: "torn tail",
    why: "blocks that were in flight and never acknowledged are dropped",
    holds: (facts) =>
      crashed(facts) && facts.unreadable !== "outside window" && (facts.beyond === "in window" || (facts.beyond === "none" && facts.unreadable === "in window")),
  },
  {
    label: "stopped",
    verdict: "clean",
    why: "the writer ended without a seal; nothing was in flight that reached the disk",
    holds: (facts) => crashed(facts) && facts.beyond === "none" && facts.unreadable === "none",
  },
];

export function decideRecovery(facts: RecoveryFacts): RecoveryRow {
  const rows = recoveryTable.filter((row) => row.holds(facts));
  const row = rows[0];
  assert(rows.length === 1 && row !== undefined, `one row holds for ${JSON.stringify(facts)}`);
  return row;
}

/** What a scan counted and found. */
export interface RecoveryCounts {
  readonly state: "open" | "closed";
  /** H and g, block sequences. */
  readonly horizon: number;
  readonly firstInvalid: number;
  /** Lowest and highest sequence of the blocks behind g; 0 and 0 when there is none. */
  readonly beyondLowest: number;
  readonly beyondHighest: number;
  /** W; `blocksInFlightUnbounded` under durability "none". */
  readonly window: number;
  /** How many blocks may stand in the unreadable sectors behind the cut. */
  readonly unreadableBlocks: number;
  readonly contradictions: number;
  readonly isSuperblockOlder: boolean;
  readonly isFileMissing: boolean;
}

/** Reduces counts to the inputs of the table. */
export function factsOf(counts: RecoveryCounts): RecoveryFacts {
  const { firstInvalid, beyondLowest, beyondHighest } = counts;
  const window = counts.window === blocksInFlightUnbounded ? Number.POSITIVE_INFINITY : counts.window;
  // On a closed lane H is the seal's own sequence: blocks that continue the chain behind it are blocks beyond, too.
  const pastSeal = counts.state === "closed" && firstInvalid > counts.horizon + 1;
  const inWindow = beyondLowest >= firstInvalid && beyondHighest < firstInvalid + window;
  return {
    state: counts.state,
    cut: firstInvalid <= counts.horizon ? "within horizon" : "beyond horizon",
    beyond: beyondHighest === 0 ? (pastSeal ? "in window" : "none") : inWindow ? "in window" : "outside window",
    unreadable: counts.unreadableBlocks === 0 ? "none" : counts.unreadableBlocks <= window ? "in window" : "outside window",
    contents: counts.contradictions === 0 ? "agree" : "contradict",
    superblock: counts.isSuperblockOlder ? "older" : "current",
    files: counts.isFileMissing ? "missing" : "there",
  };
}
