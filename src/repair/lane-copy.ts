// Brings one lane's survivors into the new log, each into the part that the plan gave it.
//
// What it meets must be what the plan counted: a log that changes between the two walks is no longer the one that was judged.

import { RingwallError } from "../base/errors.js";
import type { PartitionState } from "../core/partition-table.js";
import type { RepairedPartition, SalvagedPart } from "./repair-report.js";
import type { SurvivingRecord } from "./surviving-records.js";
import type { TargetLog } from "./target-log.js";

interface Filling {
  readonly parts: readonly SalvagedPart[];
  /** The part that is being filled. */
  at: number;
  /** Its partition in the new log; null until its first record comes. */
  state: PartitionState | null;
}

export class LaneCopy {
  readonly #target: TargetLog;
  readonly #lane: number;
  readonly #fillings: ReadonlyMap<number, Filling>;

  constructor(target: TargetLog, lane: number, partitions: readonly RepairedPartition[]) {
    this.#target = target;
    this.#lane = lane;
    this.#fillings = new Map(partitions.map(({ partition, salvaged }) => [partition, { parts: salvaged, at: 0, state: null }]));
  }

  take(record: SurvivingRecord): Promise<void> | undefined {
    const filling = this.#fillings.get(record.state.id);
    if (filling === undefined) throw changed(record.state.name, record.sequence);
    const { state } = filling;
    if (state !== null && record.sequence <= (filling.parts[filling.at] as SalvagedPart).lastSequence) return this.#add(state, record);
    return this.#beginPart(filling, record);
  }

  /** Makes the parts without records, and checks that the others are whole. */
  async finish(): Promise<void> {
    for (const filling of this.#fillings.values()) {
      const { parts, at, state } = filling;
      const current = parts[at] as SalvagedPart;
      if (state !== null && state.lastSequence !== current.lastSequence) throw changed(current.name, state.lastSequence + 1);
      for (const part of parts.slice(state === null ? at : at + 1)) {
        if (part.records > 0) throw changed(part.name, part.firstSequence);
        await this.#target.begin(this.#lane, part);
      }
    }
  }

  async #beginPart(filling: Filling, record: SurvivingRecord): Promise<void> {
    const previous = filling.parts[filling.at] as SalvagedPart;
    if (filling.state !== null) {
      if (filling.state.lastSequence !== previous.lastSequence) throw changed(previous.name, record.sequence);
      filling.at++;
    }
    const part = filling.parts[filling.at];
    if (part === undefined || part.firstSequence !== record.sequence) throw changed(record.state.name, record.sequence);
    // The record's memory is kept until this resolves.
    filling.state = await this.#target.begin(this.#lane, part);
    const waits = this.#add(filling.state, record);
    if (waits !== undefined) await waits;
  }

  #add(state: PartitionState, { sequence, time, data, state: { name } }: SurvivingRecord): Promise<void> | undefined {
    if (sequence !== state.lastSequence + 1) throw changed(name, sequence);
    return this.#target.add(this.#lane, state, time, data);
  }
}

function changed(partition: string, sequence: number): RingwallError {
  return new RingwallError("RINGWALL_IO", "the damaged log was not the same when it was read again", {
    place: { partition, sequence },
    remedy: "Stop whatever writes to it, check the device, and run the repair again.",
  });
}
