// Promises of acknowledgements: each record costs its promise and nothing else.

import type { Resolve } from "./block-buffer.js";

let captured: Resolve | null = null;

/** Shared by all promises, so that none allocates an executor. */
function capture(resolve: (value: number | PromiseLike<number>) => void): void {
  captured = resolve as Resolve;
}

/** A pending promise; `resolveOfLast` is the way to settle it and must be taken before the next one is made. Hot. */
export function newAcknowledgement(): Promise<number> {
  return new Promise<number>(capture);
}

export function resolveOfLast(): Resolve {
  return captured as Resolve;
}

/** Resolves behind the code that runs now. Not written where it is used: a closure there would cost every call a context. */
export function later(resolve: Resolve): Resolve {
  return (result, failed) => { queueMicrotask(() => { resolve(result, failed); }); };
}
