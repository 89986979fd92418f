// What append reads: stdin, or files that are all there before the first record is appended.

import fs from "node:fs";
import type { Readable } from "node:stream";
import { CommandError } from "../report-failure.js";

export interface Input {
  readonly name: string;
  /** Null when it can't be told, as for a pipe. */
  readonly bytes: number | null;
  open(): Readable;
}

const chunkBytes = 1024 * 1024;

export function inputsOf(files: readonly string[] | undefined): Input[] {
  if (files === undefined || files.length === 0) return [{ name: "stdin", bytes: stdinBytes(), open: () => process.stdin }];
  return files.map((name) => {
    const stats = statOf(name);
    if (stats.isDirectory()) throw new CommandError(`${name} is a directory: name files`, "INPUT");
    return { name, bytes: stats.isFile() ? stats.size : null, open: () => fs.createReadStream(name, { highWaterMark: chunkBytes }) };
  });
}

export function totalBytes(inputs: readonly Input[]): number | null {
  let total = 0;
  for (const { bytes } of inputs) {
    if (bytes === null) return null;
    total += bytes;
  }
  return total;
}

function statOf(name: string): fs.Stats {
  try {
    fs.accessSync(name, fs.constants.R_OK);
    return fs.statSync(name);
  } catch (error) {
    throw new CommandError(`cannot read the file ${name}: ${error instanceof Error ? error.message : String(error)}. Nothing was appended.`, "INPUT", { cause: error });
  }
}

function stdinBytes(): number | null {
  try {
    const stats = fs.fstatSync(0);
    return stats.isFile() ? stats.size : null;
  } catch {
    return null;
  }
}
