// A checkpoint made ahead in slices is, when it is finished, what one made at that moment would be.

import assert from "node:assert/strict";
import { test } from "node:test";
import { inOneGo } from "#src/base/slices.js";
import { CheckpointDraft } from "#src/core/checkpoint-draft.js";
import { PartitionTable, type PartitionState } from "#src/core/partition-table.js";
import { checkpointPayloads, decodeCheckpoint, type CheckpointEntry } from "#src/format/checkpoint.js";
import { Random } from "#src/storage/sim/random.js";

const payloadBytesMax = 2048;

function table(partitions: number): PartitionTable {
  const made = new PartitionTable();
  for (let id = 1; id <= partitions; id++) {
    const state = made.define(id, `partition ${id}${"-".repeat(id % 9)}`);
    state.lastSequence = state.placedSequence = id % 5;
    if (id % 11 === 0) state.truncate({ segment: 1, offset: 64 * id, after: id % 2 });
  }
  return made;
}

function entriesOf(payloads: Iterable<Uint8Array>): CheckpointEntry[] {
  return [...payloads].flatMap((payload) => {
    const entries = decodeCheckpoint(payload);
    assert.ok(entries !== null && payload.length <= payloadBytesMax);
    return entries;
  });
}

function anew(of: PartitionTable): CheckpointEntry[] {
  return entriesOf(checkpointPayloads(of.checkpoint(), payloadBytesMax));
}

/** Where the next truncation stands: further on than the one before. */
let offset = 0;

/** One change of some partition, of any kind. */
function change(of: PartitionTable, draft: CheckpointDraft, random: Random): void {
  const state = of.byId(random.between(1, of.nextId - 1));
  const kind = random.pick(["append", "append", "trim", "truncate", "drop", "define", "forget"] as const);
  if (kind === "define") of.define(of.nextId, `new ${of.nextId}`);
  else if (kind === "forget") of.forgetTruncationsBefore(2);
  else if (state !== undefined) {
    if (kind === "append") state.placedSequence = ++state.lastSequence;
    else if (kind === "trim") state.trim(state.firstSequence + random.between(0, 2));
    else if (kind === "drop") of.drop(state);
    else if (state.lastSequence >= state.firstSequence) state.truncate({ segment: 2, offset: (offset += 8), after: random.between(state.firstSequence - 1, state.lastSequence) });
    draft.handleChange(state.id);
  }
}

/** Truncations that are forgotten may still be named: they hide nothing. */
function withoutForgotten(entries: readonly CheckpointEntry[]): CheckpointEntry[] {
  return entries.map((entry) => ({ ...entry, truncations: entry.truncations.filter(({ segment }) => segment >= 2) }));
}

test("whatever changes between its slices and behind them, a finished draft is the table's state", () => {
  for (let seed = 1; seed <= 200; seed++) {
    const random = new Random(seed);
    const of = table(random.pick([0, 1, 30, 700]));
    const draft = new CheckpointDraft(of, payloadBytesMax);
    const making = draft.making();
    // In some the segment begins before the draft is complete.
    for (let slices = random.between(0, 30); slices > 0 && making.next().done !== true; slices--) {
      for (let changes = random.between(0, 8); changes > 0 && of.nextId > 1; changes--) change(of, draft, random);
    }
    assert.deepEqual(withoutForgotten(entriesOf(draft.finish())), withoutForgotten(anew(of)), `seed ${seed}`);
    assert.equal(making.next().done, true, "what was taken is not made any further");
  }
});

test("a change that nobody told the draft of is not in it", () => {
  const of = table(100);
  const draft = new CheckpointDraft(of, payloadBytesMax);
  inOneGo(draft.making());
  (of.byId(50) as PartitionState).placedSequence = 99;
  assert.notDeepEqual(entriesOf(draft.finish()), anew(of));
});

test("an empty table has one empty payload, and so has one whose partitions were all dropped meanwhile", () => {
  assert.deepEqual([...new CheckpointDraft(new PartitionTable(), payloadBytesMax).finish()].map(({ length }) => length), [0]);
  const of = table(3);
  const draft = new CheckpointDraft(of, payloadBytesMax);
  inOneGo(draft.making());
  for (const state of [...of]) {
    of.drop(state);
    draft.handleChange(state.id);
  }
  assert.deepEqual([...draft.finish()].map(({ length }) => length), [0]);
});

test("partitions that were dropped before the draft began have no place in it, whatever is told of them", () => {
  const of = table(3);
  const [, second, third] = [...of] as [PartitionState, PartitionState, PartitionState];
  of.drop(third);
  for (const dropped of [[], [second]]) {
    for (const state of dropped) of.drop(state);
    const draft = new CheckpointDraft(of, payloadBytesMax);
    inOneGo(draft.making());
    for (const id of [2, 3]) draft.handleChange(id);
    assert.deepEqual(entriesOf(draft.finish()), anew(of));
  }
  of.drop(of.byId(1) as PartitionState);
  const empty = new CheckpointDraft(of, payloadBytesMax);
  inOneGo(empty.making());
  for (const id of [1, 2, 3]) empty.handleChange(id);
  assert.deepEqual([...empty.finish()].map(({ length }) => length), [0]);
});

test("ids that someone made up come last, in their order", () => {
  const of = table(40);
  for (const id of [2 ** 20 + 5, 2 ** 21]) of.define(id, `high ${id}`).placedSequence = 7;
  const draft = new CheckpointDraft(of, payloadBytesMax);
  inOneGo(draft.making());
  of.define(2 ** 21 + 1, "higher");
  draft.handleChange(2 ** 21);
  assert.deepEqual(entriesOf(draft.finish()), anew(of));
});
