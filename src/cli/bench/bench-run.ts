// What every bench has around it: its directory, Ctrl-C, the line on the terminal, and one document in the end.

import type { CommonOptions } from "../common-options.js";
import { type ExitCode, exitCode } from "../exit-codes.js";
import { Interrupt } from "../interrupt.js";
import { standardOutput } from "../output.js";
import { benchMachine, type BenchMachine } from "./bench-machine.js";
import { BenchPlace } from "./bench-place.js";
import { StatusLine } from "./status-line.js";

export interface BenchFlags extends CommonOptions {
  readonly dir: string;
  readonly keep?: boolean;
}

export interface BenchContext {
  readonly place: BenchPlace;
  readonly interrupt: Interrupt;
  readonly machine: BenchMachine;
  readonly isStopped: () => boolean;
  readonly onStep: (text: string) => void;
}

/**
 * `body` resolves to the document, or to several, a line each; `textOf` is what people see of it. Nothing is printed of a
 * bench that was interrupted.
 */
export async function runBench<Report>(flags: BenchFlags, body: (context: BenchContext) => Promise<Report>, textOf: (report: Report) => string): Promise<ExitCode> {
  using interrupt = new Interrupt();
  const report = await measure(flags, interrupt, body);
  if (interrupt.isRaised || report === null) {
    process.stderr.write(`ringwall: interrupted${flags.keep === true ? "" : "; what the bench wrote is removed"}\n`);
    return interrupt.exitCode;
  }
  const output = standardOutput();
  if (flags.json !== true) await output.line(textOf(report));
  else for (const document of Array.isArray(report) ? (report as readonly unknown[]) : [report]) await output.json(document);
  return exitCode.ok;
}

async function measure<Report>(flags: BenchFlags, interrupt: Interrupt, body: (context: BenchContext) => Promise<Report>): Promise<Report | null> {
  using place = new BenchPlace(flags.dir, flags.keep === true);
  using status = new StatusLine();
  const machine = benchMachine(place.directory);
  if (machine.isVolatile) process.stderr.write(`ringwall: ${machine.fileSystem} keeps nothing: these figures say nothing about a disk\n`);
  try {
    return await body({ place, interrupt, machine, isStopped: () => interrupt.isRaised, onStep: (text) => { status.show(text); } });
  } catch (error) {
    // What an aborted bench stumbles over is not news.
    if (interrupt.isRaised) return null;
    throw error;
  }
}

/** Option values as they were used. Not the directory: it says nothing and names the machine. */
export function optionsOf(flags: BenchFlags): Record<string, unknown> {
  return Object.fromEntries(Object.entries(flags).filter(([name]) => name !== "dir" && name !== "json"));
}
