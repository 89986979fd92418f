// The mutants of scripts/mutants/list.mjs still fit the source: whoever changes a line that one of them breaks changes it, too.
// `npm run mutants` runs them.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { editedSources } from "#scripts/mutants/broken-build.mjs";
import { mutants } from "#scripts/mutants/list.mjs";

test("each mutant's text is in the source exactly once", () => {
  const refusals = mutants.flatMap((mutant) => {
    const sources = editedSources(mutant);
    return typeof sources === "string" ? [`${mutant.name}: ${sources}`] : [];
  });
  assert.deepEqual(refusals, [], "what a mutant breaks has changed: change the mutant in scripts/mutants/list.mjs with it (docs/HACKING.md)");
});

test("each mutant has a name of its own, and a catcher that is there", () => {
  assert.ok(mutants.length >= 20);
  assert.equal(new Set(mutants.map(({ name }) => name)).size, mutants.length);
  for (const { name, catchers } of mutants) {
    assert.ok(catchers.length > 0, name);
    for (const { seeds, test: file } of catchers) {
      const found = file === undefined ? (seeds ?? 0) > 0 : existsSync(fileURLToPath(new URL(`../${file}.js`, import.meta.url)));
      assert.ok(found, `${name}: ${file}`);
    }
  }
});

test("a mutant whose text is missing, or there twice, does not apply", () => {
  const applied = (find: string): string => {
    const sources = editedSources({ name: "", breaks: "", catchers: [], edits: [{ file: "src/core/group-commit.ts", find, replace: "" }] });
    return typeof sources === "string" ? sources : "applies";
  };
  assert.match(applied("no such text"), /there 0 times/);
  assert.equal(applied("get horizon"), "applies");
  assert.match(applied("#horizon"), /there \d+ times, not once/);
});
