// What this process holds of the system right now: descriptors, mappings, memory. Linux only: it reads /proc.

import fs from "node:fs";
import v8 from "node:v8";
import vm from "node:vm";

export interface Holdings {
  readonly descriptors: number;
  /** Mapped regions of io_uring rings. */
  readonly rings: number;
  /** Mapped memory without a file: buffers of blocks, but also V8's heap and stacks, which move it by some megabytes. */
  readonly anonymousBytes: number;
  /** Every line of /proc/self/maps; V8's heap moves it a little. */
  readonly mappings: number;
  readonly residentBytes: number;
  readonly heapBytes: number;
}

/** After collecting garbage until finalizers have run: those of buffers run in a later turn. */
export async function holdings(): Promise<Holdings> {
  for (let round = 0; round < 3; round++) {
    collectGarbage();
    await new Promise((resolve) => setImmediate(resolve));
  }
  const regions = fs.readFileSync("/proc/self/maps", "utf8").trimEnd().split("\n");
  const memory = process.memoryUsage();
  return {
    descriptors: fs.readdirSync("/proc/self/fd").length,
    rings: regions.filter((region) => region.includes("anon_inode:[io_uring]")).length,
    anonymousBytes: regions.reduce((sum, region) => sum + anonymousBytesOf(region), 0),
    mappings: regions.length,
    residentBytes: memory.rss,
    heapBytes: memory.heapUsed,
  };
}

/** Of one line of /proc/self/maps; 0 where a path or another name stands at its end, or nothing may be written. */
function anonymousBytesOf(region: string): number {
  const match = /^([0-9a-f]+)-([0-9a-f]+) rw\S+ \S+ \S+ \S+ *$/.exec(region);
  return match === null ? 0 : Number.parseInt(match[2] as string, 16) - Number.parseInt(match[1] as string, 16);
}

let gc: (() => void) | undefined;

export function collectGarbage(): void {
  if (gc === undefined) {
    v8.setFlagsFromString("--expose-gc");
    gc = vm.runInNewContext("gc") as () => void;
  }
  gc();
}
