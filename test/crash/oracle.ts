// Judges what a crash left: each lane must be in the state after exactly its first k operations, for some k not below
// the last acknowledged one.
//
// That one sentence holds everything: nothing acknowledged lost, order kept, no hole, batches whole or absent, trims and
// truncations in force, nothing there that nobody wrote.

import { originOf } from "./content.js";
import { Model, type FoundPartition } from "./model.js";
import { laneOf, Workload, type Extent, type Operation, type Profile, type FoundShape } from "./workload.js";

/** What is on disk contradicts what was acknowledged. */
export class LossError extends Error {
  override readonly name = "LossError";
}

interface Numbered {
  readonly number: number;
  readonly operation: Operation;
}

interface LaneState {
  readonly model: Model;
  /** Operations of the current generation that are not in the model yet. */
  readonly ahead: Numbered[];
  /** Every operation up to this one is acknowledged, by itself or by a later one of the lane. */
  acknowledged: number;
  applied: number;
}

/** Operations that leave no trace may follow the last one that does: so many at most are tried. */
const tracelessMax = 3000;
/** A writer is never so far ahead of its acknowledgements. */
const operationsAheadMax = 1_000_000;

export class Oracle {
  readonly #seed: number;
  readonly #profile: Profile;
  readonly #lanes: readonly LaneState[];
  #generation = 0;
  #workload: Workload | null = null;
  /** Those of the current generation, as far as they were needed. */
  #operations: Operation[] = [];
  /** Records of acknowledged operations, and records compared, so far. */
  acknowledgedRecords = 0;
  comparedRecords = 0;

  constructor(seed: number, profile: Profile) {
    this.#seed = seed;
    this.#profile = profile;
    this.#lanes = Array.from({ length: profile.lanes }, () => ({ model: new Model(seed), ahead: [], acknowledged: -1, applied: -1 }));
  }

  /** The next writer found this state; from now on operations are its. */
  begin(generation: number, shape: FoundShape): void {
    for (const [lane, state] of this.#lanes.entries()) {
      const found = ofLane(shape, lane, this.#profile.lanes);
      const newest = [...found.values()].map((extent) => (extent.newest?.generation === this.#generation ? extent.newest.operation : -1));
      this.#advance(state, lane, Math.max(state.applied, state.acknowledged, ...newest), () => state.model.differencesInShape(found));
    }
    // Only now: looking for one lane's state goes on generating for all.
    for (const state of this.#lanes) {
      state.ahead.length = 0;
      state.acknowledged = -1;
      state.applied = -1;
    }
    this.#generation = generation;
    this.#operations = [];
    this.#workload = new Workload([this.#seed, generation], this.#profile, shape);
  }

  /** The writer reported that operation `number` is in force for ever. */
  acknowledge(number: number): void {
    while (this.#operations.length <= number) this.#generate();
    const home = laneOf(this.#operations[number] as Operation, this.#profile.lanes);
    for (const [lane, state] of this.#lanes.entries()) {
      if (home === null || home === lane) state.acknowledged = Math.max(state.acknowledged, number);
    }
  }

  /** Throws a LossError unless this is a state that the operations and acknowledgements allow. */
  check(found: ReadonlyMap<number, FoundPartition>): void {
    for (const [lane, state] of this.#lanes.entries()) {
      const here = ofLane(found, lane, this.#profile.lanes);
      const seen = Math.max(state.acknowledged, this.#lastSeen(lane, here));
      this.#advance(state, lane, seen, () => {
        const differences = state.model.differencesInShape(here);
        return differences.length > 0 ? differences : state.model.differencesInContent(here);
      });
      for (const { records } of here.values()) this.comparedRecords += records.length;
    }
  }

  /** Applies operations up to `floor`, then more until nothing differs. */
  #advance(state: LaneState, lane: number, floor: number, differences: () => string[]): void {
    while (state.applied < floor && this.#applyNext(state, lane, floor));
    let found = differences();
    if (found.length === 0) return;
    const atFloor = found;
    const limit = Math.max(floor, state.applied) + tracelessMax;
    while (this.#applyNext(state, lane, limit)) {
      found = differences();
      if (found.length === 0) return;
    }
    const more = atFloor.length > 10 ? `\n  and ${atFloor.length - 10} more` : "";
    const last = this.#operations.slice(Math.max(0, floor - 9), floor + 1).map(({ kind }, index) => `${Math.max(0, floor - 9) + index} ${kind}`);
    throw new LossError(
      `lane ${lane}, generation ${this.#generation}: no state after operation ${floor} or later explains what is there ` +
        `(${state.acknowledged < 0 ? "none acknowledged" : `acknowledged up to ${state.acknowledged}`}). After operation ${floor}:\n  ${atFloor.slice(0, 10).join("\n  ")}${more}\n  last operations: ${last.join(", ")}`,
    );
  }

  /** Applies the lane's next operation, if it is not behind `limit`. */
  #applyNext(state: LaneState, lane: number, limit: number): boolean {
    if (this.#workload === null) return false;
    while (state.ahead.length === 0) {
      if (this.#operations.length > limit) return false;
      this.#generate();
    }
    const next = state.ahead[0] as Numbered;
    if (next.number > limit) return false;
    state.ahead.shift();
    state.model.apply(this.#generation, next.number, next.operation);
    state.applied = next.number;
    if (next.number <= state.acknowledged && "items" in next.operation) this.acknowledgedRecords += next.operation.items.length;
    return true;
  }

  #generate(): void {
    const operation = (this.#workload as Workload).next();
    const number = this.#operations.push(operation) - 1;
    const lane = laneOf(operation, this.#profile.lanes);
    for (const [index, state] of this.#lanes.entries()) if (lane === null || lane === index) state.ahead.push({ number, operation });
  }

  /** The latest operation of this generation that a record on the lane names. */
  #lastSeen(lane: number, found: ReadonlyMap<number, FoundPartition>): number {
    let last = -1;
    for (const { records } of found.values()) {
      for (const record of records) {
        const origin = originOf(record);
        if (origin?.generation !== this.#generation) continue;
        if (origin.operation > this.#operations.length + operationsAheadMax) throw new LossError(`lane ${String(lane)} holds a record of an operation that no writer reached: ${String(origin.operation)}`);
        last = Math.max(last, origin.operation);
      }
    }
    return last;
  }
}

function ofLane<Value extends Extent>(all: ReadonlyMap<number, Value>, lane: number, lanes: number): Map<number, Value> {
  return new Map([...all].filter(([partition]) => partition % lanes === lane));
}
