// Runs a bench as users do, in a directory of its own, and looks at what it leaves.

import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { ringwall, start, type Running, type RunResult } from "../cli/ringwall.js";

const program = fileURLToPath(new URL("./bench-program.js", import.meta.url));

export async function withDirectory(body: (directory: string) => Promise<void>): Promise<void> {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "ringwall-bench-test-"));
  try {
    await body(directory);
  } finally {
    fs.rmSync(directory, { recursive: true, force: true });
  }
}

export function runBench(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<RunResult> {
  return ringwall(["bench", ...args], { program, env });
}

export function startBench(args: readonly string[]): Running {
  return start(["bench", ...args], { program });
}

/** A short round of everything: what is measured does not matter here. */
export const quick = ["--repeat", "2", "--segment-bytes", "1MiB", "--buffer-bytes", "64KiB"];

export type Document = Readonly<Record<string, unknown>>;

/** Runs to a document; everything that the bench wrote must be gone. */
export async function documentOf(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Document> {
  let document: Document = {};
  await withDirectory(async (directory) => {
    const result = await runBench([...args, "--dir", directory, "--json"], env);
    assert.equal(result.code, 0, result.stderr);
    assert.equal(result.text.split("\n").length, 2, "one line, one document");
    document = JSON.parse(result.text) as Document;
    assert.deepEqual(fs.readdirSync(directory), [], "nothing is left");
  });
  return document;
}

/** The paths of all numbers in a document that are not finite, and of all nulls (as JSON writes what is not finite). */
export function holesIn(value: unknown, at = ""): string[] {
  if (value === null || (typeof value === "number" && !Number.isFinite(value))) return [at];
  if (typeof value !== "object") return [];
  return Object.entries(value).flatMap(([name, inner]) => holesIn(inner, `${at}/${name}`));
}

/** Asserts that `document` has a number of at least 0 at each path such as "ackMicros.p50". */
export function demandNumbers(document: Document, paths: readonly string[]): void {
  for (const name of paths) {
    const value = name.split(".").reduce<unknown>((inner, key) => (inner as Document | undefined)?.[key], document);
    assert.ok(typeof value === "number" && value >= 0, `${name} is a number: ${String(value)}`);
  }
}
