// How one lane of a read-only log looks at its files: anew, by recovering it, or onward from where the last look stopped.
//
// Owns the follower of a live writer. It reads and never writes, and takes no lock.

import type { SegmentIndex } from "../core/segment-index.js";
import { RingwallError } from "../base/errors.js";
import type { Kernels } from "../format/kernels.js";
import { laneDirectoryName } from "../format/names.js";
import type { LaneRecord, Superblock } from "../format/superblock.js";
import { LaneFollower } from "../recovery/lane-follower.js";
import { recoverLane } from "../recovery/recover-lane.js";
import type { RecoveredLane } from "../recovery/recovered-lane.js";
import { readSuperblock } from "../recovery/superblock-file.js";
import type { Storage } from "../storage/storage.js";

/** A writer of which nothing was seen for so long may have ended. */
const silenceMsMax = 500;
/** Looks that the writer overtakes, by freeing what they rest on, are begun again for so long, and so often at least: on a slow device one takes seconds. */
const overtakenMsMax = 5000;
const overtakenLooksMin = 8;

export interface LaneLooksOptions {
  /** Of the log. */
  readonly directory: string;
  readonly lane: number;
  readonly kernels: Kernels;
  readonly storage: Storage;
}

export type Look =
  | { readonly kind: "same" }
  /** What was known grew in place. `begun`: segments that the lane went over to; those below `firstSegment` are gone. */
  | { readonly kind: "advanced"; readonly begun: readonly SegmentIndex[]; readonly firstSegment: number }
  | { readonly kind: "anew"; readonly recovered: RecoveredLane };

export class LaneLooks {
  readonly #options: LaneLooksOptions;
  #follower: LaneFollower | null = null;
  /** Generation of the superblock that a look without a writer saw; every writer changes it before it writes anything else. */
  #quietGeneration: number | null = null;
  #heardAt = 0;
  /** What the last look read, and the last block that it found. */
  #superblock: Superblock | null = null;
  #lastBlock = 0;

  constructor(options: LaneLooksOptions) {
    this.#options = options;
  }

  /**
   * Recovers the lane. Beside a writer what it rests on must still be kept when it ends:
   * 1. a look reads the superblock, whose horizon is 5; 2. the writer frees all segments before the one whose checkpoint is
   * block 9, which the superblock's next generation covers; 3. the look finds that segment alone, nothing that covers
   * its checkpoint, and so no partition at all.
   */
  async anew(): Promise<RecoveredLane> {
    const { storage, lane } = this.#options;
    await this.#stopFollowing();
    const deadline = storage.clock.now() + overtakenMsMax;
    for (let looks = 1; ; looks++) {
      const { recovered, superblock, isLocked } = await this.#recover();
      const now = await this.#readSuperblock();
      const record = recordOf(now, lane);
      const isOvertaken = !isGoodStill(recovered, recordOf(superblock, lane), record);
      if (!isOvertaken || !isLocked) this.#quietGeneration = isLocked ? null : superblock.sequence;
      if (!isOvertaken) return this.#take({ ...recovered, segments: recovered.segments.filter(({ segment }) => segment >= record.firstSegment) }, superblock);
      if (looks >= overtakenLooksMin && storage.clock.now() > deadline) throw overtaken(this.#options);
    }
  }

  /** The next look of somebody who waits. */
  async onward(): Promise<Look> {
    if (this.#follower === null) return (await this.isUnchanged()) ? { kind: "same" } : { kind: "anew", recovered: await this.anew() };
    const { storage, directory, lane } = this.#options;
    const superblock = await this.#readSuperblock();
    const record = recordOf(superblock, lane);
    const step = await this.#follower.look(record);
    if (step.kind === "astray") return { kind: "anew", recovered: await this.anew() };
    this.#superblock = superblock;
    this.#lastBlock = this.#follower.lastBlock;
    const now = storage.clock.now();
    if (step.kind === "advanced") {
      this.#heardAt = now;
      return { kind: "advanced", begun: step.begun, firstSegment: record.firstSegment };
    }
    if (now - this.#heardAt <= silenceMsMax) return { kind: "same" };
    this.#heardAt = now;
    return (await storage.isLocked(directory)) ? { kind: "same" } : { kind: "anew", recovered: await this.anew() };
  }

  /** No writer was at work since the last look, nor is one now. */
  async isUnchanged(): Promise<boolean> {
    const generation = this.#quietGeneration;
    const { storage, directory } = this.#options;
    return generation !== null && !(await storage.isLocked(directory)) && (await this.#readSuperblock()).sequence === generation;
  }

  /** What the last look rests on: null before the first. */
  get superblock(): Superblock | null {
    return this.#superblock;
  }

  /** The last block that the last look shows. */
  get lastBlock(): number {
    return this.#lastBlock;
  }

  async close(): Promise<void> {
    await this.#stopFollowing();
  }

  async #recover(): Promise<{ recovered: RecoveredLane; superblock: Superblock; isLocked: boolean }> {
    const { storage, directory, lane, kernels } = this.#options;
    const isLocked = await storage.isLocked(directory);
    const superblock = await this.#readSuperblock();
    const recovered = await recoverLane({ files: storage.files, directory: this.#laneDirectory(), lane, superblock, kernels, readOnly: true, liveWriter: isLocked });
    return { recovered, superblock, isLocked };
  }

  #take(recovered: RecoveredLane, superblock: Superblock): RecoveredLane {
    const { storage, lane, kernels } = this.#options;
    this.#heardAt = storage.clock.now();
    this.#superblock = superblock;
    this.#lastBlock = recovered.nextBlock - 1;
    const { uuid, alignment } = superblock;
    if (recovered.follow !== null) {
      this.#follower = new LaneFollower({ files: storage.files, directory: this.#laneDirectory(), lane, uuid, alignment, kernels, start: recovered.follow });
    }
    return recovered;
  }

  async #readSuperblock(): Promise<Superblock> {
    return (await readSuperblock(this.#options.storage.files, this.#options.directory)).superblock;
  }

  #laneDirectory(): string {
    return `${this.#options.directory}/${laneDirectoryName(this.#options.lane)}`;
  }

  async #stopFollowing(): Promise<void> {
    const follower = this.#follower;
    this.#follower = null;
    await follower?.close();
  }
}

function recordOf(superblock: Superblock, lane: number): LaneRecord {
  const record = superblock.lanes[lane];
  if (record === undefined) throw new RingwallError("RINGWALL_DAMAGED", `the superblock has no lane ${String(lane)} any more`);
  return record;
}

/** Whether nothing of what a recovery rests on was freed or begun anew while it ran. */
function isGoodStill({ follow }: RecoveredLane, before: LaneRecord, after: LaneRecord): boolean {
  if (before.epoch !== after.epoch || before.state !== after.state) return false;
  return before.firstSegment === after.firstSegment || (follow !== null && follow.index !== null && follow.firstSegment >= after.firstSegment);
}

function overtaken({ directory, lane }: LaneLooksOptions): RingwallError {
  return new RingwallError("RINGWALL_TRIMMED", "the writer frees segments faster than they can be looked at", {
    place: { path: directory, lane },
    remedy: "Open the log again; larger segments, or trimming less often, give readers more time.",
  });
}
