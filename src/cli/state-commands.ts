// The commands that tell how things are, and repair: doctor, inspect, verify, repair, backup, stats. Definitions only; what they do is loaded when they run.

import { type Command, Option } from "commander";
import { type CommonOptions, parseBytes, parseCount, parseSequence, withCommonOptions } from "./common-options.js";
import type { BackupCommandOptions } from "./backup/backup-command.js";
import type { InspectOptions } from "./inspect/inspect-command.js";
import type { Outcome } from "./exit-codes.js";
import type { RepairCommandOptions } from "./repair/repair-command.js";
import type { StatsOptions } from "./stats/stats-command.js";
import type { VerifyOptions } from "./verify/verify-command.js";

export function registerStateCommands(program: Command, outcome: Outcome): void {
  registerDoctor(program, outcome);
  registerInspect(program, outcome);
  registerVerify(program, outcome);
  registerRepair(program, outcome);
  registerBackup(program, outcome);
  registerStats(program, outcome);
}

function registerDoctor(program: Command, outcome: Outcome): void {
  const command = program
    .command("doctor")
    .description("what this machine offers a log, tried out and not guessed from versions")
    .argument("[dir]", "directory whose disk is measured: a log's, or where one will be", ".");
  withCommonOptions(command, "ringwall doctor ./data")
    .addHelpText("after", "\nWrites a small file into the directory, measures each way of making a write durable, and removes the file.")
    .action(async (directory: string, options: CommonOptions) => {
      const { doctorCommand } = await import("./doctor/doctor-command.js");
      outcome.code = await doctorCommand(directory, options);
    });
}

function registerInspect(program: Command, outcome: Outcome): void {
  const command = program
    .command("inspect")
    .description("show what is on disk: superblock, lanes, segments, blocks, frames; reads only, also damaged logs and beside a writer")
    .argument("<dir>", "directory of the log")
    .option("--segment <id>", "this segment only", parseSequence)
    .option("--blocks", "list the blocks")
    .option("--frames", "list the frames too")
    .option("--limit <count>", "blocks and frames to list at most", parseCount, 1000);
  withCommonOptions(command, "ringwall inspect ./data --segment 3 --blocks")
    .addHelpText("after", "\n--json is one document; with --blocks or --frames it is one line per item, each with its `kind`.\nDamage is shown, and is no failure: use verify for a verdict.")
    .action(async (directory: string, options: InspectOptions) => {
      const { inspectCommand } = await import("./inspect/inspect-command.js");
      outcome.code = await inspectCommand(directory, options);
    });
}

function registerVerify(program: Command, outcome: Outcome): void {
  const command = program
    .command("verify")
    .description("read every byte that is kept, and say what is wrong, where, and what it means")
    .argument("<dir>", "directory of the log")
    .option("--progress", "show progress even where stderr is no terminal")
    .option("--no-progress", "show none");
  withCommonOptions(command, "ringwall verify ./data && echo sound")
    .addHelpText("after", "\nReads only. Exit code 0: nothing is wrong; 1: damage was found, even when it cost no record.")
    .action(async (directory: string, options: VerifyOptions) => {
      const { verifyCommand } = await import("./verify/verify-command.js");
      outcome.code = await verifyCommand(directory, options);
    });
}

function registerRepair(program: Command, outcome: Outcome): void {
  const command = program
    .command("repair")
    .description("copy everything that is provably right into a new log; the damaged one is only read")
    .argument("<dir>", "directory of the damaged log")
    .option("--to <newdir>", "where the new log goes: must not exist, or be empty")
    .option("--dry-run", "only report what would be saved and what is missing")
    .addOption(new Option("--names-to <part>", "where records are missing in the middle: which part keeps the partition's name").choices(["first", "last"]).default("first"))
    .option("--segment-bytes <bytes>", "size of a segment of the new log, e.g. 64MiB; else that of the old one", parseBytes)
    .option("--progress", "show progress even where stderr is no terminal")
    .option("--no-progress", "show none");
  withCommonOptions(command, "ringwall repair ./data --dry-run\nringwall repair ./data --to ./data.repaired")
    .addHelpText("after", "\nSequences and times stay as they were. Records behind a loss go to a partition named after the first of them: orders@700\nbegins at sequence 700. Exit code 0: nothing is missing; 1: something is, or may be.")
    .action(async (directory: string, options: RepairCommandOptions) => {
      const { repairCommand } = await import("./repair/repair-command.js");
      outcome.code = await repairCommand(directory, options);
    });
}

function registerBackup(program: Command, outcome: Outcome): void {
  const command = program
    .command("backup")
    .description("copy a log as it is at one moment, also beside its writer; the copy is a log of its own")
    .argument("<dir>", "directory of the log")
    .argument("<target>", "where the copy goes: must not exist, or be empty")
    .option("--bytes-per-second <bytes>", "read and write no faster, e.g. 50MiB", parseBytes)
    .option("--progress", "show progress even where stderr is no terminal")
    .option("--no-progress", "show none");
  withCommonOptions(command, "ringwall backup ./data /backup/data-2026-03-01")
    .addHelpText("after", "\nThe superblock is written last: an interrupted backup leaves no log. Beside a writer the copy ends with the last block that is\nknown durable from the files, some 20 ms ago; from a writer that frees segments meanwhile it begins anew with what is left.")
    .action(async (directory: string, target: string, options: BackupCommandOptions) => {
      const { backupCommand } = await import("./backup/backup-command.js");
      outcome.code = await backupCommand(directory, target, options);
    });
}

function registerStats(program: Command, outcome: Outcome): void {
  const command = program.command("stats").description("partitions, segments, bytes on disk, and what a trim would free").argument("<dir>", "directory of the log").option("--all", "also the log's own partitions, such as those of cursors");
  withCommonOptions(command, "ringwall stats ./data").action(async (directory: string, options: StatsOptions) => {
    const { statsCommand } = await import("./stats/stats-command.js");
    outcome.code = await statsCommand(directory, options);
  });
}
