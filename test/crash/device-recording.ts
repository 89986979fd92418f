// Every write and flush that a file system sends to its device, recorded; and images of what a power cut leaves of them.
//
//   file system → loop device → FUSE export of qemu-storage-daemon → blklogwrites → image
//                                                                        └→ recording
//
// A write that was complete when a later flush came is durable. Of those after the last flush any may be missing, they
// may reach the medium in any order, and each may do so in part, sector by sector.

import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import { isInstalled, run, runUntilDone } from "./programs.js";
import type { Random } from "./random.js";
import { onTeardown } from "./teardown.js";

export const sectorBytes = 512;
const flag = { flush: 1, forced: 2, discard: 4, mark: 8 } as const;
/** "jsfw sgh" in the header of a dm-log-writes log, little-endian. */
const magic = 0x6a736677736872n;

/** Why nothing can be recorded here, or null. */
export function recordingRefusal(): string | null {
  if (!isInstalled("qemu-storage-daemon")) return "qemu-storage-daemon is not installed (package qemu-system-common)";
  return fs.existsSync("/dev/fuse") ? null : "there is no /dev/fuse";
}

/** An export of `image` on the file `exported`, whose writes go to `recording` too. */
export class RecordedDevice {
  readonly #daemon: ChildProcess;
  readonly #exported: string;
  readonly #forget: () => void;

  private constructor(daemon: ChildProcess, exported: string) {
    this.#daemon = daemon;
    this.#exported = exported;
    this.#forget = onTeardown(() => {
      daemon.kill("SIGKILL");
      execFileSync("umount", ["--lazy", exported], { stdio: "ignore" });
    });
  }

  static async start(image: string, recording: string, exported: string): Promise<RecordedDevice> {
    fs.writeFileSync(recording, "");
    fs.truncateSync(recording, 8 * 1024 ** 3);
    fs.writeFileSync(exported, "");
    const daemon = spawn("qemu-storage-daemon", [
      "--blockdev", `driver=file,node-name=image,filename=${image}`,
      "--blockdev", `driver=file,node-name=recording,filename=${recording}`,
      "--blockdev", `driver=blklogwrites,node-name=recorded,file=image,log=recording,log-sector-size=${sectorBytes},log-super-update-interval=1`,
      "--export", `type=fuse,id=export,node-name=recorded,mountpoint=${exported},writable=on`,
    ], { stdio: ["ignore", "ignore", "inherit"] });
    const device = new RecordedDevice(daemon, exported);
    // The export is there when the file has the image's size.
    while (fs.statSync(exported).size === 0) {
      if (daemon.exitCode !== null) throw new Error(`qemu-storage-daemon ended with ${String(daemon.exitCode)}`);
      await run("stat", exported);
    }
    return device;
  }

  /** Nothing may use the export any more. */
  async stop(): Promise<void> {
    const ended = once(this.#daemon, "exit");
    this.#daemon.kill("SIGTERM");
    await ended;
    await runUntilDone("sh", "-c", 'umount "$0" 2>/dev/null; ! mountpoint -q "$0"', this.#exported);
    this.#forget();
  }
}

interface Entry {
  readonly flags: number;
  /** In bytes. */
  readonly position: number;
  readonly bytes: number;
  /** Where the data lies in the recording. */
  readonly at: number;
}

export type Cut =
  /** Nothing after the last flush reached the medium. */
  | "dropped"
  /** Some of it did, in any order. */
  | "reordered"
  /** Some sectors of some of it did. */
  | "torn";

/** What the device writes whole. */
export interface Tears {
  readonly bytes: number;
  /** A write that begins before this position is whole, too. */
  readonly wholeBefore: number;
}

export interface CutKind {
  readonly cut: Cut;
  readonly tears: Tears;
}

/** A recording as a list of writes. */
export class Recording {
  readonly #file: number;
  readonly #entries: readonly Entry[];

  constructor(path: string) {
    this.#file = fs.openSync(path, "r");
    const header = this.#read(0, 28);
    if (header.readBigUInt64LE(0) !== magic || header.readUInt32LE(24) !== sectorBytes) throw new Error(`${path} is no recording of writes`);
    const entries: Entry[] = [];
    let at = sectorBytes;
    for (let left = Number(header.readBigUInt64LE(16)); left > 0; left--) {
      const head = this.#read(at, 32);
      const flags = Number(head.readBigUInt64LE(16));
      const bytes = Number(head.readBigUInt64LE(8)) * sectorBytes;
      at += sectorBytes;
      const carried = (flags & (flag.discard | flag.mark)) === 0 ? bytes : 0;
      if ((flags & flag.mark) === 0) entries.push({ flags, position: Number(head.readBigUInt64LE(0)) * sectorBytes, bytes, at });
      at += carried;
    }
    this.#entries = entries;
  }

  get length(): number {
    return this.#entries.length;
  }

  /** The last flush before entry `cut`: everything before it is durable. */
  durableBefore(cut: number): number {
    let last = cut - 1;
    while (last >= 0 && ((this.#entries[last] as Entry).flags & flag.flush) === 0) last--;
    return last + 1;
  }

  /** Writes entries [from, to) to an image, whole and in order. */
  apply(image: number, from: number, to: number): void {
    for (const entry of this.#entries.slice(from, to)) this.#write(image, entry, 0, entry.bytes);
  }

  /** Writes what a power cut before entry `to` might leave of the entries from `from` on. Returns how many there were. */
  applyCut(image: number, [from, to]: readonly [number, number], { cut, tears }: CutKind, random: Random): number {
    const pending = this.#entries.slice(from, to).filter(({ bytes }) => bytes > 0);
    if (cut === "dropped") return pending.length;
    const chosen = pending.filter(({ flags }) => (flags & flag.forced) !== 0 || random.oneIn(2));
    for (let index = chosen.length - 1; index > 0; index--) {
      const other = random.below(index + 1);
      [chosen[index], chosen[other]] = [chosen[other] as Entry, chosen[index] as Entry];
    }
    for (const entry of chosen) {
      const isWhole = cut === "reordered" || (entry.flags & (flag.forced | flag.discard)) !== 0 || entry.position < tears.wholeBefore;
      if (isWhole) this.#write(image, entry, 0, entry.bytes);
      else for (let at = 0; at < entry.bytes; at += tears.bytes) if (random.below(10) < 6) this.#write(image, entry, at, Math.min(tears.bytes, entry.bytes - at));
    }
    return pending.length;
  }

  close(): void {
    fs.closeSync(this.#file);
  }

  #write(image: number, { flags, position, at }: Entry, offset: number, bytes: number): void {
    if (bytes === 0) return;
    const data = (flags & flag.discard) !== 0 ? Buffer.alloc(bytes) : this.#read(at + offset, bytes);
    fs.writeSync(image, data, 0, bytes, position + offset);
  }

  #read(at: number, bytes: number): Buffer {
    const buffer = Buffer.alloc(bytes);
    fs.readSync(this.#file, buffer, 0, bytes, at);
    return buffer;
  }
}
