// One run of the command line: builds the program, runs the command, turns every outcome into an exit code.

import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { registerBench } from "./bench/register.js";
import { type ExitCode, exitCode, type Outcome } from "./exit-codes.js";
import { Output, standardOutput } from "./output.js";
import { registerRecordCommands } from "./record-commands.js";
import { registerRemovalCommands } from "./removal-commands.js";
import { registerStateCommands } from "./state-commands.js";

export async function runCli(args: readonly string[]): Promise<ExitCode> {
  const output = standardOutput();
  const outcome: Outcome = { code: exitCode.ok };
  try {
    await createProgram(outcome).parseAsync(args, { from: "user" });
    await output.finish();
    return outcome.code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCode.ok : exitCode.failed;
    const { reportFailure } = await import("./report-failure.js");
    return reportFailure(error, isJson(args));
  }
}

export function createProgram(outcome: Outcome): Command {
  const program = new Command("ringwall")
    .description("The write-ahead log for Node.js: looks after logs from the command line")
    .version(packageVersion(), "-V, --version", "print the version")
    .exitOverride()
    .showSuggestionAfterError()
    .configureOutput({
      outputError: (text, write) => write(usageText(text)),
      getOutHasColors: () => Output.hasColors(process.stdout),
    })
    .addHelpText("after", "\nExample:\n  $ ringwall doctor ./data        what this machine offers\n  $ ringwall <command> --help     options, an example and exit codes of a command");
  registerRecordCommands(program, outcome);
  registerStateCommands(program, outcome);
  registerRemovalCommands(program, outcome);
  registerBench(program, outcome);
  return program;
}

/** Of the package that this file lies in. */
function packageVersion(): string {
  return (JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as { readonly version: string }).version;
}

function usageText(text: string): string {
  const message = text.replace(/^error: /, "").trim();
  if (isJson(process.argv)) return `${JSON.stringify({ error: { code: "USAGE", message, place: {} } })}\n`;
  return `ringwall: ${message}\n`;
}

function isJson(args: readonly string[]): boolean {
  const end = args.indexOf("--");
  return (end < 0 ? args : args.slice(0, end)).includes("--json");
}
