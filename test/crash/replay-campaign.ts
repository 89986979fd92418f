// Power cuts with everything that a drive's cache can do: one writer's device writes are recorded, then images of many
// crash points are made, mounted and judged.

import fs from "node:fs";
import path from "node:path";
import { backends, type Backend } from "./backends.js";
import type { Build } from "./builds.js";
import { RecordedDevice, Recording, type Cut, type Tears } from "./device-recording.js";
import { Disk, makeImage, type FileSystemKind } from "./disk.js";
import { Generation, type Acknowledgement } from "./generation.js";
import type { CampaignResult } from "./kill-campaign.js";
import { observe } from "./observe.js";
import { LossError, Oracle } from "./oracle.js";
import { countingAtPowerCut, type OptionSet } from "./option-sets.js";
import { run } from "./programs.js";
import { Random } from "./random.js";
import { Tally } from "./tally.js";
import type { Counting } from "./writer.js";

export interface ReplayCampaign {
  readonly fileSystem: FileSystemKind;
  readonly backend: Backend;
  readonly set: OptionSet;
  /** Images to judge; the three kinds of cut in turn. */
  readonly images: number;
  /** Length of the recorded workload. */
  readonly operations: number;
  readonly seed: number;
  /** In memory: images are copied here. */
  readonly root: string;
  readonly onProgress: (line: string) => void;
  readonly build?: Build;
  readonly counting?: Counting;
  /** One loss is enough. */
  readonly stopsAtLoss?: boolean;
  readonly aborted?: AbortSignal;
}

/**
 * Ext4 and btrfs need a device that writes their superblock whole, the first 4 KiB of ext4: its checksum lies in another sector than what it
 * covers, and torn, it does not mount ("invalid superblock checksum. Run e2fsck?").
 */
const tears: Readonly<Record<FileSystemKind, Tears>> = {
  ext4: { bytes: 512, wholeBefore: 4096 },
  xfs: { bytes: 512, wholeBefore: 0 },
  btrfs: { bytes: 4096, wholeBefore: 0 },
};

const cuts: readonly Cut[] = ["dropped", "reordered", "torn"];

export async function runReplays(campaign: ReplayCampaign): Promise<CampaignResult> {
  const { fileSystem, root, seed, backend, set } = campaign;
  const directory = path.join(root, `replay-${fileSystem}-${backend}-${String(seed)}`);
  fs.mkdirSync(directory);
  const base = path.join(directory, "base.image");
  const recordingPath = path.join(directory, "recording");
  const acknowledgements = await record(campaign, base, recordingPath);
  const tally = new Tally();
  tally.directories = 1;
  const losses: string[] = [];
  const recording = new Recording(recordingPath);
  let pending = 0;
  const random = new Random(seed, 3);
  // Ascending, so that the durable part grows in place.
  const points = Array.from({ length: campaign.images }, () => 1 + random.below(recording.length)).sort((a, b) => a - b);
  const durable = fs.openSync(base, "r+");
  let applied = 0;
  for (const [index, point] of points.entries()) {
    if (campaign.aborted?.aborted === true || (campaign.stopsAtLoss === true && losses.length > 0)) break;
    const flushed = recording.durableBefore(point);
    if (flushed > applied) recording.apply(durable, applied, flushed);
    applied = Math.max(applied, flushed);
    const cut = cuts[index % cuts.length] as Cut;
    const image = path.join(directory, "cut.image");
    await run("cp", "--sparse=always", base, image);
    const file = fs.openSync(image, "r+");
    pending += recording.applyCut(file, [flushed, point], { cut, tears: tears[fileSystem] }, random);
    fs.closeSync(file);
    tally.crashes++;
    const loss = await judge(campaign, image, acknowledgements.filter(({ stamp }) => stamp <= point), tally);
    if (loss !== null) losses.push(`${fileSystem} ${backend} "${set.name}", seed ${seed}: cut before write ${point} of ${recording.length}, ${cut}:\n${loss}`);
  }
  fs.closeSync(durable);
  recording.close();
  fs.rmSync(directory, { recursive: true });
  campaign.onProgress(
    `${fileSystem} ${backend} "${set.name}"${campaign.build === undefined ? "" : `, ${campaign.build}`}: ${tally.crashes} images of ${recording.length} device writes ` +
      `(${(pending / Math.max(1, tally.crashes)).toFixed(1)} unflushed at a cut), ${losses.length} losses; ${String(tally)}`,
  );
  return { tally, losses };
}

/** Runs the writer on a recorded device. `base` is the image before it. */
async function record(campaign: ReplayCampaign, base: string, recordingPath: string): Promise<readonly Acknowledgement[]> {
  const { fileSystem, set, seed, backend, build = "sound" } = campaign;
  await makeImage(base, fileSystem);
  const image = `${base}.written`;
  await run("cp", "--sparse=always", base, image);
  const exported = `${base}.export`;
  const device = await RecordedDevice.start(image, recordingPath, exported);
  const disk = new Disk(exported, `${base}.mount`);
  try {
    await disk.mount();
    const writer = new Generation({
      directory: disk.directory, seed, generation: 0, options: set.options, profile: set.profile,
      counting: campaign.counting ?? countingAtPowerCut(set), operationsMax: campaign.operations, recording: recordingPath,
      storage: { backend, build, ...(set.flushMethod === undefined ? {} : { flushMethod: set.flushMethod }) },
    });
    const { acknowledgements, failure } = await writer.ended;
    if (failure !== null) throw new Error(`the recorded writer failed: ${failure.text}`);
    return acknowledgements;
  } finally {
    await disk.detach();
    await device.stop();
    fs.rmSync(image);
  }
}

/** What was lost on the image, or null. */
async function judge({ set, seed }: ReplayCampaign, image: string, acknowledged: readonly Acknowledgement[], tally: Tally): Promise<string | null> {
  const oracle = new Oracle(seed, set.profile);
  oracle.begin(0, new Map());
  for (const { number } of acknowledged) oracle.acknowledge(number);
  const disk = new Disk(image);
  try {
    await disk.mountAfterCut();
    if (!fs.existsSync(path.join(disk.directory, "superblock"))) oracle.check(new Map());
    else {
      const backend = backends[tally.crashes % backends.length] as Backend;
      const { found, reports } = await observe(disk.directory, { ...set.options, backend, readOnly: tally.crashes % 3 === 0 }).catch((error: unknown) => {
        throw new LossError(`the log does not open: ${String(error)}`);
      });
      for (const report of reports) tally.noteVerdict(report.discardedBlocks.length > 0 ? `${report.verdict}, blocks dropped` : report.verdict);
      oracle.check(found);
    }
    tally.acknowledgedRecords += oracle.acknowledgedRecords;
    tally.comparedRecords += oracle.comparedRecords;
    return null;
  } catch (error) {
    // A file system that can't be mounted is a loss as well.
    return error instanceof Error ? error.message : String(error);
  } finally {
    await disk.detach();
  }
}
