// The suites of `ringwall bench`, as commands. Definitions only; what a suite does is loaded when it runs.

import { type Command, Option } from "commander";
import { parseSeconds, parseSequence, withCommonOptions } from "../../common-options.js";
import type { Outcome } from "../../exit-codes.js";
import { atMost, bytesHelp, listOf, parsePositiveBytes, withLogOptions, withRounds, withSpace } from "../bench-options.js";
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
const threadsMax = 16;
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
    name: "latency",
    description: "some thousand records of one short text by one caller: enqueued, and durable one after the other; every call timed",
    example: "ringwall bench latency --dir . --records 10000 --text 'test data'",
    seconds: 0,
    repeat: 5,
    options: (command) => withLogOptions(command)
      .option("--records <n>", "of a round", atMost(1_000_000, parseSequence), 10_000)
      .option("--text <text>", "of each record", "test data"),
    load: async () => (await import("./latency-suite.js")).latencySuite,
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
    name: "atomic",
    description: "appends with a producer's number, with a move of a cursor, and over two partitions, beside plain ones",
    example: "ringwall bench atomic --dir . --callers 1,64,256",
    seconds: 3,
    repeat: 3,
    options: (command) => withCallers(command, [1, 64, 256]),
    load: async () => (await import("./atomic-suite.js")).atomicSuite,
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
  {
    name: "threads",
    description: "what the way to a lane's thread costs: inline, and one to several threads that produce on one log",
    example: "ringwall bench threads --dir . --producers 1,2,4",
    seconds: 3,
    repeat: 3,
    options: (command) => withLoad(command)
      .option("--callers <n>", "how many at once, in all threads together", atMost(callersMax, parseSequence), 256)
      .option("--producers <list>", "threads that append to one log", listOf(threadsMax), [1, 2, 4]),
    load: async () => (await import("./threads-suites.js")).threadsSuite,
  },
  {
    name: "lanes",
    description: "the same callers on one lane and on several, and on a log for each worker thread",
    example: "ringwall bench lanes --dir . --lanes 1,2,4 --workers 1,2",
    seconds: 3,
    repeat: 3,
    options: (command) => withLoad(command)
      .option("--callers <n>", "how many at once, in all threads together", atMost(callersMax, parseSequence), 256)
      .option("--lanes <list>", "lanes of one inline log; ratios are to the first", listOf(threadsMax), [1, 2, 4])
      .option("--workers <list>", "threads with a log each; ratios are to the first", listOf(threadsMax), [1, 2]),
    load: async () => (await import("./threads-suites.js")).lanesSuite,
  },
  {
    name: "open",
    description: "opening a log of many partitions, and the memory that they take while nothing happens",
    example: "ringwall bench open --dir . --partitions 1000,100000,200000 --bytes 1GiB",
    seconds: 0,
    repeat: 3,
    options: (command) => withSpace(command)
      .option("--partitions <list>", "a log each", listOf(1_000_000), [1000, 100_000])
      .option("--bytes <bytes>", "payload of a log; at least a record for each partition", atMost(64 * 1024 ** 3, parsePositiveBytes), 256 * 1024 ** 2)
      .option("--record-bytes <bytes>", "of each record", atMost(recordBytesMax, parsePositiveBytes), 1024),
    load: async () => (await import("./open-suite.js")).openSuite,
  },
  {
    name: "tailers",
    description: "one writer in bulk, and many tails that follow its partition",
    example: "ringwall bench tailers --dir . --tailers 1,1000",
    seconds: 3,
    repeat: 3,
    options: (command) => withSpace(command)
      .option("--tailers <list>", "how many tails", listOf(100_000), [1, 1000])
      .option("--bytes <bytes>", "of each record", atMost(recordBytesMax, parsePositiveBytes), 100),
    load: async () => (await import("./tailers-suite.js")).tailersSuite,
  },
  {
    name: "reclaim",
    description: "what moving live records costs: bytes moved, disk use and the callers, with reclaim and without, under patterns of trims",
    example: "ringwall bench reclaim --dir . --patterns lifetimes,at-random",
    seconds: 5,
    repeat: 3,
    options: (command) => withLogOptions(command)
      .option("--bytes <bytes>", "of each record", atMost(recordBytesMax, parsePositiveBytes), 1024)
      .option("--callers <n>", "how many at once", atMost(callersMax, parseSequence), 256)
      .option("--live <bytes>", "payload that stays alive, about", atMost(64 * 1024 ** 3, parsePositiveBytes), 32 * 1024 ** 2)
      .option("--factor <n>", "what the kept segments may take of the live bytes", Number, 2)
      .option("--patterns <list>", "oldest-kept, one-trimmed, at-random, in-turn, lifetimes (default: all)", (text: string) => text.split(",").map((name) => name.trim())),
    load: async () => (await import("./reclaim-suite.js")).reclaimSuite,
  },
  {
    name: "modes",
    description: "each feature of the backend alone, on and off",
    example: "ringwall bench modes --dir . --features sqpoll,completion",
    seconds: 3,
    repeat: 5,
    options: (command) => withRecords(withSpace(command))
      .option("--callers <list>", "how many at once", listOf(callersMax), [1, 256])
      .option("--features <list>", "registered-buffers, registered-files, sqpoll, completion, blocks-in-flight, gathered-writes, flush (default: all)", (text: string) => text.split(",").map((name) => name.trim())),
    load: async () => (await import("./modes-suite.js")).modesSuite,
  },
  {
    name: "storage",
    description: "the storage interface without a log: durable writes, periodic sync, random reads, mixed; one at a time and batched",
    example: "ringwall bench storage --dir . --depth 16",
    seconds: 3,
    repeat: 3,
    options: (command) => command
      .option("--bytes <bytes>", "of an operation", atMost(1024 ** 2, parsePositiveBytes), 4096)
      .option("--file-bytes <bytes>", "size of the file", atMost(64 * 1024 ** 3, parsePositiveBytes), 64 * 1024 ** 2)
      .option("--depth <n>", "operations under way at once, where batched", atMost(64, parseSequence), 16)
      .option("--sync-every <n>", "writes to one sync, where synced now and then", atMost(1_000_000, parseSequence), 64),
    load: async () => (await import("./storage-suite.js")).storageSuite,
  },
  {
    name: "read",
    description: "a log read out of the page cache: in batches, one by one, and at random",
    example: "ringwall bench read --dir . --record-bytes 1024,100",
    seconds: 3,
    repeat: 3,
    options: (command) => withSpace(command)
      .option("--record-bytes <list>", "sizes of records, a log each", listOf(recordBytesMax), [1024, 100])
      .option("--bytes <bytes>", "payload of a log", atMost(64 * 1024 ** 3, parsePositiveBytes), 256 * 1024 ** 2),
    load: async () => (await import("./read-suite.js")).readSuite,
  },
  {
    name: "transactions",
    description: "new orders and payments after TPC-C on memory tables, committed once their record is durable",
    example: "ringwall bench transactions --dir . --callers 256",
    seconds: 5,
    repeat: 3,
    options: (command) => withLogOptions(command)
      .option("--callers <n>", "how many at once", atMost(callersMax, parseSequence), 256)
      .option("--warehouses <n>", "size of the tables", atMost(100, parseSequence), 4)
      .option("--warm-up <seconds>", "how long callers run before the first round", parseSeconds, 0.5),
    load: async () => (await import("./transactions-suite.js")).transactionsSuite,
  },
  {
    name: "syscalls",
    description: "system calls per second of a writing process, inline and in a lane thread, with SQPOLL and without; needs strace or perf",
    example: "ringwall bench syscalls --dir . --seconds 10",
    seconds: 10,
    repeat: 3,
    options: (command) => withLogOptions(command)
      .option("--bytes <bytes>", "of each record", atMost(recordBytesMax, parsePositiveBytes), 1024)
      .option("--callers <n>", "how many at once", atMost(callersMax, parseSequence), 256)
      .addOption(new Option("--counter <program>", "what counts; auto: strace, else perf").choices(["auto", "strace", "perf"]).default("auto")),
    load: async () => (await import("./syscalls-suite.js")).syscallsSuite,
  },
  {
    name: "fio",
    description: "the log beside fio on the same file system: bulk writes, single durable writes, recovery, `get` past the page cache; needs fio",
    example: "ringwall bench fio --dir . --bytes 1GiB",
    seconds: 5,
    repeat: 3,
    options: (command) => withLogOptions(command)
      .option("--bytes <bytes>", "of fio's file, and of the log that is recovered", atMost(64 * 1024 ** 3, parsePositiveBytes), 512 * 1024 ** 2)
      .option("--record-bytes <bytes>", "of each record", atMost(recordBytesMax, parsePositiveBytes), 1024),
    load: async () => (await import("./fio-suite.js")).fioSuite,
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
  return withRecords(withLogOptions(command));
}

function withRecords(command: Command): Command {
  return command
    .option("--bytes <bytes>", "of each record", atMost(recordBytesMax, parsePositiveBytes), 1024)
    .option("--warm-up <seconds>", "how long callers run before the first round", parseSeconds, 0.5);
}
