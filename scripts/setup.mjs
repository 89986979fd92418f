// Brings a clone to the state that everything else expects: dependencies, compiled TypeScript, the native addon.
//
// Owns: deciding what is missing or stale, and doing only that; one line per step that really did something.
// Plain Node without dependencies, for it runs before there are any. Never asks, never touches sources.
//
//   node scripts/setup.mjs         what this machine needs
//   node scripts/setup.mjs --all   for a package: the addon for every architecture, and it is an error to lack one

import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, readdirSync, realpathSync, rmSync, statSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

export const root = path.resolve(import.meta.dirname ?? path.dirname(fileURLToPath(import.meta.url)), "..");

/** A step failed for a reason that the reader can act on: what failed, then what to do. */
export class SetupError extends Error {}

/** Brings everything up to date. Throws SetupError. */
export function setup(options = {}) {
  checkNode();
  installDependencies();
  const types = compileTypeScript();
  if (!types.ok) {
    throw new SetupError(`TypeScript does not compile:\n${types.output}\nFix the errors above, then run the same command again.`);
  }
  buildNative({ all: options.all === true });
}

function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    throw new SetupError(`Node ${process.versions.node} is too old to develop Ringwall.\nInstall Node 20.19 or later, then run the same command again.`);
  }
}

/** `npm ci`, if node_modules is not what the lock file says. */
export function installDependencies() {
  const reason = dependenciesStale(root);
  if (reason === null) return;
  const started = performance.now();
  console.log(`setup: npm ci, for ${reason} …`);
  const result = runNpm(["ci", "--include=dev", "--no-audit", "--no-fund"]);
  if (result.status !== 0) {
    throw new SetupError(
      `npm ci failed (${reason}):\n${result.output}\n` +
        "Check that npm reaches its registry. If it says that the lock file does not match package.json, run npm install and look at what changed.",
    );
  }
  // The compiler's own bookkeeping does not watch node_modules: let it look at everything again.
  for (const file of ["dist/.tsbuildinfo", "build/test/.tsbuildinfo"]) rmSync(path.join(root, file), { force: true });
  report("dependencies installed", null, started);
}

/** Why `npm ci` is needed, or null. npm keeps what it installed in node_modules/.package-lock.json; entries are compared one by one. */
export function dependenciesStale(directory) {
  const installed = readJson(path.join(directory, "node_modules/.package-lock.json"));
  if (installed === null) return "node_modules is missing";
  const wanted = readJson(path.join(directory, "package-lock.json"));
  if (wanted === null) return "package-lock.json is missing";
  for (const [name, entry] of Object.entries(wanted.packages)) {
    if (name === "") continue;
    const present = installed.packages[name];
    if (present === undefined) {
      if (entry.optional === true || entry.devOptional === true) continue;
      return `${name} is missing`;
    }
    if (present.version !== entry.version || present.integrity !== entry.integrity) return `${name} is not the locked ${entry.version}`;
    if (entry.optional !== true && !existsSync(path.join(directory, name))) return `${name} is missing`;
  }
  return null;
}

/** `tsc -b`, after removing outputs whose source is gone. `output` holds the compiler's errors. */
export function compileTypeScript() {
  const started = performance.now();
  const removed = outputTrees().flatMap(removeOrphans);
  if (removed.length > 0) report("stale outputs removed", `${removed.length} without a source`, started);
  const before = buildStamps();
  let result = runCompiler();
  if (result.status === 0 && outputTrees().some(hasMissingOutput)) {
    // Someone removed outputs and left the compiler's bookkeeping, which then claims that all is done.
    for (const tree of outputTrees()) rmSync(path.join(tree.outputs, ".tsbuildinfo"), { force: true });
    result = runCompiler();
  }
  if (result.status === 0 && buildStamps() !== before) report("TypeScript compiled", null, started);
  return { ok: result.status === 0, output: result.output };
}

