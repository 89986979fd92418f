// What an opening may write before its epoch is durable, on simulated storage with a slow disk.

import assert from "node:assert/strict";
import { test } from "node:test";
import { LaneLog as Log } from "#src/log/lane-log.js";
import { resolveOptions } from "#src/log/options.js";
import { SimMachine } from "#src/storage/sim/machine.js";
import { SimStorage } from "#src/storage/sim/sim-storage.js";

test("opening writes no block before the superblock knows the epoch, however slow it is and however old the segment", async () => {
  const options = { ...resolveOptions({ bufferBytes: 64 * 1024 }), segmentBytes: 128 * 1024, segmentAgeMs: 20 };
  for (let seed = 1; seed <= 60; seed++) {
    const machine = new SimMachine({ seed, faults: { slow: 0.3 } });
    const first = await Log.openOn({ storage: new SimStorage(machine), reason: "test" }, "/log", options);
    await first.partition("p").append("in the segment that comes of age");
    await first.close();

    let blocks = 0;
    const observer = { submitted: () => { blocks++; }, durable: () => undefined, misplaced: () => undefined };
    const again = await Log.openOn({ storage: new SimStorage(machine, { observer }), reason: "test" }, "/log", options);
    assert.equal(blocks, 0, `seed ${seed}: ${blocks} blocks were written while the log was being opened`);
    await again.close();
  }
});
