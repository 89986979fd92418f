// What is in the tarball, and what must never be.

import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { listFiles } from "#scripts/setup.mjs";
import { pack, root, run } from "./pack.js";

const directory = mkdtempSync(path.join(tmpdir(), "ringwall-tarball-"));
after(() => rmSync(directory, { recursive: true }));
const { tarball, files } = pack(directory);

test("the tarball's manifest has no install script and no dependency that is not a version range", () => {
  run("tar", ["-xzf", tarball, "package/package.json"], directory);
  const manifest = JSON.parse(readFileSync(path.join(directory, "package/package.json"), "utf8")) as {
    scripts: Record<string, string>;
    dependencies: Record<string, string>;
    gypfile?: boolean;
  };
  assert.deepEqual(Object.keys(manifest.scripts).filter((name) => /install|prepare/.test(name)), []);
  assert.equal(manifest.gypfile, undefined);
  for (const [name, range] of Object.entries(manifest.dependencies)) assert.match(range, /^[~^]?\d/, name);
});

test("npm finds nothing to compile: no binding.gyp", () => {
  assert.deepEqual(files.filter((file) => path.basename(file) === "binding.gyp"), []);
});

test("only what users need is in the tarball: no sources, tests, scripts or the compiler's bookkeeping", () => {
  const expected = /^(?:dist\/.+\.(?:js|d\.ts)|prebuilds\/.+|docs\/.+|package\.json|CHANGELOG\.md|README\.md|LICENSE)$/;
  assert.deepEqual(files.filter((file) => !expected.test(file)), []);
});

test("every compiled module is in the tarball, with its declarations", () => {
  const built = listFiles(path.join(root, "dist"))
    .filter((file) => /\.(?:js|d\.ts)$/.test(file))
    .map((file) => `dist/${file}`);
  assert.ok(built.length > 0);
  assert.deepEqual(built.filter((file) => !files.includes(file)), []);
});

test("every addon that was built is in the tarball", (context) => {
  const built = listFiles(path.join(root, "prebuilds"))
    .filter((file) => file.endsWith(".node"))
    .map((file) => `prebuilds/${file}`);
  if (built.length === 0) return context.skip("no addon was built on this machine");
  assert.deepEqual(built.filter((file) => !files.includes(file)), []);
});

test("license, change log and read-me are in the tarball", () => {
  const present = ["LICENSE", "CHANGELOG.md", "README.md"].filter((file) => existsSync(path.join(root, file)));
  assert.ok(present.includes("LICENSE"));
  assert.deepEqual(present.filter((file) => !files.includes(file)), []);
});
