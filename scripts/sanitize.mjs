// `npm run sanitize [-- pattern…]`: the addon with AddressSanitizer, UndefinedBehaviorSanitizer and LeakSanitizer, under the
// native, storage and log tests, or under those whose path contains a pattern.
//
// First the sanitizers are judged: three defects planted in the addon, one at a time, must be found. Then the tests run over a
// copy of the built tree that has the sanitized addon in it. Every process of them writes what it finds into a file of its own.
// Exit code 0: nothing was found; 1: something was, or a test failed; 2: this machine can't tell, and what it lacks.

import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { isMain, orExit, root, setup } from "./setup.mjs";
import { runnerArguments, testFiles } from "./test.mjs";

const directory = path.join(root, "build/sanitize");
const reports = path.join(directory, "reports");
const tree = path.join(directory, "tree");

const folders = ["test/native/", "test/storage/", "test/log/"];
/** It demands an addon that needs no library; this one needs those of the sanitizers. */
const leftOut = new Set(["build/test/native/prebuild.test.js"]);

/** LeakSanitizer itself crashes at the end of it, in memory of V8's. It allocates nothing in the addon; the rest is looked for. */
const withoutLeaks = new Set(["build/test/native/frames.test.js"]);

/**
 * Leaks that are Node's, by the name of the function that allocates, a return type before it. V8 keeps pointers in
 * the pages of its heap, where LeakSanitizer does not look for them; the addon allocates through napi_ functions or itself. Node never frees the wrapper of an external (a
 * watch) that lives when its environment ends. LeakSanitizer's own suppressions match anywhere in a stack, arguments too:
 * "v8::internal::Heap" is in every stack that JavaScript is in, and would hide ours.
 */
const foreignLeaks = [/^(?:[\w:]+[*&]* )?v8::(?:internal|base)::/, /^napi_create_external /];

class Unable extends Error {}

/** The runtime of the first compiler that has it; it must be loaded before Node. */
function findRuntime() {
  for (const compiler of [process.env.CC, "cc", "gcc"].filter((command) => command)) {
    const preload = spawnSync(compiler, ["-print-file-name=libasan.so"], { encoding: "utf8" }).stdout?.trim() ?? "";
    if (path.isAbsolute(preload) && existsSync(preload)) return { compiler, preload };
  }
  throw new Unable("no C compiler here has libasan.\nInstall it: apt-get install gcc libc6-dev linux-libc-dev, or dnf install gcc libasan; or name a gcc that has it in CC.");
}

function build(runtime, plant) {
  const args = ["scripts/build-native.mjs", "--sanitize", ...(plant === null ? [] : ["--plant", plant])];
  const result = spawnSync(process.execPath, args, { cwd: root, encoding: "utf8", env: { ...process.env, CC: runtime.compiler } });
  const addon = path.join(root, plant === null ? "build/sanitize" : `build/sanitize-${plant}`, `linux-${process.arch}/ringwall.node`);
  if (result.status !== 0 || !existsSync(addon)) throw new Unable(`the addon does not build with sanitizers:\n${result.stdout}${result.stderr}`);
  return addon;
}

/** Exit codes stay what the programs say: compilers that tests start leak, and must still compile. */
function environment(runtime, leaks = true) {
  return {
    ...process.env,
    LD_PRELOAD: runtime.preload,
    ASAN_OPTIONS: `log_path=${path.join(reports, "report")}:log_exe_name=1:exitcode=0:detect_leaks=${leaks ? 1 : 0}:handle_sigill=1`,
  };
}

