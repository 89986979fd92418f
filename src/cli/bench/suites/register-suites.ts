// The suites of `ringwall bench`, as commands. Definitions only; what a suite does is loaded when it runs.

import type { Command } from "commander";
import { parseSeconds, parseSequence, withCommonOptions } from "../../common-options.js";
import type { Outcome } from "../../exit-codes.js";
import { atMost, bytesHelp, listOf, parsePositiveBytes, withLogOptions, withRounds } from "../bench-options.js";
import type { Suite, SuiteFlags } from "./suite.js";

interface SuiteCommand {
  readonly name: string;
  readonly description: string;
  readonly example: string;
  readonly seconds: number;
  readonly repeat: number;
  readonly options: (command: Command) => Command;
  readonly load: () => Promise<unknown>;
}

const callersMax = 100_000;
const recordBytesMax = 16 * 1024 ** 2;

const suites: readonly SuiteCommand[] = [
  {
    name: "batch",
    description: "atomic batches, durable each, by one and by several callers",
    example: "ringwall bench batch --dir . --callers 1,16",
    seconds: 5,
    repeat: 3,
    options: (command) => withCallers(command, [1, 16]).option("--batch <n>", "records of a batch", atMost(100_000, parseSequence), 100),
    load: async () => (await import("./callers-suites.js")).batchSuite,
  },
  {
    name: "producers",
    description: "throughput and latency against the number of callers; `bench plot` draws it",
    example: "ringwall bench producers --dir . --json > producers.jsonl\nringwall bench plot producers.jsonl --out latency.svg",
    seconds: 3,
    repeat: 3,
    options: (command) => withCallers(command, [1, 4, 16, 64, 256]),
    load: async () => (await import("./callers-suites.js")).producersSuite,
  },
  {
    name: "partitions",
    description: "the same callers on one partition and on many",
    example: "ringwall bench partitions --dir . --partitions 1,16,1000,100000",
    seconds: 3,
    repeat: 3,
    options: (command) => withLoad(command)
      .option("--callers <n>", "how many at once", atMost(callersMax, parseSequence), 256)
      .option("--partitions <list>", "appended to in turn; ratios are to the first", listOf(1_000_000), [1, 16, 1000, 100_000]),
    load: async () => (await import("./callers-suites.js")).partitionsSuite,
  },
];

export function registerSuites(bench: Command, outcome: Outcome): void {
  for (const suite of suites) registerSuite(bench, suite, outcome);
}

function registerSuite(bench: Command, { name, description, example, seconds, repeat, options, load }: SuiteCommand, outcome: Outcome): void {
  const command = options(bench.command(name).description(description)).option("--seconds <seconds>", "length of a round", parseSeconds, seconds);
  withCommonOptions(withRounds(command, repeat), example, "io_uring where it works, and node:fs in turn with it")
    .addHelpText("after", `${bytesHelp}\nWith --json: a line per contender.`)
    .action(async (flags: SuiteFlags) => {
      const { runSuite } = await import("./run-suite.js");
      outcome.code = await runSuite(name, (await load()) as Suite, flags);
    });
}

function withCallers(command: Command, callers: readonly number[]): Command {
  return withLoad(command).option("--callers <list>", "how many at once", listOf(callersMax), callers);
}

function withLoad(command: Command): Command {
  return withLogOptions(command)
    .option("--bytes <bytes>", "of each record", atMost(recordBytesMax, parsePositiveBytes), 1024)
    .option("--warm-up <seconds>", "how long callers run before the first round", parseSeconds, 0.5);
}
