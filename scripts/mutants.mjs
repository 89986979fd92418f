// `npm run mutants [-- NAME…]`: proof that the tests have teeth. Builds of Ringwall with one guarantee broken on purpose each,
// and the tests or simulated lives that must notice.
//
//   npm run mutants                       all of scripts/mutants/list.mjs
//   npm run mutants -- reader torn        those whose name contains one of the words
//   npm run mutants -- --workers 1        at a time; default: 2
//
// The unbroken build goes first: it must pass every catcher, or being caught would mean nothing.
// Exit code 1 when a mutant escapes, does not apply to the source any more, can't be judged here, or the unbroken build fails.

import { parseArgs } from "node:util";
import { breakBuild, copyBuild, discardBuild, mendBuild } from "./mutants/broken-build.mjs";
import { describeCatcher, runCatcher } from "./mutants/catchers.mjs";
import { mutants as allMutants } from "./mutants/list.mjs";
import { isMain, orExit, setup } from "./setup.mjs";

async function main() {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { workers: { type: "string", default: "2" } } });
  const workers = Number(values.workers);
  if (!Number.isSafeInteger(workers) || workers < 1) {
    console.error("mutants: --workers takes an integer from 1 on");
    return 2;
  }
  const chosen = allMutants.filter(({ name }) => positionals.length === 0 || positionals.some((word) => name.includes(word)));
  if (chosen.length === 0) {
    console.error(`mutants: no name contains ${positionals.join(" or ")}`);
    return 2;
  }
  orExit(() => setup());
  // What "exit" clears away is cleared away after these too.
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(130));
  const started = performance.now();
  if (!(await judgeUnbroken(chosen, workers))) return 1;
  const verdicts = await judgeMutants(chosen, workers, report);
  return summarize(verdicts, (performance.now() - started) / 1000);
}

/** Whether the unbroken build passes every catcher of the chosen mutants. */
async function judgeUnbroken(chosen, workers) {
  const catchers = distinct(chosen.flatMap((mutant) => mutant.catchers));
  let sound = true;
  await inParallel(catchers, workers, async (catcher, build) => {
    const outcome = await runCatcher(build, catcher);
    if (outcome.kind === "passed" || outcome.kind === "skipped") return;
    sound = false;
    console.log(`UNBROKEN BUILD: ${describeCatcher(catcher)} ${outcome.kind}: ${outcome.evidence}`);
  });
  console.log(sound ? `the unbroken build passes all ${catchers.length} catchers` : "the unbroken build does not pass: nothing said about the mutants");
  return sound;
}

/** Each mutant with what became of it, in the order of the list. */
export async function judgeMutants(chosen, workers, onVerdict = () => undefined) {
  return inParallel(chosen, workers, async (mutant, build) => {
    const started = performance.now();
    const outcomes = await judge(mutant, build);
    const verdict = { mutant, outcomes, kind: verdictOf(outcomes), seconds: (performance.now() - started) / 1000 };
    onVerdict(verdict);
    return verdict;
  });
}

async function judge(mutant, build) {
  const refusal = await breakBuild(build, mutant);
  const outcomes = refusal === null ? [] : [{ kind: "rotten", evidence: refusal }];
  if (refusal === null) for (const catcher of mutant.catchers) outcomes.push({ catcher, ...(await runCatcher(build, catcher)) });
  mendBuild(build, mutant);
  return outcomes;
}

/** Every catcher that a mutant names must catch it; one that this machine can't run leaves the word to the others. */
function verdictOf(outcomes) {
  const bad = outcomes.find(({ kind }) => kind === "rotten" || kind === "broken");
  if (bad !== undefined) return bad.kind;
  const judged = outcomes.filter(({ kind }) => kind !== "skipped");
  if (judged.length === 0) return "not judged";
  return judged.every(({ kind, catcher }) => kind === "failed" || (kind === "hung" && catcher.hangs === true)) ? "caught" : "escaped";
}

function report({ mutant, outcomes, kind, seconds }) {
  console.log(`${kind === "caught" ? "caught" : kind.toUpperCase()}  ${mutant.name}  (${seconds.toFixed(1)} s)`);
  if (kind !== "caught") console.log(`    ${mutant.breaks}`);
  for (const { catcher, kind: what, evidence } of outcomes) {
    console.log(`    ${catcher === undefined ? "" : `${describeCatcher(catcher)} `}${what}: ${evidence}`);
  }
}

function summarize(verdicts, seconds) {
  const named = (kind) => verdicts.filter((verdict) => verdict.kind === kind).map(({ mutant }) => mutant.name);
  const caught = named("caught");
  console.log(`\n${verdicts.length} mutants in ${seconds.toFixed(0)} s: ${caught.length} caught, ${verdicts.length - caught.length} not`);
  for (const [kind, meaning] of [
    ["escaped", "escaped: write the test that catches them"],
    ["rotten", "their text is not in the source any more: bring the list up to date"],
    ["broken", "do not run at all, which any test notices: mend the replacement"],
    ["not judged", "every catcher is skipped on this machine"],
  ]) {
    const names = named(kind);
    if (names.length > 0) console.log(`  ${names.length} ${meaning}: ${names.join(", ")}`);
  }
  return caught.length === verdicts.length ? 0 : 1;
}

function distinct(catchers) {
  return [...new Map(catchers.map((catcher) => [describeCatcher(catcher), catcher])).values()];
}

/** Results in the order of `items`. Each worker has a build of its own. */
async function inParallel(items, workers, work) {
  const results = new Array(items.length);
  let next = 0;
  const worker = async () => {
    const build = copyBuild();
    try {
      while (next < items.length) {
        const index = next++;
        results[index] = await work(items[index], build);
      }
    } finally {
      discardBuild(build);
    }
  };
  await Promise.all(Array.from({ length: Math.min(workers, items.length) }, worker));
  return results;
}

if (isMain(import.meta.url)) process.exitCode = await main();
