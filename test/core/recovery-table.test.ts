// The recovery table as a whole: every input meets exactly one row, and the rows say what docs/FORMAT.md says.

import assert from "node:assert/strict";
import { test } from "node:test";
import { decideRecovery, factsOf, recoveryTable, type RecoveryCounts, type RecoveryFacts } from "#src/core/recovery-table.js";
import { blocksInFlightUnbounded } from "#src/format/superblock.js";

function* allFacts(): Generator<RecoveryFacts> {
  for (const state of ["open", "closed"] as const)
    for (const cut of ["within horizon", "beyond horizon"] as const)
      for (const beyond of ["none", "in window", "outside window"] as const)
        for (const unreadable of ["none", "in window", "outside window"] as const)
          for (const contents of ["agree", "contradict"] as const)
            for (const superblock of ["current", "older"] as const)
              for (const files of ["there", "missing"] as const) yield { state, cut, beyond, unreadable, contents, superblock, files };
}

test("every input meets exactly one row, and every row is met", () => {
  const met = new Map<string, number>();
  let count = 0;
  for (const facts of allFacts()) {
    const rows = recoveryTable.filter((row) => row.holds(facts));
    assert.equal(rows.length, 1, `${JSON.stringify(facts)}: ${rows.map((row) => row.label).join(", ")}`);
    met.set(rows[0]!.label, (met.get(rows[0]!.label) ?? 0) + 1);
    count++;
  }
  assert.equal(count, 288);
  assert.deepEqual([...met.keys()].sort(), recoveryTable.map((row) => row.label).sort());
});

test("a lost durable block is damage, whatever else is the case", () => {
  for (const facts of allFacts()) if (facts.cut === "within horizon") assert.equal(decideRecovery(facts).verdict, "damaged");
});

test("an older superblock and a missing file are damage, whatever else is the case", () => {
  for (const facts of allFacts()) if (facts.superblock === "older" || facts.files === "missing") assert.equal(decideRecovery(facts).verdict, "damaged");
});

test("only an open lane has a torn tail, and only with everything behind the cut inside the window", () => {
  for (const facts of allFacts()) {
    if (decideRecovery(facts).verdict !== "torn tail") continue;
    assert.equal(facts.state, "open");
    assert.notEqual(facts.beyond, "outside window");
    assert.notEqual(facts.unreadable, "outside window");
  }
});

const counts: RecoveryCounts = {
  state: "open", horizon: 9, firstInvalid: 10, beyondLowest: 0, beyondHighest: 0, window: 4, unreadableBlocks: 0, contradictions: 0, isSuperblockOlder: false, isFileMissing: false,
};

test("the edges of the inputs: g at and above H, blocks at both ends of the window", () => {
  const cases: [Partial<RecoveryCounts>, string][] = [
    [{}, "stopped"],
    [{ state: "closed" }, "closed"],
    [{ state: "closed", firstInvalid: 11 }, "written after the seal"],
    [{ state: "closed", firstInvalid: 1, horizon: 0 }, "closed"],
    [{ horizon: 10 }, "lost block"],
    [{ beyondLowest: 11, beyondHighest: 13 }, "torn"],
    [{ beyondLowest: 10, beyondHighest: 10 }, "torn"],
    [{ beyondLowest: 11, beyondHighest: 14 }, "beyond the window"],
    [{ beyondLowest: 9, beyondHighest: 11 }, "beyond the window"],
    [{ beyondLowest: 11, beyondHighest: 1e9, window: blocksInFlightUnbounded }, "torn"],
    [{ beyondLowest: 11, beyondHighest: 11, state: "closed" }, "written after the seal"],
    [{ unreadableBlocks: 4 }, "torn"],
    [{ unreadableBlocks: 5 }, "unreadable tail"],
    [{ unreadableBlocks: 5, state: "closed" }, "closed"],
    [{ unreadableBlocks: 1e6, window: blocksInFlightUnbounded }, "torn"],
    [{ contradictions: 1, horizon: 20 }, "contradiction"],
    [{ isFileMissing: true }, "missing file"],
    [{ isFileMissing: true, horizon: 10 }, "lost block"],
    [{ isSuperblockOlder: true, isFileMissing: true, contradictions: 1, horizon: 20 }, "older superblock"],
  ];
  for (const [change, label] of cases) assert.equal(decideRecovery(factsOf({ ...counts, ...change })).label, label, JSON.stringify(change));
});
