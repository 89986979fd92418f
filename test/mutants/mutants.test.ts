// The judge of `npm run mutants`, and a few mutants that are judged in a second each. All of them are a command of their own.

import assert from "node:assert/strict";
import { test } from "node:test";
import { mutants, type Mutant } from "#scripts/mutants/list.mjs";
import { judgeMutants } from "#scripts/mutants.mjs";

const groupCommit = { test: "core/group-commit.test" };
const file = "src/core/group-commit.ts";

const endless = [{ file, find: "this.#submitted = sequence;", replace: "for (;;) this.#submitted = sequence;" }];

/** What each of these must be called. */
const cases: readonly (readonly [Mutant, string])[] = [
  [{ name: "harmless", breaks: "Nothing.", catchers: [groupCommit], edits: [{ file, find: "this.#completed >>>= 1;", replace: "this.#completed = this.#completed >>> 1;" }] }, "escaped"],
  [{ name: "same", breaks: "Nothing: a comment.", catchers: [groupCommit], edits: [{ file, find: "/** A block is durable. ", replace: "/** " }] }, "rotten"],
  [{ name: "gone", breaks: "Nothing: the text is not there.", catchers: [groupCommit], edits: [{ file, find: "no such text", replace: "" }] }, "rotten"],
  [{ name: "no module", breaks: "Everything: it does not load.", catchers: [groupCommit], edits: [{ file, find: "export class GroupCommit", replace: "class GroupCommit" }] }, "broken"],
  [{ name: "no test", breaks: "The horizon.", catchers: [{ ...groupCommit, name: "no such title" }], edits: [{ file, find: "this.#completed >>>= 1;", replace: "this.#completed >>>= 2;" }] }, "broken"],
  [{ name: "endless", breaks: "It loops.", catchers: [{ ...groupCommit, millisMax: 2000 }], edits: endless }, "escaped"],
  [{ name: "endless, as expected", breaks: "It loops.", catchers: [{ ...groupCommit, millisMax: 2000, hangs: true }], edits: endless }, "caught"],
];

test("the judge tells caught from escaped, rotten, broken and endless", { timeout: 200_000 }, async () => {
  const verdicts = await judgeMutants(cases.map(([mutant]) => mutant), 2);
  assert.deepEqual(verdicts.map(({ mutant, kind }) => [mutant.name, kind]), cases.map(([{ name }, kind]) => [name, kind]));
});

test("mutants that a test of one second must catch", { timeout: 200_000 }, async () => {
  const quick = ["horizon over a gap", "zeros are a block", "frame checksum over its header only", "superblock written in place at once", "node:fs: separate without its sync"];
  const chosen = mutants.filter(({ name }) => quick.includes(name)).map((mutant) => ({ ...mutant, catchers: mutant.catchers.slice(0, 1) }));
  assert.equal(chosen.length, quick.length);
  const verdicts = await judgeMutants(chosen, 2);
  assert.deepEqual(verdicts.filter(({ kind }) => kind !== "caught"), []);
});
