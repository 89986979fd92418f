// `npm run figures`: runs behind a failing one, a file for each, the tables and the chart.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { withDirectory } from "./run-bench.js";

const script = fileURLToPath(new URL("../../../scripts/figures.mjs", import.meta.url));

interface Ended {
  readonly code: number;
  readonly text: string;
  readonly errors: string;
}

function figures(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(process.execPath, [script, ...args], { env: { ...process.env, RINGWALL_BUILT: "1", ...env } }, (error, text, errors) => {
      resolve({ code: error === null ? 0 : Number(error.code), text, errors });
    });
  });
}

test("each run has a file, all are in the tables, and the chart is drawn", async () => {
  await withDirectory(async (directory) => {
    const out = path.join(directory, "out");
    const { code, text, errors } = await figures(["--quick", "--only", "floor,latency,producers", "--dir", path.join(directory, "logs"), "--out", out]);
    assert.equal(code, 0, errors);
    assert.match(text, /3 of 3 runs/);
    assert.deepEqual(fs.readdirSync(out).sort(), ["figures.md", "floor.jsonl", "latency.jsonl", "latency.svg", "producers.jsonl"]);
    const page = fs.readFileSync(path.join(out, "figures.md"), "utf8");
    for (const part of ["### floor", "### latency: 200 × \"test data\", durable append", "### producers: 1024 B", "latency.svg", "`ringwall bench latency --records 200 ", "the figures mean nothing"]) assert.ok(page.includes(part), part);
    assert.deepEqual(fs.readdirSync(path.join(directory, "logs")), [], "nothing is left");
  });
});

test("a run that fails is named with its reason, the next one runs, and the exit code is 1", async () => {
  await withDirectory(async (directory) => {
    const out = path.join(directory, "out");
    // Without any path there is no strace and no perf.
    const { code, text, errors } = await figures(["--quick", "--only", "floor,syscalls,latency", "--dir", directory, "--out", out], { PATH: "" });
    assert.equal(code, 1);
    assert.match(text, /syscalls: .* FAILED: .*strace/);
    assert.match(errors, /failed: syscalls/);
    assert.deepEqual(fs.readdirSync(out).sort(), ["figures.md", "floor.jsonl", "latency.jsonl"]);
    assert.match(fs.readFileSync(path.join(out, "figures.md"), "utf8"), /\| syscalls \| .* \| FAILED: /);
  });
});

test("what it does not know is refused, with what there is", async () => {
  const unknown = await figures(["--dir", "x", "--out", "y", "--only", "everything"]);
  assert.equal(unknown.code, 2);
  assert.match(unknown.errors, /no run "everything"; there are floor, append-256, .*peers/);
  assert.equal((await figures(["--dir", "x"])).code, 2);
});
