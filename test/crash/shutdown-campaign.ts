// File systems stopped under a writer, without writing out their journal; mounted again, the log judged.
//
// What a drive holds in its own cache is not lost here: for that see replay-campaign.ts.

import fs from "node:fs";
import path from "node:path";
import { backends, type Backend } from "./backends.js";
import type { Build } from "./builds.js";
import type { CampaignResult } from "./kill-campaign.js";
import { Disk, makeImage, type FileSystemKind } from "./disk.js";
import type { Generation } from "./generation.js";
import { History } from "./history.js";
import { countingAtPowerCut, optionSets, type OptionSet } from "./option-sets.js";
import { LossError } from "./oracle.js";
import { hashOf, Random } from "./random.js";
import { Tally } from "./tally.js";
import type { Counting } from "./writer.js";

export interface ShutdownCampaign {
  readonly fileSystem: FileSystemKind;
  readonly cycles: number;
  readonly seed: number;
  /** Where images are made. */
  readonly root: string;
  readonly onProgress: (line: string) => void;
  /** Left out: all that work, in turn. */
  readonly backends?: readonly Backend[];
  /** Left out: all that promise to survive, in turn. */
  readonly sets?: readonly OptionSet[];
  readonly build?: Build;
  readonly counting?: Counting;
  /** A loss is what is looked for: nothing is kept. */
  readonly stopsAtLoss?: boolean;
  readonly aborted?: AbortSignal;
}

const cyclesPerLog = 8;
/** A writer whose disk is gone ends by itself within this time. */
const noticeMillisMax = 10_000;
const failures = ["RINGWALL_POISONED", "RINGWALL_IO"];

export async function runShutdowns(campaign: ShutdownCampaign): Promise<CampaignResult> {
  const { fileSystem, root, cycles, seed, aborted } = campaign;
  const tally = new Tally();
  const losses: string[] = [];
  const image = path.join(root, `shutdown-${fileSystem}-${seed}.image`);
  await makeImage(image, fileSystem);
  const disk = new Disk(image);
  try {
    while (tally.crashes < cycles && aborted?.aborted !== true) {
      await disk.mount();
      fs.rmSync(disk.directory, { recursive: true, force: true });
      const loss = await shutDownOneLog(campaign, disk, tally);
      await disk.unmount();
      if (loss === null) continue;
      losses.push(loss);
      break;
    }
  } finally {
    await disk.detach();
    if (losses.length === 0 || campaign.stopsAtLoss === true) fs.rmSync(image);
    else losses.push(`the image is kept: ${image}`);
  }
  campaign.onProgress(`${fileSystem}: ${tally.crashes} shutdowns, ${losses.length} losses; ${String(tally)}`);
  return { tally, losses };
}

/** Some cycles in a row on one log. What was lost, or null. The disk is mounted before and after. */
async function shutDownOneLog(campaign: ShutdownCampaign, disk: Disk, tally: Tally): Promise<string | null> {
  const number = tally.directories++;
  const seed = hashOf(campaign.seed, number);
  const random = new Random(seed);
  const sets = campaign.sets ?? optionSets;
  const set = sets[number % sets.length] as OptionSet;
  const counting = campaign.counting ?? (countingAtPowerCut(set));
  const history = new History({ directory: disk.directory, seed, set, tally, counting, build: campaign.build ?? "sound", failuresAllowed: failures });
  let step = "";
  try {
    for (let cycle = 0; cycle < cyclesPerLog && tally.crashes < campaign.cycles && campaign.aborted?.aborted !== true; cycle++) {
      const backend = random.pick(campaign.backends ?? backends);
      const millis = random.spread(0.5, 120);
      const ending = random.oneIn(2) ? "killed" : "left to notice";
      step = `generation ${cycle} on ${backend}, options "${set.name}", shut down after ${millis.toFixed(1)} ms, the writer ${ending}`;
      const writer = history.start(backend);
      await writer.open();
      await passed(millis);
      const before = writer.acknowledgedCount;
      await disk.shutDown();
      if (ending === "killed") writer.kill();
      else await demandEnd(writer);
      tally.crashes++;
      const { acknowledgements, failure } = await history.finish(writer);
      step += ` (${before} acknowledgements had arrived before, ${acknowledgements.length - before} came after: ${acknowledgements.slice(before, before + 5).map(({ number }) => number).join(" ")}; ${failure === null ? "it did not fail" : failure.code})`;
      await disk.unmount();
      await disk.mountAfterCut();
      if (fs.existsSync(path.join(disk.directory, "superblock"))) await history.check(random.pick(["read-only", "writable"] as const), random.pick(campaign.backends ?? backends));
    }
    return null;
  } catch (error) {
    if (!(error instanceof LossError)) throw error;
    return `${campaign.fileSystem}, campaign seed ${campaign.seed}, log seed ${seed}: ${step}\n${error.message}`;
  }
}

/** The writer finds out by itself that its disk is gone. */
async function demandEnd(writer: Generation): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      writer.kill();
      reject(new LossError("the writer did not notice that its file system was shut down"));
    }, noticeMillisMax);
  });
  await Promise.race([writer.ended, late]);
  clearTimeout(timer);
}

/** The random time after which the disk goes: the experiment itself, nothing waits for anything. */
function passed(millis: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, millis));
}
