// The commands that carry records: append, cat, tail. Definitions only; what they do is loaded when they run.

import { type Command, Option } from "commander";
import { parseBytes, parseCount, parseMoment, parseSequence, withCommonOptions } from "./common-options.js";
import type { AppendCommandOptions } from "./append/append-command.js";
import type { CatOptions } from "./read/cat-command.js";
import type { TailCommandOptions } from "./read/tail-command.js";
import type { Outcome } from "./exit-codes.js";

const recordBytesMaxDefault = 64 * 1024 * 1024;

export function registerRecordCommands(program: Command, outcome: Outcome): void {
  registerAppend(program, outcome);
  registerCat(program, outcome);
  registerTail(program, outcome);
}

function registerAppend(program: Command, outcome: Outcome): void {
  const command = program
    .command("append")
    .description("append records from stdin or files, durably; creates the log and the partition where there is none")
    .argument("<dir>", "directory of the log")
    .argument("<partition>", "name of the partition")
    .option("-f, --file <path>", "read this file instead of stdin; may be given several times", (path: string, paths: string[] = []) => [...paths, path])
    .addOption(new Option("--length-prefixed", "records are a length (u32, little-endian) and that many bytes").conflicts(["whole", "keepNewline"]))
    .addOption(new Option("--whole", "each file, or all of stdin, is one record").conflicts(["lengthPrefixed", "keepNewline"]))
    .option("--keep-newline", "the newline at the end of a line is part of the record")
    .option("--no-create", "fail where there is no log")
    .option("--segment-bytes <bytes>", "size of a segment, e.g. 64MiB", parseBytes)
    .option("--record-bytes-max <bytes>", "refuse longer records", parseBytes, recordBytesMaxDefault)
    .option("--progress", "show progress even where stderr is no terminal")
    .option("--no-progress", "show none");
  withCommonOptions(command, "zcat events.json.gz | ringwall append ./data events\nringwall append ./data pages --whole --file a.html --file b.html")
    .addHelpText("after", "\nOne record per line is the default; a record is acknowledged when it is on stable media. When something fails,\nand after Ctrl-C, the command says up to which record of the input everything is durable.")
    .action(async (directory: string, partition: string, options: AppendCommandOptions) => {
      const { appendCommand } = await import("./append/append-command.js");
      outcome.code = await appendCommand(directory, partition, options);
    });
}

function registerCat(program: Command, outcome: Outcome): void {
  const command = program
    .command("cat")
    .description("write the records of a partition to stdout; works beside a running writer")
    .argument("<dir>", "directory of the log")
    .argument("<partition>", "name of the partition")
    .option("--from <sequence>", "first sequence", parseSequence)
    .option("--since <time>", "from the first record of that time on: 2026-03-01T12:00:00Z, or an age such as 15m, 2h, 7d", parseMoment)
    .option("--to <sequence>", "last sequence, inclusive", parseCount)
    .option("--limit <count>", "records at most", parseCount)
    .addOption(new Option("--length-prefixed", "each record as its length (u32, little-endian) and its bytes, without a newline").conflicts("json"))
    .option("--skip-damaged", "go on behind records that can't be read; the exit code is 1 all the same");
  withCommonOptions(command, "ringwall cat ./data events --from 1000 --limit 10\nringwall cat ./data events --json | jq .data\nringwall cat ./data events --since 2h")
    .addHelpText("after", "\nEach record is followed by a newline. With --json each is one line {seq, time, data}, where time is milliseconds\nsince 1970; a record that is not UTF-8 has dataBase64 instead of data. Sequences behind the end give nothing.")
    .action(async (directory: string, partition: string, options: CatOptions) => {
      const { catCommand } = await import("./read/cat-command.js");
      outcome.code = await catCommand(directory, partition, options);
    });
}

function registerTail(program: Command, outcome: Outcome): void {
  const command = program
    .command("tail")
    .description("write the last records of a partition to stdout, and with -f those that follow")
    .argument("<dir>", "directory of the log")
    .argument("<partition>", "name of the partition; with -f it need not exist yet")
    .option("-n, --lines <count>", "how many of the last records", parseCount, 10)
    .addOption(new Option("--since <time>", "instead: from the first record of that time on: 2026-03-01T12:00:00Z, or an age such as 15m, 2h, 7d").argParser(parseMoment).conflicts("lines"))
    .option("-f, --follow", "wait for more, until Ctrl-C")
    .addOption(new Option("--length-prefixed", "each record as its length (u32, little-endian) and its bytes, without a newline").conflicts("json"));
  withCommonOptions(command, "ringwall tail -f -n 0 ./data events").action(async (directory: string, partition: string, options: TailCommandOptions) => {
    const { tailCommand } = await import("./read/tail-command.js");
    outcome.code = await tailCommand(directory, partition, options);
  });
}
