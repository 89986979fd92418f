// What set-up decides: which outputs are stale, and whether the dependencies are what the lock file says.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { dependenciesStale, listFiles, removeOrphans } from "#scripts/setup.mjs";

const root = fileURLToPath(new URL("../../../", import.meta.url));

function inDirectory(files: Record<string, string>, body: (directory: string) => void): void {
  const directory = mkdtempSync(path.join(tmpdir(), "ringwall-setup-"));
  try {
    for (const [file, text] of Object.entries(files)) {
      mkdirSync(path.dirname(path.join(directory, file)), { recursive: true });
      writeFileSync(path.join(directory, file), text);
    }
    body(directory);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

test("outputs without a source are removed, and nothing else", () => {
  const files = {
    "src/log/log.ts": "",
    "dist/log/log.js": "",
    "dist/log/log.d.ts": "",
    "dist/log/gone.js": "",
    "dist/log/gone.d.ts": "",
    "dist/old/folder/gone.js.map": "",
    "dist/dashboard/page.html": "",
    "dist/.tsbuildinfo": "",
  };
  inDirectory(files, (directory) => {
    const trees = { sources: path.join(directory, "src"), outputs: path.join(directory, "dist") };
    assert.deepEqual(removeOrphans(trees).sort(), ["log/gone.d.ts", "log/gone.js", "old/folder/gone.js.map"]);
    assert.deepEqual(listFiles(trees.outputs).sort(), [".tsbuildinfo", "dashboard/page.html", "log/log.d.ts", "log/log.js"]);
    assert.deepEqual(removeOrphans(trees), []);
  });
});

const locked = { version: "1.0.0", integrity: "sha512-a" };
const lock = (packages: object): string => JSON.stringify({ packages: { "": { name: "ringwall" }, ...packages } });

test("dependencies are stale if one is missing, of another version, or changed; not for an optional one", () => {
  const cases: [string, Record<string, string>, string | null][] = [
    ["nothing installed", { "package-lock.json": lock({}) }, "node_modules is missing"],
    ["as locked", installed({ "node_modules/a": locked }), null],
    ["missing", installed({}), "node_modules/a is missing"],
    ["another version", installed({ "node_modules/a": { ...locked, version: "0.9.0" } }), "node_modules/a is not the locked 1.0.0"],
    ["another content", installed({ "node_modules/a": { ...locked, integrity: "sha512-b" } }), "node_modules/a is not the locked 1.0.0"],
  ];
  for (const [title, files, expected] of cases) {
    inDirectory(files, (directory) => assert.equal(dependenciesStale(directory), expected, title));
  }
  const optional = { ...installed({}), "package-lock.json": lock({ "node_modules/a": { ...locked, optional: true } }) };
  inDirectory(optional, (directory) => assert.equal(dependenciesStale(directory), null));
});

function installed(packages: object): Record<string, string> {
  return {
    "package-lock.json": lock({ "node_modules/a": locked }),
    "node_modules/.package-lock.json": JSON.stringify({ packages }),
    "node_modules/a/package.json": "{}",
  };
}

test("the package runs no script when it is installed, and its lock file names no download address", () => {
  const manifest = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8")) as { scripts: Record<string, string> };
  const onInstall = ["preinstall", "install", "postinstall", "prepublish", "preprepare", "prepare", "postprepare"];
  assert.deepEqual(Object.keys(manifest.scripts).filter((name) => onInstall.includes(name)), []);
  assert.doesNotMatch(readFileSync(path.join(root, "package-lock.json"), "utf8"), /"resolved"/);
});
