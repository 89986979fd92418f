// Options of calls: an object, and no key that is not known.

import { RingwallError } from "../base/errors.js";

/** Throws RINGWALL_INVALID_ARGUMENT otherwise: a misspelt option would count for nothing. Hot: makes no array of the keys. */
export function demandKnown<Options extends object>(what: string, options: Options | null | undefined, known: ReadonlySet<string>): asserts options is Options {
  if (typeof options !== "object" || options === null) throw new RingwallError("RINGWALL_INVALID_ARGUMENT", `${what} must be an object; it is ${String(options)}`);
  for (const key in options) {
    if (!known.has(key)) throw new RingwallError("RINGWALL_INVALID_ARGUMENT", `${what} have no \`${key}\``, { remedy: `Known: ${[...known].join(", ")}.` });
  }
}
