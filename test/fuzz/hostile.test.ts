// Whole logs whose checksums are right and whose contents are absurd: read, verified, inspected, repaired, written to.
// The work is done by a child whose heap is bounded, so that a hang, an exhausted heap and a crash are failures with a seed.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { fuzzSeconds, seedToReplay } from "./random.js";

const child = fileURLToPath(new URL("hostile-child.js", import.meta.url));
const secondsDefault = 10;
/** They showed a defect: see H7 to H14 and R25 in docs/DURABILITY.md. */
const keptSeeds = [1942563690, 777238, 40043, 60203, 70079, 301276, 526174622, 2081251501, 3000321, 3001204, 4000602, 4001023, 4001375];
const heapMebibytesMax = 192;
/** Everything: heap, buffers of 4 MiB and of blocks, code. */
const rssBytesMax = 512 * 1024 * 1024;
/** An input takes some 100 ms, a large one seconds; a machine under load stretches that. */
const silenceMillisMax = 120_000;

interface Line {
  readonly seed?: number;
  readonly failure?: string;
  readonly inputs?: number;
  readonly rssBytes?: number;
  readonly slowest?: { readonly seed: number; readonly millis: number };
  readonly outcomes?: readonly (readonly [string, number])[];
}

test("a log with right checksums and absurd contents is read, refused with a code, or has its losses named; in bounded time and memory", async (t) => {
  const directory = fs.mkdtempSync(path.join(fs.existsSync("/dev/shm") ? "/dev/shm" : os.tmpdir(), "ringwall-hostile-"));
  try {
    const seed = seedToReplay ?? Math.floor(Math.random() * 2 ** 31);
    const last = await run(directory, seed, seedToReplay === null ? fuzzSeconds(secondsDefault) : 0);
    const replay = `replay with RINGWALL_FUZZ_SEED=${String(last.seed)} npm test -- test/fuzz/hostile.test.ts`;
    assert.equal(last.failure, undefined, `seed ${String(last.seed)}: ${String(last.failure)}; ${replay}`);
    t.diagnostic(`${String(last.inputs)} logs from seed ${String(seed)}, ${String(Math.round((last.rssBytes ?? 0) / 2 ** 20))} MiB, the slowest took ${String(Math.round(last.slowest?.millis ?? 0))} ms (seed ${String(last.slowest?.seed)})`);
    t.diagnostic((last.outcomes ?? []).map(([outcome, count]) => `${outcome} ${String(count)}`).join(", "));
    assert.ok((last.rssBytes ?? Number.POSITIVE_INFINITY) < rssBytesMax, `${String(last.rssBytes)} bytes of memory`);
    if (seedToReplay !== null) return;
    const outcomes = new Map(last.outcomes);
    assert.ok(outcomes.has("write: done") && outcomes.has("write: RINGWALL_DAMAGED"), "sound logs and damaged ones are among them");
  } finally {
    fs.rmSync(directory, { recursive: true, force: true });
  }
});

test("seeds that showed a defect", async () => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "ringwall-hostile-"));
  try {
    for (const seed of keptSeeds) assert.equal((await run(directory, seed, 0)).failure, undefined, `seed ${String(seed)}`);
  } finally {
    fs.rmSync(directory, { recursive: true, force: true });
  }
});

/** The child's last line, with the seed it was at; `failure` when it ended badly or fell silent. */
async function run(directory: string, seed: number, seconds: number): Promise<Line> {
  const running = spawn(process.execPath, [`--max-old-space-size=${String(heapMebibytesMax)}`, child, directory, String(seed), String(seconds)], { stdio: ["ignore", "pipe", "pipe"] });
  let last: Line = { seed };
  let complaint = "";
  let silent = false;
  running.stderr.on("data", (bytes: Buffer) => { complaint = (complaint + bytes.toString()).slice(-4000); });
  const timer = setTimeout(() => {
    silent = true;
    running.kill("SIGKILL");
  }, silenceMillisMax);
  for await (const line of createInterface({ input: running.stdout })) {
    last = { ...last, ...(JSON.parse(line) as Line) };
    timer.refresh();
  }
  clearTimeout(timer);
  const code = running.exitCode ?? (await new Promise<number | null>((resolve) => running.once("exit", (status) => { resolve(status); })));
  if (last.failure !== undefined || code === 0) return last;
  return { ...last, failure: silent ? `silent for ${String(silenceMillisMax / 1000)} s` : `ended with ${String(code ?? running.signalCode)}: ${complaint}` };
}
