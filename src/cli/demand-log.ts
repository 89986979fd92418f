// Whether a directory holds a log, for the commands that look at its files without opening it.

import { RingwallError } from "../base/errors.js";
import { parseLaneDirectory, superblockName } from "../format/names.js";
import { demandNoBackupMark } from "../recovery/backup-mark.js";
import type { FileSystem } from "../storage/storage.js";

export async function isLog(files: FileSystem, directory: string): Promise<boolean> {
  return holdsLog((await files.list(directory)) ?? []);
}

function holdsLog(names: readonly string[]): boolean {
  return names.some((name) => name === superblockName || parseLaneDirectory(name) !== null);
}

/** Rejects with RINGWALL_NOT_FOUND unless there is at least a part of a log, with RINGWALL_NOT_A_LOG for a backup that was interrupted. */
export async function demandLog(files: FileSystem, directory: string): Promise<void> {
  const names = (await files.list(directory)) ?? [];
  demandNoBackupMark(directory, names);
  if (holdsLog(names)) return;
  throw new RingwallError("RINGWALL_NOT_FOUND", "there is no log here", { place: { path: directory }, remedy: "Check the path." });
}
