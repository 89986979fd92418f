// The read-me's programs run as they stand there, against the built package under its own name; its commands exist.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { codeBlocks, root } from "./markdown.js";

const directory = mkdtempSync(path.join(os.tmpdir(), "ringwall-readme-"));
after(() => rmSync(directory, { recursive: true, force: true }));
mkdirSync(path.join(directory, "node_modules"));
symlinkSync(root, path.join(directory, "node_modules/ringwall"), "junction");

const blocks = codeBlocks(readFileSync(path.join(root, "README.md"), "utf8"));
const programs = blocks.filter((block) => block.language === "js").map((block) => block.text);

/** What each program prints, in order. */
const outputs = [
  ["acknowledged: 1", "1 first", "2 second", "3 third"],
  ["-5 1 1001 1001", "of the last minute: 1", "of the last minute: 2", "tail: 1001", "500 0 false"],
  ["2 2 billing"],
  ["true 1"],
  ["trimmed by retention: 0"],
  ["durable: 2"],
  ["acknowledged: 1", "acknowledged: 1"],
  ["segments: 1"],
];

test("every program has its expected output here", () => {
  assert.equal(programs.length, outputs.length);
});

for (const [index, lines] of outputs.entries()) {
  test(`program ${index + 1} of the read-me runs as given and prints what its comments promise`, () => {
    const file = path.join(directory, `example-${index + 1}.mjs`);
    writeFileSync(file, programs[index] as string);
    const result = spawnSync(process.execPath, [file], { cwd: directory, encoding: "utf8" });
    assert.equal(result.status, 0, result.stderr);
    assert.deepEqual(result.stdout.trimEnd().split("\n"), lines);
    assert.equal(result.stderr, "");
  });
}

test("every command that the read-me shows is one of the program's", () => {
  const help = spawnSync(process.execPath, [path.join(root, "dist/cli/main.js"), "--help"], { encoding: "utf8" });
  const known = [...help.stdout.matchAll(/^ {2}([a-z]+) (?:\[|<)/gm)].map((match) => match[1]);
  const shown = blocks.filter((block) => block.language === "sh").flatMap((block) => [...block.text.matchAll(/^ringwall ([a-z]+)/gm)].map((match) => match[1]));
  assert.ok(shown.length > 0 && known.length > 0, help.stderr);
  assert.deepEqual(shown.filter((name) => !known.includes(name)), []);
});

test("every script that the read-me shows is in package.json", () => {
  const { scripts } = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8")) as { scripts: Record<string, string> };
  const shown = blocks.filter((block) => block.language === "sh").flatMap((block) => [...block.text.matchAll(/^npm (?:run )?(start|test|check|run [a-z:]+)\b/gm)].map((match) => match[1] as string));
  assert.deepEqual(shown, ["start", "test", "check"]);
  assert.deepEqual(shown.filter((name) => scripts[name] === undefined), []);
});
