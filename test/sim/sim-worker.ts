// A process of `npm run sim`: simulates the seeds that its parent sends, and tells what came out.
//
//   node build/test/sim/sim-worker.js --trace SEED   one run, every event a line
//   node build/test/sim/sim-worker.js FROM COUNT     a line of JSON per failure, then the numbers

import { RunNumbers } from "./run-numbers.js";
import { simulate } from "./simulation.js";

interface Chunk {
  readonly from: number;
  readonly count: number;
}

export interface SimResult {
  readonly numbers: RunNumbers;
  readonly failures: readonly { readonly seed: number; readonly failure: string }[];
  /** Rows of the recovery table that none of these runs reached. */
  readonly unreached: readonly string[];
  /** Processor time that these runs took. */
  readonly cpuMillis: number;
}

/** Of the seed being simulated; rejections that nobody handles are its. */
let current = 0;
let stray: string | null = null;
process.on("unhandledRejection", (reason) => {
  stray ??= `a rejection that nobody handles: ${reason instanceof Error ? (reason.stack ?? reason.message) : String(reason)}`;
});

export async function simulateChunk({ from, count }: Chunk): Promise<SimResult> {
  const numbers = new RunNumbers();
  const failures: { seed: number; failure: string }[] = [];
  const before = process.cpuUsage();
  for (current = from; current < from + count; current++) {
    const outcome = await simulate(current);
    // Such rejections show only between turns of the real event loop.
    await new Promise((resolve) => setImmediate(resolve));
    numbers.add(outcome.numbers);
    const failure = outcome.failure ?? stray;
    stray = null;
    if (failure !== null) failures.push({ seed: current, failure });
  }
  const { user, system } = process.cpuUsage(before);
  return { numbers, failures, unreached: numbers.unreached, cpuMillis: (user + system) / 1000 };
}

async function trace(seed: number): Promise<number> {
  const { failure, digest } = await simulate(seed, (line) => console.log(line));
  console.log(failure === null ? `seed ${String(seed)}: all well, digest ${digest.toString(16)}` : `seed ${String(seed)}: ${failure}`);
  return failure === null ? 0 : 1;
}

async function main(args: readonly string[]): Promise<number> {
  if (args[0] === "--trace") return trace(Number(args[1]));
  const { numbers, failures, unreached } = await simulateChunk({ from: Number(args[0]), count: Number(args[1] ?? 1) });
  for (const failure of failures) console.log(JSON.stringify(failure));
  console.log(JSON.stringify({ numbers, unreached }));
  return failures.length > 0 ? 1 : 0;
}

if (process.send === undefined) process.exitCode = await main(process.argv.slice(2));
else process.on("message", (chunk: Chunk) => { void simulateChunk(chunk).then((result) => process.send?.(result)); });
