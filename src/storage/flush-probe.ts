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

export interface FlushProbeOptions {
  readonly directory: string;
  readonly millisMax: number;
  /** In the order of preference where they are equal. */
  readonly methods: readonly FlushMethod[];
  readonly createWriter: (options: BlockWriterOptions) => BlockWriter;
  /** What the device under an existing file wants file offsets to be multiples of; 0 when it does not say. */
  readonly offsetAlignment: (path: string) => number;
}

const fileBytes = 64 * pageBytes;
const roundsMax = 64;
/** A method must be this much faster than one that stands before it: medians of a few rounds are noisy. */
const clearlyFaster = 0.9;

export async function probeFlush(options: FlushProbeOptions): Promise<StorageProbe> {
  const started = performance.now();
  const files = nodeFileSystem();
  const target = path.join(options.directory, `probe.${randomBytes(8).toString("hex")}`);
  const lanes: ProbeLane[] = [];
  try {
    const file = await files.open(target, "create");
    try {
      // Written zeros and not a hole: allocation would be measured instead of the flush.
      await file.writeAt(new Uint8Array(fileBytes), 0);
      await file.sync();
    } finally {
      await file.close();
    }
    const alignment = Math.max(pageBytes, options.offsetAlignment(target));
    for (const method of options.methods) lanes.push(await ProbeLane.open(method, target, alignment, options.createWriter));
    // Gone already: a crash in the middle of the measurement leaves nothing behind.
    if (process.platform !== "win32") await files.remove(target);
    await measure(lanes, started + options.millisMax);
    return { ...verdict(lanes, options.methods[0] ?? "dsync"), alignment };
  } finally {
    await Promise.all(lanes.map((lane) => lane.close()));
    await files.remove(target);
  }
}

async function measure(lanes: readonly ProbeLane[], deadline: number): Promise<void> {
  // The first write of each pays for what later ones find ready.
  for (const lane of lanes) {
    if (performance.now() < deadline) await lane.write(0);
  }
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
  for (const lane of lanes) {
    const median = medianOf(lane.micros);
    if (median === null) continue;
    micros[lane.method] = median;
    if (median < best.micros * clearlyFaster) best = { method: lane.method, micros: median };
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

  private constructor(method: FlushMethod, alignment: number, createWriter: (options: BlockWriterOptions) => BlockWriter) {
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

  static async open(method: FlushMethod, target: string, alignment: number, createWriter: (options: BlockWriterOptions) => BlockWriter): Promise<ProbeLane> {
    const lane = new ProbeLane(method, alignment, createWriter);
    try {
      lane.#file = await lane.#writer.openFile(target);
      return lane;
    } catch (error) {
      await lane.close();
      throw error;
    }
  }

  /** Microseconds of one durable write. */
  async write(round: number): Promise<number> {
    const position = (round * this.#alignment) % (fileBytes - (fileBytes % this.#alignment));
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
