// What waits for space in a lane, first in, first out, and what a full disk may refuse of it.

import { RingwallError } from "../base/errors.js";
import type { LaneSettings } from "./lane-settings.js";
import { bytesOf, refuseOperation, undoSequences, type ControlOperation, type Operation, type TrimsOperation } from "./operation.js";

export class OperationQueue {
  /** Records wait, though there may be space. What was begun goes on. */
  isHeld = false;
  readonly #waiting: Operation[] = [];
  #bytes = 0;

  get length(): number {
    return this.#waiting.length;
  }

  /** Whether a record that comes has to wait. Hot. */
  get mustWait(): boolean {
    return this.isHeld || this.#waiting.length !== 0;
  }

  /** Payload bytes of the records that wait. */
  get bytes(): number {
    return this.#bytes;
  }

  get first(): Operation | undefined {
    return this.#waiting[0];
  }

  get last(): Operation | undefined {
    return this.#waiting[this.#waiting.length - 1];
  }

  /** Whether a truncation waits: until it is placed, segments hold records as if alive that it has given up. */
  get truncates(): boolean {
    return this.#waiting.some(truncates);
  }

  /** Throws RINGWALL_BACKPRESSURE where as much waits as the buffers hold. */
  demandRoom(bytes: number, { bufferBytes, bufferCount, directory }: Pick<LaneSettings, "bufferBytes" | "bufferCount" | "directory">): void {
    const limit = bufferBytes * bufferCount;
    if (this.length > 0 && this.#bytes + bytes > limit) throw backpressure(this.#bytes, limit, directory);
  }

  push(operation: Operation): void {
    this.#waiting.push(operation);
    if (operation.kind === "records") this.#bytes += bytesOf(operation);
  }

  /** In front of all but what was begun. */
  pushFirst(operation: Operation): void {
    const [first] = this.#waiting;
    this.#waiting.splice(first !== undefined && isBegun(first) ? 1 : 0, 0, operation);
  }

  shift(): void {
    const operation = this.#waiting.shift();
    if (operation?.kind === "records") this.#bytes -= bytesOf(operation);
  }

  /**
   * Refuses what can be refused and gives its sequences back. What was begun, and what was accepted without a promise,
   * with all before it, stays, unless `all`; those who wait for durability are refused in any case. A trim that has nothing but what is
   * refused before it is left to `placeTrim`, which says whether it found room. `unheard`: something was refused that was accepted without
   * a promise, so that nobody hears of it.
   */
  refuse(error: Error, all: boolean, placeTrim: (trim: Operation) => boolean): { readonly unheard: boolean } {
    const operations = this.#waiting.splice(all ? 0 : this.#waiting.findLastIndex(isBound) + 1);
    const trims = this.#waiting.length === 0 ? takeTrims(operations) : [];
    const unheard = operations.some((operation) => operation.kind === "records" && isBound(operation));
    undoSequences(operations);
    for (let index = this.#waiting.length - 1; index >= 0; index--) {
      if (this.#waiting[index]?.kind === "sync") operations.unshift(...this.#waiting.splice(index, 1));
    }
    for (const operation of operations) if (operation.kind === "records") this.#bytes -= bytesOf(operation);
    for (const operation of operations) refuseOperation(operation, error);
    while (trims[0] !== undefined && placeTrim(trims[0])) trims.shift();
    undoSequences(trims);
    for (const trim of trims) refuseOperation(trim, error);
    return { unheard };
  }

  /** Empties it without giving anything back. */
  clear(): Operation[] {
    this.#bytes = 0;
    return this.#waiting.splice(0);
  }
}

/** In the middle of a group: nothing else may be placed. */
function isBegun(operation: Operation): boolean {
  return operation.kind === "move" ? operation.itemBytes > 0 : operation.kind === "records" && operation.started;
}

function truncates(operation: Operation): boolean {
  return operation.kind === "truncate" || (operation.kind === "records" && operation.effects !== null);
}

/** Takes the trims out that go by nothing that waits before them: neither by its records nor by its truncations. */
function takeTrims(operations: Operation[]): Operation[] {
  const trims: Operation[] = [];
  for (let index = 0; index < operations.length; ) {
    const operation = operations[index] as Operation;
    // An acknowledged call says that what was accepted before it is durable.
    if (isBound(operation) || truncates(operation)) break;
    if (operation.kind !== "trim" && operation.kind !== "trims") index++;
    else if (takesOnlyWhatIsPlaced(operation)) trims.push(...operations.splice(index, 1));
    else break;
  }
  return trims;
}

function takesOnlyWhatIsPlaced(operation: ControlOperation | TrimsOperation): boolean {
  const items = operation.kind === "trims" ? operation.items : [operation];
  return items.every(({ state, sequence }) => sequence <= state.placedSequence + 1);
}

/** Begun, or accepted without a promise: it can't be refused any more. */
function isBound(operation: Operation): boolean {
  return isBegun(operation) || (operation.kind === "records" && operation.resolve === null);
}

function backpressure(bytes: number, limit: number, path: string): RingwallError {
  return new RingwallError("RINGWALL_BACKPRESSURE", `${String(bytes)} bytes wait for space, the limit is ${String(limit)}`, {
    place: { path },
    remedy: "Await log.drain() while log.needDrain is true.",
  });
}
