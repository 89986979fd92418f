// The producers of a lane's partitions, as far as they are in memory.

import { producersPartition } from "../core/own-names.js";
import type { PartitionState, PartitionTable } from "../core/partition-table.js";
import type { GroupItem } from "./atomic-group.js";
import type { Lane } from "./lane.js";
import { appendSmall } from "./small-group.js";
import { PartitionProducers } from "./partition-producers.js";

/** Partitions whose producers are in memory; those of the others are read again when they call. */
const partitionsMax = 1000;

export class LaneProducers {
  readonly #table: PartitionTable;
  readonly #byPartition = new Map<string, PartitionProducers>();

  constructor(table: PartitionTable) {
    this.#table = table;
  }

  /** Whether something is known of the partition's producers, in memory or not. */
  areKnown(partition: string): boolean {
    const hidden = this.#table.byName(producersPartition(partition));
    return hidden !== undefined && hidden.lastSequence >= hidden.firstAsked;
  }

  /** Those of a partition whose hidden partition is there. */
  of(lane: Lane, state: PartitionState): PartitionProducers {
    const known = this.#byPartition.get(state.name);
    if (known !== undefined) return known;
    if (this.#byPartition.size >= partitionsMax) this.#makeRoom();
    const producers = new PartitionProducers(lane, state, this.#table.byName(producersPartition(state.name)) as PartitionState);
    this.#byPartition.set(state.name, producers);
    return producers;
  }

  /** The partition is being dropped. */
  forget(partition: string): void {
    this.#take(partition);
  }

  #take(partition: string): void {
    const producers = this.#byPartition.get(partition);
    if (producers !== undefined) producers.isCurrent = false;
    this.#byPartition.delete(partition);
  }

  /** Resolves when no call waits for what is known to be read. */
  async settled(): Promise<void> {
    for (const producers of this.#byPartition.values()) if (producers.hasWaiting) await producers.settled();
  }

  #makeRoom(): void {
    for (const [partition, producers] of this.#byPartition) {
      if (!producers.isIdle) continue;
      this.#take(partition);
      return;
    }
  }
}

/**
 * As `lane.appendAtomic`. What is known of producers loses what a truncation in the group takes away, in the same group: 1. a call is
 * appended, and truncated away; 2. the process dies; 3. the call is repeated and told where its record is, and it is not.
 */
export async function appendGroup(lane: Lane, group: readonly GroupItem[], known: LaneProducers): Promise<number[]> {
  const truncated = group.filter(({ state, truncate }) => truncate !== undefined && truncate < state.lastSequence && known.areKnown(state.name));
  if (truncated.length === 0) return appendSmall(lane.small, group) ?? lane.appendAtomic(group);
  const notes = truncated.map(({ state, truncate }) => {
    const producers = known.of(lane, state);
    return { producers, state: producers.hidden, data: () => producers.truncation(truncate as number) };
  });
  try {
    return (await lane.appendAtomic([...group, ...notes.map(({ state, data }) => ({ state, data }))])).slice(0, group.length);
  } catch (error) {
    for (const { producers } of notes) producers.forget();
    throw error;
  }
}
