// Every command line of `ringwall` that the documents show is one that it takes: options, values and arguments, without running it.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import type { Command } from "commander";
import { exitCode } from "#src/cli/exit-codes.js";
import { createProgram } from "#src/cli/run-cli.js";
import { codeBlocks, documents, root } from "./markdown.js";

/** The program with commands that do nothing, and say nothing. */
function idleProgram(): Command {
  const program = createProgram({ code: exitCode.ok });
  const silence = (command: Command): void => {
    command.exitOverride().configureOutput({ writeOut: () => undefined, writeErr: () => undefined, outputError: () => undefined });
    if (command.commands.length === 0) command.action(() => undefined);
    for (const child of command.commands) silence(child);
  };
  silence(program);
  return program;
}

/** Arguments of `ringwall`, as a shell hands them over; null for a line with something left out. */
function shellWords(line: string): string[] | null {
  const [command = ""] = line.split(/ +(?:#|<|>|\||&&) ?/);
  if (/…|\.\.\.| <|[A-Z]{2,}=|\[/.test(command)) return null;
  return [...command.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)].map(([, single, double, plain]) => single ?? double ?? plain ?? "").slice(1);
}

const leftOut: ReadonlySet<string> = new Set(["commander.missingArgument", "commander.optionMissingArgument", "commander.missingMandatoryOptionValue"]);

/** Why it is refused, or null. In running text a command may stand without what it is to work on. */
async function refusal(line: string, isWhole: boolean): Promise<string | null> {
  const words = shellWords(line);
  if (words === null) return null;
  try {
    await idleProgram().parseAsync(words, { from: "user" });
    return null;
  } catch (error) {
    const { code, message } = error as { readonly code?: string; readonly message: string };
    if (code === "commander.help" || code === "commander.helpDisplayed" || code === "commander.version") return null;
    return !isWhole && code !== undefined && leftOut.has(code) ? null : message;
  }
}

async function refusals(text: string): Promise<string[]> {
  const whole = codeBlocks(text).filter(({ language }) => language === "sh").flatMap((block) => block.text.split("\n"));
  const named = [...text.replace(/^```[\s\S]*?^```$/gm, "").matchAll(/`(ringwall [^`\n]+)`/g)].map(([, code]) => code as string);
  const lines = [...whole.map((line) => ({ line, isWhole: true })), ...named.map((line) => ({ line, isWhole: false }))];
  const refused = await Promise.all(lines.filter(({ line }) => line.startsWith("ringwall ")).map(async ({ line, isWhole }) => ({ line, reason: await refusal(line, isWhole) })));
  return refused.flatMap(({ line, reason }) => (reason === null ? [] : [`${line}: ${reason}`]));
}

for (const document of documents()) {
  test(`every command line of ${document} is taken`, async () => {
    assert.deepEqual(await refusals(readFileSync(path.join(root, document), "utf8")), []);
  });
}

test("found: an unknown command, an unknown option, a value out of range, a missing argument; not: a command that is only named", async () => {
  const text = ["```sh", "ringwall catt ./data   # x", "ringwall stats", "ringwall stats ./data", "```", "`ringwall stats --al`, `ringwall bench append --callers 0`, `ringwall verify`, `ringwall cat DIR --since yesterday`"].join("\n");
  const reasons = (await refusals(text)).map((line) => line.split(": ")[0]);
  assert.deepEqual(reasons, ["ringwall catt ./data   # x", "ringwall stats", "ringwall stats --al", "ringwall bench append --callers 0", "ringwall cat DIR --since yesterday"]);
});
