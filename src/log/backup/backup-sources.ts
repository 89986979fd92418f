// What a backup copies from: the lanes of a running writer, or of a log that is open for reading beside one.

import { RingwallError } from "../../base/errors.js";
import type { LaneRecord, Superblock } from "../../format/superblock.js";
import { readSuperblock } from "../../recovery/superblock-file.js";
import type { Storage } from "../../storage/storage.js";
import type { Lane } from "../lane.js";
import type { ReadOnlyLane } from "../read-only-lane.js";
import type { SegmentShelf } from "../segment-shelf.js";
import { backUp, type BackupOptions, type BackupReport, type LaneSnapshot, type LogSnapshot } from "./backup.js";

export interface BackedUpLog {
  readonly directory: string;
  readonly storage: Storage;
}

/** Everything accepted before the call is in the copy. Segments are kept meanwhile. */
export async function backUpWriter(log: BackedUpLog, lanes: readonly Lane[], superblock: () => Superblock, to: { readonly directory: string; readonly options: BackupOptions }): Promise<BackupReport> {
  const kept = lanes.map((lane) => lane.shelf.keepSegments());
  const snapshot = async (): Promise<LogSnapshot> => {
    await Promise.all(lanes.map((lane) => lane.sync()));
    // One moment for all lanes: nothing is awaited in between. In the mode "none" the horizon is of what is written; the copy is synced.
    const current = superblock();
    const moments = lanes.map((lane) => ({ lastBlock: lane.horizon, segments: lane.shelf.segmentIds }));
    const images = moments.map(async ({ lastBlock, segments }, at): Promise<LaneSnapshot> => {
      const { shelf, settings } = lanes[at] as Lane;
      return { directory: settings.directory, record: current.lanes[at] as LaneRecord, lastBlock, segments: await upTo(shelf, segments, lastBlock) };
    });
    return { superblock: current, lanes: await Promise.all(images) };
  };
  try {
    // Frees nothing any more, and waits for a release that is under way.
    await Promise.all(lanes.map((lane) => lane.release()));
    return await backUp({ ...log, snapshot, keptFrom: () => Promise.resolve([]) }, to.directory, to.options);
  } finally {
    for (const letGo of kept) letGo();
    // Of what can't be freed now the next trim hears.
    for (const lane of lanes) lane.release().catch(() => undefined);
  }
}

/** The log as a look shows it now; what a writer frees meanwhile is found out afterwards. */
export async function backUpReader(log: BackedUpLog, lanes: readonly ReadOnlyLane[], to: { readonly directory: string; readonly options: BackupOptions }): Promise<BackupReport> {
  const snapshot = async (): Promise<LogSnapshot> => {
    for (const lane of lanes) await lane.refresh();
    const views = lanes.map((lane) => lane.view());
    const [first] = views;
    if (first === undefined) throw new RingwallError("RINGWALL_DAMAGED", "the log has no lane", { place: { path: log.directory } });
    return { superblock: first.superblock, lanes: views.map(({ image }) => image) };
  };
  const keptFrom = async (): Promise<number[]> => (await readSuperblock(log.storage.files, log.directory)).superblock.lanes.map(({ firstSegment }) => firstSegment);
  return backUp({ ...log, snapshot, keptFrom }, to.directory, to.options);
}

/** Those with a block up to `lastBlock`. */
async function upTo(shelf: SegmentShelf, segments: readonly number[], lastBlock: number): Promise<readonly number[]> {
  for (let count = segments.length; count > 0; count--) {
    const { firstBlock } = await shelf.segmentIndex(segments[count - 1] as number);
    if (firstBlock > 0 && firstBlock <= lastBlock) return segments.slice(0, count);
  }
  return [];
}
