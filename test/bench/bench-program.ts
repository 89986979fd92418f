#!/usr/bin/env node
// The bench as a program of its own, for its tests: `ringwall bench` without the rest of the command line.

import { Command, CommanderError } from "commander";
import { registerBench } from "#src/cli/bench/register.js";
import { exitCode, type Outcome } from "#src/cli/exit-codes.js";
import { reportFailure } from "#src/cli/report-failure.js";

const outcome: Outcome = { code: exitCode.ok };
const program = new Command("ringwall").exitOverride();
registerBench(program, outcome);
try {
  await program.parseAsync();
  process.exitCode = outcome.code;
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? exitCode.ok : exitCode.failed;
  else process.exitCode = reportFailure(error, process.argv.includes("--json"));
}
