// `npm run check`: everything about the project that can be judged in less than a minute.
//
//   node scripts/check.mjs              all of it
//   node scripts/check.mjs lint types   only the named checks: structure, types, lint, tests
//
// One line per check: what was looked at and how long it took. Errors as file:line: message. Exit code 1 if there is one.

import { buildNative, installDependencies, orExit, root } from "./setup.mjs";

const checks = ["structure", "types", "lint", "tests"];

async function main(names) {
  const unknown = names.filter((name) => !checks.includes(name));
  if (unknown.length > 0) {
    console.error(`check: there is no ${unknown.join(" or ")}; there are ${checks.join(", ")}`);
    return 2;
  }
  const wanted = new Set(names.length === 0 ? checks : names);
  orExit(() => installDependencies());
  // Only now: these use the dependencies that may have been missing until here.
  const { checkStructure } = await import("./check/structure.mjs");
  const { checkFastTests, checkLint, checkTypes } = await import("./check/programs.mjs");

  let failed = 0;
  if (wanted.has("structure")) for (const result of checkStructure(root)) failed += print(result);
  // The linter reads the compiler's declarations, and the tests run its output.
  const types = timed(checkTypes);
  if (wanted.has("types") || (await types).errors.length > 0) failed += print(await types);
  const lint = wanted.has("lint") ? timed(checkLint) : null;
  const tests = wanted.has("tests") ? testsAfter(await types, checkFastTests) : null;
  for (const result of [lint, tests]) if (result !== null) failed += print(await result);

  console.log(failed === 0 ? "check: green" : `check: RED, ${failed} ${failed === 1 ? "error" : "errors"}`);
  return failed === 0 ? 0 : 1;
}

/** Tests of code that does not compile would be judged by yesterday's output. */
function testsAfter(types, checkFastTests) {
  if (types.errors.length > 0) return { name: "fast tests", count: 0, unit: "tests", errors: [], seconds: 0, note: "not run: types are red" };
  orExit(() => buildNative({ all: false }));
  return timed(checkFastTests);
}

async function timed(check) {
  const started = performance.now();
  const result = await check();
  return { ...result, seconds: (performance.now() - started) / 1000 };
}

/** Prints a result and returns the number of its errors. */
function print({ name, count, unit, errors, note, seconds }) {
  const verdict = errors.length === 0 ? (note === undefined ? "ok" : note) : `${errors.length} ${errors.length === 1 ? "error" : "errors"}`;
  console.log(`${name.padEnd(16)}${`${count} ${unit}`.padEnd(16)}${seconds.toFixed(2).padStart(6)} s  ${verdict}`);
  for (const { file, line, message } of errors) console.log(`${file}:${line}: ${message}`);
  return errors.length;
}

process.exitCode = await main(process.argv.slice(2));
