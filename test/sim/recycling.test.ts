// What must be on media before a segment file gets another name or goes, on simulated storage with a slow disk.

import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeSuperblock } from "#src/format/superblock.js";
import { LaneLog as Log } from "#src/log/lane-log.js";
import { resolveOptions } from "#src/log/options.js";
import { SimMachine } from "#src/storage/sim/machine.js";
import { SimStorage } from "#src/storage/sim/sim-storage.js";

/** The first kept segment, as it would be read after a loss of power. */
function firstKeptOnMedia(machine: SimMachine): number {
  const found = machine.disk.files().find(({ path }) => path.endsWith("/superblock"));
  const verdict = decodeSuperblock(found?.inode.durable ?? new Uint8Array(0));
  assert.equal(verdict.kind, "valid");
  return verdict.kind === "valid" ? (verdict.superblock.lanes[0]?.firstSegment ?? 0) : 0;
}

test("a segment file is renamed or removed, and its index removed, only when the superblock on media has let it go", async () => {
  const options = { ...resolveOptions({ bufferBytes: 16 * 1024 }), segmentBytes: 64 * 1024 };
  for (let seed = 1; seed <= 10; seed++) {
    const machine = new SimMachine({ seed, faults: { slow: 0.3 } });
    const storage = new SimStorage(machine);
    const { files } = storage;
    const rename = files.rename.bind(files);
    const remove = files.remove.bind(files);
    let gone = 0;
    const judge = (path: string): void => {
      const segment = Number(/(\d{8})\.(?:segment|index)$/.exec(path)?.[1] ?? 0);
      if (segment === 0) return;
      const first = firstKeptOnMedia(machine);
      assert.ok(segment < first, `seed ${seed}: ${path} goes, and the superblock on media keeps ${first} and what follows`);
      gone++;
    };
    files.rename = async (from, to) => {
      judge(from);
      await rename(from, to);
    };
    files.remove = async (path) => {
      judge(path);
      await remove(path);
    };
    const log = await Log.openOn({ storage, reason: "test" }, "/log", options);
    for (let count = 1; count <= 60; count++) {
      const seq = await log.partition("p").append("x".repeat(6000));
      if (count % 12 === 0) await log.partition("p").trim(seq);
    }
    await log.close();
    assert.ok(gone > 0, `seed ${seed}: nothing was freed`);
  }
});
