// Lives of a log on simulated storage: the same seed is the same run, and no run loses what was acknowledged.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import fs from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { simulate } from "./simulation.js";

/** `build/test/sim` holds no seeds.txt: the compiler copies code only. */
const seedsFile = fileURLToPath(new URL("../../../test/sim/seeds.txt", import.meta.url));
const fixedSeeds = 60;
const simulator = fileURLToPath(new URL("../../../scripts/sim.mjs", import.meta.url));
const freshCrashes = 10_000;
/** On a machine that is slower, or busy, it stops short of them. */
const freshSeconds = 90;

test("the same seed is the same run, event by event", async () => {
  for (const seed of [1, 2, 3, 5, 8, 13]) {
    const first: string[] = [];
    const second: string[] = [];
    const one = await simulate(seed, (line) => first.push(line));
    const other = await simulate(seed, (line) => second.push(line));
    const differing = first.findIndex((line, index) => line !== second[index]);
    assert.equal(differing, -1, `seed ${seed}: event ${differing} is ${first[differing]}, then ${second[differing]}`);
    assert.equal(one.digest, other.digest);
    assert.ok(first.length > 10);
  }
});

test("another seed is another run", async () => {
  const digests = new Set<number>();
  for (let seed = 1; seed <= 10; seed++) digests.add((await simulate(seed)).digest);
  assert.equal(digests.size, 10);
});

test("fixed seeds: what was acknowledged is there, or reported", async () => {
  await demandSound(Array.from({ length: fixedSeeds }, (_, index) => index + 1));
});

test("seeds that once found something", async () => {
  const seeds = fs.readFileSync(seedsFile, "utf8").split("\n").flatMap((line) => /^(\d+)/.exec(line)?.[1] ?? []).map(Number);
  await demandSound(seeds);
});

test("fresh seeds, on every processor: what was acknowledged is there, or reported", async (context) => {
  const options = ["--crashes", String(freshCrashes), "--seconds", String(freshSeconds)];
  const { code, output } = await new Promise<{ code: number | string; output: string }>((resolve) => {
    execFile(process.execPath, [simulator, ...options], { env: { ...process.env, RINGWALL_BUILT: "1" }, maxBuffer: 64 * 1024 * 1024 }, (error, stdout, stderr) => {
      resolve({ code: error?.code ?? (error === null ? 0 : 1), output: stdout + stderr });
    });
  });
  for (const line of output.split("\n")) context.diagnostic(line);
  assert.equal(code, 0, output);
  assert.match(output, /crashes [1-9]/);
});

async function demandSound(seeds: readonly number[]): Promise<void> {
  const failed: string[] = [];
  for (const seed of seeds) {
    const { failure } = await simulate(seed);
    if (failure !== null) failed.push(`seed ${seed}: ${failure}\n  npm run sim -- --seed ${seed} --trace`);
  }
  assert.deepEqual(failed, []);
}
