// A small ext4 of its own that can be stalled: `fsfreeze` holds every write back until it is thawed.
//
// It must never freeze what it did not make. Who thaws is a process of its own, so that the disk goes on also when the bench has died.

import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import fs from "node:fs";
import { once } from "node:events";
import path from "node:path";
import { CommandError } from "../../report-failure.js";

/** Arguments: where, for how many seconds. Says so once writes are held back. */
const stallScript = 'trap "" INT TERM; fsfreeze --freeze "$1" || exit 1; echo frozen; sleep "$2"; fsfreeze --unfreeze "$1"';

export class LoopDisk {
  /** Where the disk is mounted. */
  readonly directory: string;
  #stall: ChildProcess | null = null;

  private constructor(directory: string) {
    this.directory = directory;
  }

  /** Throws CommandError where such a disk can't be had. `below` exists. */
  static open(below: string, bytes: number): LoopDisk {
    if (process.platform !== "linux" || process.getuid?.() !== 0) throw new CommandError("--stall mounts and freezes a file system of its own: that needs Linux and root", "ENVIRONMENT");
    const image = path.join(below, "disk.image");
    const directory = path.join(below, "disk");
    fs.mkdirSync(directory);
    fs.writeFileSync(image, "");
    fs.truncateSync(image, bytes);
    try {
      execFileSync("fsfreeze", ["--version"], { stdio: "pipe" });
      execFileSync("mkfs.ext4", ["-q", "-F", "-m", "0", image], { stdio: "pipe" });
      execFileSync("mount", ["-o", "loop", image, directory], { stdio: "pipe" });
    } catch (error) {
      throw new CommandError(`--stall needs mkfs.ext4, mount with loop devices, and fsfreeze (Debian: e2fsprogs, util-linux): ${reasonOf(error)}`, "ENVIRONMENT", { cause: error });
    }
    return new LoopDisk(directory);
  }

  /** From when it resolves until `thawed` does, nothing is written. */
  async stall(seconds: number): Promise<{ readonly thawed: Promise<void> }> {
    const child = spawn("sh", ["-c", stallScript, "sh", this.directory, String(seconds)], { stdio: ["ignore", "pipe", "inherit"], detached: true });
    this.#stall = child;
    const ended = once(child, "close").then(([code]) => {
      this.#stall = null;
      if (code !== 0) throw new CommandError("--stall: the file system could not be frozen or thawed: see the message above", "ENVIRONMENT");
    });
    await Promise.race([once(child.stdout, "data"), ended]);
    return { thawed: ended };
  }

  async close(): Promise<void> {
    if (this.#stall !== null) await once(this.#stall, "close");
    // Lazily: the kernel takes a closed ring apart in its own time, and the ring knows the files.
    execFileSync("umount", ["--lazy", this.directory], { stdio: "pipe" });
  }
}

function reasonOf(error: unknown): string {
  const { stderr, message } = error as { readonly stderr?: Buffer; readonly message?: string };
  return String(stderr ?? "").trim() || String(message);
}
