// What a backup that was interrupted says of itself: the mark in its directory, and how those who meet it put that.

import { RingwallError } from "../base/errors.js";
import { backupMarkName } from "../format/names.js";

export const interruptedBackup = `an interrupted backup: ${backupMarkName} is there`;

export function isInterruptedBackup(names: readonly string[]): boolean {
  return names.includes(backupMarkName);
}

/** Throws RINGWALL_NOT_A_LOG where the mark is among the directory's names. */
export function demandNoBackupMark(directory: string, names: readonly string[]): void {
  if (!isInterruptedBackup(names)) return;
  throw new RingwallError("RINGWALL_NOT_A_LOG", interruptedBackup, {
    place: { path: directory },
    remedy: `Remove the directory and run the backup again. Where the original is lost: remove ${backupMarkName} alone, and \`ringwall repair\` copies what is there.`,
  });
}
