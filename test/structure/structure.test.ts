// The structure checks as tests: the tree keeps its rules, and every detector bites on what it must find.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { checkStructure } from "#scripts/check/structure.mjs";

const root = fileURLToPath(new URL("../../../", import.meta.url));

type Tree = Record<string, string>;

/** A tree that keeps every rule; each case below breaks one. */
const sound: Tree = {
  "package.json": JSON.stringify({ exports: { ".": "./dist/index.js" }, bin: { ringwall: "dist/cli/main.js" } }),
  "src/index.ts": `export { Log } from "./log/log.js";`,
  "src/cli/main.ts": `import { Log } from "../log/log.js"; new Log();`,
  "src/log/log.ts": `import { decide } from "../recovery/decide.js"; export class Log { verdict = decide(); }`,
  "src/recovery/decide.ts": `import { choose } from "../storage/choose.js"; export const decide = choose;`,
  "src/storage/storage.ts": `export interface Storage { close(): void }`,
  "src/storage/choose.ts": `import { Ring } from "./uring/ring.js"; import { File } from "./fs/file.js"; export const choose = () => [Ring, File];`,
  "src/storage/uring/ring.ts": `import type { Storage } from "../storage.js"; export class Ring implements Storage { close() {} }`,
  "src/storage/fs/file.ts": `import type { Storage } from "../storage.js"; import { size } from "../../base/size.js";
    export class File implements Storage { bytes = size; close() {} }`,
  // What the purity check must not take for a timer, a clock or a promise: comments, strings, members.
  "src/base/size.ts": `// Promise, setTimeout and Date.now are only mentioned here.
    export const size = 1; export const text = "Math.random()"; export interface Options { setTimeout: number }
    export const read = (options: Options) => options.setTimeout; export const day = new Date(0);`,
};

