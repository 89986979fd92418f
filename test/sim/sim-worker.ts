// A process of `npm run sim`: simulates seeds [from, from + count) and tells its parent what came out.
//
//   node build/test/sim/sim-worker.js FROM COUNT          results as JSON to the parent
//   node build/test/sim/sim-worker.js --trace SEED        one run, every event a line

import { RunNumbers } from "./run-numbers.js";
import { simulate } from "./simulation.js";

export interface SimResult {
  readonly numbers: RunNumbers;
  readonly failures: readonly { readonly seed: number; readonly failure: string }[];
}

const reportEvery = 100;

async function main(args: readonly string[]): Promise<number> {
  if (args[0] === "--trace") {
    const { failure, digest } = await simulate(Number(args[1]), (line) => console.log(line));
    console.log(failure === null ? `seed ${String(args[1])}: all well, digest ${digest.toString(16)}` : `seed ${String(args[1])}: ${failure}`);
    return failure === null ? 0 : 1;
  }
  const [from = 0, count = 1] = args.map(Number);
  let numbers = new RunNumbers();
  let failures: { seed: number; failure: string }[] = [];
  for (let seed = from; seed < from + count; seed++) {
    const outcome = await simulate(seed);
    numbers.add(outcome.numbers);
    if (outcome.failure !== null) failures.push({ seed, failure: outcome.failure });
    if ((seed - from) % reportEvery !== reportEvery - 1 && seed !== from + count - 1) continue;
    const result: SimResult = { numbers, failures };
    if (process.send === undefined) console.log(JSON.stringify(result));
    else process.send(result);
    numbers = new RunNumbers();
    failures = [];
    // Rejections that nobody handles show only between turns of the real event loop.
    await new Promise((resolve) => setImmediate(resolve));
  }
  return 0;
}

process.exitCode = await main(process.argv.slice(2));
if (process.connected) process.disconnect();
