// Where a bench writes: a fresh directory of its own below the one it was given, removed in the end.
//
// It must never write beside or over what it did not make: everything goes below a directory that did not exist before.

import fs from "node:fs";
import path from "node:path";
import { fromNodeError } from "../../storage/system-error.js";

export class BenchPlace implements Disposable {
  /** The fresh directory. */
  readonly directory: string;
  readonly #created: string | undefined;
  readonly #keeps: boolean;
  #serial = 0;

  /** `below` is created where there is none. Throws RINGWALL_IO and the like where nothing may be written. */
  constructor(below: string, keeps: boolean) {
    this.#keeps = keeps;
    try {
      this.#created = fs.mkdirSync(below, { recursive: true });
      this.directory = fs.mkdtempSync(path.join(path.resolve(below), "ringwall-bench-"));
    } catch (error) {
      throw fromNodeError(error, { operation: "make a directory for the bench", path: below });
    }
    // A second Ctrl-C ends the process in the middle of anything.
    process.on("exit", this.#remove);
  }

  /** A path in the fresh directory at which nothing is yet. */
  fresh(name: string): string {
    this.#serial++;
    return path.join(this.directory, `${name}-${String(this.#serial)}`);
  }

  /** As `remove`, unless the files are to be kept. */
  discard(target: string): void {
    if (!this.#keeps) this.remove(target);
  }

  remove(target: string): void {
    fs.rmSync(target, { recursive: true, force: true });
  }

  [Symbol.dispose](): void {
    process.off("exit", this.#remove);
    this.#remove();
  }

  readonly #remove = (): void => {
    if (this.#keeps) return;
    fs.rmSync(this.directory, { recursive: true, force: true });
    if (this.#created === undefined) return;
    // Directories that were made on the way go too, unless someone put something into them.
    for (let directory = path.dirname(this.directory); directory.length >= this.#created.length; directory = path.dirname(directory)) {
      try {
        fs.rmdirSync(directory);
      } catch {
        return;
      }
    }
  };
}
