// Writers killed at random times, each in the log that the one before left behind.

import fs from "node:fs";
import path from "node:path";
import { backends, type Backend } from "./backends.js";
import { History } from "./history.js";
import { LossError } from "./oracle.js";
import { optionSets, type OptionSet } from "./option-sets.js";
import { hashOf, Random } from "./random.js";
import { Tally } from "./tally.js";

export interface KillCampaign {
  readonly kills: number;
  readonly seed: number;
  /** Logs are made here. Those that prove a loss stay. */
  readonly root: string;
  /** Writers at work at once, each in its own log. */
  readonly jobs: number;
  /** A log is given up after so many. */
  readonly killsPerLog: number;
  readonly onProgress: (line: string) => void;
  readonly aborted?: AbortSignal;
}

export interface CampaignResult {
  readonly tally: Tally;
  /** What was lost, with what is needed to look into it. Empty when nothing was. */
  readonly losses: readonly string[];
}

const killMillisMin = 0.5;
const killMillisMax = 300;

export async function runKills(campaign: KillCampaign): Promise<CampaignResult> {
  const { kills, seed, jobs, aborted } = campaign;
  const tally = new Tally();
  const losses: string[] = [];
  let logs = 0;
  const work = async (): Promise<void> => {
    while (tally.crashes < kills && losses.length === 0 && aborted?.aborted !== true) {
      const number = logs++;
      tally.directories++;
      const loss = await new LogUnderFire(campaign, tally, number).run();
      if (loss !== null) losses.push(loss);
    }
  };
  await Promise.all(Array.from({ length: jobs }, work));
  campaign.onProgress(`seed ${seed}: ${tally.crashes} kills; ${String(tally)}`);
  return { tally, losses };
}

class LogUnderFire {
  readonly #campaign: KillCampaign;
  readonly #tally: Tally;
  readonly #seed: number;
  readonly #set: OptionSet;
  readonly #directory: string;
  readonly #random: Random;
  readonly #history: History;
  #last = "";

  constructor(campaign: KillCampaign, tally: Tally, number: number) {
    this.#campaign = campaign;
    this.#tally = tally;
    this.#seed = hashOf(campaign.seed, number);
    this.#set = optionSets[number % optionSets.length] as OptionSet;
    this.#directory = path.join(campaign.root, `log-${number}`);
    this.#random = new Random(this.#seed, 1);
    this.#history = new History({ directory: this.#directory, seed: this.#seed, set: this.#set, tally });
  }

  /** What was lost, or null. */
  async run(): Promise<string | null> {
    const { kills, killsPerLog, aborted, onProgress } = this.#campaign;
    try {
      for (let count = 0; count < killsPerLog && this.#tally.crashes < kills && aborted?.aborted !== true; count++) await this.#cycle(count);
    } catch (error) {
      if (!(error instanceof LossError)) throw error;
      return (
        `LOST in ${this.#directory} (kept): log seed ${this.#seed}, campaign seed ${this.#campaign.seed}, options "${this.#set.name}"\n` +
        `last steps: ${this.#last}\n${error.message}\n` +
        `again: npm run crash -- --seed ${this.#campaign.seed} --kills ${kills} (times of kills come from the seed, what they meet does not)`
      );
    }
    onProgress(`${this.#tally.crashes} kills; options "${this.#set.name}", seed ${this.#seed}: nothing lost`);
    fs.rmSync(this.#directory, { recursive: true, force: true });
    return null;
  }

  async #cycle(count: number): Promise<void> {
    const random = this.#random;
    this.#tally.crashes++;
    // In turn, so that each recovers what the other left.
    const backend = backends[count % backends.length] as Backend;
    const millis = random.spread(killMillisMin, killMillisMax);
    const inOpening = random.oneIn(6);
    const check = random.pick(["read-only", "read-only", "writable", "none"] as const);
    const checker = random.pick(backends);
    this.#last = `generation ${this.#history.generation + 1} on ${backend}, killed ${millis.toFixed(1)} ms after ${inOpening ? "it began to open" : "it was open"}, then checked: ${check} on ${checker}`;
    const writer = this.#history.start(backend);
    await (inOpening ? writer.opening() : writer.open());
    await passed(inOpening ? millis / 10 : millis);
    writer.kill();
    await this.#history.finish(writer);
    // Without a check the next writer recovers what two left; it tells what it found, and that is judged.
    if (check !== "none" && fs.existsSync(path.join(this.#directory, "superblock"))) await this.#history.check(check, checker);
  }
}

/** The random time after which a writer is killed: the experiment itself, nothing waits for anything. */
function passed(millis: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, millis));
}
