#!/usr/bin/env node
// What `npm start` runs: writes real records, kills the writer in mid-flight, and proves that nothing acknowledged is lost.

import { Command, CommanderError } from "commander";
import { parseSeconds, withCommonOptions, type CommonOptions } from "../common-options.js";
import { type ExitCode, exitCode } from "../exit-codes.js";
import { Interrupt } from "../interrupt.js";
import { standardOutput } from "../output.js";
import { reportFailure } from "../report-failure.js";
import { demoText } from "./demo-report.js";
import { runDemo } from "./run-demo.js";

interface DemoOptions extends CommonOptions {
  readonly seconds: number;
  readonly dir?: string;
}

async function demo(options: DemoOptions): Promise<ExitCode> {
  using interrupt = new Interrupt();
  const output = standardOutput();
  const onStep = (text: string): void => {
    if (options.json !== true) process.stdout.write(`${text}\n`);
  };
  const result = await runDemo({ seconds: options.seconds, backend: options.backend, directory: options.dir ?? null, interrupt, onStep });
  if (result === null) return interrupt.exitCode;
  if (options.json === true) await output.json(result);
  else await output.line(`\n${demoText(result, output)}`);
  return result.found.lost === 0 && result.found.wrong === 0 ? exitCode.ok : exitCode.refused;
}

async function main(): Promise<ExitCode> {
  const command = new Command("ringwall-demo")
    .description("writes real records from many writers, kills the writing process in mid-flight, opens the log again and compares every byte")
    .option("--seconds <number>", "how long to write before the kill", parseSeconds, 5)
    .option("--dir <path>", "where the log goes, and stays; a temporary directory otherwise")
    .exitOverride();
  withCommonOptions(command, "npm start\nnpm start -- --seconds 2 --dir ./demo-log");
  try {
    await command.parseAsync();
    return await demo(command.opts<DemoOptions>());
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCode.ok : exitCode.failed;
    return reportFailure(error, process.argv.includes("--json"));
  }
}

process.exitCode = await main();
