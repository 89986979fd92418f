// The superblock file, copy by copy, whatever its state.

import { superblockName } from "../../format/names.js";
import { pageBytes } from "../../format/block.js";
import { decodeSuperblock, superblockBytes, superblockCopies, type Superblock } from "../../format/superblock.js";
import type { Storage } from "../../storage/storage.js";
import type { CopyItem, SuperblockItem } from "./inspect-item.js";

export interface SuperblockLook {
  readonly item: SuperblockItem;
  /** The one that counts; null when no copy is valid. */
  readonly superblock: Superblock | null;
}

export async function lookAtSuperblock(storage: Storage, directory: string): Promise<SuperblockLook> {
  const path = `${directory}/${superblockName}`;
  const bytes = await readPages(storage, path);
  const verdict = decodeSuperblock(bytes);
  const superblock = verdict.kind === "valid" ? verdict.superblock : null;
  const valid = superblock === null ? null : {
    uuid: Buffer.from(superblock.uuid).toString("hex"),
    sequence: superblock.sequence,
    alignment: superblock.alignment,
    flushMethod: superblock.flushMethod,
    created: new Date(superblock.created).toISOString(),
    lanes: superblock.lanes.length,
  };
  const copies = Array.from({ length: superblockCopies }, (_, copy) => lookAtCopy(bytes, copy));
  return { item: { kind: "superblock", path, copies, valid, locked: await storage.isLocked(directory) }, superblock };
}

function lookAtCopy(bytes: Uint8Array, copy: number): CopyItem {
  // Alone among zeros it is judged by the same rules as among its like.
  const alone = new Uint8Array(superblockBytes);
  alone.set(bytes.subarray(copy * pageBytes, (copy + 1) * pageBytes), copy * pageBytes);
  const verdict = decodeSuperblock(alone);
  return { copy, verdict: verdict.kind, sequence: verdict.kind === "valid" ? verdict.superblock.sequence : null };
}

/** What can't be read is zeros. */
async function readPages(storage: Storage, path: string): Promise<Uint8Array> {
  const bytes = new Uint8Array(superblockBytes);
  const file = await storage.files.open(path, "read").catch(() => null);
  if (file === null) return bytes;
  try {
    for (let copy = 0; copy < superblockCopies; copy++) await file.readAt(bytes.subarray(copy * pageBytes, (copy + 1) * pageBytes), copy * pageBytes).catch(() => 0);
    return bytes;
  } finally {
    await file.close();
  }
}
