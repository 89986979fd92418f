// Runs what should catch a mutant, against a build in a directory: one test file, or simulated lives from fixed seeds.
//
// Owns: the child processes and their time limits, and telling "failed" from "hung", "skipped" and "does not run at all".

import { spawn } from "node:child_process";
import path from "node:path";

/** Seeds of one process: so many lives are simulated before anyone looks whether one failed. */
const seedsAtOnce = 20;
const testMillisMax = 120_000;
const seedsMillisMax = 90_000;
/** Random tests begin from the same seed each time, so that a verdict is the same each time. */
const fixedSeed = "1";

export function describeCatcher(catcher) {
  if (catcher.seeds !== undefined) return `simulation, seeds ${catcher.from ?? 1} to ${(catcher.from ?? 1) + catcher.seeds - 1}`;
  return `test/${catcher.test}.ts${catcher.name === undefined ? "" : `, "${catcher.name}"`}`;
}

/** Resolves to { kind: "passed" | "failed" | "hung" | "skipped" | "broken", evidence }. */
export function runCatcher(directory, catcher) {
  return catcher.seeds === undefined ? runTest(directory, catcher) : simulate(directory, catcher);
}

async function simulate(directory, { from = 1, seeds }) {
  const worker = path.join(directory, "build/test/sim/sim-worker.js");
  for (let seed = from; seed < from + seeds; seed += seedsAtOnce) {
    const count = Math.min(seedsAtOnce, from + seeds - seed);
    const { code, output } = await run(directory, { args: [worker, String(seed), String(count)], millisMax: seedsMillisMax });
    if (code === "hung") return { kind: "hung", evidence: `the seeds ${seed} to ${seed + count - 1} do not end` };
    if (code === 0) continue;
    const [failure] = output.split("\n").flatMap((line) => (line.startsWith('{"seed"') ? [JSON.parse(line)] : []));
    if (failure === undefined) return { kind: "broken", evidence: firstLine(output) };
    return judgeFailure(`seed ${failure.seed}: ${firstLine(failure.failure, 2)}`, failure.failure);
  }
  return { kind: "passed", evidence: `${seeds} seeds` };
}

async function runTest(directory, { test, name, millisMax = testMillisMax, env = {} }) {
  // A test that failed may leave something behind that keeps the process alive.
  const args = ["--test-reporter=tap", "--test-force-exit"];
  if (name !== undefined) args.push(`--test-name-pattern=${escaped(name)}`);
  args.push(path.join(directory, "build/test", `${test}.js`));
  const { code, output } = await run(directory, { args, millisMax, env });
  if (code === "hung") return { kind: "hung", evidence: `did not end within ${millisMax / 1000} s` };
  const failures = failedTests(output);
  if (code !== 0 || failures.length > 0) {
    if (failures.length === 0 && !/^# fail [1-9]/m.test(output)) return { kind: "broken", evidence: firstLine(output, 3) };
    return judgeFailure(failures[0] ?? firstLine(output), output);
  }
  const passed = Number(/^# pass (\d+)$/m.exec(output)?.[1] ?? 0);
  if (passed > 0) return { kind: "passed", evidence: `${passed} tests` };
  const reasons = [...output.matchAll(/# SKIP (.+)$/gm)].map(([, reason]) => reason).filter((reason) => !reason.includes("does not match pattern"));
  return reasons.length > 0 ? { kind: "skipped", evidence: reasons[0] } : { kind: "broken", evidence: "no test has that name" };
}

/** A build that breaks on every touch proves nothing about what it should have broken. */
function judgeFailure(evidence, output) {
  const slip = /\b(SyntaxError|ReferenceError)\b.*/.exec(output);
  return slip === null ? { kind: "failed", evidence } : { kind: "broken", evidence: slip[0] };
}

/** Titles of the failed tests, innermost ones, each with the first line of its error. */
function failedTests(tap) {
  const lines = tap.split("\n");
  return lines.flatMap((line, at) => {
    const title = /^\s*not ok \d+ - (.*)$/.exec(line)?.[1];
    if (title === undefined) return [];
    const details = lines.slice(at, at + 12);
    if (details.some((detail) => /failureType: '(subtestsFailed|cancelledByParent)'/.test(detail))) return [];
    const begun = details.findIndex((detail) => /^\s*error: /.test(detail));
    const text = /^\s*error: (.*)$/.exec(details[begun] ?? "")?.[1] ?? "";
    const error = text.startsWith("|") ? (details.slice(begun + 1).find((detail) => detail.trim() !== "") ?? "") : text;
    return [`"${title.replaceAll("\\#", "#")}": ${error.trim().slice(0, 200)}`];
  });
}

/** A process of node with everything that it starts; all of them are gone when it resolves. */
function run(directory, { args, millisMax, env = {} }) {
  return new Promise((resolve, reject) => {
    // Under a test runner a test would speak to that one instead of in TAP.
    const child = spawn(process.execPath, args, { cwd: directory, env: { ...process.env, NODE_TEST_CONTEXT: undefined, SEED: fixedSeed, ...env }, stdio: ["ignore", "pipe", "pipe"], detached: true });
    let output = "";
    let hung = false;
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => (output += text));
    const end = () => {
      try {
        process.kill(-child.pid, "SIGKILL");
      } catch {
        // All of them have ended.
      }
    };
    const timer = setTimeout(() => {
      hung = true;
      end();
    }, millisMax);
    process.once("exit", end);
    child.on("error", reject);
    child.on("exit", end);
    child.on("close", (code) => {
      clearTimeout(timer);
      process.removeListener("exit", end);
      resolve({ code: hung ? "hung" : (code ?? 1), output });
    });
  });
}

function firstLine(text, lines = 1) {
  return text.split("\n").filter((line) => line.trim() !== "").slice(0, lines).map((line) => line.trim()).join(" ").slice(0, 300);
}

function escaped(text) {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
