// Which flush method is fastest in a directory: timed durable writes by blocking calls.
//
// Owns: the temporary file and the time it may take. It blocks the thread, for some milliseconds, once in a log's life:
// measured through the event loop, a cold process would get two samples in that time instead of dozens. The methods are
// interleaved, round by round, because a device drifts. One drive prefers one method by 2×.

import { randomBytes } from "node:crypto";
import path from "node:path";
import { pageBytes } from "../format/block.js";
import type { FlushMethod } from "../format/superblock.js";
import { nodeFileSystem } from "./node-files.js";
import type { StorageProbe } from "./storage.js";

const files = nodeFileSystem();

/** One method on the probe's file. */
export interface ProbeMethod {
  readonly method: FlushMethod;
  /** Writes one unit durably, blocking. Throws when it can't. */
  readonly write: (position: number) => void;
  readonly close: () => void;
}

export interface FlushProbeOptions {
  readonly directory: string;
  readonly millisMax: number;
  /** Opens the methods on a file that holds written zeros; in the order of preference where they are equal. */
  readonly open: (path: string, unitBytes: number) => readonly ProbeMethod[];
  /** What the device under an existing file wants file offsets to be multiples of; 0 when it does not say. */
  readonly offsetAlignment: (path: string) => number;
}

/** Small, for it is synced before and freed after the measurement, within the same time. */
const fileUnits = 16;
const roundsMax = 48;
/** With fewer rounds the preferred method stays: a median of three is noise. */
const roundsMin = 4;
/** A method must be this much faster than one that stands before it. What matters is the drive where it is 2×. */
const clearlyFaster = 0.8;

export async function probeFlush(options: FlushProbeOptions): Promise<StorageProbe> {
  const deadline = performance.now() + options.millisMax;
  const target = path.join(options.directory, `probe.${randomBytes(8).toString("hex")}`);
  const file = await files.open(target, "create");
  try {
    const alignment = Math.max(pageBytes, options.offsetAlignment(target));
    // Written zeros and not a hole: allocation would be measured instead of the flush.
    await file.writeAt(new Uint8Array(fileUnits * alignment), 0);
    await file.sync();
    return { ...measure(options.open(target, alignment), alignment, deadline), alignment };
  } finally {
    await file.close();
    await files.remove(target);
  }
}

function measure(methods: readonly ProbeMethod[], alignment: number, deadline: number): Pick<StorageProbe, "flushMethod" | "micros"> {
  const micros = methods.map((): number[] => []);
  try {
    for (let round = 0; round < roundsMax && performance.now() < deadline; round++) {
      for (const [index, method] of methods.entries()) {
        const started = performance.now();
        method.write((round % fileUnits) * alignment);
        (micros[index] as number[]).push((performance.now() - started) * 1000);
      }
    }
  } finally {
    for (const method of methods) method.close();
  }
  return verdict(methods, micros);
}

function verdict(methods: readonly ProbeMethod[], samples: readonly (readonly number[])[]): Pick<StorageProbe, "flushMethod" | "micros"> {
  const micros: Partial<Record<FlushMethod, number>> = {};
  let best = { method: methods[0]?.method ?? "separate", micros: Number.POSITIVE_INFINITY };
  for (const [index, { method }] of methods.entries()) {
    // The first write of each pays for what later ones find ready.
    const rest = (samples[index] as readonly number[]).slice(1);
    const median = [...rest].sort((a, b) => a - b)[rest.length >> 1];
    if (median === undefined) continue;
    micros[method] = median;
    if (index === 0) best = { method, micros: median };
    else if (rest.length >= roundsMin && median < best.micros * clearlyFaster) best = { method, micros: median };
  }
  return { flushMethod: best.method, micros };
}
