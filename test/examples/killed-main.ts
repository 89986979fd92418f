// The examples as their users have them: their modules by path, which import the package by its name, and their programs, killed.

import { spawn } from "node:child_process";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const examples = fileURLToPath(new URL("../../../examples/", import.meta.url));

export async function example<Module>(name: string): Promise<Module> {
  return (await import(pathToFileURL(path.join(examples, name, `${name}.mjs`)).href)) as Module;
}

export interface Ended {
  /** Whole lines that it printed. */
  readonly lines: readonly string[];
  /** Its exit code, or the signal that ended it. */
  readonly how: number | string | null;
}

/** Runs the example's program; once it has printed so many lines it is killed. */
export async function runMain(name: string, args: readonly string[], linesMax = Number.POSITIVE_INFINITY): Promise<Ended> {
  const child = spawn(process.execPath, [path.join(examples, name, "main.mjs"), ...args], { stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (piece: string) => {
    text += piece;
    if (text.split("\n").length > linesMax) child.kill("SIGKILL");
  });
  const how = await new Promise<number | string | null>((resolve) => child.once("close", (code, signal) => { resolve(signal ?? code); }));
  return { lines: text.split("\n").slice(0, -1), how };
}
