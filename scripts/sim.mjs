// `npm run sim -- --seed N --runs M`: random lives of a log on simulated storage, each judged by an independent model.
//
//   npm run sim                          1000 runs from a fresh seed, which is printed
//   npm run sim -- --seed 7 --runs 100   runs 7 to 106
//   npm run sim -- --seed 7 --trace      one run, every event a line
//   npm run sim -- --crashes 10000       as many runs as it takes to crash so often
//   npm run sim -- --seconds 90          begins no run after that time
//   npm run sim -- --workers 4           processes; default: one per processor
//
// Owns: handing seeds to worker processes and adding up what they tell. Exit code 1 when a run failed, or when a large
// number of runs left a row of the recovery table unreached.

import { fork, spawnSync } from "node:child_process";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { orExit, root, setup } from "./setup.mjs";

const worker = path.join(root, "build/test/sim/sim-worker.js");
const seedsAtOnce = 20;
/** One worker per processor: threads that collect garbage would only be in the way of the other worker. */
const workerFlags = ["--single-threaded-gc", "--max-semi-space-size=32"];
/** From so many runs on, each row of the recovery table must have been reached. */
const runsForAllRows = 5000;
/** A worker that is silent for so long is stuck in a loop. */
const silenceMillisMax = 300_000;

async function main() {
  const { values } = parseArgs({
    options: {
      seed: { type: "string" },
      runs: { type: "string" },
      crashes: { type: "string" },
      seconds: { type: "string", default: "1e9" },
      workers: { type: "string", default: String(os.availableParallelism()) },
      trace: { type: "boolean", default: false },
    },
  });
  const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(values.seed);
  const bounds = {
    runs: Number(values.runs ?? (values.crashes === undefined ? 1000 : 1e9)),
    crashes: Number(values.crashes ?? 1e9),
    seconds: Number(values.seconds),
    workers: Number(values.workers),
  };
  if (!Number.isSafeInteger(seed) || seed < 0 || !Object.values(bounds).every((bound) => Number.isSafeInteger(bound) && bound >= 1)) {
    console.error("sim: --seed takes an integer from 0 on; --runs, --crashes, --seconds and --workers take one from 1 on");
    return 2;
  }
  if (process.env.RINGWALL_BUILT !== "1") orExit(() => setup());
  if (values.trace) return spawnSync(process.execPath, [worker, "--trace", String(seed)], { stdio: "inherit" }).status ?? 1;
  return report(await simulateAll(seed, bounds), seed);
}

async function simulateAll(seed, { runs, crashes, seconds, workers }) {
  const total = { numbers: {}, failures: [], unreached: [], cpuMillis: 0, started: performance.now() };
  let next = seed;
  const take = () => {
    const from = next;
    const isEnough = crashesOf(total.numbers) >= crashes || performance.now() - total.started >= seconds * 1000;
    const count = isEnough ? 0 : Math.min(seedsAtOnce, seed + runs - from);
    next += count;
    return count > 0 ? { from, count } : null;
  };
  await Promise.all(Array.from({ length: Math.min(workers, Math.ceil(runs / seedsAtOnce)) }, () => work(take, total)));
  return total;
}

function crashesOf({ crashes = {} }) {
  return Object.values(crashes).reduce((sum, count) => sum + count, 0);
}

/** One process after the other: a fresh one when one broke. */
async function work(take, total) {
  for (let chunk = take(); chunk !== null; ) {
    const child = fork(worker, [], { execArgv: workerFlags, stdio: ["ignore", "inherit", "inherit", "ipc"] });
    const broken = await new Promise((resolve) => {
      let current = chunk;
      let timer;
      const send = () => {
        clearTimeout(timer);
        timer = setTimeout(() => child.kill("SIGKILL"), silenceMillisMax);
        child.send(current);
      };
      child.on("message", (result) => {
        addUp(total, result);
        current = take();
        if (current === null) child.disconnect();
        else send();
      });
      child.on("exit", (code, signal) => {
        clearTimeout(timer);
        chunk = null;
        resolve(current === null ? null : { ...current, how: signal === "SIGKILL" ? "does not end" : `ended with ${code ?? signal}` });
      });
      send();
    });
    if (broken === null) continue;
    total.failures.push({ seed: broken.from, failure: `a run among the seeds ${broken.from} to ${broken.from + broken.count - 1} ${broken.how}` });
    chunk = take();
  }
}

function addUp(total, { numbers, failures, unreached, cpuMillis }) {
  add(total.numbers, numbers);
  total.cpuMillis += cpuMillis;
  total.unreached.push(new Set(unreached));
  for (const failure of failures) {
    total.failures.push(failure);
    console.log(`\nseed ${failure.seed}: ${failure.failure}\n  npm run sim -- --seed ${failure.seed} --trace`);
  }
}

function add(into, more) {
  for (const [key, value] of Object.entries(more)) {
    if (typeof value === "object") add((into[key] ??= {}), value);
    else into[key] = (into[key] ?? 0) + value;
  }
}

function report({ numbers, failures, unreached, cpuMillis, started }, seed) {
  const seconds = (performance.now() - started) / 1000;
  const runs = numbers.runs ?? 0;
  const list = (counts = {}) => Object.entries(counts).sort(([, a], [, b]) => b - a).map(([name, count]) => `${name} ${count}`).join(", ") || "none";
  console.log(`\nseeds ${seed} to ${seed + runs - 1}: ${runs} runs in ${seconds.toFixed(1)} s, ${(runs / seconds).toFixed(1)} a second, ${(cpuMillis / runs).toFixed(0)} ms of processor time each`);
  console.log(`  openings ${numbers.opens}, calls ${numbers.calls}, events ${numbers.events}, records compared ${numbers.recordsCompared}`);
  console.log(`  crashes ${crashesOf(numbers)}: ${list(numbers.crashes)}`);
  console.log(`  faults: ${list(numbers.faults)}`);
  console.log(`  damage reported ${numbers.damageReported}, beyond anyone's knowledge ${numbers.undetectable}`);
  console.log(`  rows of the recovery table: ${list(numbers.rows)}`);
  console.log(`  rare: ${list(numbers.rare)}`);
  const never = [...(unreached[0] ?? [])].filter((row) => unreached.every((rows) => rows.has(row)));
  if (never.length > 0) console.log(`  never reached: ${never.join(", ")}`);
  const rowsMissing = never.length > 0 && runs >= runsForAllRows;
  if (failures.length > 0) console.log(`\n${failures.length} failed: ${failures.map(({ seed: failed }) => failed).join(" ")}`);
  return failures.length > 0 || rowsMissing ? 1 : 0;
}

process.exitCode = await main();
