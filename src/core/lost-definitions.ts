// Partitions whose definitions are lost in a gap: which of them are believed, and under what name they go.
//
// Owns how many bytes are missing in all gaps of a lane, and how many definitions those are taken to have held. Pure.

import { checkpointEntryBytesMax } from "../format/checkpoint.js";
import type { LossLedger } from "./loss-ledger.js";
import { namelessPartition } from "./own-names.js";
import type { PartitionTable } from "./partition-table.js";

/** A definition takes so many bytes at least, and an entry of a checkpoint no fewer. */
const definitionBytesMin = checkpointEntryBytesMax(1, 0);
/** More lost definitions than these are not believed, however large the gaps: a few frames would cost gigabytes. */
const lostDefinitionsMax = 262_144;

export class LostDefinitions {
  /** Names of partitions learned elsewhere. */
  names: ReadonlyMap<number, string> = new Map();
  readonly #table: PartitionTable;
  readonly #losses: LossLedger;
  #missingBytes = 0;
  #count = 0;

  constructor(table: PartitionTable, losses: LossLedger) {
    this.#table = table;
    this.#losses = losses;
  }

  handleMissing(bytes: number): void {
    this.#missingBytes += bytes;
  }

  /**
   * Partitions up to `last` exist, though their definitions are lost: ids have no holes. Unless the gaps can't have held so many.
   * `isTableKnown`: a checkpoint told of all that were defined before the gap.
   */
  fillIds(last: number, isTableKnown: boolean): void {
    const table = this.#table;
    const lost = Math.max(0, last - table.nextId + 1);
    if (this.#count + lost > Math.min(lostDefinitionsMax, this.#missingBytes / definitionBytesMin)) return;
    this.#count += lost;
    while (table.nextId <= last) {
      const id = table.nextId;
      const name = this.names.get(id);
      if (name === undefined || !isTableKnown) this.#losses.handleDoubt();
      table.define(id, this.freeName(id, name));
    }
  }

  /** Another one where the name is lost or taken. */
  freeName(id: number, name: string | undefined): string {
    let free = name ?? namelessPartition(id);
    while (this.#table.byName(free) !== undefined) free = free === name ? namelessPartition(id) : `${free}'`;
    return free;
  }
}
