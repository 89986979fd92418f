// Facts about the machine and a directory's file system, as the system itself tells them.

import fs from "node:fs";
import os from "node:os";

const fileSystems: Readonly<Record<number, string>> = {
  0xef53: "ext2/ext3/ext4",
  0x58465342: "xfs",
  0x9123683e: "btrfs",
  0x01021994: "tmpfs",
  0x858458f6: "ramfs",
  0x794c7630: "overlayfs",
  0x6969: "nfs",
  0x65735546: "fuse",
  0x2fc12fc1: "zfs",
  0xf2f52010: "f2fs",
  0xca451a4e: "bcachefs",
  0x01021997: "9p",
  0xff534d42: "cifs",
  0xfe534d42: "smb2",
  0x4d44: "vfat",
  0x2011bab0: "exfat",
  0x7366746e: "ntfs3",
  0x00c36400: "ceph",
  0xe0f5e1e2: "erofs",
  0x73717368: "squashfs",
};

/** Writes there survive the process and never the power. */
const volatile = new Set(["tmpfs", "ramfs"]);

export interface FileSystemFacts {
  readonly name: string;
  readonly isVolatile: boolean;
  readonly freeBytes: number;
}

export function fileSystemOf(path: string): FileSystemFacts | null {
  try {
    const { type, bsize, bavail } = fs.statfsSync(path);
    const name = fileSystems[type >>> 0] ?? `unknown type 0x${(type >>> 0).toString(16)}`;
    return { name, isVolatile: volatile.has(name), freeBytes: bsize * bavail };
  } catch {
    return null;
  }
}

/** RLIMIT_MEMLOCK, soft, in bytes; null when unlimited, undefined when the system does not say. */
export function lockedMemoryMax(): number | null | undefined {
  const match = /^Max locked memory\s+(\S+)/m.exec(readText("/proc/self/limits") ?? "");
  if (match === null) return undefined;
  return match[1] === "unlimited" ? null : Number(match[1]);
}

/** kernel.io_uring_disabled: "0", "1" (not for everyone) or "2"; null where there is no such switch. */
export function uringSwitch(): string | null {
  return readText("/proc/sys/kernel/io_uring_disabled")?.trim() ?? null;
}

export interface MachineFacts {
  readonly node: string;
  readonly platform: string;
  readonly kernel: string;
  readonly cpus: number;
}

export function machineFacts(): MachineFacts {
  return { node: process.version, platform: `${process.platform} ${process.arch}`, kernel: os.release(), cpus: os.cpus().length };
}

function readText(path: string): string | null {
  try {
    return fs.readFileSync(path, "latin1");
  } catch {
    return null;
  }
}
