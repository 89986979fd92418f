// Records that become durable together and lie in one block: laid into the open block at the call, as a single record is.
//
// What truncates, is large, names a partition that has no id yet, or comes while something waits takes the lane's queue instead.
// One group per lane, filled and placed within one call and then empty again. Hot: `ringwall bench atomic`.

import { roundUp8 } from "../base/numbers.js";
import type { PartitionState } from "../core/partition-table.js";
import { frameFlag, frameHeaderBytes } from "../format/frame.js";
import { newAcknowledgement, resolveOfLast } from "./acknowledgement.js";
import type { GroupItem } from "./atomic-group.js";
import type { BlockBuffer } from "./block-buffer.js";
import type { Placer } from "./placer.js";
import { asBytes } from "./record-data.js";

const recordsMax = 64;
/** More would leave too much of the open block empty where it does not fit any more. */
const frameBytesMax = 64 * 1024;

/** What it needs of its lane. */
export interface SmallGroupHome {
  /** Whether an append resolves when it is placed. */
  readonly acknowledgesAtOnce: boolean;
  /** Throws where the lane takes nothing any more. */
  readonly demandOpen: () => void;
  /** The open block with so much room; null when the group has to wait. */
  readonly blockWith: (frameBytes: number) => BlockBuffer | null;
  readonly afterPlacing: (block: BlockBuffer) => void;
}

export class SmallGroup {
  readonly #placer: Placer;
  readonly #home: SmallGroupHome;
  readonly #states: (PartitionState | undefined)[] = [];
  readonly #data: (Uint8Array | string | undefined)[] = [];
  readonly #bytes: number[] = [];
  #count = 0;
  #frameBytes = 0;
  #isSmall = true;

  constructor(placer: Placer, home: SmallGroupHome) {
    this.#placer = placer;
    this.#home = home;
  }

  /** Empties it, to be filled and appended at once: nothing may come in between. Throws where the lane takes nothing any more. */
  begin(): void {
    this.#home.demandOpen();
    this.#clear();
  }

  add(state: PartitionState, given: Uint8Array | string): void {
    if (state.id === 0 || state.life !== "kept" || this.#count === recordsMax) {
      this.#isSmall = false;
      return;
    }
    const data = typeof given === "string" ? given : asBytes(given);
    const bytes = typeof data === "string" ? Buffer.byteLength(data) : data.length;
    this.#states[this.#count] = state;
    this.#data[this.#count] = data;
    this.#bytes[this.#count] = bytes;
    this.#count++;
    this.#frameBytes += frameHeaderBytes + roundUp8(bytes);
  }

  /**
   * As one, straight into the open block: resolves to the sequence of the first, as `Lane.append`. Null, and nothing is changed, where it
   * has to take the queue.
   */
  append(): Promise<number> | null {
    const block = this.#isSmall && this.#frameBytes <= frameBytesMax ? this.#home.blockWith(this.#frameBytes) : null;
    if (block === null) return null;
    const sequence = this.#place(block);
    if (this.#home.acknowledgesAtOnce) {
      this.#home.afterPlacing(block);
      return Promise.resolve(sequence);
    }
    const promise = newAcknowledgement();
    block.addWaiter(resolveOfLast(), sequence);
    this.#home.afterPlacing(block);
    return promise;
  }

  /** Gives out the sequences; returns the first. */
  #place(block: BlockBuffer): number {
    const last = this.#count - 1;
    const first = (this.#states[0] as PartitionState).lastSequence + 1;
    for (let index = 0; index <= last; index++) {
      const flags = (index > 0 ? frameFlag.groupContinued : 0) | (index < last ? frameFlag.groupGoesOn : 0);
      const state = this.#states[index] as PartitionState;
      this.#placer.placeRecord(block, state, ++state.lastSequence, this.#data[index] as Uint8Array | string, (this.#bytes[index] as number) | flags);
    }
    return first;
  }

  #clear(): void {
    for (let index = 0; index < this.#count; index++) {
      this.#states[index] = undefined;
      this.#data[index] = undefined;
    }
    this.#count = 0;
    this.#frameBytes = 0;
    this.#isSmall = true;
  }
}

/** As `Lane.appendAtomic` of a group that is small; null, and nothing is changed, where it is not, or has to wait. `small`: the lane's. */
export function appendSmall(small: SmallGroup, group: readonly GroupItem[]): Promise<number[]> | null {
  if (group.length > recordsMax) return null;
  small.begin();
  for (const { state, data } of group) {
    if (data === undefined || typeof data === "function") return null;
    small.add(state, data);
  }
  const done = small.append();
  if (done === null) return null;
  const sequences = sequencesOf(group);
  return done.then(() => sequences);
}

/** Just given out: those of a partition end with its last one. */
function sequencesOf(group: readonly GroupItem[]): number[] {
  const sequences = group.map(({ state }) => state.lastSequence);
  for (let index = group.length - 2; index >= 0; index--) {
    const { state } = group[index] as GroupItem;
    for (let later = index + 1; later < group.length; later++) {
      if ((group[later] as GroupItem).state !== state) continue;
      sequences[index] = (sequences[later] as number) - 1;
      break;
    }
  }
  return sequences;
}
