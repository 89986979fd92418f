// Partitions that producers know, with their place on the board.

import type { LaneLog } from "../log/lane-log.js";
import type { LanePartition } from "../log/lane-partition.js";
import type { BoardWriter } from "./board.js";

export interface ServedPartition {
  readonly partition: LanePartition;
  /** Its place on the board. */
  readonly place: number;
  /** Whether its numbers wait to be written there. */
  isChanged: boolean;
}

export class ServedPartitions {
  readonly #log: LaneLog;
  readonly #board: BoardWriter;
  readonly #byName = new Map<string, ServedPartition>();
  readonly #changed: ServedPartition[] = [];
  /** Not durable when they were written to the board last. */
  readonly #lagging = new Set<ServedPartition>();

  constructor(log: LaneLog, board: BoardWriter) {
    this.#log = log;
    this.#board = board;
    for (const { name } of log.allNamed()) this.noteChanged(this.serve(name));
    this.writeChanged();
  }

  serve(name: string): ServedPartition {
    const known = this.#byName.get(name);
    if (known !== undefined) return known;
    const partition = this.#log.named(name);
    const served: ServedPartition = { partition, place: this.#board.add(name, partition.lane), isChanged: false };
    this.#byName.set(name, served);
    return served;
  }

  demandPlaces(names: readonly string[]): void {
    this.#board.demandRoom(names.filter((name) => !this.#byName.has(name)));
  }

  /** Hot: once per record. */
  noteChanged(served: ServedPartition): void {
    if (served.isChanged) return;
    served.isChanged = true;
    this.#changed.push(served);
  }

  writeChanged(): void {
    for (const served of this.#changed.splice(0)) {
      served.isChanged = false;
      this.#write(served);
    }
  }

  /** Under durability "interval" records become durable without anybody being told: whether some still are on their way. */
  writeLagging(): boolean {
    for (const served of this.#lagging) this.#write(served);
    return this.#lagging.size > 0;
  }

  #write(served: ServedPartition): void {
    const { firstSeq, lastSeq, durableSeq, exists } = served.partition;
    this.#board.update(served.place, { first: firstSeq, last: lastSeq, durable: durableSeq }, exists);
    if (durableSeq < lastSeq) this.#lagging.add(served);
    else this.#lagging.delete(served);
  }
}
