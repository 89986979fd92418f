// A failed flush whose pages the kernel took for clean, an opening without a loss of power, and then the loss: what
// opening saw in the page cache only must be on media before anything is built on it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { LaneLog as Log } from "#src/log/lane-log.js";
import { resolveOptions, type LogOptions } from "#src/log/options.js";
import type { Superblock } from "#src/format/superblock.js";
import { confirmSuperblock, createSuperblock, readSuperblock, writeSuperblock } from "#src/recovery/superblock-file.js";
import { SimMachine } from "#src/storage/sim/machine.js";
import { SimStorage } from "#src/storage/sim/sim-storage.js";

const directory = "/log";
const seeds = Array.from({ length: 20 }, (_, index) => index + 1);

/** All files' pages are clean from now on, and each of their sectors is on media or not. */
function forget(machine: SimMachine, suffix: string): void {
  for (const { inode, path } of machine.disk.files()) if (path.endsWith(suffix)) inode.failFlush(inode.beginFlush(), machine.random);
}

function open(storage: SimStorage, options: LogOptions = {}): Promise<Log> {
  return Log.openOn({ storage, reason: "test" }, directory, resolveOptions(options));
}

test("records that recovery found in the page cache only survive the power, and so does what was acknowledged behind them", async () => {
  for (const seed of seeds) {
    const machine = new SimMachine({ seed });
    // Nothing is flushed but by the pages' own way to the disk, which fails.
    let storage = new SimStorage(machine);
    let log = await open(storage, { durability: { mode: "none" } });
    for (let count = 1; count <= 8; count++) await log.partition("a").append(`record ${String(count)}`);
    forget(machine, ".segment");
    machine.kill(storage.owner);

    storage = new SimStorage(machine);
    log = await open(storage);
    const found = log.partition("a").lastSeq;
    assert.equal(found, 8, `seed ${String(seed)}`);
    await log.partition("a").append("behind them");
    machine.losePower();

    log = await open(new SimStorage(machine));
    assert.equal(log.info.recovery[0]!.verdict, "clean", `seed ${String(seed)}`);
    const texts: string[] = [];
    for await (const { data } of log.partition("a").read()) texts.push(Buffer.from(data).toString());
    assert.deepEqual(texts, [1, 2, 3, 4, 5, 6, 7, 8].map((count) => `record ${String(count)}`).concat("behind them"), `seed ${String(seed)}`);
    await log.close();
  }
});

test("a superblock that was read out of the page cache survives the power once it is confirmed, also in the middle of the next change", async () => {
  const lane = { epoch: 1, state: "open", epochSegment: 1, epochOffset: 4096, epochBlock: 1, horizon: 0, firstSegment: 1, blocksInFlightMax: 4 } as const;
  for (const seed of seeds) {
    const machine = new SimMachine({ seed });
    let { files } = new SimStorage(machine);
    const first: Superblock = { uuid: new Uint8Array(16), sequence: 1, alignment: 4096, flushMethod: "dsync", created: 0, lanes: [lane] };
    await files.makeDirectory(directory);
    await createSuperblock(files, directory, first);
    for (const path of ["/", directory]) await files.syncDirectory(path);
    // The flush of the first pair fails; the change ends there.
    const file = await files.open(`${directory}/superblock`, "write");
    let syncs = 0;
    const failing = { ...files, open: async () => ({ ...file, readAt: file.readAt.bind(file), writeAt: file.writeAt.bind(file), close: () => file.close(), sync: async () => {
      syncs++;
      forget(machine, "superblock");
      throw new Error("EIO");
    } }) } as typeof files;
    await assert.rejects(writeSuperblock(failing, directory, { ...first, sequence: 2 }));
    assert.equal(syncs, 1);

    const { superblock } = await readSuperblock(files, directory);
    assert.equal(superblock.sequence, 2);
    await confirmSuperblock(files, directory, superblock);
    const isInTheMiddle = seed % 2 === 0;
    if (isInTheMiddle) {
      // The first pair of the next change is on its way.
      void writeSuperblock(files, directory, { ...superblock, sequence: 3 });
      await files.list(directory);
    }
    machine.losePower();
    ({ files } = new SimStorage(machine));
    const after = (await readSuperblock(files, directory)).superblock.sequence;
    assert.ok(after === 2 || (isInTheMiddle && after === 3), `seed ${String(seed)}: generation ${String(after)}`);
  }
});

test("mode none: of two syncs under way neither resolves when the flush of one fails, and no index vouches for the segment", async () => {
  for (const seed of seeds) {
    const machine = new SimMachine({ seed, faultsMax: { syncError: 1 } });
    const log = await open(new SimStorage(machine), { durability: { mode: "none" } });
    await log.partition("a").append("written, not flushed");
    Object.assign(machine.faults, { syncError: 1, syncForgets: 1 });
    log.rotate();
    const outcomes = await Promise.allSettled([log.sync(), log.partition("a").append("in the next segment"), log.sync()]);
    assert.deepEqual([outcomes[0].status, outcomes[2].status], ["rejected", "rejected"], `seed ${String(seed)}`);
    await assert.rejects(log.close(), { code: "RINGWALL_POISONED" });
    machine.losePower();

    const again = await open(new SimStorage(machine));
    assert.notEqual(again.info.recovery[0]!.verdict, "damaged", `seed ${String(seed)}`);
    await again.close();
  }
});
