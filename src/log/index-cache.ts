// Indexes of sealed segments in memory: bounded by their bytes, the least recently used goes first.

import type { SegmentIndex } from "../core/segment-index.js";

/** Per lane. The packed index of a segment of 100 MiB takes 100 KiB with one partition, 2 MiB with a hundred thousand. */
const indexCacheBytesMax = 32 * 1024 * 1024;

interface Entry {
  readonly index: SegmentIndex;
  /** When it came: it may still be packed. */
  readonly bytes: number;
}

export class IndexCache {
  /** Least recently used first. */
  readonly #entries = new Map<number, Entry>();
  readonly #bytesMax: number;
  #bytes = 0;

  constructor(bytesMax = indexCacheBytesMax) {
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get(segment: number): SegmentIndex | undefined {
    const entry = this.#entries.get(segment);
    if (entry === undefined) return undefined;
    this.#entries.delete(segment);
    this.#entries.set(segment, entry);
    return entry.index;
  }

  /** One that is larger than the cache is kept until the next comes: whoever reads in it asks for it again and again. */
  add(index: SegmentIndex): void {
    this.delete(index.segment);
    const { bytes } = index;
    this.#entries.set(index.segment, { index, bytes });
    this.#bytes += bytes;
    for (const segment of this.#entries.keys()) {
      if (this.#bytes <= this.#bytesMax || segment === index.segment) return;
      this.delete(segment);
    }
  }

  delete(segment: number): void {
    const entry = this.#entries.get(segment);
    if (entry === undefined) return;
    this.#entries.delete(segment);
    this.#bytes -= entry.bytes;
  }

  /** Forgets all others. */
  keep(segments: ReadonlySet<number>): void {
    for (const segment of this.#entries.keys()) if (!segments.has(segment)) this.delete(segment);
  }

  clear(): void {
    this.#entries.clear();
    this.#bytes = 0;
  }
}
