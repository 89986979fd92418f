// A backup that another thread asks for: the lane's thread copies, here its progress is told and its end awaited.

import { RingwallError } from "../base/errors.js";
import { checkBackup, type BackupOptions, type BackupProgress, type BackupReport } from "../log/backup/backup.js";
import { backupAborted } from "../log/backup/copy-file.js";
import type { Connection } from "./connection.js";

/** As `Log.backup`. */
export async function backUp(connection: Connection, directory: string, options: BackupOptions): Promise<BackupReport> {
  checkBackup(directory, options);
  const { signal, onProgress, bytesPerSecond = null } = options;
  let thrown: { readonly error: unknown } | null = null;
  const { id, report } = connection.beginBackup({ directory, bytesPerSecond, tellsProgress: onProgress !== undefined }, (progress) => void tell(progress));
  const abort = (): void => { connection.tellBackup({ kind: "abort", id }); };
  const tell = async (progress: BackupProgress): Promise<void> => {
    try {
      await onProgress?.(progress);
    } catch (error) {
      thrown = { error };
      abort();
    }
    connection.tellBackup({ kind: "heard", id });
  };
  if (signal?.aborted === true) abort();
  else signal?.addEventListener("abort", abort, { once: true });
  try {
    return await report;
  } catch (error) {
    const own = thrown as { readonly error: unknown } | null;
    if (own !== null) throw own.error;
    // The reason stays the very object that the caller gave.
    const wasAborted = signal?.aborted === true && error instanceof RingwallError && error.code === "RINGWALL_ABORTED";
    throw wasAborted ? backupAborted(signal.reason) : error;
  } finally {
    signal?.removeEventListener("abort", abort);
  }
}
