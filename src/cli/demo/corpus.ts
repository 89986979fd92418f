// The demo's records: the package.json files of the installed packages, cut into records of realistic sizes.
//
// Record n of partition p is a pure function of the files: writer and reader make the same bytes without talking. Each
// begins with a line that says which one it is, so that no two are equal and a misplaced one is seen.

import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

interface Slice {
  readonly file: string;
  readonly bytes: Buffer;
}

const sliceBytesMin = 120;
const sliceBytesMax = 2400;
/** Partitions begin at different places of the corpus. */
const partitionStride = 37;

export class Corpus {
  readonly files: number;
  readonly bytes: number;
  readonly #slices: readonly Slice[];

  private constructor(files: number, slices: readonly Slice[]) {
    this.files = files;
    this.#slices = slices;
    this.bytes = slices.reduce((sum, slice) => sum + slice.bytes.length, 0);
  }

  /** `root`: a node_modules directory. */
  static load(root: string): Corpus {
    const files = packageFiles(root, root, 0).sort();
    const random = sequenceOf(files.length);
    const slices = files.flatMap((file) => [...cut(path.relative(root, file), fs.readFileSync(file), random)]);
    if (slices.length === 0) throw new Error(`no package.json below ${root}`);
    return new Corpus(files.length, slices);
  }

  /** Record `n` (from 0) of partition `partition` (from 0). */
  record(partition: number, n: number): Buffer {
    const slice = this.#slices[(partition * partitionStride + n) % this.#slices.length] as Slice;
    const heading = `{"partition":${String(partition)},"record":${String(n)},"file":${JSON.stringify(slice.file)}}\n`;
    const headingBytes = Buffer.byteLength(heading);
    const record = Buffer.allocUnsafe(headingBytes + slice.bytes.length);
    record.write(heading, 0, "utf8");
    slice.bytes.copy(record, headingBytes);
    return record;
  }
}

/** The node_modules that this program belongs to: of the project, or of whoever installed it. */
export function findNodeModules(): string {
  let directory = path.dirname(fileURLToPath(import.meta.url));
  for (;;) {
    if (path.basename(directory) === "node_modules") return directory;
    const below = path.join(directory, "node_modules");
    if (fs.existsSync(below)) return below;
    const parent = path.dirname(directory);
    if (parent === directory) throw new Error("there is no node_modules directory above this program");
    directory = parent;
  }
}

/** Depth is bounded: links may lead in circles. */
function packageFiles(root: string, directory: string, depth: number): string[] {
  if (depth > 6) return [];
  return fs.readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const at = path.join(directory, entry.name);
    if (entry.isFile()) return entry.name === "package.json" ? [at] : [];
    return entry.isDirectory() ? packageFiles(root, at, depth + 1) : [];
  });
}

function* cut(file: string, bytes: Buffer, random: () => number): Iterable<Slice> {
  for (let at = 0; at < bytes.length; ) {
    const length = sliceBytesMin + Math.floor(random() * random() * (sliceBytesMax - sliceBytesMin));
    yield { file, bytes: bytes.subarray(at, at + length) };
    at += length;
  }
}

/** Numbers in [0, 1), the same ones every time (mulberry32). */
function sequenceOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let value = Math.imul(state ^ (state >>> 15), state | 1);
    value ^= value + Math.imul(value ^ (value >>> 7), value | 61);
    return ((value ^ (value >>> 14)) >>> 0) / 4294967296;
  };
}
