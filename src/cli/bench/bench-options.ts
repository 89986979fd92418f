// The options that benches share, and the limits of their values.

import { type Command, InvalidArgumentError, Option } from "commander";
import { parseBytes, parseSequence } from "../common-options.js";

export const bytesHelp = "\nEvery bench writes into a fresh directory below --dir and removes it in the end, also after Ctrl-C. Figures are medians\nof the rounds, with what they varied between; docs/BENCHMARKS.md has the method.";

export function withRounds(command: Command, rounds: number): Command {
  return command
    .option("--dir <dir>", "where the fresh directory is made: on the disk that is to be measured", ".")
    .option("--repeat <n>", "rounds", atMost(1000, parseSequence), rounds)
    .option("--keep", "leave the files");
}

export function withLogOptions(command: Command): Command {
  return withSpace(command)
    .addOption(new Option("--durability <mode>", "what an acknowledgement means").choices(["sync", "interval", "none"]).default("sync"))
    .option("--interval-ms <n>", "with --durability interval", parseSequence)
    .addOption(new Option("--completion <way>", "how completions are awaited on io_uring").choices(["wait", "spin"]))
    .addOption(new Option("--lane <where>", "where the lane runs: in the callers' thread or in one of its own").choices(["inline", "thread"]))
    .option("--blocks-in-flight <n>", "blocks written at once", parseSequence)
    .option("--gather-bytes <bytes>", "blocks that wait together go out as one write of up to so many bytes", parseBytes)
    .option("--ring-entries <n>", "entries of the submission queue", parseSequence)
    .option("--sqpoll", "a kernel thread submits")
    .option("--no-registered-buffers", "don't register buffers")
    .option("--no-registered-files", "don't register files")
    .option("--no-trim", "let the log grow instead of trimming it and recycling its segments; mind the disk");
}

/** What a log takes of memory and disk. */
export function withSpace(command: Command): Command {
  return command
    .option("--buffer-bytes <bytes>", "size of a buffer", parseBytes)
    .option("--buffer-count <n>", "buffers", parseSequence)
    .option("--segment-bytes <bytes>", "size of a segment", parseBytes);
}

export function atMost(max: number, parse: (text: string) => number): (text: string) => number {
  return (text) => {
    const value = parse(text);
    if (value > max) throw new InvalidArgumentError(`Wanted is ${String(max)} at most.`);
    return value;
  };
}

export function parsePositiveBytes(text: string): number {
  const bytes = parseBytes(text);
  if (bytes === 0) throw new InvalidArgumentError("Wanted is 1 at least.");
  return bytes;
}

/** "1,4,16": integers from 1 to `max`. */
export function listOf(max: number): (text: string) => number[] {
  const parse = atMost(max, parseSequence);
  return (text) => text.split(",").map((item) => parse(item.trim()));
}

export function parsePercent(text: string): number {
  const percent = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (!(percent > 0 && percent <= 50)) throw new InvalidArgumentError("Wanted is a percentage, more than 0 and up to 50.");
  return percent;
}
