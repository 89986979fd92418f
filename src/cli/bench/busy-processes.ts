// Processes that keep cores busy beside a measurement: what a log does where it is not alone.

import { spawn, type ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";

export class BusyProcesses {
  readonly #children: readonly ChildProcess[];

  /** They run from now on; a moment passes until their code does. */
  constructor(count: number) {
    const program = fileURLToPath(new URL("./busy-program.js", import.meta.url));
    this.#children = Array.from({ length: count }, () => spawn(process.execPath, [program], { stdio: "ignore" }));
  }

  end(): void {
    for (const child of this.#children) child.kill("SIGKILL");
  }
}
