// `npm run power [-- --cycles 60 --images 90 --seed N --file-systems ext4,xfs,btrfs]`: power cuts on real file systems.
//
//   cycles   the mounted file system is shut down under a writer (ext4, xfs), mounted again, the log judged
//   images   a writer's device writes are recorded; images with unflushed ones dropped, reordered and torn are mounted and judged
//
// Runs the compiled rigs of test/crash. Before and after, builds that break durability must lose records, or the rig is blind.
// Exit code 1 when something is lost that must not be, or a broken build goes unnoticed. Root, loop devices, qemu-system-common.

import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { orExit, setup } from "./setup.mjs";

const options = {
  cycles: { type: "string", default: "60" },
  images: { type: "string", default: "90" },
  seed: { type: "string" },
  "file-systems": { type: "string", default: "ext4,xfs,btrfs" },
};

async function main() {
  const { values } = parseArgs({ options });
  const [cycles, images] = [Number(values.cycles), Number(values.images)];
  const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
  if (![cycles, images, seed].every((number) => Number.isSafeInteger(number) && number >= 0)) {
    console.error("power: --cycles, --images and --seed take whole numbers");
    return 2;
  }
  if (process.env.RINGWALL_BUILT !== "1") orExit(() => setup());
  const { runPower } = await import("../build/test/crash/power-campaign.js");
  const root = mkdtempSync(path.join(os.tmpdir(), "ringwall-power-"));
  const aborting = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => aborting.abort());
  console.log(`power: seed ${seed}, images below ${root}`);
  const fileSystems = values["file-systems"].split(",");
  const failures = await runPower({ fileSystems, cycles, images, seed, root, onProgress: (line) => console.log(line), aborted: aborting.signal });
  for (const failure of failures) console.error(failure);
  if (failures.length > 0) return 1;
  rmSync(root, { recursive: true, force: true });
  return aborting.signal.aborted ? 130 : 0;
}

process.exitCode = await main();
