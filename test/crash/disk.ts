// A file system on a loop device over a file or over anything that looks like one.

import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { compiled, isInstalled, run, runUntilDone } from "./programs.js";
import { onTeardown } from "./teardown.js";

export type FileSystemKind = "ext4" | "xfs" | "btrfs";

const mebibyte = 1024 * 1024;

const kinds: Readonly<Record<FileSystemKind, { readonly bytes: number; readonly make: readonly string[] }>> = {
  ext4: { bytes: 96 * mebibyte, make: ["mkfs.ext4", "-q", "-F"] },
  xfs: { bytes: 320 * mebibyte, make: ["mkfs.xfs", "-q", "-f"] },
  btrfs: { bytes: 160 * mebibyte, make: ["mkfs.btrfs", "-q", "-f", "-M"] },
};

/** Why such disks can't be had here, or null. */
export function diskRefusal(kind: FileSystemKind): string | null {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return "mounting needs root on Linux";
  const program = kinds[kind].make[0] as string;
  if (!isInstalled(program)) return `${program} is not installed`;
  try {
    const device = execFileSync("losetup", ["--find"], { stdio: "pipe" }).toString().trim();
    return fs.existsSync(device) ? null : "there is no free loop device";
  } catch (error) {
    return `there are no loop devices: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/** An image with an empty file system. */
export async function makeImage(file: string, kind: FileSystemKind, bytes: number = kinds[kind].bytes, ...moreFlags: readonly string[]): Promise<void> {
  fs.writeFileSync(file, "");
  fs.truncateSync(file, bytes);
  const [program, ...flags] = kinds[kind].make as readonly [string, ...string[]];
  await run(program, ...flags, ...moreFlags, file);
}

/** A place in memory for images: many are made, and none must outlive the machine. */
export async function mountMemory(directory: string): Promise<() => Promise<void>> {
  fs.mkdirSync(directory, { recursive: true });
  await run("mount", "-t", "tmpfs", "-o", "size=8g", "ringwall-crash", directory);
  const forget = onTeardown(() => execFileSync("umount", ["--lazy", directory], { stdio: "pipe" }));
  return async () => {
    await runUntilDone("umount", directory);
    forget();
  };
}

export class Disk {
  readonly mountPoint: string;
  readonly #file: string;
  readonly #sectorBytes: number;
  #device: string | null = null;
  #mounted = false;
  readonly #forget: () => void;

  /** Nothing is attached yet. The mount point is made beside `file` unless given. */
  constructor(file: string, mountPoint = `${file}.mount`, sectorBytes = 512) {
    this.#file = file;
    this.#sectorBytes = sectorBytes;
    this.mountPoint = mountPoint;
    fs.mkdirSync(mountPoint, { recursive: true });
    this.#forget = onTeardown(() => this.#abandon());
  }

  get directory(): string {
    return path.join(this.mountPoint, "log");
  }

  async mount(): Promise<void> {
    this.#device ??= (await run("losetup", "--find", "--show", "--sector-size", String(this.#sectorBytes), this.#file)).trim();
    await run("mount", this.#device, this.mountPoint);
    this.#mounted = true;
  }

  /** Mounts what a cut left, as a machine does that took its time to come back: a torn lock is not one just being written. */
  async mountAfterCut(): Promise<void> {
    await this.mount();
    const lock = path.join(this.directory, "lock");
    if (fs.existsSync(lock)) fs.utimesSync(lock, 0, 0);
  }

  /** Stops the file system in mid-flight: everything fails from now on. */
  async shutDown(): Promise<void> {
    await run(compiled("shutdown"), this.mountPoint);
  }

  async unmount(): Promise<void> {
    await runUntilDone("umount", this.mountPoint);
    this.#mounted = false;
  }

  /** Unmounts and gives the device back; the file stays. */
  async detach(): Promise<void> {
    if (this.#mounted) await this.unmount();
    if (this.#device !== null) await runUntilDone("losetup", "--detach", this.#device);
    this.#device = null;
    fs.rmdirSync(this.mountPoint);
    this.#forget();
  }

  #abandon(): void {
    if (this.#mounted) execFileSync("umount", ["--lazy", this.mountPoint], { stdio: "pipe" });
    if (this.#device !== null) execFileSync("losetup", ["--detach", this.#device], { stdio: "pipe" });
  }
}
