// What a log must hold: operations applied one after the other, nothing else.

import { contentOf } from "./content.js";
import type { Extent, Operation } from "./workload.js";

/** A record as the model keeps it: enough to derive its content. */
interface Kept {
  readonly generation: number;
  readonly operation: number;
  readonly bytes: number;
}

/** A partition as it was read: `records[0]` has the sequence `first`. */
export interface FoundPartition extends Extent {
  readonly records: readonly Uint8Array[];
}

interface PartitionModel {
  first: number;
  last: number;
  /** From `first` on. */
  records: Kept[];
}

const absent: Extent = { first: 1, last: 0 };

/** The partitions of one lane. */
export class Model {
  readonly #seed: number;
  readonly #partitions = new Map<number, PartitionModel>();

  constructor(seed: number) {
    this.#seed = seed;
  }

  apply(generation: number, number: number, operation: Operation): void {
    if ("items" in operation) {
      for (const { partition, bytes } of operation.items) {
        const model = this.#partition(partition);
        model.last++;
        model.records.push({ generation, operation: number, bytes });
      }
    } else if (operation.kind === "trim") {
      const model = this.#partition(operation.partition);
      if (operation.sequence <= model.first) return;
      model.records.splice(0, operation.sequence - model.first);
      model.first = operation.sequence;
    } else if (operation.kind === "truncate") {
      const model = this.#partition(operation.partition);
      if (operation.sequence >= model.last) return;
      model.last = operation.sequence;
      model.records.length = model.last - model.first + 1;
    }
  }

  /** Partitions whose first and last sequence differ from these, told in words. */
  differencesInShape(found: ReadonlyMap<number, Extent>): string[] {
    const differences: string[] = [];
    for (const partition of new Set([...this.#partitions.keys(), ...found.keys()])) {
      const due = this.#partitions.get(partition) ?? absent;
      const { first, last } = found.get(partition) ?? absent;
      if (due.first === first && due.last === last) continue;
      differences.push(`partition ${partition}: ${due.first} to ${due.last} is due, ${first} to ${last} is there`);
    }
    return differences;
  }

  /** Records whose content is not the one that was written. */
  differencesInContent(found: ReadonlyMap<number, FoundPartition>): string[] {
    const differences: string[] = [];
    for (const [partition, { first, records }] of this.#partitions) {
      const there = found.get(partition)?.records ?? [];
      for (const [index, kept] of records.entries()) {
        const sequence = first + index;
        const content = there[index];
        if (content !== undefined && contentOf({ seed: this.#seed, partition, sequence, ...kept }).equals(content)) continue;
        const what = content === undefined ? "is not there" : `holds something else (${content.length} bytes: ${Buffer.from(content.subarray(0, 32)).toString("hex")})`;
        differences.push(`partition ${partition} record ${sequence} (operation ${kept.operation} of generation ${kept.generation}, ${kept.bytes} bytes) ${what}`);
      }
    }
    return differences;
  }

  get shape(): Map<number, Extent> {
    return new Map([...this.#partitions].filter(([, { first, last }]) => first > 1 || last > 0).map(([partition, { first, last }]) => [partition, { first, last }]));
  }

  #partition(partition: number): PartitionModel {
    let model = this.#partitions.get(partition);
    if (model === undefined) this.#partitions.set(partition, (model = { first: 1, last: 0, records: [] }));
    return model;
  }
}
