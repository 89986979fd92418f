// A process that judges hostile logs until the time is over, under a heap that its parent bounds.
//
//   node build/test/fuzz/hostile-child.js DIRECTORY SEED SECONDS   seconds 0: this seed alone
//
// A line per seed goes out before its log is touched: whoever finds this process dead or silent knows which it was.

import fs from "node:fs";
import path from "node:path";
import { inspect } from "node:util";
import { writeBulkLog } from "./bulk-log.js";
import { writeHostileLog } from "./hostile-log.js";
import { judge, type Outcomes } from "./judge.js";
import { Random } from "./random.js";

const [directory = "", firstSeed = "0", seconds = "0"] = process.argv.slice(2);
/** One log in so many is large. */
const bulkEvery = 25;
let stray: unknown = null;
process.on("unhandledRejection", (reason) => { stray ??= reason; });

async function main(): Promise<number> {
  const outcomes: Outcomes = new Map();
  const end = performance.now() + Number(seconds) * 1000;
  let seed = Number(firstSeed);
  let slowest = { seed, millis: 0 };
  do {
    fs.writeSync(1, `${JSON.stringify({ seed })}\n`);
    const began = performance.now();
    const work = path.join(directory, String(seed));
    fs.mkdirSync(path.join(work, "log"), { recursive: true });
    try {
      const random = new Random(seed);
      const write = seed % bulkEvery === 0 ? writeBulkLog : writeHostileLog;
      await judge(write(path.join(work, "log"), random), work, random, outcomes);
      // Rejections that nobody handles show between turns of the event loop.
      await new Promise((resolve) => { setImmediate(resolve); });
      if (stray !== null) throw new Error("a rejection that nobody handles", { cause: stray });
    } catch (error) {
      fs.writeSync(1, `${JSON.stringify({ seed, failure: inspect(error) })}\n`);
      return 1;
    }
    fs.rmSync(work, { recursive: true, force: true });
    const millis = performance.now() - began;
    if (millis > slowest.millis) slowest = { seed, millis };
    seed++;
  } while (performance.now() < end);
  const rssBytes = process.resourceUsage().maxRSS * 1024;
  fs.writeSync(1, `${JSON.stringify({ inputs: seed - Number(firstSeed), rssBytes, slowest, outcomes: [...outcomes].sort() })}\n`);
  return 0;
}

process.exitCode = await main();
