// A user's first minutes: the tarball installs into an empty project, type-checks strictly there, and keeps records.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { npm, pack, root, run } from "./pack.js";

/** Uses the interface as the read-me shows it. What must not compile is marked: an unneeded mark is an error of its own. */
const consumer = `
import { Log } from "ringwall";

const directory: string = process.argv[2] ?? "data";
await using log = await Log.open(directory);
const orders = log.partition("orders");
const first: number = await orders.append("one");
const second: number = await orders.append(new TextEncoder().encode("two"));
const records: string[] = [];
for await (const { seq, data } of orders.read({ from: 1 })) {
  const bytes: Uint8Array = data;
  records.push(seq + " " + new TextDecoder().decode(bytes));
}
console.log(JSON.stringify({ first, second, records, lastSeq: orders.lastSeq }));

export function refused(): void {
  // @ts-expect-error a record is bytes or text
  void orders.append({});
  // @ts-expect-error there is no such backend
  void Log.open(directory, { backend: "floppy" });
  // @ts-expect-error a sequence is a number
  const text: string = orders.lastSeq;
  void text;
}
`;

const rereader = `
import { Log } from "ringwall";
const log = await Log.open(process.argv[2]);
const records = [];
for await (const { seq, data } of log.partition("orders").read({ from: 1 })) records.push(seq + " " + Buffer.from(data).toString());
await log.close();
console.log(JSON.stringify(records));
`;

const compilerOptions = {
  target: "ES2022",
  lib: ["ES2022", "ESNext.Disposable"],
  module: "NodeNext",
  strict: true,
  noUncheckedIndexedAccess: true,
  exactOptionalPropertyTypes: true,
  skipLibCheck: false,
  types: ["node"],
  typeRoots: [path.join(root, "node_modules/@types")],
  outDir: "out",
};

describe("the package in an empty project", () => {
  const directory = mkdtempSync(path.join(tmpdir(), "ringwall-package-"));
  const project = path.join(directory, "project");
  after(() => rmSync(directory, { recursive: true }));

  before(() => {
    const { tarball } = pack(directory);
    mkdirSync(project);
    writeFileSync(path.join(project, "package.json"), JSON.stringify({ name: "consumer", private: true, type: "module" }));
    npm(["install", tarball, "--omit=dev", "--prefer-offline", "--no-audit", "--no-fund"], project);
    writeFileSync(path.join(project, "consumer.ts"), consumer);
    writeFileSync(path.join(project, "rereader.js"), rereader);
    writeFileSync(path.join(project, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["consumer.ts"] }));
  });

  test("its declarations hold under strict, with the library's own checked too", () => {
    run(process.execPath, [path.join(root, "node_modules/typescript/bin/tsc"), "-p", "."], project);
  });

  test("a compiled program appends and reads; another program finds the records again", () => {
    const written = JSON.parse(run(process.execPath, ["out/consumer.js", "data"], project)) as unknown;
    assert.deepEqual(written, { first: 1, second: 2, records: ["1 one", "2 two"], lastSeq: 2 });
    assert.deepEqual(JSON.parse(run(process.execPath, ["rereader.js", "data"], project)), ["1 one", "2 two"]);
  });

  test("its command answers", () => {
    assert.match(run(path.join(project, "node_modules/.bin/ringwall"), ["--help"], project), /doctor/);
  });

  test("it brings no more packages than it names", () => {
    const installed = readdirSync(path.join(project, "node_modules")).filter((name) => !name.startsWith("."));
    assert.ok(installed.includes("commander"));
    assert.ok(!installed.includes("typescript") && !installed.includes("eslint"), installed.join());
  });
});
