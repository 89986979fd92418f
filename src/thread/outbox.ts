// Commands of one producer that found no room in its ring, first in, first out, with copies of their bytes.

import type { CommandKind } from "./command-ring.js";

export interface WaitingCommand {
  readonly kind: CommandKind;
  readonly partition: number;
  readonly payload: Uint8Array;
  /** Gets the answer; null for a command without one. */
  readonly resolve: AnswerResolve | null;
  /** -1 until it has its place among the answers. */
  token: number;
  sentBytes: number;
  hasBegun: boolean;
}

export type AnswerResolve = (value: number | readonly number[] | Promise<never>) => void;

export class Outbox {
  #waiting: WaitingCommand[] = [];
  #next = 0;
  #bytes = 0;

  get length(): number {
    return this.#waiting.length - this.#next;
  }

  /** Bytes of all payloads that wait. */
  get bytes(): number {
    return this.#bytes;
  }

  get first(): WaitingCommand | undefined {
    return this.#waiting[this.#next];
  }

  push(command: WaitingCommand): void {
    this.#waiting.push(command);
    this.#bytes += command.payload.length;
  }

  shift(): void {
    this.#bytes -= (this.#waiting[this.#next] as WaitingCommand).payload.length;
    this.#next++;
    // `Array.shift` moves everything: a long queue is cut now and then instead.
    if (this.#next < 1024 && this.#next < this.#waiting.length) return;
    this.#waiting = this.#waiting.slice(this.#next);
    this.#next = 0;
  }

  clear(): WaitingCommand[] {
    const rest = this.#waiting.slice(this.#next);
    this.#waiting = [];
    this.#next = 0;
    this.#bytes = 0;
    return rest;
  }
}
