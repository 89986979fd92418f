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
  const documents = await documentsOf(args, env);
  assert.equal(documents.length, 1, "one line, one document");
  return documents[0] as Document;
}

/** As `documentOf`, for benches that print a line per contender. */
export async function documentsOf(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Document[]> {
  let documents: Document[] = [];
  await withDirectory(async (directory) => {
    const result = await runBench([...args, "--dir", directory, "--json"], env);
    assert.equal(result.code, 0, result.stderr);
    assert.ok(result.text.endsWith("\n"));
    documents = result.text.slice(0, -1).split("\n").map((line) => JSON.parse(line) as Document);
    assert.deepEqual(fs.readdirSync(directory), [], "nothing is left");
  });
  return documents;
}

/** The paths of all numbers in a document that are not finite, and of all nulls (as JSON writes what is not finite). */
export function holesIn(value: unknown, at = ""): string[] {
  if (value === null || (typeof value === "number" && !Number.isFinite(value))) return [at];
  if (typeof value !== "object") return [];
  return Object.entries(value).flatMap(([name, inner]) => holesIn(inner, `${at}/${name}`));
}

/** Asserts what every document has: finite numbers, the machine, the options, and no path. */
export function demandContext(document: Document): void {
  assert.deepEqual(holesIn(document), [], "every number is finite");
  const machine = document["machine"] as Document;
  for (const name of ["kernel", "cpuModel", "node", "fileSystem", "mountOptions"]) assert.equal(typeof machine[name], "string", name);
  demandNumbers(machine, ["cpus", "memoryBytes"]);
  const options = document["options"] as Document;
  assert.equal(options["dir"], undefined, "a document names no path");
}

/** Asserts the shape of a suite's documents, one per `contenders`; `worked` are figures that are more than 0 where work was done. */
export function demandSuite(documents: readonly Document[], { bench, contenders, rounds, worked }: { readonly bench: string; readonly contenders: readonly string[]; readonly rounds: number; readonly worked: readonly string[] }): void {
  assert.deepEqual(documents.map(({ contender }) => contender), contenders);
  for (const document of documents) {
    demandContext(document);
    assert.deepEqual([document["bench"], document["rounds"], typeof document["group"], typeof document["settings"]], [bench, rounds, "string", "object"]);
    for (const figure of worked) {
      demandNumbers(document, ["min", "median", "max"].map((spread) => `${spread}.${figure}`));
      assert.notEqual(numberAt(document, `min.${figure}`), 0, `${String(document["contender"])}: ${figure}`);
    }
  }
}

export function numberAt(document: Document, name: string): unknown {
  return name.split(".").reduce<unknown>((inner, key) => (inner as Document | undefined)?.[key], document);
}

/** Asserts that `document` has a number of at least 0 at each path such as "ackMicros.p50". */
export function demandNumbers(document: Document, paths: readonly string[]): void {
  for (const name of paths) {
    const value = numberAt(document, name);
    assert.ok(typeof value === "number" && value >= 0, `${name} is a number: ${String(value)}`);
  }
}
