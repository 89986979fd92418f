// Running the system's programs, and the rigs' own in C, compiled when they are first needed.

import { execFile, execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const execute = promisify(execFile);
const repository = fileURLToPath(new URL("../../../", import.meta.url));

/** Resolves to what the program printed; rejects with what it complained about. */
export async function run(program: string, ...args: readonly string[]): Promise<string> {
  return (await execute(program, args)).stdout;
}

export function isInstalled(program: string): boolean {
  return (process.env["PATH"] ?? "").split(":").concat("/sbin", "/usr/sbin").some((directory) => fs.existsSync(path.join(directory, program)));
}

/** The path of `test/crash/<name>.c`, compiled. Throws with the compiler's words. */
export function compiled(name: string, ...flags: readonly string[]): string {
  const source = path.join(repository, "test/crash", `${name}.c`);
  const target = path.join(repository, "build/crash", name);
  if (fs.existsSync(target) && fs.statSync(target).mtimeMs > fs.statSync(source).mtimeMs) return target;
  fs.mkdirSync(path.dirname(target), { recursive: true });
  const fresh = `${target}.${String(process.pid)}`;
  execFileSync("cc", ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", source, "-o", fresh, ...flags], { stdio: "pipe" });
  fs.renameSync(fresh, target);
  return target;
}

/** Tries again as long as the program refuses: the kernel takes a dead process's ring apart in its own time. */
export async function runUntilDone(program: string, ...args: readonly string[]): Promise<void> {
  const deadline = performance.now() + 20_000;
  for (;;) {
    try {
      await run(program, ...args);
      return;
    } catch (error) {
      if (performance.now() > deadline) throw error;
    }
  }
}
