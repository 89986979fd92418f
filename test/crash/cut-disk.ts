// A mounted file system that keeps only what was made durable, and fails on command: cutfs.c.

import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import path from "node:path";
import { createInterface, type Interface } from "node:readline";
import { compiled, isInstalled, run, runUntilDone } from "./programs.js";
import { onTeardown } from "./teardown.js";

/** Why it can't be had here, or null. */
export function cutDiskRefusal(): string | null {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return "mounting needs root on Linux";
  if (!fs.existsSync("/dev/fuse")) return "there is no /dev/fuse";
  if (!isInstalled("cc") || !isInstalled("pkg-config") || !isInstalled("fusermount3")) return "cc, pkg-config and fuse3 are not all installed";
  try {
    execFileSync("pkg-config", ["--exists", "fuse3"], { stdio: "pipe" });
    return null;
  } catch {
    return "libfuse3-dev is not installed";
  }
}

export type Command =
  /** The next such operation but `after` fails once. */
  | { readonly kind: "fail"; readonly operation: "write" | "fsync" | "fsyncdir"; readonly errno: number; readonly after?: number }
  /** The next write that contains this word fails once. */
  | { readonly kind: "refuse"; readonly word: string; readonly errno: number }
  /** The next write of several pages is half done. */
  | { readonly kind: "short" }
  | { readonly kind: "full"; readonly on: boolean }
  /** Power fails, and comes back. */
  | { readonly kind: "cut" };

export class CutDisk {
  readonly mountPoint: string;
  readonly #daemon: ChildProcess;
  readonly #answers: AsyncIterator<string, undefined>;
  readonly #lines: Interface;
  readonly #forget: () => void;

  private constructor(mountPoint: string, daemon: ChildProcess) {
    this.mountPoint = mountPoint;
    this.#daemon = daemon;
    this.#lines = createInterface({ input: daemon.stdout as NodeJS.ReadableStream });
    this.#answers = this.#lines[Symbol.asyncIterator]() as AsyncIterator<string, undefined>;
    this.#forget = onTeardown(() => {
      daemon.kill("SIGKILL");
      execFileSync("umount", ["--lazy", mountPoint], { stdio: "ignore" });
    });
  }

  static async mount(mountPoint: string): Promise<CutDisk> {
    fs.mkdirSync(mountPoint, { recursive: true });
    const flags = (await run("pkg-config", "--cflags", "--libs", "fuse3")).trim().split(/\s+/);
    const daemon = spawn(compiled("cutfs", ...flags), [mountPoint], { stdio: ["pipe", "pipe", "inherit"] });
    const disk = new CutDisk(mountPoint, daemon);
    await disk.#answer("ready");
    await runUntilDone("mountpoint", "-q", mountPoint);
    return disk;
  }

  get directory(): string {
    return path.join(this.mountPoint, "log");
  }

  async command(command: Command): Promise<void> {
    this.#daemon.stdin?.write(`${wordsOf(command)}\n`);
    await this.#answer("ok");
  }

  async unmount(): Promise<void> {
    const ended = this.#daemon.signalCode === null ? once(this.#daemon, "exit") : null;
    await runUntilDone("umount", this.mountPoint);
    this.#daemon.stdin?.end();
    await ended;
    this.#lines.close();
    fs.rmdirSync(this.mountPoint);
    this.#forget();
  }

  /** The daemon dies: every file fails from now on. What is left of the mount goes with the process, or by `unmount`. */
  async kill(): Promise<void> {
    const ended = once(this.#daemon, "exit");
    this.#daemon.kill("SIGKILL");
    await ended;
  }

  async #answer(due: string): Promise<void> {
    const answer = await this.#answers.next();
    if (answer.done === true || answer.value !== due) throw new Error(`cutfs answered ${answer.done === true ? "nothing" : answer.value} where ${due} was due`);
  }
}

function wordsOf(command: Command): string {
  switch (command.kind) {
    case "fail":
      return `fail ${command.operation} ${command.errno} ${command.after ?? 0}`;
    case "refuse":
      return `refuse ${command.word} ${command.errno}`;
    case "full":
      return `full ${command.on ? 1 : 0}`;
    case "short":
    case "cut":
      return command.kind;
  }
}
