// What waits for space in a lane, first in, first out, and what a full disk may refuse of it.

import { RingwallError } from "../base/errors.js";
import type { LaneSettings } from "./lane-settings.js";
import { bytesOf, undoSequences, type Operation } from "./operation.js";

export interface Refused {
  readonly operations: readonly Operation[];
  /** Whether something is among them that was accepted without a promise: nobody would hear of it. */
  readonly unheard: boolean;
}

export class OperationQueue {
  readonly #waiting: Operation[] = [];
  #bytes = 0;

  get length(): number {
    return this.#waiting.length;
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
    return this.#waiting.some((operation) => operation.kind === "truncate" || (operation.kind === "records" && operation.effects !== null));
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

  shift(): void {
    const operation = this.#waiting.shift();
    if (operation?.kind === "records") this.#bytes -= bytesOf(operation);
  }

  /**
   * Takes out what can be refused and gives its sequences back. What was begun, and what was accepted without a promise,
   * with all before it, stays, unless `all`; those who wait for durability are refused in any case.
   */
  refuse(all: boolean): Refused {
    const operations = this.#waiting.splice(all ? 0 : this.#waiting.findLastIndex(isBound) + 1);
    const unheard = operations.some((operation) => operation.kind === "records" && isBound(operation));
    undoSequences(operations);
    for (let index = this.#waiting.length - 1; index >= 0; index--) {
      if (this.#waiting[index]?.kind === "sync") operations.unshift(...this.#waiting.splice(index, 1));
    }
    for (const operation of operations) if (operation.kind === "records") this.#bytes -= bytesOf(operation);
    return { operations, unheard };
  }

  /** Empties it without giving anything back. */
  clear(): Operation[] {
    this.#bytes = 0;
    return this.#waiting.splice(0);
  }
}

/** Begun, or accepted without a promise: it can't be refused any more. */
function isBound(operation: Operation): boolean {
  if (operation.kind === "move") return operation.itemBytes > 0;
  return operation.kind === "records" && (operation.started || operation.resolve === null);
}

function backpressure(bytes: number, limit: number, path: string): RingwallError {
  return new RingwallError("RINGWALL_BACKPRESSURE", `${String(bytes)} bytes wait for space, the limit is ${String(limit)}`, {
    place: { path },
    remedy: "Await log.drain() while log.needDrain is true.",
  });
}
