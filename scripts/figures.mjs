// `npm run figures -- --dir DIR --out DIR2 [--quick] [--only batch,read] [--skip peers]`: every suite after the other, as docs/BENCHMARKS.md shows them.
//
// Into DIR2: NAME.jsonl for each run, figures.md with all tables, latency.svg. A run that fails or takes too long is named, and the next one begins.
// Exit code 1 when one failed, 2 for wrong usage. `--quick` tries out that everything runs: its figures mean nothing.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { runsOf } from "./figures/runs.mjs";
import { orExit, root, setup } from "./setup.mjs";

const cli = path.join(root, "dist/cli/main.js");
/** What a run gets to clean up behind itself once its time is over. */
const graceMillis = 20_000;

async function main() {
  const chosen = flags();
  if (chosen === null) return 2;
  if (process.env.RINGWALL_BUILT !== "1") orExit(() => setup());
  for (const directory of [chosen.dir, chosen.out]) mkdirSync(directory, { recursive: true });
  const aborting = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => aborting.abort());
  const outcomes = [];
  for (const [index, run] of chosen.runs.entries()) {
    if (aborting.signal.aborted) break;
    process.stdout.write(`${index + 1}/${chosen.runs.length} ${run.name}: ${shownCommand(run)} … `);
    const outcome = await runOne(run, chosen, aborting.signal);
    console.log(`${outcome.problem ?? "done"}, ${outcome.seconds.toFixed(0)} s`);
    outcomes.push({ run, ...outcome });
  }
  const isPlotted = await plot(outcomes, chosen.out);
  await writeTables(outcomes, chosen, isPlotted);
  const failed = outcomes.filter(({ problem }) => problem !== null);
  console.log(`${outcomes.length - failed.length} of ${chosen.runs.length} runs in ${(outcomes.reduce((sum, { seconds }) => sum + seconds, 0) / 60).toFixed(1)} minutes; ${path.join(chosen.out, "figures.md")}`);
  if (failed.length > 0) console.error(`figures: failed: ${failed.map(({ run }) => run.name).join(", ")}`);
  return aborting.signal.aborted ? 130 : failed.length > 0 ? 1 : 0;
}

/** Null, and said why, when they make no sense. */
function flags() {
  try {
    const { values } = parseArgs({ options: { dir: { type: "string" }, out: { type: "string" }, quick: { type: "boolean", default: false }, only: { type: "string" }, skip: { type: "string" } } });
    if (values.dir === undefined || values.out === undefined) throw new TypeError("--dir names a directory on the disk to be measured, --out one for the figures");
    const runs = runsOf(values.quick);
    const names = (text) => (text === undefined ? [] : text.split(","));
    const unknown = [...names(values.only), ...names(values.skip)].find((name) => !runs.some((run) => run.name === name));
    if (unknown !== undefined) throw new TypeError(`there is no run "${unknown}"; there are ${runs.map(({ name }) => name).join(", ")}`);
    const isWanted = ({ name }) => (values.only === undefined || names(values.only).includes(name)) && !names(values.skip).includes(name);
    return { dir: values.dir, out: values.out, isQuick: values.quick, runs: runs.filter(isWanted) };
  } catch (error) {
    console.error(`figures: ${error.message}`);
    return null;
  }
}

/** As someone would type it; `DIR` stands for the directory. */
function shownCommand({ program, args }) {
  const text = args.map((arg) => (/[^\w.,:/=-]/.test(arg) ? `'${arg}'` : arg)).join(" ");
  return program === "peers" ? `npm run peers -- ${text}` : `ringwall bench ${text}`;
}

async function runOne(run, { dir, out }, signal) {
  const started = performance.now();
  const file = path.join(out, `${run.name}.jsonl`);
  const [script, first] = run.program === "peers" ? [path.join(root, "bench/peers/main.mjs"), []] : [cli, ["bench"]];
  const { text, problem } = await output([script, ...first, ...run.args, "--dir", dir, "--json"], { secondsMax: run.secondsMax, signal });
  if (text !== "") writeFileSync(file, text);
  return { file: problem === null && text !== "" ? file : null, problem, seconds: (performance.now() - started) / 1000 };
}

/** What a program of Node says on stdout; `problem` is null when it ended well. */
async function output(args, { secondsMax, signal }) {
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
  let text = "";
  let errors = "";
  child.stdout.setEncoding("utf8").on("data", (chunk) => { text += chunk; });
  child.stderr.setEncoding("utf8").on("data", (chunk) => { errors += chunk; });
  let isLate = false;
  const end = () => {
    child.kill("SIGTERM");
    setTimeout(() => child.kill("SIGKILL"), graceMillis).unref();
  };
  const timer = setTimeout(() => {
    isLate = true;
    end();
  }, secondsMax * 1000);
  signal.addEventListener("abort", end);
  const [code, killedBy] = await once(child, "close");
  clearTimeout(timer);
  signal.removeEventListener("abort", end);
  if (code === 0) return { text, problem: null };
  const reason = isLate ? `not done after ${secondsMax} s` : reasonOf(errors) || String(killedBy ?? code);
  return { text, problem: `FAILED: ${reason}` };
}

/** The message of a document, or the first line. */
function reasonOf(errors) {
  const line = errors.trim().split("\n").findLast((candidate) => candidate !== "") ?? "";
  try {
    return JSON.parse(line).error.message;
  } catch {
    return errors.trim().split("\n")[0];
  }
}

/** Whether there is a latency.svg. */
async function plot(outcomes, out) {
  const producers = outcomes.find(({ run, file }) => run.name === "producers" && file !== null);
  if (producers === undefined) return false;
  const { problem } = await output([cli, "bench", "plot", producers.file, "--out", path.join(out, "latency.svg")], { secondsMax: 60, signal: new AbortController().signal });
  if (problem !== null) console.error(`figures: latency.svg: ${problem}`);
  return problem === null;
}

async function writeTables(outcomes, { out, isQuick }, isPlotted) {
  const files = outcomes.flatMap(({ file }) => (file !== null && statSync(file).size > 0 ? [file] : []));
  const tables = files.length === 0 ? { text: "", problem: null } : await output([cli, "bench", "table", ...files], { secondsMax: 60, signal: new AbortController().signal });
  if (tables.problem !== null) console.error(`figures: the tables: ${tables.problem}`);
  const lines = [
    "# Figures",
    "",
    `${new Date().toISOString().slice(0, 16)}Z. Medians of the rounds, least and greatest in brackets.${isQuick ? " **A quick run, to try out that everything runs: the figures mean nothing.**" : ""}`,
    "",
    "| run | command | seconds | |",
    "| --- | --- | --- | --- |",
    ...outcomes.map(({ run, seconds, problem }) => `| ${run.name} | \`${shownCommand(run)}\` | ${seconds.toFixed(0)} | ${(problem ?? "").replaceAll("|", "\\|")} |`),
    "",
    ...(isPlotted && existsSync(path.join(out, "latency.svg")) ? ["![Latency against load](latency.svg)", ""] : []),
    tables.text,
  ];
  writeFileSync(path.join(out, "figures.md"), lines.join("\n"));
}

process.exitCode = await main();
