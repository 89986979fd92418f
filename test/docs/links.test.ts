// Every relative link of the documents leads to a file or a folder that exists, and to a heading in it.

import assert from "node:assert/strict";
import { existsSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { anchors, documents, links, root, type Link } from "./markdown.js";

/** Why the link leads nowhere, or null. Addresses are not asked: a test must not need the network. */
function fault(document: string, target: string): string | null {
  if (/^[a-z]+:/.test(target)) return null;
  const [file, anchor] = target.split("#", 2) as [string, string | undefined];
  const place = file === "" ? path.join(root, document) : path.resolve(root, path.dirname(document), decodeURIComponent(file));
  if (path.relative(root, place).startsWith("..")) return "leads out of the project";
  if (!existsSync(place)) return "there is no such file";
  if (anchor === undefined) return null;
  if (statSync(place).isDirectory() || !place.endsWith(".md")) return "only headings of documents have anchors";
  return anchors(readFileSync(place, "utf8")).has(anchor) ? null : "there is no such heading";
}

function faults(document: string, found: readonly Link[]): string[] {
  return found.flatMap(({ line, target }) => {
    const reason = fault(document, target);
    return reason === null ? [] : [`${document}:${line}: ${target}: ${reason}`];
  });
}

for (const document of documents()) {
  test(`every relative link of ${document} leads somewhere`, () => {
    assert.deepEqual(faults(document, links(readFileSync(path.join(root, document), "utf8"))), []);
  });
}

test("found: a missing file, a missing heading, a way out of the project; not: links in code, addresses", () => {
  const text = ["[a](docs/NONE.md)", "[b](#nowhere)", "[c](../x.md)", "`[d](none.md)`", "```", "[e](none.md)", "```", "[f](https://example.com/x)", "[g](LICENSE)"].join("\n");
  const reasons = faults("README.md", links(text)).map((line) => line.split(": ").at(-1));
  assert.deepEqual(reasons, ["there is no such file", "there is no such heading", "leads out of the project"]);
});

test("anchors are those that a forge makes of headings", () => {
  const text = ["# Sequences, H and W", "## `npm test`", "## A — b", "## Twice", "## Twice", "```", "# code", "```"].join("\n");
  assert.deepEqual([...anchors(text)], ["sequences-h-and-w", "npm-test", "a--b", "twice", "twice-1"]);
});
