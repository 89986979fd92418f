// Power that fails in the middle of a backup, after each of its events: the copy is whole or says what it is, the log is unharmed.

import assert from "node:assert/strict";
import { test } from "node:test";
import { RingwallError } from "#src/base/errors.js";
import { LaneLog as Log } from "#src/log/lane-log.js";
import { resolveOptions } from "#src/log/options.js";
import { SimMachine } from "#src/storage/sim/machine.js";
import { SimStorage } from "#src/storage/sim/sim-storage.js";
import { cut, Ends, losePower, type Fate } from "./crash-points.js";

const options = { ...resolveOptions({ bufferBytes: 16 * 1024 }), segmentBytes: 64 * 1024 };
const records = 14;

function text(seq: number): string {
  return `${String(seq)} `.padEnd(7000, "-");
}

function open(machine: SimMachine, directory: string, readOnly = false): Promise<Log> {
  return Log.openOn({ storage: new SimStorage(machine), reason: "test" }, directory, { ...options, readOnly });
}

async function demandWhole(log: Log, when: string): Promise<void> {
  let due = 1;
  for await (const { seq, data } of log.partition("p").read()) assert.equal(Buffer.from(data).toString(), text(due++), `${when}: record ${String(seq)}`);
  assert.equal(due, records + 1, `${when}: all records`);
  await log.close();
}

/** It opens and is whole, or is refused as what it is; where nothing is left of it there is nothing to say. */
async function demandCopy(machine: SimMachine, when: string): Promise<"whole" | "unfinished" | "nothing"> {
  if ((machine.disk.list("/copy") ?? []).length === 0) return "nothing";
  const outcomes: ("whole" | "unfinished")[] = [];
  for (const readOnly of [true, false]) {
    const opened = await open(machine, "/copy", readOnly).catch((error: unknown) => error);
    if (opened instanceof Log) {
      await demandWhole(opened, when);
      outcomes.push("whole");
      continue;
    }
    assert.ok(opened instanceof RingwallError && opened.code === "RINGWALL_NOT_A_LOG" && opened.message.includes("interrupted backup"), `${when}: ${String(opened)}`);
    outcomes.push("unfinished");
  }
  assert.equal(outcomes[0], outcomes[1], when);
  return outcomes[0] as "whole" | "unfinished";
}

for (const fate of ["nothing that was not flushed", "everything"] satisfies Fate[]) {
  test(`a backup cut off anywhere, of what was not durable survives ${fate}`, async (t) => {
    const met = new Map<string, number>();
    for (let events = 1, isCut = true; isCut; events++) {
      const when = `power lost after ${String(events)} events`;
      const ends = new Ends();
      const machine = new SimMachine({ seed: 1, onError: ends.fail });
      const storage = new SimStorage(machine);
      const log = await Log.openOn({ storage, reason: "test" }, "/log", options);
      for (let seq = 1; seq <= records; seq++) await log.partition("p").append(text(seq));
      isCut = await cut(machine, events, ends, async () => { await log.backup("/copy"); });
      losePower(machine, [storage], fate);

      const state = await demandCopy(machine, `${when}: the copy`);
      if (!isCut) assert.equal(state, "whole", "a backup that resolved is durable");
      met.set(state, (met.get(state) ?? 0) + 1);
      await demandWhole(await open(machine, "/log"), `${when}: the log`);
      const again = await open(machine, "/log");
      await again.backup("/fresh");
      await again.close();
      await demandWhole(await open(machine, "/fresh"), `${when}: the next backup`);
    }
    t.diagnostic(JSON.stringify([...met]));
    assert.deepEqual([...met.keys()].sort(), ["nothing", "unfinished", "whole"]);
  });
}
