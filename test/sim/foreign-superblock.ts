// Superblocks that do not belong to the log's present state, as people bring them about: an old one is restored from a backup,
// or the directory was copied, the copy opened elsewhere, and its superblock put back here.
//
// Blocks and superblock then disagree on the epoch, on where the log was closed, or on how many blocks were in flight: the
// rows of the recovery table that no crash and no fault of the disk leads to.

import assert from "node:assert/strict";
import { superblockName, laneDirectoryName } from "#src/format/names.js";
import { decodeSuperblock } from "#src/format/superblock.js";
import { LaneLog as Log } from "#src/log/lane-log.js";
import type { ResolvedOptions } from "#src/log/options.js";
import type { SimDisk } from "#src/storage/sim/disk.js";
import type { Inode } from "#src/storage/sim/inode.js";
import { SimMachine } from "#src/storage/sim/machine.js";
import type { Random } from "#src/storage/sim/random.js";
import { SimStorage } from "#src/storage/sim/sim-storage.js";

export type ForeignKind =
  /** As it was before the log was opened last. */
  | "older"
  /** Of a copy that was opened, written and closed. */
  | "of a closed copy"
  /** Of a copy that was opened with fewer blocks in flight, and killed. */
  | "of a killed copy";

export interface ForeignRequest {
  readonly kind: ForeignKind;
  readonly machine: SimMachine;
  readonly directory: string;
  readonly options: ResolvedOptions;
  readonly random: Random;
}

/** Null: there is no log yet. */
export async function foreignSuperblock({ kind, machine, directory, options, random }: ForeignRequest): Promise<Uint8Array | null> {
  const present = superblockOf(machine.disk, directory);
  if (present === null) return null;
  const bytes = present.visible.slice();
  const verdict = decodeSuperblock(bytes);
  assert(verdict.kind === "valid", "between lives the superblock is whole");
  if (kind === "older") return bytes;

  const other = copyOf(machine, directory, { seed: random.next(), lanes: verdict.superblock.lanes.length });
  const storage = new SimStorage(other);
  const log = await Log.openOn({ storage, reason: "a copy" }, directory, { ...options, durability: { mode: "sync" }, blocksInFlight: 1 });
  for (let left = random.between(1, 12); left > 0; left--) await log.partition(`p${String(random.below(3))}`).append("elsewhere");
  if (kind === "of a closed copy") await log.close();
  else other.kill(storage.owner);
  return (superblockOf(other.disk, directory) as Inode).visible.slice();
}

/** Puts it in the place of the log's own. */
export function putSuperblock(machine: SimMachine, directory: string, bytes: Uint8Array): void {
  const inode = superblockOf(machine.disk, directory);
  if (inode !== null) machine.replace(inode, `${directory}/${superblockName}`, bytes);
}

function superblockOf(disk: SimDisk, directory: string): Inode | null {
  return disk.files().find(({ path }) => path === `${directory}/${superblockName}`)?.inode ?? null;
}

function copyOf(machine: SimMachine, directory: string, { seed, lanes }: { readonly seed: number; readonly lanes: number }): SimMachine {
  const other = new SimMachine({ seed, startMs: machine.loop.now });
  other.disk.makeDirectory(directory);
  for (let lane = 0; lane < lanes; lane++) other.disk.makeDirectory(`${directory}/${laneDirectoryName(lane)}`);
  for (const { path, inode } of machine.disk.files()) other.disk.open(path, "create").write(inode.visible, 0);
  return other;
}
