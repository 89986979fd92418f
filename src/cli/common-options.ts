// Options that every command has, and the parsing of option values.

import { type Command, InvalidArgumentError, Option } from "commander";
import { exitCodeHelp } from "./exit-codes.js";

export interface CommonOptions {
  readonly json?: boolean;
  readonly backend: "auto" | "uring" | "fs";
}

/** Adds --json and --backend, and to the help an example and the exit codes. `auto`: what the backend "auto" means. */
export function withCommonOptions(command: Command, example: string, auto = "io_uring where it works, else node:fs"): Command {
  return command
    .addOption(new Option("--backend <name>", `what the log runs on; auto: ${auto}`).choices(["auto", "uring", "fs"]).default("auto"))
    .option("--json", "for programs: JSON on stdout, and an error as JSON on stderr")
    .addHelpText("after", `\nExample:\n${example.split("\n").map((line) => `  $ ${line}`).join("\n")}\n${exitCodeHelp}`);
}

export function parseCount(text: string): number {
  return parseInteger(text, 0);
}

export function parseSequence(text: string): number {
  return parseInteger(text, 1);
}

/** Bytes, also with a unit: 4096, 64KiB, 100MiB, 1GiB. */
export function parseBytes(text: string): number {
  const match = /^(\d+)\s*(B|KiB|MiB|GiB)?$/i.exec(text);
  const power = ["b", "kib", "mib", "gib"].indexOf((match?.[2] ?? "B").toLowerCase());
  const bytes = Number(match?.[1] ?? Number.NaN) * 1024 ** power;
  if (!Number.isSafeInteger(bytes)) throw new InvalidArgumentError("Wanted are bytes, such as 4096, 64KiB or 100MiB.");
  return bytes;
}

export function parseSeconds(text: string): number {
  const seconds = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (!(seconds > 0 && seconds <= 3600)) throw new InvalidArgumentError("Wanted are seconds, more than 0 and up to 3600.");
  return seconds;
}

/** A moment as milliseconds since 1970: a date such as 2026-03-01 or 2026-03-01T12:00:00Z, an age such as 90s, 15m, 2h or 7d, or the milliseconds. */
export function parseMoment(text: string): number {
  if (/^\d{5,}$/.test(text)) return Number(text);
  const age = /^(\d+)(s|m|h|d)$/.exec(text);
  if (age !== null) return Date.now() - Number(age[1]) * (unitMillis.get(age[2] as string) as number);
  const millis = /^\d{4}-/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(millis)) throw new InvalidArgumentError("Wanted is a date such as 2026-03-01T12:00:00Z, an age such as 90s, 15m, 2h or 7d, or milliseconds since 1970.");
  return millis;
}

const unitMillis: ReadonlyMap<string, number> = new Map([["s", 1000], ["m", 60_000], ["h", 3_600_000], ["d", 86_400_000]]);

function parseInteger(text: string, min: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value) || value < min) throw new InvalidArgumentError(`Wanted is an integer from ${String(min)} on.`);
  return value;
}
