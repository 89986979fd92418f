// What a lane does when time passes: the interval's cut, the beacon of an idle log, a segment's age, another look for space.
//
// Owns the timers that are armed. It decides nothing else: whether the lane is still open, and what goes out, it asks.

import { blockFlag } from "../format/block.js";
import type { LaneSettings } from "./lane-settings.js";
import type { Tail } from "./tail.js";

export interface LaneTimersOptions {
  readonly settings: LaneSettings;
  readonly tail: Tail;
  readonly state: () => "open" | "closing" | "closed" | "poisoned";
  /** Nothing waits and nothing is on its way. */
  readonly isQuiet: () => boolean;
  /** Moves on what waits for space. */
  readonly settle: () => void;
}

const spaceRetryMs = 200;

export class LaneTimers {
  readonly #options: LaneTimersOptions;
  #cancelInterval: (() => void) | null = null;
  #cancelAge: (() => void) | null = null;
  #beaconArmed = false;
  #spaceRetryArmed = false;
  #hasBegun = false;

  constructor(options: LaneTimersOptions) {
    this.#options = options;
  }

  /** Blocks may be written from now on. */
  begin(): void {
    this.#hasBegun = true;
    if (this.#options.tail.current !== null) this.armAge();
  }

  /** Under the durability "interval": the open block goes out when it holds so many records, or after so long. */
  armInterval(durability: { readonly ms: number; readonly recordsMax: number }): void {
    const { settings, tail, state } = this.#options;
    if (tail.open !== null && tail.open.recordCount >= durability.recordsMax) {
      tail.closeBlock();
      return;
    }
    this.#cancelInterval ??= settings.storage.clock.after(durability.ms, () => {
      this.#cancelInterval = null;
      if (state() !== "poisoned" && tail.holdsFrames) tail.closeBlock();
    }, true);
  }

  /** An idle log writes one beacon: without it, damage to the last acknowledged block would pass for a torn tail. */
  armBeacon(): void {
    const { settings, tail, state, isQuiet } = this.#options;
    if (this.#beaconArmed || settings.flush === "never") return;
    this.#beaconArmed = true;
    settings.storage.clock.after(settings.beaconMs, () => {
      this.#beaconArmed = false;
      if (state() !== "open" || !tail.uncovered) return;
      if (!isQuiet() || !tail.writeEmptyBlock(blockFlag.beacon)) this.armBeacon();
    });
  }

  /** A segment that holds something is left behind after `segmentAgeMs`. */
  armAge(): void {
    const { settings, tail, state, isQuiet } = this.#options;
    this.#cancelAge?.();
    this.#cancelAge = null;
    if (settings.segmentAgeMs === 0 || !this.#hasBegun) return;
    this.#cancelAge = settings.storage.clock.after(settings.segmentAgeMs, () => {
      if (state() !== "open") return;
      if (tail.current?.holdsData !== true) {
        this.armAge();
        return;
      }
      tail.requestRotation();
      if (isQuiet() && !tail.writeEmptyBlock(0)) this.armAge();
    });
  }

  /** What still waits on a full disk is tried again from time to time, as by every append. */
  armSpaceRetry(): void {
    if (this.#spaceRetryArmed) return;
    this.#spaceRetryArmed = true;
    this.#options.settings.storage.clock.after(spaceRetryMs, () => {
      this.#spaceRetryArmed = false;
      this.#options.settle();
    }, true);
  }

  cancel(): void {
    this.#cancelInterval?.();
    this.#cancelAge?.();
  }
}
