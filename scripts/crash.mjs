// `npm run crash [-- --kills 300 --seed N --jobs 2 --directory DIR]`: kills writers at random times and demands every acknowledged record.
//
// Runs the compiled rig of test/crash. Exit code 1 when anything is lost; the log that proves it is kept and named.

import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { orExit, setup } from "./setup.mjs";

async function main() {
  const { values } = parseArgs({
    options: { kills: { type: "string", default: "300" }, seed: { type: "string" }, jobs: { type: "string", default: "2" }, directory: { type: "string", default: os.tmpdir() } },
  });
  const kills = Number(values.kills);
  const jobs = Number(values.jobs);
  const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
  if (![kills, jobs, seed].every((number) => Number.isSafeInteger(number) && number >= 0) || kills === 0 || jobs === 0) {
    console.error("crash: --kills and --jobs take a number from 1, --seed one from 0");
    return 2;
  }
  if (process.env.RINGWALL_BUILT !== "1") orExit(() => setup());
  const { runKills } = await import("../build/test/crash/kill-campaign.js");
  const root = mkdtempSync(path.join(values.directory, "ringwall-crash-"));
  const aborting = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => aborting.abort());
  console.log(`crash: ${kills} kills, seed ${seed}, logs in ${root}`);
  const started = performance.now();
  const { losses } = await runKills({ kills, seed, root, jobs, killsPerLog: 20, onProgress: (line) => console.log(line), aborted: aborting.signal });
  console.log(`${((performance.now() - started) / 1000).toFixed(1)} s`);
  for (const loss of losses) console.error(loss);
  if (losses.length > 0) return 1;
  rmSync(root, { recursive: true, force: true });
  return aborting.signal.aborted ? 130 : 0;
}

process.exitCode = await main();
