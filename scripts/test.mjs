// `npm test [-- pattern…]`: sets up, then runs Node's own test runner over the compiled tests.
//
// Owns: which test files run, and passing on the runner's output and exit code unchanged.
// Files are listed one by one: patterns on the runner's command line need Node 21.

import { spawn } from "node:child_process";
import path from "node:path";
import { listFiles, orExit, root, setup } from "./setup.mjs";

/** A file that has not ended by then hangs; the runner ends it and says which. */
const fileMillisMax = 300_000;

/** Test files whose path contains one of the patterns; all of them without a pattern. */
export function testFiles(patterns) {
  return listFiles(path.join(root, "build/test"))
    .map((file) => path.posix.join("build/test", file.split(path.sep).join("/")))
    .filter((file) => file.endsWith(".test.js"))
    .filter((file) => patterns.length === 0 || patterns.some((pattern) => file.replace(/^build\//, "").includes(normalize(pattern))))
    .sort();
}

/** A pattern may be a source's path, as an editor or a shell completes it. */
function normalize(pattern) {
  return pattern.replace(/^\.\//, "").replace(/^build\//, "").replace(/\.ts$/, ".js");
}

/** The runner's arguments. Two files at a time: tests measure time and force the disk, and must not starve each other. */
export function runnerArguments(files) {
  return ["--test", "--test-concurrency=2", `--test-timeout=${fileMillisMax}`, "--test-reporter=spec", ...files];
}

async function main() {
  const patterns = process.argv.slice(2);
  orExit(() => setup());
  const files = testFiles(patterns);
  if (files.length === 0) {
    console.error(`test: no test file's path contains ${patterns.join(" or ")}`);
    return 1;
  }
  const runner = spawn(process.execPath, runnerArguments(files), { cwd: root, stdio: "inherit" });
  // Whoever ends this program means the runner, which else would go on alone.
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => runner.kill(signal));
  return await new Promise((resolve, reject) => {
    runner.on("error", reject);
    runner.on("exit", (code, signal) => resolve(code ?? (signal === "SIGINT" ? 130 : 1)));
  });
}

if (process.argv[1] !== undefined && path.basename(process.argv[1]) === "test.mjs") process.exitCode = await main();