/** What a process found, without the leaks that are Node's; empty when nothing is left. */
function withoutForeignLeaks(report) {
  const [head, ...leaks] = report.split(/^(?=(?:Direct|Indirect) leak of )|^(?=SUMMARY: )/m);
  if (!head.includes("LeakSanitizer: detected memory leaks")) return report;
  const own = leaks.filter((leak) => {
    if (leak.startsWith("SUMMARY: ")) return false;
    const names = [...leak.matchAll(/^ +#\d+ 0x[0-9a-f]+ in (.*)$/gm)].map((frame) => frame[1]);
    // The first are the sanitizer's, and the standard library's.
    const allocating = names.find((name) => !/libsanitizer|libasan/.test(name) && !/^(?:[\w:]+[*&]* )?std::/.test(name)) ?? "";
    return !foreignLeaks.some((foreign) => foreign.test(allocating));
  });
  return own.length === 0 ? "" : head + own.join("");
}

/** What the processes found since the last call; only Node's, for the addon is in no other. */
function takeReports() {
  const found = readdirSync(reports)
    .filter((name) => name.startsWith(`report.${path.basename(process.execPath)}.`))
    .map((name) => withoutForeignLeaks(readFileSync(path.join(reports, name), "utf8").trim()))
    .filter((report) => report !== "");
  rmSync(reports, { recursive: true });
  mkdirSync(reports);
  return found;
}

const plants = {
  none: null,
  leak: /LeakSanitizer: detected memory leaks[^]*ring_register_buffers/,
  overflow: /AddressSanitizer: heap-buffer-overflow[^]*ring_register_buffers/,
  undefined: /AddressSanitizer: ILL[^]*ring_register_buffers/,
};

/** A detector that finds nothing where something is proves nothing where it finds nothing. */
function prove(runtime) {
  // The descriptor is none; the call allocates, fills and frees its vectors all the same.
  const program = "const addon = require(process.argv[1]); const memory = addon.allocate(8192); addon.ringRegisterBuffers(-1, memory, 4096, 2); addon.release(memory);";
  for (const [plant, due] of Object.entries(plants)) {
    const addon = build(runtime, due === null ? null : plant);
    const result = spawnSync(process.execPath, ["-e", program, addon], { encoding: "utf8", env: environment(runtime), timeout: 60_000 });
    const found = takeReports().join("\n");
    if (due === null && (found !== "" || result.status !== 0)) throw new Unable(`Node with the sanitizers loaded does not get through four calls:\n${found}${result.stderr}`);
    if (due !== null && !due.test(found)) throw new Unable(`a planted ${plant} was not found here (LeakSanitizer needs ptrace):\n${found}${result.stderr}`);
    if (due !== null) console.log(`sanitize: planted ${plant}: found`);
  }
}

/** A copy of what is built, since the addon is looked for beside the code. */
function makeTree() {
  rmSync(tree, { recursive: true, force: true });
  mkdirSync(path.join(tree, "prebuilds"), { recursive: true });
  for (const name of ["package.json", "README.md", "CHANGELOG.md", "dist", "build/test", "docs", "native", "scripts", "test"]) cpSync(path.join(root, name), path.join(tree, name), { recursive: true });
  cpSync(path.join(directory, `linux-${process.arch}`), path.join(tree, "prebuilds", `linux-${process.arch}`), { recursive: true });
  symlinkSync(path.join(root, "node_modules"), path.join(tree, "node_modules"));
}

function demandLoaded(runtime) {
  const program = "const { loadNative } = await import('./dist/native/binding.js'); const state = loadNative(); console.log(state.kind === 'loaded' ? 'loaded' : state.reason)";
  const result = spawnSync(process.execPath, ["--input-type=module", "-e", program], { cwd: tree, encoding: "utf8", env: environment(runtime) });
  if (result.stdout.trim() !== "loaded") throw new Unable(`the sanitized addon is not loaded: ${result.stdout}${result.stderr}`);
  takeReports();
}

function runTests(runtime, files, leaks) {
  if (files.length === 0) return true;
  const started = performance.now();
  const result = spawnSync(process.execPath, runnerArguments(files), { cwd: tree, encoding: "utf8", env: environment(runtime, leaks), maxBuffer: 1 << 28 });
  const number = (word) => Number(new RegExp(`^\\D*\\b${word} (\\d+)$`, "m").exec(result.stdout)?.[1] ?? 0);
  const [tests, failed, skipped] = ["tests", "fail", "skipped"].map(number);
  console.log(`sanitize: ${files.length} test ${files.length === 1 ? "file" : "files"}${leaks ? "" : " without a look for leaks"}: ${tests} tests, ${failed} failed, ${skipped} skipped, in ${((performance.now() - started) / 1000).toFixed(0)} s`);
  if (result.status === 0 && tests > 0) return true;
  const log = path.join(directory, "tests.log");
  writeFileSync(log, result.stdout + result.stderr);
  console.error(`${result.stdout.slice(Math.max(0, result.stdout.indexOf("failing tests:")))}\nall of it: ${path.relative(root, log)}`);
  return false;
}

function main(patterns) {
  const files = testFiles(patterns.length === 0 ? folders : patterns).filter((file) => !leftOut.has(file));
  if (files.length === 0) {
    console.error(`sanitize: no test file's path contains ${patterns.join(" or ")}`);
    return 2;
  }
  if (process.platform !== "linux") throw new Unable("the addon is Linux's.");
  const runtime = findRuntime();
  rmSync(reports, { recursive: true, force: true });
  mkdirSync(reports, { recursive: true });
  prove(runtime);
  makeTree();
  demandLoaded(runtime);
  const passed = [true, false].map((leaks) => runTests(runtime, files.filter((file) => withoutLeaks.has(file) !== leaks), leaks)).every(Boolean);
  const found = takeReports();
  for (const report of found) console.error(report);
  console.log(found.length === 0 ? "sanitize: nothing found" : `sanitize: findings in ${found.length} processes`);
  return passed && found.length === 0 ? 0 : 1;
}

if (isMain(import.meta.url)) {
  try {
    orExit(() => setup());
    process.exitCode = main(process.argv.slice(2));
  } catch (error) {
    if (!(error instanceof Unable)) throw error;
    console.error(`sanitize: not judged: ${error.message}`);
    process.exitCode = 2;
  }
}
