// The checks that other programs do: the compiler, the linter and the test runner. Each gives the same kind of result.

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import { compileTypeScript, root } from "../setup.mjs";
import { runnerArguments, testFiles } from "../test.mjs";

/** Tests that take seconds: the pure layers and the structure itself. */
const fastFolders = ["test/base/", "test/format/", "test/core/", "test/structure/"];

export function checkTypes() {
  const { ok, output } = compileTypeScript();
  const errors = ok ? [] : output.split("\n").flatMap(compilerError);
  // The compiler failed in a way that names no place: its words are all there is.
  if (!ok && errors.length === 0) errors.push({ file: "tsconfig.json", line: 1, message: output });
  return { name: "types", count: ok ? 2 : errors.length, unit: ok ? "projects" : "errors", errors };
}

function compilerError(line) {
  const match = /^(.+?)\((\d+),\d+\): error (.+)$/.exec(line);
  return match === null ? [] : [{ file: match[1], line: Number(match[2]), message: match[3] }];
}

export async function checkLint() {
  const eslint = path.join(root, "node_modules/eslint/bin/eslint.js");
  const targets = ["src", "test", "scripts", "eslint.config.mjs"].filter((target) => existsSync(path.join(root, target)));
  const { status, stdout, stderr } = await run([eslint, "--format", "json", "--no-error-on-unmatched-pattern", ...targets]);
  if (status > 1 || stdout === "") return { name: "lint", count: 0, unit: "files", errors: [{ file: "eslint.config.mjs", line: 1, message: stderr }] };
  const files = JSON.parse(stdout);
  const errors = files.flatMap((file) => {
    return file.messages.map(({ line, ruleId, message }) => {
      return { file: path.relative(root, file.filePath), line: line ?? 1, message: ruleId === null ? message : `${message} (${ruleId})` };
    });
  });
  return { name: "lint", count: files.length, unit: "files", errors };
}

export async function checkFastTests() {
  const files = testFiles(fastFolders);
  if (files.length === 0) return { name: "fast tests", count: 0, unit: "tests", errors: [], note: "there are none" };
  const { status, stdout, stderr } = await run(runnerArguments(files));
  const count = Number(/^\D*\btests (\d+)$/m.exec(stdout)?.[1] ?? 0);
  const errors = status === 0 ? [] : [{ file: "build/test", line: 1, message: `\n${stdout}${stderr}` }];
  return { name: "fast tests", count, unit: "tests", errors };
}

/** Runs node; its output is kept, for a check prints one line when it is green. */
function run(args) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd: root, stdio: ["ignore", "pipe", "pipe"] });
    const output = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"]) child[name].setEncoding("utf8").on("data", (text) => (output[name] += text));
    child.on("error", reject);
    child.on("close", (code) => resolve({ status: code ?? 2, ...output }));
  });
}
