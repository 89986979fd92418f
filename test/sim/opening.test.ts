// What an opening may write before its epoch is durable, on simulated storage with a slow disk.

import assert from "node:assert/strict";
import { test } from "node:test";
import { RingwallError } from "#src/base/errors.js";
import { decodeSuperblock } from "#src/format/superblock.js";
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

test("no lane gets a file before the superblock's name is durable: where creation broke off, a power loss leaves a whole log or an empty directory", async () => {
  const options = resolveOptions({ lanes: 2 });
  for (let seed = 1; seed <= 4; seed++) {
    for (let events = 1; events <= 60; events++) {
      const machine = new SimMachine({ seed, faults: { slow: 0.3 } });
      const creating = new SimStorage(machine);
      const syncDirectory = creating.files.syncDirectory.bind(creating.files);
      creating.files.syncDirectory = async (path) => {
        if ((await creating.files.list(path))?.includes("superblock") === true) throw new RingwallError("RINGWALL_IO", "the flush failed");
        await syncDirectory(path);
      };
      await assert.rejects(Log.openOn({ storage: creating, reason: "test" }, "/log", options), { code: "RINGWALL_IO" });
      machine.kill(creating.owner);

      const powerFails = new Promise<void>((resolve) => { machine.loop.onInterrupt = resolve; });
      machine.loop.interruptAt = machine.loop.count + events;
      const opening = Log.openOn({ storage: new SimStorage(machine), reason: "test" }, "/log", options);
      await Promise.race([powerFails, opening]);
      machine.loop.interruptAt = Number.POSITIVE_INFINITY;
      machine.losePower();

      const again = await Log.openOn({ storage: new SimStorage(machine), reason: "test" }, "/log", options).catch((error: unknown) => error);
      assert.ok(again instanceof Log, `seed ${seed}, power lost after ${events} events: ${String(again)}`);
      await again.close();
    }
  }
});

test("a new superblock gets its name when its bytes are on media", async () => {
  const machine = new SimMachine({ seed: 1 });
  const storage = new SimStorage(machine);
  const rename = storage.files.rename.bind(storage.files);
  let renamed = 0;
  storage.files.rename = async (from, to) => {
    if (to.endsWith("/superblock")) {
      const file = machine.disk.files().find(({ path }) => path === from);
      assert.equal(decodeSuperblock(file?.inode.durable ?? new Uint8Array(0)).kind, "valid", "a power loss now leaves a name with nothing behind it");
      renamed++;
    }
    await rename(from, to);
  };
  const log = await Log.openOn({ storage, reason: "test" }, "/log", resolveOptions({}));
  assert.equal(renamed, 1);
  await log.close();
});
