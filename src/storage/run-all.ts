// Freeing in several steps, of which each may fail and none may be left out.

import { RingwallError } from "../base/errors.js";

/**
 * Runs every step, also behind one that fails, so that whatever can be freed is. Of several failures it makes one error, which has the
 * first one's code, says all of their messages, and holds all of them in its cause.
 */
export async function runAll(steps: readonly (() => Promise<unknown>)[]): Promise<void> {
  const failures: unknown[] = [];
  for (const step of steps) await step().catch((error: unknown) => failures.push(...partsOf(error)));
  const [first] = failures;
  if (failures.length === 0) return;
  if (failures.length === 1) throw first;
  const texts = failures.map((failure) => (failure instanceof Error ? failure.message : String(failure)).replace(/\.$/, ""));
  const code = first instanceof RingwallError ? first.code : "RINGWALL_IO";
  throw new RingwallError(code, `${String(failures.length)} things failed: ${texts.join("; ")}`, { cause: new AggregateError(failures) });
}

function partsOf(error: unknown): readonly unknown[] {
  return error instanceof RingwallError && error.cause instanceof AggregateError ? (error.cause.errors as unknown[]) : [error];
}
