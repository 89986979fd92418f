// Broken invariants stop the program's current operation, in production too: a log that goes on
// after an impossible state would acknowledge what it can't keep.

/** Thrown when an invariant of this library does not hold. Never thrown for bad input or a failing disk. */
export class RingwallAssertionError extends Error {
  override readonly name = "RingwallAssertionError";
}

export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new RingwallAssertionError(`invariant broken: ${message}`);
}

export function unreachable(value: never, message: string): never {
  throw new RingwallAssertionError(`invariant broken: ${message}: ${JSON.stringify(value)}`);
}
