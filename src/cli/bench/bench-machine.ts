// On what a bench ran: without it a figure means nothing.

import fs from "node:fs";
import os from "node:os";
import { fileSystemOf, machineFacts, type MachineFacts } from "../doctor/machine.js";

export interface BenchMachine extends MachineFacts {
  readonly cpuModel: string;
  readonly memoryBytes: number;
  readonly fileSystem: string;
  /** In memory only: nothing there is durable, and no figure of it means anything for a log. */
  readonly isVolatile: boolean;
  readonly mountOptions: string;
  /** Processes ready to run, over the last minute, before the bench began: it shares the machine with them. */
  readonly loadBefore: number;
}

export function benchMachine(directory: string): BenchMachine {
  const facts = fileSystemOf(directory);
  return {
    ...machineFacts(),
    cpuModel: os.cpus()[0]?.model ?? "unknown",
    memoryBytes: os.totalmem(),
    fileSystem: facts?.name ?? "unknown",
    isVolatile: facts?.isVolatile ?? false,
    mountOptions: mountOptionsOf(directory),
    loadBefore: os.loadavg()[0] ?? 0,
  };
}

/** Of the mount with the longest mount point that holds the directory. */
function mountOptionsOf(directory: string): string {
  let best = { point: "", options: "unknown" };
  for (const line of mountLines()) {
    const [left = "", right = ""] = line.split(" - ");
    const [, , , , point = "", options = ""] = left.split(" ");
    const holds = point === "/" || directory === point || directory.startsWith(`${point}/`);
    if (holds && point.length >= best.point.length) best = { point, options: joinOptions(options, right.split(" ")[2] ?? "") };
  }
  return best.options;
}

function joinOptions(mount: string, superblock: string): string {
  return [...new Set([...mount.split(","), ...superblock.split(",")])].filter((option) => option !== "").join(",");
}

function mountLines(): string[] {
  try {
    return fs.readFileSync("/proc/self/mountinfo", "utf8").split("\n");
  } catch {
    return [];
  }
}
