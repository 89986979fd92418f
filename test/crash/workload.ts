// The endless list of operations that one writer runs: a pure function of the seed, the generation and the state that it starts from.
//
// The writer runs it and the checker runs it again, so no operation need be told between them: only how far it got.

import { recordBytesMax } from "./content.js";
import { Random } from "./random.js";

export interface Item {
  readonly partition: number;
  readonly sequence: number;
  readonly bytes: number;
}

export type Operation =
  /** `batch`: all of one partition. `write`: over several partitions of one lane. */
  | { readonly kind: "append" | "enqueue" | "batch" | "write"; readonly items: readonly Item[] }
  /** trim: forget below `sequence`; truncate: forget above it. */
  | { readonly kind: "trim" | "truncate"; readonly partition: number; readonly sequence: number }
  | { readonly kind: "sync" | "rotate" | "reopen" };

/** First and last sequence per partition; partitions without records are left out or 1 and 0. */
export type Shape = ReadonlyMap<number, Extent>;

/** What a writer found at its opening. */
export interface FoundExtent extends Extent {
  /** The operation that wrote the last record, if there is one. */
  readonly newest: { readonly generation: number; readonly operation: number } | null;
}

export type FoundShape = ReadonlyMap<number, FoundExtent>;
export interface Extent {
  readonly first: number;
  readonly last: number;
}

export interface Profile {
  readonly lanes: number;
  /** Size around which records are made: the log's buffer. Some need several. */
  readonly blockBytes: number;
  /** Largest part of a log that is kept when everything is trimmed, records per partition. */
  readonly keptMax: number;
}

const partitionsMax = 24;
/** A log takes only so many per kept segment; this is far below. */
const truncationsPerGeneration = 8;

export class Workload {
  readonly #random: Random;
  readonly #profile: Profile;
  readonly #extents: Map<number, { first: number; last: number }>;
  readonly #planned: Operation[] = [];
  #truncations = 0;

  constructor(seeds: readonly [seed: number, generation: number], profile: Profile, shape: Shape) {
    this.#random = new Random(...seeds);
    this.#profile = profile;
    // In one order, whatever order the log lists them in.
    this.#extents = new Map([...shape].sort(([a], [b]) => a - b).map(([partition, { first, last }]) => [partition, { first, last }]));
  }

  /** What the log looks like once every operation given out is in force. */
  get shape(): Shape {
    return this.#extents;
  }

  next(): Operation {
    const planned = this.#planned.shift();
    if (planned !== undefined) return this.#applied(planned);
    const random = this.#random;
    const dice = random.below(3000);
    if (dice === 0) return { kind: "reopen" };
    if (dice < 10) return { kind: "rotate" };
    if (dice < 80) return { kind: "sync" };
    if (dice < 90) return this.#trimAll();
    if (dice < 100) return this.#trim();
    if (dice < 130 && this.#truncations < truncationsPerGeneration) return this.#truncate();
    if (dice < 600) return this.#records("enqueue", [this.#partition()]);
    if (dice < 900) return this.#records("batch", new Array<number>(1 + random.below(12)).fill(this.#partition()));
    if (dice < 1200) return this.#write();
    return this.#records("append", [this.#partition()]);
  }

  #applied(operation: Operation): Operation {
    if (operation.kind === "trim") this.#extent(operation.partition).first = Math.max(this.#extent(operation.partition).first, operation.sequence);
    return operation;
  }

  /** Nearly everything goes, partition by partition: segments come free. */
  #trimAll(): Operation {
    for (const [partition, { first, last }] of this.#extents) {
      const before = last + 1 - this.#random.below(this.#profile.keptMax);
      if (before > first) this.#planned.push({ kind: "trim", partition, sequence: before });
    }
    return this.#planned.length > 0 ? this.next() : { kind: "sync" };
  }

  #trim(): Operation {
    const partition = this.#partition();
    const { first, last } = this.#extent(partition);
    if (last < first) return { kind: "sync" };
    return this.#applied({ kind: "trim", partition, sequence: first + 1 + this.#random.below(last - first + 1) });
  }

  #truncate(): Operation {
    const partition = this.#partition();
    const extent = this.#extent(partition);
    if (extent.last < extent.first) return { kind: "sync" };
    const after = extent.last - 1 - this.#random.below(Math.min(50, extent.last - extent.first + 1));
    this.#truncations++;
    extent.last = after;
    return { kind: "truncate", partition, sequence: after };
  }

  #write(): Operation {
    const { lanes } = this.#profile;
    const lane = this.#random.below(lanes);
    const partitions: number[] = [];
    for (let count = 1 + this.#random.below(8); count > 0; count--) {
      const partition = this.#partition();
      partitions.push(partition - (partition % lanes) + lane);
    }
    return this.#records("write", partitions);
  }

  #records(kind: "append" | "enqueue" | "batch" | "write", partitions: readonly number[]): Operation {
    const items = partitions.map((partition): Item => ({ partition, sequence: ++this.#extent(partition).last, bytes: this.#bytes(partitions.length) }));
    return { kind, items };
  }

  #partition(): number {
    const known = this.#extents.size;
    if (known < partitionsMax && this.#random.below(known === 0 ? 1 : 150 * known) === 0) return known;
    return this.#random.below(Math.max(1, known));
  }

  #bytes(itemCount: number): number {
    const { blockBytes } = this.#profile;
    const dice = this.#random.below(1000);
    if (dice < 700) return this.#random.below(300);
    if (dice < 960) return this.#random.below(4096);
    if (dice < 990 || itemCount > 4) return this.#random.below(Math.min(recordBytesMax, blockBytes));
    return this.#random.below(Math.min(recordBytesMax, 4 * blockBytes));
  }

  #extent(partition: number): { first: number; last: number } {
    let extent = this.#extents.get(partition);
    if (extent === undefined) this.#extents.set(partition, (extent = { first: 1, last: 0 }));
    return extent;
  }
}

/** The lane on which everything of an operation lies; null when it concerns all. */
export function laneOf(operation: Operation, lanes: number): number | null {
  if ("items" in operation) return (operation.items[0] as Item).partition % lanes;
  return "partition" in operation ? operation.partition % lanes : null;
}
