// When a lane looks for segments that hold nothing live: after each trim, but never twice for what one look sees.

import { RingwallError } from "../base/errors.js";

export interface ReleasesOptions {
  /** Runs the task after the lane's other background work; a failure poisons the lane. Never rejects. */
  readonly inBackground: (task: () => Promise<void>) => Promise<void>;
  readonly release: () => Promise<void>;
}

export class Releases {
  readonly #options: ReleasesOptions;
  /** One that has not begun: it sees all that was trimmed by now. A hundred thousand trims at once are a few looks. */
  #due: Promise<void> | null = null;
  #underWay = 0;

  constructor(options: ReleasesOptions) {
    this.#options = options;
  }

  /** Whether one is due or has begun. */
  get isUnderWay(): boolean {
    return this.#underWay > 0;
  }

  /** Resolves when it is through. Rejects with RINGWALL_DAMAGED when the index of a sealed segment can't be had: then nothing is freed. */
  next(): Promise<void> {
    this.#due ??= this.#begin();
    return this.#due;
  }

  async #begin(): Promise<void> {
    let damage: RingwallError | null = null;
    this.#underWay++;
    await this.#options.inBackground(async () => {
      this.#due = null;
      try {
        await this.#options.release();
      } catch (error) {
        if (!(error instanceof RingwallError) || error.code !== "RINGWALL_DAMAGED") throw error;
        damage = error;
      }
    });
    this.#underWay--;
    if (damage !== null) throw damage as RingwallError;
  }
}