/** A TypeScript source and what is compiled from it share their path up to the extension. */
const outputTrees = () => [
  { sources: path.join(root, "src"), outputs: path.join(root, "dist") },
  { sources: path.join(root, "test"), outputs: path.join(root, "build/test") },
];

const outputPattern = /(?:\.d\.ts|\.js)(?:\.map)?$/;

/** Removes compiled files without a source: the test runner would run them, and imports would find them. Returns what went. */
export function removeOrphans({ sources, outputs }) {
  const orphans = listFiles(outputs).filter((file) => {
    return outputPattern.test(file) && !existsSync(path.join(sources, file.replace(outputPattern, ".ts")));
  });
  for (const file of orphans) rmSync(path.join(outputs, file));
  return orphans;
}

function hasMissingOutput({ sources, outputs }) {
  return listFiles(sources).some((file) => {
    return file.endsWith(".ts") && !file.endsWith(".d.ts") && !existsSync(path.join(outputs, file.replace(/\.ts$/, ".js")));
  });
}

function runCompiler() {
  return run(process.execPath, [path.join(root, "node_modules/typescript/bin/tsc"), "-b", "--pretty", "false"]);
}

function buildStamps() {
  return outputTrees()
    .map(({ outputs }) => statSync(path.join(outputs, ".tsbuildinfo"), { throwIfNoEntry: false })?.mtimeMs ?? 0)
    .join();
}

/**
 * Runs scripts/build-native.mjs, which knows whether anything changed. Without a compiler it says so and succeeds; that is
 * said again every time, for the portable backend is slower, and nobody should wonder why.
 */
export function buildNative({ all }) {
  const result = run(process.execPath, [path.join(root, "scripts/build-native.mjs"), ...(all ? ["--all"] : [])]);
  if (result.status !== 0) {
    const remedy = all
      ? "A package carries the addon for every architecture. To pack what is there: npm pack --ignore-scripts"
      : "Fix the errors above, then run the same command again.";
    throw new SetupError(`the native addon does not build:\n${result.output}\n${remedy}`);
  }
  for (const line of result.output.split("\n")) if (!line.endsWith("is up to date")) console.log(`setup: ${line}`);
}

/** Files below a directory, relative to it; none if it does not exist. */
export function listFiles(directory) {
  if (!existsSync(directory)) return [];
  return readdirSync(directory, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(directory, path.join(entry.parentPath ?? entry.path, entry.name)));
}

function readJson(file) {
  return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : null;
}

/** npm is started by node from the path that npm itself announces, for npm on Windows is a shell script. */
function runNpm(args) {
  const npm = process.env.npm_execpath;
  if (npm !== undefined && /npm-cli\.js$/.test(npm)) return run(process.execPath, [npm, ...args]);
  return run(process.platform === "win32" ? "npm.cmd" : "npm", args, { shell: process.platform === "win32" });
}

function run(command, args, options = {}) {
  const result = spawnSync(command, args, { cwd: root, encoding: "utf8", maxBuffer: 64 << 20, ...options });
  if (result.error !== undefined) return { status: 1, output: `${command}: ${result.error.message}` };
  return { status: result.status ?? 1, output: `${result.stdout}${result.stderr}`.trim() };
}

function report(what, detail, started) {
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`setup: ${what}${detail === null ? "" : ` (${detail})`} in ${seconds} s`);
}

/** Whether this module is the program that was started, not one that was imported. */
export function isMain(url) {
  return process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(url);
}

/** Runs `body`; a SetupError becomes its message and exit code 1. */
export function orExit(body) {
  try {
    return body();
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    console.error(`setup: ${error.message}`);
    process.exit(1);
  }
}

if (isMain(import.meta.url)) {
  const unknown = process.argv.slice(2).filter((argument) => argument !== "--all");
  if (unknown.length > 0) {
    console.error(`setup: unknown argument ${unknown.join(" ")}; the only one is --all`);
    process.exit(2);
  }
  orExit(() => setup({ all: process.argv.includes("--all") }));
}
