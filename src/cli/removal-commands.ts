// The commands that take records away: trim, drop. Definitions only; what they do is loaded when they run.

import type { Command } from "commander";
import { parseSequence, withCommonOptions } from "./common-options.js";
import type { Outcome } from "./exit-codes.js";
import type { RemovalOptions, TrimOptions } from "./removal/removal-command.js";

const help = "\nThe log must not be open for writing elsewhere. Without --yes it is only read, and what would go is said.";

export function registerRemovalCommands(program: Command, outcome: Outcome): void {
  registerTrim(program, outcome);
  registerDrop(program, outcome);
}

function registerTrim(program: Command, outcome: Outcome): void {
  const command = removal(program, "trim", "forget the oldest records of a partition; their space comes back").option("--before <seq>", "the first record that stays", parseSequence);
  withCommonOptions(command, "ringwall trim ./data events --before 1000 --yes")
    .addHelpText("after", help)
    .action(async (directory: string, partition: string, options: TrimOptions) => {
      const { trimCommand } = await import("./removal/removal-command.js");
      outcome.code = await trimCommand(directory, partition, options);
    });
}

function registerDrop(program: Command, outcome: Outcome): void {
  withCommonOptions(removal(program, "drop", "remove a partition with all its records; its name is free"), "ringwall drop ./data events --yes")
    .addHelpText("after", help)
    .action(async (directory: string, partition: string, options: RemovalOptions) => {
      const { dropCommand } = await import("./removal/removal-command.js");
      outcome.code = await dropCommand(directory, partition, options);
    });
}

function removal(program: Command, name: string, description: string): Command {
  return program.command(name).description(description).argument("<dir>", "directory of the log").argument("<partition>", "name of the partition").option("--yes", "do it");
}