function inTree<T>(tree: Tree, body: (directory: string) => T): T {
  const directory = mkdtempSync(path.join(tmpdir(), "ringwall-structure-"));
  try {
    for (const [file, text] of Object.entries(tree)) {
      mkdirSync(path.dirname(path.join(directory, file)), { recursive: true });
      writeFileSync(path.join(directory, file), text);
    }
    return body(directory);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** What the checks find, as "check file:line message". */
function findings(directory: string): string[] {
  return checkStructure(directory).flatMap(({ name, errors }) => errors.map((error) => `${name} ${error.file}:${error.line} ${error.message}`));
}

/** Adds `files` to the sound tree, reached from its entry so that only the damage itself is found. */
function withFiles(files: Tree): Tree {
  return { ...sound, ...files };
}

const lines = (count: number): string => "\n".repeat(count - 1);

interface Case {
  title: string;
  files: Tree;
  found: RegExp;
}

const damaged: Case[] = [
  {
    title: "an import goes up",
    files: { "src/base/size.ts": `import { Ring } from "../storage/uring/ring.js"; export const size = Ring;` },
    found: /^layers src\/base\/size\.ts:1 .*base\/ must not import storage\//,
  },
  {
    title: "a type-only import goes up",
    files: { "src/base/size.ts": `\nimport type { Ring } from "../storage/uring/ring.js"; export type Size = Ring; export const size = 1;` },
    found: /^layers src\/base\/size\.ts:2 .*it is above/,
  },
  {
    title: "a type is imported in place from above",
    files: { "src/base/size.ts": `export const size: import("../storage/uring/ring.js").Ring | null = null;` },
    found: /^layers src\/base\/size\.ts:1 /,
  },
  {
    title: "a dynamic import goes up",
    files: { "src/storage/fs/file.ts": `export const File = () => import("../../log/log.js");` },
    found: /^layers src\/storage\/fs\/file\.ts:1 storage\/ must not import log\//,
  },
  {
    title: "a re-export goes up, by the package's own path",
    files: { "src/base/size.ts": `export { Ring as size } from "#src/storage/uring/ring.js";` },
    found: /^layers src\/base\/size\.ts:1 /,
  },
  {
    title: "recovery imports the log",
    files: { "src/recovery/decide.ts": `import type { Log } from "../log/log.js"; export const decide = (): Log | null => null;` },
    found: /^layers .*recovery\/ must not import log\/.*one row/,
  },
  {
    title: "a worker entry lies above",
    files: { "src/storage/fs/file.ts": `export const File = new URL("../../log/log.js", import.meta.url);` },
    found: /^layers src\/storage\/fs\/file\.ts:1 /,
  },
  {
    title: "one backend imports another",
    files: { "src/storage/fs/file.ts": `import { Ring } from "../uring/ring.js"; export class File extends Ring {}` },
    found: /^layers .*storage\/fs must not import storage\/uring/,
  },
  {
    title: "the storage contract imports a backend",
    files: { "src/storage/storage.ts": `import type { Bytes } from "./sim/disk.js"; export interface Storage { bytes: Bytes }`, "src/storage/sim/disk.ts": `export type Bytes = 1;` },
    found: /^layers src\/storage\/storage\.ts:1 .*only src\/storage\/choose\.ts/,
  },
  {
    title: "a folder is not in the table",
    files: { "src/magic/wand.ts": `export const wand = 1;`, "src/cli/main.ts": `import "../magic/wand.js";` },
    found: /^layers src\/magic\/wand\.ts:1 src\/magic\/ is not in the layer table/,
  },
  {
    title: "a file lies directly in src/",
    files: { "src/extra.ts": `export const extra = 1;`, "src/cli/main.ts": `import "../extra.js";` },
    found: /^layers src\/extra\.ts:1 only public entries/,
  },
  {
    title: "an inner file imports a public entry",
    files: { "src/cli/main.ts": `import "../index.js";` },
    found: /^layers src\/cli\/main\.ts:1 src\/index\.ts is for users/,
  },
  ...Object.entries({
    "node:fs": `import "node:fs"; export const size = 1;`,
    "timers/promises": `import { setTimeout as wait } from "timers/promises"; export const size = wait;`,
    "Date.now": `export const size = Date.now();`,
    "new Date()": `export const size = new Date();`,
    "performance": `export const size = performance.now();`,
    "Math.random": `export const size = Math.random();`,
    "setTimeout": `setTimeout(() => {}, 1); export const size = 1;`,
    "setImmediate": `export const size = setImmediate;`,
    "queueMicrotask": `export const size = { queueMicrotask };`,
    "process.nextTick": `export const size = process.nextTick;`,
    "Promise": `export const size: Promise<number> | null = null;`,
    "async": `export const size = async () => 1;`,
  }).map(([what, text]) => ({
    title: `${what} in a sans-io folder`,
    files: { "src/base/size.ts": text },
    found: new RegExp(`^purity src/base/size\\.ts:1 ${what.replace(/[.()]/g, "\\$&")} in a sans-io folder`),
  })),
  {
    title: "two files import each other",
    files: { "src/base/size.ts": `import "./even.js"; export const size = 1;`, "src/base/even.ts": `import "./size.js";` },
    found: /^cycles src\/base\/even\.ts:1 import cycle: src\/base\/even\.ts → src\/base\/size\.ts → src\/base\/even\.ts$/,
  },
  {
    title: "types alone make a cycle",
    files: { "src/base/size.ts": `import type { Even } from "./even.js"; export const size: Even = 2;`, "src/base/even.ts": `import type { size } from "./size.js"; export type Even = typeof size | 2;` },
    found: /^cycles /,
  },
  {
    title: "a file imports itself",
    files: { "src/base/size.ts": `import "./size.js"; export const size = 1;` },
    found: /^cycles src\/base\/size\.ts:1 import cycle: src\/base\/size\.ts → src\/base\/size\.ts$/,
  },
  {
    title: "nobody imports a file",
    files: { "src/base/lost.ts": `export const lost = 1;` },
    found: /^dead files src\/base\/lost\.ts:1 /,
  },
  {
    title: "two files import only each other's way",
    files: { "src/base/lost.ts": `import "./found.js";`, "src/base/found.ts": `export {};` },
    found: /^dead files src\/base\/found\.ts:1 /,
  },
  {
    title: "a file has 601 lines",
    files: { "src/base/size.ts": `export const size = 1;${lines(601)}// end` },
    found: /^file length src\/base\/size\.ts:601 601 lines/,
  },
  {
    title: "a C file has 601 lines",
    files: { "native/addon.c": `int a;${lines(601)}int b;` },
    found: /^file length native\/addon\.c:601 /,
  },
  {
    title: "a function has 71 lines",
    files: { "src/base/size.ts": `export function size() {${lines(71)}}` },
    found: /^function length src\/base\/size\.ts:1 size has 71 lines/,
  },
  {
    title: "a method has 71 lines",
    files: { "src/base/size.ts": `export class Size {\n  /** Not counted. */\n  get size() {${lines(71)}}\n}; export const size = Size;` },
    found: /^function length src\/base\/size\.ts:3 size has 71 lines/,
  },
  {
    title: "an arrow function has 71 lines",
    files: { "src/base/size.ts": `export const size = () => {${lines(71)}};` },
    found: /^function length src\/base\/size\.ts:1 function has 71 lines/,
  },
  {
    title: "a file's name says nothing",
    files: { "src/base/size.ts": `export * from "./utils.js"; export const size = 1;`, "src/base/utils.ts": `export const a = 1;` },
    found: /^names src\/base\/utils\.ts:1 "utils\.ts" says nothing/,
  },
  {
    title: "a folder's name says nothing",
    files: { "test/helpers/open.ts": `export {};` },
    found: /^names test\/helpers\/open\.ts:1 "helpers" says nothing/,
  },
];

describe("the tree keeps its rules", () => {
  for (const { name, count, unit, errors, note } of checkStructure(root)) {
    test(`${name}: ${count} ${unit}${note === undefined ? "" : `, ${note}`}`, () => {
      assert.deepEqual(errors.map(({ file, line, message }) => `${file}:${line}: ${message}`), []);
    });
  }
});

describe("every detector bites", () => {
  test("a sound tree has no findings", () => {
    assert.deepEqual(inTree(sound, findings), []);
  });

  for (const { title, files, found } of damaged) {
    test(`found: ${title}`, () => {
      const all = inTree(withFiles(files), findings);
      assert.ok(all.some((finding) => found.test(finding)), `expected ${found}, found:\n${all.join("\n") || "nothing"}`);
    });
  }

  test("limits are inclusive: 600 lines a file and 70 a function pass", () => {
    const files = { "src/base/size.ts": `export function size() {${lines(70)}}${lines(531)}// end` };
    assert.deepEqual(inTree(withFiles(files), findings), []);
  });

  test("a worker entry is alive through the file that starts it", () => {
    const files = {
      "src/log/log.ts": `import { decide } from "../recovery/decide.js"; export const Log = [decide, new URL("./lane-worker.js", import.meta.url)];`,
      "src/log/lane-worker.ts": `export {};`,
    };
    assert.deepEqual(inTree(withFiles(files), findings), []);
  });

  test("a further public entry is what package.json exports", () => {
    const exports = { ".": "./dist/index.js", "./testing": { types: "./dist/testing.d.ts", default: "./dist/testing.js" } };
    const files = { "package.json": JSON.stringify({ exports }), "src/testing.ts": `export * from "./storage/sim/disk.js";`, "src/storage/sim/disk.ts": `export const disk = 1;` };
    const all = inTree(withFiles(files), findings);
    assert.deepEqual(all, ["dead files src/cli/main.ts:1 dead file: no public entry reaches it"]);
  });
});
