// Which backend a log gets. The only file that knows more than one of them.

import { RingwallError } from "../base/errors.js";
import { fsStorage } from "./fs/fs-storage.js";
import type { Storage } from "./storage.js";
import { openUring, type UringOptions } from "./uring/uring-storage.js";

export interface StorageChoiceOptions {
  /** "auto": io_uring where it works, node:fs elsewhere. */
  readonly backend: "auto" | "uring" | "fs";
  readonly uring?: UringOptions;
}

export interface StorageChoice {
  readonly storage: Storage;
  /** Why this one, for `log.info`. */
  readonly reason: string;
}

/** Throws RINGWALL_UNAVAILABLE when io_uring is asked for by name and can't work here. */
export function chooseStorage(options: StorageChoiceOptions): StorageChoice {
  if (options.backend === "fs") return { storage: fsStorage(), reason: "asked for" };
  const uring = openUring(options.uring);
  if (uring.kind === "ok") return { storage: uring.storage, reason: options.backend === "uring" ? "asked for" : "io_uring works here" };
  if (options.backend === "auto") return { storage: fsStorage(), reason: `io_uring does not work here: ${uring.reason}` };
  throw new RingwallError("RINGWALL_UNAVAILABLE", `io_uring does not work here: ${uring.reason}`, {
    remedy: 'Allow it, or open the log with { backend: "auto" } or { backend: "fs" }.',
    details: { reason: uring.reason },
  });
}

/**
 * What "auto" takes when its choice was refused after all, or null: one ring may be allowed and a lane's not (locked memory, open files,
 * a profile that counts).
 */
export function chooseStorageAgain(refused: StorageChoice, error: unknown): StorageChoice | null {
  if (refused.storage.name !== "uring" || !(error instanceof RingwallError) || error.code !== "RINGWALL_UNAVAILABLE") return null;
  return { storage: fsStorage(), reason: `io_uring was tried and refused: ${error.message}` };
}
