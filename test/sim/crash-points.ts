// A life of a log that is written down, cut off after each of its events in turn: no seed chooses the moment nor what survives.
//
// Of what was not durable nothing survives, or everything, names too. A write that is on its way when the power fails may be
// there in part. After each crash the log is opened twice: what it holds is judged, then it is written on and the power fails again.

import assert from "node:assert/strict";
import { LaneLog as Log } from "#src/log/lane-log.js";
import type { ResolvedOptions } from "#src/log/options.js";
import type { FaultRates } from "#src/storage/sim/faults.js";
import { SimMachine } from "#src/storage/sim/machine.js";
import { Random } from "#src/storage/sim/random.js";
import { SimStorage } from "#src/storage/sim/sim-storage.js";
import { Scribe } from "./scribe.js";

export type Fate = "nothing that was not flushed" | "everything";

export interface Life {
  readonly options: ResolvedOptions;
  readonly flushMethod: "dsync" | "linked" | "separate";
  readonly faults?: Partial<FaultRates>;
  /** From the opened log to its close. */
  readonly script: (scribe: Scribe, log: Log) => Promise<void>;
}

const directory = "/log";

/** Chance that always falls one way. */
class Fixed extends Random {
  /** Undefined while the constructor draws. */
  isHigh?: boolean;

  override next(): number {
    return this.isHigh === true ? 0xffff_ffff : 0;
  }

  override chance(): boolean {
    return this.isHigh === true;
  }
}

/** The power fails, and it is known what that takes. */
export function losePower(machine: SimMachine, processes: readonly SimStorage[], fate: Fate): void {
  for (const { owner } of processes) machine.kill(owner);
  // Names: a prefix of the changes, none or all of them. Sectors: kept with probability 0 or 1.
  const chance = new Fixed(0);
  chance.isHigh = fate === "everything";
  machine.disk.losePower(chance, fate === "everything" ? 2 : 0);
}

/** Cuts the life off after 1, 2, 3, … events, until it ends by itself. Returns how many times. */
export async function cutEverywhere(life: Life, fate: Fate): Promise<number> {
  for (let events = 1; ; events++) {
    const when = `power lost after ${String(events)} events, of what was on its way survives ${fate}`;
    const ends = new Ends();
    const machine = new SimMachine({ seed: 1, faults: life.faults ?? {}, onError: ends.fail });
    const storage = new SimStorage(machine, { flushMethod: life.flushMethod });
    const scribe = new Scribe(life.options.durability.mode);
    const isCut = await cut(machine, events, ends, async () => {
      const log = await Log.openOn({ storage, reason: "test" }, directory, life.options);
      scribe.attend(log);
      await life.script(scribe, log);
    });
    losePower(machine, [storage], fate);
    await Promise.race([demandTwice({ life, machine, scribe, fate, when }), ends.failure]);
    if (!isCut) return events;
  }
}

/** How a life may end besides its own end and the cut: something threw where nobody waits for it. */
export class Ends {
  fail: (error: unknown) => void = () => undefined;
  readonly failure: Promise<never>;

  constructor() {
    this.failure = new Promise((_, reject) => { this.fail = reject; });
    this.failure.catch(() => undefined);
  }
}

/** True when the power failed before the work ended. */
export async function cut(machine: SimMachine, events: number, ends: Ends, work: () => Promise<void>): Promise<boolean> {
  const { loop } = machine;
  const crash = new Promise<true>((resolve) => {
    loop.interruptAt = loop.count + events;
    loop.onInterrupt = () => { resolve(true); };
  });
  const isCut = await Promise.race([crash, work().then(() => false), ends.failure]);
  loop.interruptAt = Number.POSITIVE_INFINITY;
  return isCut;
}

interface Judged {
  readonly life: Life;
  readonly machine: SimMachine;
  readonly scribe: Scribe;
  readonly fate: Fate;
  readonly when: string;
}

async function demandTwice({ life, machine, scribe, fate, when }: Judged): Promise<void> {
  const { options } = life;
  const first = new SimStorage(machine, { flushMethod: life.flushMethod });
  const log = await open(first, options, when);
  scribe.attend(log);
  await scribe.demand(log, when);
  for (const name of ["a", "b", "c"]) await scribe.append(name, `afterwards ${name} ${String(scribe.last(name) + 1)}`);
  await scribe.sync();
  await scribe.demand(log, `${when}, and it was written on`);
  losePower(machine, [first], fate);

  const again = await open(new SimStorage(machine, { flushMethod: life.flushMethod }), options, `${when}, and it was lost again`);
  await scribe.demand(again, `${when}, and it was lost again`);
  await again.close();
}

async function open(storage: SimStorage, options: ResolvedOptions, when: string): Promise<Log> {
  try {
    return await Log.openOn({ storage, reason: "test" }, directory, options);
  } catch (error) {
    assert.fail(`${when}: opening was refused: ${String(error)}`);
  }
}
