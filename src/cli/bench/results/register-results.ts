// The commands that work on what benches printed: `compare`, `table` and `plot`. Definitions only.

import type { Command } from "commander";
import { exitCodeHelp, type Outcome } from "../../exit-codes.js";

const jsonHelp = "for programs: JSON on stdout, and an error as JSON on stderr";

export function registerResults(bench: Command, outcome: Outcome): void {
  bench
    .command("compare")
    .description("two files of --json documents: the ratio of every median, with its spread; `outside`: each median lies outside the other's spread")
    .argument("<before>", "file of JSON lines")
    .argument("<after>", "file of JSON lines")
    .option("--json", jsonHelp)
    .addHelpText("after", `\nExample:\n  $ ringwall bench compare before.jsonl after.jsonl\n${exitCodeHelp}`)
    .action(async (before: string, after: string, options: { readonly json?: boolean }) => {
      const { compareBench } = await import("./compare-command.js");
      outcome.code = await compareBench(before, after, options);
    });
  bench
    .command("table")
    .description("files of --json documents as tables in Markdown")
    .argument("<file...>", "files of JSON lines; their names are in the headings")
    .option("--json", jsonHelp)
    .addHelpText("after", `\nExample:\n  $ ringwall bench table producers.jsonl batch.jsonl\n${exitCodeHelp}`)
    .action(async (files: string[], options: { readonly json?: boolean }) => {
      const { tableBench } = await import("./table-command.js");
      outcome.code = await tableBench(files, options);
    });
  bench
    .command("plot")
    .description("draw latency against load, from `bench producers --json`, as SVG")
    .argument("<file>", "file of JSON lines")
    .requiredOption("--out <path>", "the SVG file to write")
    .option("--json", jsonHelp)
    .addHelpText("after", `\nExample:\n  $ ringwall bench plot producers.jsonl --out latency.svg\n${exitCodeHelp}`)
    .action(async (file: string, options: { readonly out: string; readonly json?: boolean }) => {
      const { plotBench } = await import("./plot-command.js");
      outcome.code = await plotBench(file, options);
    });
}
