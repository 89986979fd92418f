// Every power cut that works on this machine, and the proof that each kind of rig notices a writer that does not sync.

import fs from "node:fs";
import path from "node:path";
import { backends } from "./backends.js";
import { recordingRefusal } from "./device-recording.js";
import { diskRefusal, mountMemory, type FileSystemKind } from "./disk.js";
import { optionSets, type OptionSet } from "./option-sets.js";
import { runReplays } from "./replay-campaign.js";
import { runShutdowns } from "./shutdown-campaign.js";

export interface PowerCampaign {
  readonly fileSystems: readonly FileSystemKind[];
  /** Shutdowns per file system. */
  readonly cycles: number;
  /** Images per file system and backend. */
  readonly images: number;
  readonly seed: number;
  readonly root: string;
  readonly onProgress: (line: string) => void;
  readonly aborted?: AbortSignal;
}

/** The shutdown call exists on these. */
const canShutDown: readonly FileSystemKind[] = ["ext4", "xfs"];
/** Recorded workloads are cut into so many images each, so that many options get their turn. */
const imagesPerRecording = 30;
const operationsPerRecording = 400;
const withoutPromise = optionSets.find(({ name }) => name === "durability none") as OptionSet;
const usual = optionSets[0] as OptionSet;

/** What was lost that must not be, and what went unnoticed; empty when all is well. */
export async function runPower(campaign: PowerCampaign): Promise<readonly string[]> {
  const failures: string[] = [];
  for (const fileSystem of campaign.fileSystems) {
    const refusal = diskRefusal(fileSystem);
    if (refusal !== null) {
      campaign.onProgress(`${fileSystem}: left out: ${refusal}`);
      continue;
    }
    if (canShutDown.includes(fileSystem) && campaign.cycles > 0) failures.push(...(await shutDownAll(campaign, fileSystem)));
    else campaign.onProgress(`${fileSystem}: no shutdowns: ${campaign.cycles > 0 ? "it has no such call" : "none asked for"}`);
    const noRecording = recordingRefusal();
    if (noRecording !== null) campaign.onProgress(`${fileSystem}: no recorded writes: ${noRecording}`);
    else if (campaign.images > 0) failures.push(...(await replayAll(campaign, fileSystem)));
    if (campaign.aborted?.aborted === true) break;
  }
  return failures;
}

async function shutDownAll(campaign: PowerCampaign, fileSystem: FileSystemKind): Promise<readonly string[]> {
  const { losses } = await runShutdowns({ ...campaign, fileSystem });
  if (campaign.aborted?.aborted === true) return losses;
  // Only what lies in the page cache is lost here, so only buffered writes can be missed.
  const blind = await runShutdowns({ ...campaign, fileSystem, cycles: 30, backends: ["fs"], sets: [withoutPromise], counting: "each", stopsAtLoss: true });
  return blind.losses.length > 0 ? losses : [...losses, `${fileSystem}: a writer that never syncs went unnoticed by 30 shutdowns`];
}

async function replayAll(campaign: PowerCampaign, fileSystem: FileSystemKind): Promise<readonly string[]> {
  const { aborted } = campaign;
  const failures: string[] = [];
  const root = path.join(campaign.root, `memory-${fileSystem}`);
  const unmount = await mountMemory(root);
  try {
    for (const backend of backends) {
      for (let left = campaign.images, number = 0; left > 0 && aborted?.aborted !== true; left -= imagesPerRecording, number++) {
        const set = optionSets[number % optionSets.length] as OptionSet;
        const images = Math.min(left, imagesPerRecording);
        failures.push(...(await runReplays({ ...campaign, fileSystem, backend, set, images, operations: operationsPerRecording, seed: campaign.seed + number, root })).losses);
      }
      if (aborted?.aborted === true) break;
      const blind = await runReplays({ ...campaign, fileSystem, backend, set: usual, images: 60, operations: operationsPerRecording, root, seed: campaign.seed - 1, build: "without block flush", stopsAtLoss: true });
      if (blind.losses.length === 0) failures.push(`${fileSystem} ${backend}: a build that never flushes a block went unnoticed by 60 images`);
    }
  } finally {
    await unmount();
    fs.rmdirSync(root);
  }
  return failures;
}
