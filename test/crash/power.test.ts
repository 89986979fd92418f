// Power cuts on real file systems: nothing acknowledged is lost, and a writer that does not sync is noticed. The long
// version is `npm run power`.

import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, describe, test } from "node:test";
import { backends } from "./backends.js";
import { recordingRefusal } from "./device-recording.js";
import { diskRefusal, mountMemory } from "./disk.js";
import { optionSets, type OptionSet } from "./option-sets.js";
import { runReplays } from "./replay-campaign.js";
import { runShutdowns } from "./shutdown-campaign.js";

const root = fs.mkdtempSync(path.join(os.tmpdir(), "ringwall-power-"));
let keep = false;
after(() => {
  if (!keep) fs.rmSync(root, { recursive: true, force: true });
});
const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31));
const usual = optionSets[0] as OptionSet;
const withoutPromise = optionSets.find(({ name }) => name === "durability none") as OptionSet;

/** For the runner: its reason, or nothing. */
function unless(...refusals: readonly (string | null)[]): { skip?: string } {
  const refusal = refusals.find((candidate) => candidate !== null);
  return refusal === undefined || refusal === null ? {} : { skip: refusal };
}

describe(`file systems shut down under a writer, SEED=${seed}`, () => {
  for (const fileSystem of ["ext4", "xfs"] as const) {
    test(`${fileSystem}: every acknowledged record is there after the mount`, unless(diskRefusal(fileSystem)), async (t) => {
      const { losses } = await runShutdowns({ fileSystem, cycles: 12, seed, root, onProgress: (line) => t.diagnostic(line) });
      keep ||= losses.length > 0;
      assert.deepEqual(losses, []);
    });
  }

  test("ext4: a writer that never syncs and is believed loses records", unless(diskRefusal("ext4")), async (t) => {
    const { losses } = await runShutdowns({
      fileSystem: "ext4", cycles: 30, seed, root, onProgress: (line) => t.diagnostic(line),
      backends: ["fs"], sets: [withoutPromise], counting: "each", stopsAtLoss: true,
    });
    assert.ok(losses.length > 0, "thirty shutdowns took nothing from the page cache");
  });
});

describe(`recorded device writes, cut anywhere, SEED=${seed}`, () => {
  for (const [index, fileSystem] of (["ext4", "xfs", "btrfs"] as const).entries()) {
    const backend = backends[index % backends.length] as "uring" | "fs";
    test(`${fileSystem} on ${backend}: unflushed writes dropped, reordered and torn cost nothing acknowledged`, unless(diskRefusal(fileSystem), recordingRefusal()), async (t) => {
      const losses = await inMemory((memory) => runReplays({ fileSystem, backend, set: usual, images: 12, operations: 300, seed, root: memory, onProgress: (line) => t.diagnostic(line) }));
      assert.deepEqual(losses, []);
    });
  }

  for (const backend of backends) {
    test(`ext4 on ${backend}: a build without block flushes loses records`, unless(diskRefusal("ext4"), recordingRefusal()), async (t) => {
      const losses = await inMemory((memory) =>
        runReplays({ fileSystem: "ext4", backend, set: usual, images: 60, operations: 300, seed, root: memory, stopsAtLoss: true, build: "without block flush", onProgress: (line) => t.diagnostic(line) }),
      );
      assert.ok(losses.length > 0, "sixty power cuts did not show that nothing was flushed");
    });
  }
});

async function inMemory(replay: (root: string) => Promise<{ readonly losses: readonly string[] }>): Promise<readonly string[]> {
  const memory = path.join(root, "memory");
  const unmount = await mountMemory(memory);
  try {
    return (await replay(memory)).losses;
  } finally {
    await unmount();
  }
}
