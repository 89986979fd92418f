// docs/ERRORS.md and the code name the same errors, and each section answers the same questions.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { errorCodes } from "#src/base/errors.js";
import { root } from "./markdown.js";

const text = readFileSync(path.join(root, "docs/ERRORS.md"), "utf8");
const sections = new Map(
  text
    .split(/^## /m)
    .slice(1)
    .map((section) => [section.slice(0, section.indexOf("\n")).replace(/`/g, "").trim(), section] as const),
);
const documented = [...sections.keys()].filter((title) => title.startsWith("RINGWALL_"));

test("every code has a section, and every section is a code", () => {
  assert.deepEqual(documented, [...errorCodes]);
});

test("every section says when, what is lost, and what to do", () => {
  for (const title of documented) {
    for (const question of ["When:", "Lost:", "Do:"]) assert.ok((sections.get(title) as string).includes(`**${question}**`), `${title}: ${question}`);
  }
});
