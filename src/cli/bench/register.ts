// The command `ringwall bench` and its benches. Definitions only; what they do is loaded when they run.

import { type Command, Option } from "commander";
import { parseBytes, parseCount, parseSeconds, parseSequence, withCommonOptions } from "../common-options.js";
import { type Outcome, exitCode } from "../exit-codes.js";
import type { AppendBenchFlags } from "./append-command.js";
import { atMost, bytesHelp, parsePercent, parsePositiveBytes, withLogOptions, withRounds } from "./bench-options.js";
import type { EnqueueBenchFlags } from "./enqueue-command.js";
import type { FloorBenchFlags } from "./floor-command.js";
import type { RecoverBenchFlags } from "./recover-command.js";
import type { SoakFlags } from "./soak/soak-command.js";
import { registerResults } from "./results/register-results.js";
import { registerSuites } from "./suites/register-suites.js";

/** `outcome` gets the exit code. */
export function registerBench(program: Command, outcome: Outcome = { code: exitCode.ok }): void {
  const bench = program.command("bench").description("measure a log, its rivals and the device below them");
  registerAppend(bench, outcome);
  registerEnqueue(bench, outcome);
  registerRecover(bench, outcome);
  registerFloor(bench, outcome);
  registerSoak(bench, outcome);
  registerSuites(bench, outcome);
  registerResults(bench, outcome);
}

function registerAppend(bench: Command, outcome: Outcome): void {
  const command = bench
    .command("append")
    .description("callers that append, wait for the acknowledgement, and append again")
    .option("--callers <n>", "how many at once", atMost(100_000, parseSequence), 256)
    .option("--bytes <bytes>", "of each record", atMost(16 * 1024 ** 2, parsePositiveBytes), 1024)
    .option("--seconds <seconds>", "length of a round", parseSeconds, 5)
    .option("--warm-up <seconds>", "how long callers run before the first round", parseSeconds, 1)
    .option("--partitions <n>", "appended to in turn", atMost(10_000, parseSequence), 1)
    .option("--batch <n>", "records of one atomic appendBatch; 1: append", atMost(100_000, parseSequence), 1)
    .option("--enqueue-records <n>", "records of the enqueue phase behind the rounds; 0: none", atMost(10_000_000, parseCount), 100_000)
    .option("--latency-every <n>", "time one call in n (default: every one below 16 callers, else one in 16)", atMost(1_000_000, parseSequence))
    .addOption(new Option("--compare <rival>", "also run the portable group commit, rounds interleaved").choices(["baseline"]))
    .option("--busy <n>", "processes beside it that keep a core busy each", atMost(64, parseCount), 0)
    .option("--floor", "also run the bare device, rounds interleaved: one durable write of a record of every caller after the other");
  withLogOptions(withRounds(command, 3));
  withCommonOptions(command, "ringwall bench append --dir . --callers 256 --compare baseline\nringwall bench append --dir . --callers 1 --floor --json")
    .addHelpText("after", bytesHelp)
    .action(async (flags: AppendBenchFlags) => {
      const { appendBench } = await import("./append-command.js");
      outcome.code = await appendBench(flags);
    });
}

function registerEnqueue(bench: Command, outcome: Outcome): void {
  const command = bench
    .command("enqueue")
    .description("enqueue in bulk, then one sync")
    .option("--bytes <bytes>", "of each record", atMost(16 * 1024 ** 2, parsePositiveBytes), 100)
    .option("--records <n>", "of one round", atMost(10_000_000, parseSequence), 1_000_000);
  withLogOptions(withRounds(command, 5));
  withCommonOptions(command, "ringwall bench enqueue --dir . --bytes 100")
    .addHelpText("after", bytesHelp)
    .action(async (flags: EnqueueBenchFlags) => {
      const { enqueueBench } = await import("./enqueue-command.js");
      outcome.code = await enqueueBench(flags);
    });
}

function registerRecover(bench: Command, outcome: Outcome): void {
  const command = bench
    .command("recover")
    .description("open an empty log, a closed one with many segments, and one whose writer was killed, where all must be read")
    .option("--bytes <bytes>", "payload of the log whose writer is killed, in one segment; with --incremental or --damage of the one of many segments, and 512 MiB of the other at most", atMost(64 * 1024 ** 3, parsePositiveBytes), 512 * 1024 ** 2)
    .option("--record-bytes <bytes>", "of each record", atMost(16 * 1024 ** 2, parsePositiveBytes), 1024)
    .option("--sealed-bytes <bytes>", "payload of the closed log, in segments of 1 MiB", atMost(64 * 1024 ** 3, parsePositiveBytes), 64 * 1024 ** 2)
    .option("--incremental", "also a log of --bytes in many segments, with the indexes of sealed segments and without them")
    .option("--damage [percent]", "the same, and then with that share of its pages damaged (without a number: 1)", parsePercent)
    .option("--segment-bytes <bytes>", "of the log of many segments", parseBytes, 100 * 1024 ** 2);
  withRounds(command, 5);
  withCommonOptions(command, "ringwall bench recover --dir . --bytes 1GiB --record-bytes 1024")
    .addHelpText("after", bytesHelp)
    .action(async (flags: RecoverBenchFlags) => {
      const { recoverBench } = await import("./recover-command.js");
      outcome.code = await recoverBench(flags);
    });
}

function registerFloor(bench: Command, outcome: Outcome): void {
  const command = bench
    .command("floor")
    .description("the device without a log: single durable writes, waiting and polling, and large ones at depth 8")
    .option("--seconds <seconds>", "length of a round", parseSeconds, 2);
  withRounds(command, 3);
  withCommonOptions(command, "ringwall bench floor --dir . --json")
    .addHelpText("after", bytesHelp)
    .action(async (flags: FloorBenchFlags) => {
      const { floorBench } = await import("./floor-command.js");
      outcome.code = await floorBench(flags);
    });
}

function registerSoak(bench: Command, outcome: Outcome): void {
  const command = bench
    .command("soak")
    .description("callers at full load for minutes: memory, descriptors, throughput and latency, a sample a second, and the slope of memory")
    .option("--callers <n>", "how many at once", atMost(100_000, parseSequence), 256)
    .option("--bytes <bytes>", "of each record", atMost(16 * 1024 ** 2, parsePositiveBytes), 1024)
    .option("--seconds <seconds>", "how long", parseSeconds, 600)
    .option("--settle <seconds>", "samples before that are not in the slope (default: a fifth)", parseSeconds)
    .option("--stall <seconds>", "on an ext4 of its own that is frozen for so long in the middle; needs root", parseSeconds)
    .option("--dir <dir>", "where the fresh directory is made: on the disk that is to be measured", ".")
    .option("--keep", "leave the files");
  withLogOptions(command);
  withCommonOptions(command, "ringwall bench soak --dir . --seconds 600\nringwall bench soak --dir . --seconds 60 --stall 10 --json")
    .addHelpText("after", bytesHelp)
    .action(async (flags: SoakFlags) => {
      const { soakBench } = await import("./soak/soak-command.js");
      outcome.code = await soakBench(flags);
    });
}
