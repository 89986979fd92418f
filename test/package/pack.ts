// The package as a user gets it: packed from what is built, without running any script.

import { spawnSync } from "node:child_process";
import path from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../../../", import.meta.url));

export interface Packed {
  /** Where the tarball lies. */
  tarball: string;
  /** Paths within the package, sorted. */
  files: string[];
}

/** `npm pack` into `directory`. Nothing is built: what a developer's prepack would do takes longer than a test may. */
export function pack(directory: string): Packed {
  const output = npm(["pack", "--json", "--ignore-scripts", "--pack-destination", directory], root);
  const [packed] = JSON.parse(output) as [{ filename: string; files: { path: string }[] }];
  return { tarball: path.join(directory, packed.filename), files: packed.files.map((file) => file.path).sort() };
}

/** Runs npm and returns what it printed; throws with all its words if it failed. */
export function npm(args: string[], directory: string): string {
  return run("npm", args, directory);
}

export function run(command: string, args: string[], directory: string): string {
  const result = spawnSync(command, args, { cwd: directory, encoding: "utf8", env: environment() });
  if (result.status === 0) return result.stdout;
  const reason = result.error?.message ?? `exit code ${result.status ?? result.signal}`;
  throw new Error(`${command} ${args.join(" ")}: ${reason}\n${result.stdout}${result.stderr}`);
}

/** Under `npm test`, npm tells its children which project they belong to; here it must be the directory that they are in. */
function environment(): NodeJS.ProcessEnv {
  const outer = /^(?:npm_(?:package|lifecycle|command|config_local_prefix)|INIT_CWD$|NODE_TEST_CONTEXT$)/;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !outer.test(name)));
}
