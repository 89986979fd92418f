// What reclaim asks and tells the log's owner. What a callback throws is the owner's to see and stops nothing: it becomes a warning.

import type { RingwallError } from "../base/errors.js";
import type { ReclaimEvent, ReclaimOption } from "./options.js";

/** Lets the owner trim first; resolves when it is through. */
export async function askOwner(onReclaim: ReclaimOption["onReclaim"], event: ReclaimEvent): Promise<void> {
  try {
    await onReclaim?.(event);
  } catch (error) {
    warn("onReclaim", error);
  }
}

export function tellOwner(onStopped: ReclaimOption["onStopped"], stopped: RingwallError): void {
  void (async (): Promise<void> => {
    // It may be async: nobody else would hear of its failure but the process, which would end.
    const told: unknown = onStopped?.(stopped);
    await told;
  })().catch((error: unknown) => { warn("onStopped", error); });
}

function warn(callback: string, error: unknown): void {
  process.emitWarning(`${callback} failed: ${String(error)}`, { code: "RINGWALL_RECLAIM_CALLBACK" });
}
