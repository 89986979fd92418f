// Which flush method is fastest in a directory: timed durable writes through the backend's own writers.
//
// Owns: the temporary file and the time it may take. The methods are interleaved, round by round, because a device
// drifts: measured one after the other, the first to run would pay for the others. One drive prefers one method by 2×.

import { randomBytes } from "node:crypto";
import path from "node:path";
import { pageBytes } from "../format/block.js";
import type { FlushMethod } from "../format/superblock.js";
import { nodeFileSystem } from "./node-files.js";
import type { BlockWriter, BlockWriterOptions, StorageProbe, WriterFile } from "./storage.js";

const files = nodeFileSystem();

export interface FlushProbeOptions {
  readonly directory: string;
  readonly millisMax: number;
  /** In the order of preference where they are equal. */
  readonly methods: readonly FlushMethod[];
  readonly createWriter: (options: BlockWriterOptions) => BlockWriter;
  /** What the device under an existing file wants file offsets to be multiples of; 0 when it does not say. */
  readonly offsetAlignment: (path: string) => number;
}

/** Small, for it is synced before and freed after the measurement, within the same time. */
const fileUnits = 16;
const roundsMax = 64;
/** With fewer rounds the preferred method stays: a median of three is noise. */
const roundsMin = 4;
/** A method must be this much faster than one that stands before it. What matters is the drive where it is 2×. */
const clearlyFaster = 0.8;
/** Kept for closing and freeing, which take time too. */
const cleanupMillis = 1;

export async function probeFlush(options: FlushProbeOptions): Promise<StorageProbe> {
  const deadline = performance.now() + options.millisMax - cleanupMillis;
  const target = path.join(options.directory, `probe.${randomBytes(8).toString("hex")}`);
  const lanes: ProbeLane[] = [];
  let removed: Promise<void> | null = null;
  try {
    const alignment = await prepare(target, options, lanes);
    await Promise.all(lanes.map((lane) => lane.open(target)));
    // Gone while it is measured: a crash in the middle leaves nothing behind.
    if (process.platform !== "win32") removed = files.remove(target);
    await measure(lanes, deadline);
    return { ...verdict(lanes, options.methods[0] ?? "dsync"), alignment };
  } finally {
    await Promise.all(lanes.map((lane) => lane.close()));
    await (removed ?? files.remove(target));
  }
}

/** Writes the file and, while the device is busy with it, makes the writers. Returns the alignment. */
async function prepare(target: string, options: FlushProbeOptions, lanes: ProbeLane[]): Promise<number> {
  const file = await files.open(target, "create");
  try {
    const alignment = Math.max(pageBytes, options.offsetAlignment(target));
    // Written zeros and not a hole: allocation would be measured instead of the flush.
    const ready = file.writeAt(new Uint8Array(fileUnits * alignment), 0).then(() => file.sync());
    try {
      for (const method of options.methods) lanes.push(new ProbeLane(method, alignment, options.createWriter));
    } finally {
      await ready;
    }
    return alignment;
  } finally {
    await file.close();
  }
}

async function measure(lanes: readonly ProbeLane[], deadline: number): Promise<void> {
  if (performance.now() > deadline) return;
  for (let round = 0; round < roundsMax; round++) {
    for (const lane of lanes) {
      const micros = await lane.write(round);
      lane.micros.push(micros);
      if (performance.now() + micros / 1000 > deadline) return;
    }
  }
}

function verdict(lanes: readonly ProbeLane[], preferred: FlushMethod): Pick<StorageProbe, "flushMethod" | "micros"> {
  const micros: Partial<Record<FlushMethod, number>> = {};
  let best = { method: preferred, micros: Number.POSITIVE_INFINITY };
  const enough = lanes.every((lane) => lane.micros.length >= roundsMin);
  for (const lane of lanes) {
    // The first write of each pays for what later ones find ready.
    const median = medianOf(lane.micros.length > 1 ? lane.micros.slice(1) : lane.micros);
    if (median === null) continue;
    micros[lane.method] = median;
    if (enough && median < best.micros * clearlyFaster) best = { method: lane.method, micros: median };
  }
  return { flushMethod: best.method, micros };
}

function medianOf(values: readonly number[]): number | null {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? null;
}

/** One method: a writer of its own on the common file. */
class ProbeLane {
  readonly method: FlushMethod;
  readonly micros: number[] = [];
  readonly #alignment: number;
  readonly #writer: BlockWriter;
  #file: WriterFile = 0;
  #resolve: () => void = () => undefined;
  #reject: (error: Error) => void = () => undefined;

  constructor(method: FlushMethod, alignment: number, createWriter: (options: BlockWriterOptions) => BlockWriter) {
    this.method = method;
    this.#alignment = alignment;
    this.#writer = createWriter({
      bufferBytes: alignment,
      bufferCount: 1,
      alignment,
      flush: method,
      onWritten: (_token, error) => (error === null ? this.#resolve() : this.#reject(error)),
      onBatchEnd: () => undefined,
    });
  }

  async open(target: string): Promise<void> {
    this.#file = await this.#writer.openFile(target);
  }

  /** Microseconds of one durable write. */
  async write(round: number): Promise<number> {
    const position = (round % fileUnits) * this.#alignment;
    const started = performance.now();
    await new Promise<void>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      this.#writer.write(this.#file, position, 0, this.#alignment, round);
    });
    return (performance.now() - started) * 1000;
  }

  close(): Promise<void> {
    return this.#writer.close();
  }
}
