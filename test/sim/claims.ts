// Which acknowledgements the media themselves bear witness of: needed where media go bad.
//
// The last blocks before a crash are covered by nothing: damage to them looks like a torn tail, and no log can tell. A record
// is covered once a block that was submitted after its acknowledgement is durable, for that block's horizon names it.

import type { WriteObserver } from "#src/storage/sim/sim-writer.js";
import type { LaneModel } from "./lane-model.js";

interface Claim {
  readonly lane: number;
  readonly path: string;
  readonly position: number;
  readonly bytes: number;
  /** Steps below it were acknowledged when the block was submitted. */
  readonly acknowledged: number;
}

export class Claims implements WriteObserver {
  /** What recovery took for the log's end is not compared yet: blocks written on top of it bear witness of nothing. */
  areDoubtful = true;
  readonly #lanes: readonly LaneModel[];
  readonly #submitted = new Map<string, Claim>();
  readonly #durable = new Map<string, Claim>();

  constructor(lanes: readonly LaneModel[]) {
    this.#lanes = lanes;
  }

  submitted(path: string, position: number, bytes: Uint8Array): void {
    const lane = laneOf(path);
    const acknowledged = this.areDoubtful ? 0 : (this.#lanes[lane]?.acknowledged ?? 0);
    this.#submitted.set(keyOf(path, position), { lane, path, position, bytes: bytes.length, acknowledged });
  }

  durable(path: string, position: number, honest: boolean): void {
    const key = keyOf(path, position);
    const claim = this.#submitted.get(key);
    if (claim === undefined) return;
    this.#submitted.delete(key);
    if (honest) this.#durable.set(key, claim);
    else this.#durable.delete(key);
  }

  misplaced(path: string, position: number, bytes: number): void {
    this.overwritten(path, position, bytes);
  }

  /** Something was written over, or spoiled, that was not meant: claims of blocks there count no more. */
  overwritten(path: string, position: number, bytes: number): void {
    for (const [key, claim] of [...this.#durable]) {
      if (claim.path === path && claim.position < position + bytes && position < claim.position + claim.bytes) this.#durable.delete(key);
    }
  }

  /** Steps of the lane below this number must be there, or reported. */
  coveredOf(lane: number): number {
    let covered = 0;
    for (const claim of this.#durable.values()) if (claim.lane === lane) covered = Math.max(covered, claim.acknowledged);
    return covered;
  }

  clear(): void {
    this.#submitted.clear();
    this.#durable.clear();
  }
}

export function laneOf(path: string): number {
  return Number(/lane-(\d{2})/.exec(path)?.[1] ?? -1);
}

function keyOf(path: string, position: number): string {
  return `${path}:${String(position)}`;
}
