// The program of docs/TESTING.md runs as it stands there, against the built package, and notices a program that promises too much.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { codeBlocks, root } from "./markdown.js";

const directory = mkdtempSync(path.join(os.tmpdir(), "ringwall-testing-"));
after(() => rmSync(directory, { recursive: true, force: true }));
mkdirSync(path.join(directory, "node_modules"));
symlinkSync(root, path.join(directory, "node_modules/ringwall"), "junction");

const [program = "", ...others] = codeBlocks(readFileSync(path.join(root, "docs/TESTING.md"), "utf8")).filter(({ language }) => language === "js").map(({ text }) => text);

function run(text: string): { readonly status: number | null; readonly stdout: string; readonly stderr: string } {
  const file = path.join(directory, "example.mjs");
  writeFileSync(file, text);
  return spawnSync(process.execPath, [file], { cwd: directory, encoding: "utf8" });
}

test("the program runs as given and loses nothing", () => {
  assert.equal(others.length, 0);
  const { status, stdout, stderr } = run(program);
  assert.deepEqual({ status, stdout, stderr }, { status: 0, stdout: "160 crashes, no accepted order lost\n", stderr: "" });
});

test("accepting an order before it is durable, as it proposes, fails and gives a seed", () => {
  const hasty = program.replace("    const seq = await", "    accepted.add(orders.lastSeq + 1);\n    const seq = await");
  assert.notEqual(hasty, program);
  const { status, stderr } = run(hasty);
  assert.equal(status, 1);
  assert.match(stderr, /seed \d+: order \d+ was accepted and is lost/);
});
